/**
 * Swarm testing: a seed first draws which operations and faults there are at all, and how often, since a run in which
 * everything happens hides what needs quiet to show.
 */

import { between, chanceOf } from "../sim-ports/index.ts";
import type { SeededRandom } from "../seeded-random.ts";
import {
  drawAdmissions,
  drawGroups,
  drawMembership,
  type GroupsDrawn,
  type MembershipKind,
  SETUP_MS,
} from "./draw-groups.ts";
import { drawJoinLiar, drawLiar } from "./draw-liars.ts";
import type { DevicePlan, Fault, Operation, Plan, Step } from "./plan.ts";

type OperationKind = Exclude<Operation["op"], "create" | "admit" | "policy" | "lie">;
type FaultKind = Fault["fault"];

export interface Profile {
  readonly name: string;
  readonly devices: readonly [least: number, most: number];
  /** Operations of a run. */
  readonly operations: readonly [least: number, most: number];
  /** Milliseconds for which operations and faults go on. */
  readonly ms: readonly [least: number, most: number];
  /** How often each operation is drawn, against the others. */
  readonly weights: Readonly<Record<OperationKind, number>>;
  /** Faults of each kind in a minute. */
  readonly faults: Partial<Readonly<Record<FaultKind, number>>>;
  /** Share of devices whose clock is wrong by years. */
  readonly wrongClocks: number;
  /** How many of its devices begin to lie. */
  readonly liars: number;
  /** Share of runs in which an admin lies in its answers to joins instead. */
  readonly joinLiars: number;
  /** Share of devices that are further ones of a user. */
  readonly siblings: number;
  /** Whether several groups with other members each share collections. */
  readonly overlaps: boolean;
}

const WEIGHTS: Profile["weights"] = {
  put: 8,
  delete: 3,
  change: 4,
  family: 5,
  unfamily: 1,
  scan: 2,
  watch: 1,
  pair: 0,
  clear: 0,
  add: 0,
  count: 0,
  field: 0,
  describe: 0,
  leave: 0,
  pause: 0,
  resume: 0,
  eject: 0,
  grant: 0,
  publish: 0,
  disown: 0,
};

const EVERYTHING: Profile["weights"] = {
  ...WEIGHTS,
  pair: 4,
  clear: 1,
  add: 3,
  count: 3,
  field: 3,
  describe: 1,
  leave: 1,
  pause: 1,
  resume: 2,
  eject: 2,
  grant: 2,
};

const base: Profile = {
  name: "calm",
  devices: [2, 4],
  operations: [30, 90],
  ms: [15_000, 40_000],
  weights: WEIGHTS,
  faults: {},
  wrongClocks: 0.1,
  liars: 0,
  joinLiars: 0,
  siblings: 0.15,
  overlaps: false,
};

/** The profiles by name. Rates are harsher than life. */
export const PROFILES: readonly Profile[] = [
  base,
  { ...base, name: "crashes", faults: { crash: 20, noOpen: 2 } },
  { ...base, name: "disks", faults: { eio: 12, full: 6, crash: 6, slowDisk: 6 } },
  {
    ...base,
    name: "network",
    devices: [3, 5],
    faults: { cut: 20, cutStream: 30, block: 10, partition: 6, slow: 10, noDial: 4 },
  },
  { ...base, name: "clocks", wrongClocks: 0.6, faults: { jump: 12, freeze: 8, crash: 4 } },
  { ...base, name: "backups", faults: { backup: 16, restore: 8, wipe: 2, crash: 4, cut: 6 } },
  {
    ...base,
    name: "copies",
    devices: [2, 4],
    // Sparse: whoever writes before it has heard of others begins a new log, which cannot fork.
    operations: [10, 30],
    faults: { copy: 3, swap: 12, crash: 4, partition: 6, block: 4, restore: 2, backup: 4 },
  },
  {
    ...base,
    name: "liars",
    devices: [3, 5],
    liars: 1,
    joinLiars: 0.3,
    faults: { crash: 4, cut: 6 },
  },
  {
    ...base,
    name: "members",
    devices: [3, 5],
    joinLiars: 0.2,
    weights: EVERYTHING,
    faults: { crash: 4, cut: 6, partition: 4, eio: 2 },
  },
  {
    ...base,
    name: "groups",
    devices: [3, 6],
    weights: { ...EVERYTHING, publish: 1, disown: 1 },
    faults: { crash: 4, cut: 6, partition: 4, eio: 2, backup: 8, restore: 4 },
    siblings: 0.3,
    overlaps: true,
  },
  {
    ...base,
    name: "mixed",
    devices: [3, 6],
    faults: {
      crash: 8,
      eio: 4,
      full: 2,
      slowDisk: 2,
      cut: 8,
      cutStream: 8,
      block: 4,
      partition: 3,
      slow: 3,
      noDial: 1,
      jump: 3,
      freeze: 2,
    },
  },
];

/** The plan of a seed; `profile` names one, or else the seed draws it. */
export function planOf(seed: number, profile?: string): Plan {
  const random = chanceOf(seed, "plan");
  const drawn = random.pick(PROFILES);
  const named = PROFILES.find(({ name }) => name === profile);
  if (profile !== undefined && named === undefined)
    throw new RangeError(`There is no profile "${profile}"`);
  return new Planner(seed, random, swarm(named ?? drawn, random)).plan();
}

/** Leaves out some of what a profile has, and moves the rates of the rest. */
function swarm(profile: Profile, random: SeededRandom): Profile {
  const weights = { ...profile.weights };
  for (const kind of Object.keys(weights) as OperationKind[])
    if (kind !== "put" && weights[kind] > 0 && random.chance(0.3)) weights[kind] = 0;
  const faults: Partial<Record<FaultKind, number>> = {};
  for (const [kind, rate] of Object.entries(profile.faults) as [FaultKind, number][]) {
    // What cannot happen without it goes with it.
    const isKept = random.chance(0.7) || kind === "backup" || kind === "copy";
    if (isKept) faults[kind] = rate * (0.5 + random.below(1000) / 500);
  }
  return { ...profile, weights, faults };
}

/** A year in milliseconds. */
const YEAR_MS = 365 * 86_400_000;
class Planner {
  readonly #seed: number;
  readonly #random: SeededRandom;
  readonly #profile: Profile;
  readonly #steps: Step[] = [];
  readonly #devices: DevicePlan[] = [];
  #drawn: GroupsDrawn = { groups: [], collections: [] };

  constructor(seed: number, random: SeededRandom, profile: Profile) {
    this.#seed = seed;
    this.#random = random;
    this.#profile = profile;
  }

  plan(): Plan {
    const random = this.#random;
    const endMs = SETUP_MS + between(random, ...this.#profile.ms);
    this.#drawDevices();
    const { overlaps } = this.#profile;
    this.#drawn = drawGroups(random, overlaps);
    this.#steps.push(...drawAdmissions(random, this.#drawn, this.#devices.length, endMs, overlaps));
    this.#drawLiars(endMs);
    this.#drawOperations(endMs);
    this.#drawFaults(endMs);
    return {
      format: 1,
      seed: this.#seed,
      profile: this.#profile.name,
      isRealCrypto: random.chance(0.01),
      devices: this.#devices,
      collections: this.#drawn.collections,
      groups: this.#drawn.groups,
      steps: this.#steps.toSorted((a, b) => a.at - b.at),
      endMs,
    };
  }

  #drawDevices(): void {
    const random = this.#random;
    const count = between(random, ...this.#profile.devices);
    for (let i = 0; i < count; i++) {
      const isOthers = i > 0 && random.chance(this.#profile.siblings);
      const isWrong = random.chance(this.#profile.wrongClocks);
      this.#devices.push({
        user: isOthers ? random.below(i) : i,
        clockAheadMs: isWrong
          ? between(random, -10, 10) * YEAR_MS + random.below(86_400_000)
          : between(random, -3000, 3000),
        drift: between(random, -200, 200) / 1e6,
      });
    }
  }

  /** The last devices lie; or an admin does so in its answers to joins alone. */
  #drawLiars(endMs: number): void {
    const { groups } = this.#drawn;
    const drawn = { groups, devices: this.#devices, steps: this.#steps, endMs };
    // From a stream of its own: seeds without one are the plans that they were.
    const random = chanceOf(this.#seed, "lies in joins");
    if (random.chance(this.#profile.joinLiars)) return drawJoinLiar(random, drawn);
    for (let i = 0; i < this.#profile.liars; i++)
      drawLiar(this.#random, drawn, this.#devices.length - 1 - i);
  }

  #drawOperations(endMs: number): void {
    const random = this.#random;
    const kinds = (Object.entries(this.#profile.weights) as [OperationKind, number][]).flatMap(
      ([kind, weight]) => Array.from({ length: weight }, () => kind),
    );
    const { add, count: counts, field } = this.#profile.weights;
    if (add + counts + field > 0)
      for (const [collection, { owner }] of this.#drawn.collections.entries())
        this.#steps.push({ at: 500, device: owner, op: "policy", collection });
    const rows = between(random, 1, 12);
    const families = between(random, 1, 3);
    const count = between(random, ...this.#profile.operations);
    for (let i = 0; i < count; i++) {
      // Some in bursts, and of those some where the last one was: so that writes meet in one turn and batches in one another.
      const last = this.#steps.at(-1);
      const isBurst = last !== undefined && random.chance(0.3);
      const isSame = isBurst && "row" in last && "collection" in last && random.chance(0.5);
      const at = isBurst ? last.at + random.below(3) : between(random, 500, endMs - 500);
      const device = isSame ? last.device : random.below(this.#devices.length);
      const collection = isSame ? last.collection : random.below(this.#drawn.collections.length);
      const op = random.pick(kinds);
      if (op === "family" || op === "unfamily" || op === "clear")
        this.#steps.push({ at, device, op, collection, family: random.below(families) });
      else if (op === "scan" || op === "watch") this.#steps.push({ at, device, op, collection });
      else if (op === "pause" || op === "resume") this.#steps.push({ at, device, op });
      else if (isMembership(op)) {
        const { overlaps } = this.#profile;
        const drawn = drawMembership(random, op, this.#drawn, this.#devices, overlaps);
        if (drawn.device >= 0) this.#steps.push({ at, ...drawn });
      } else {
        const row = isSame ? last.row : random.below(rows);
        this.#steps.push({ at, device, op, collection, row });
      }
    }
  }

  #drawFaults(endMs: number): void {
    const random = this.#random;
    for (const [kind, rate] of Object.entries(this.#profile.faults) as [FaultKind, number][]) {
      const expected = (rate * (endMs - SETUP_MS)) / 60_000;
      const count = Math.floor(expected) + (random.chance(expected % 1) ? 1 : 0);
      for (let i = 0; i < count; i++) {
        const at = between(random, 300, endMs);
        const device = random.below(this.#devices.length);
        this.#steps.push({ at, device, ...this.#fault(kind, device) });
        if (kind === "swap" && at > SETUP_MS && random.chance(0.6)) this.#drawUnheard(at, device);
      }
    }
  }

  /** What a device writes while nobody hears it: the other copy of its store cannot learn of it, and forks the log. */
  #drawUnheard(until: number, device: number): void {
    const random = this.#random;
    const at = Math.max(SETUP_MS, until - between(random, 300, 2000));
    const ms = Math.max(1, until - at);
    this.#steps.push({ at, device, fault: "partition", side: [device], ms, isOneWay: false });
    this.#steps.push({ at: at + 1, device, fault: "copy" });
    for (let i = between(random, 1, 4); i > 0; i--) {
      const collection = random.below(this.#drawn.collections.length);
      this.#steps.push({
        at: between(random, at + 1, until + 1),
        device,
        ...(random.chance(0.5)
          ? { op: "put", collection, row: random.below(4) }
          : { op: "family", collection, family: 0 }),
      });
    }
  }

  #fault(kind: FaultKind, device: number): Fault {
    const random = this.#random;
    const ms = between(random, 200, random.chance(0.2) ? 60_000 : 8_000);
    const others = this.#devices.map((_, i) => i).filter((i) => i !== device);
    const peer = random.pick(others);
    const downMs = between(random, 1, random.chance(0.2) ? 20_000 : 2_000);
    switch (kind) {
      case "crash":
        return { fault: kind, isPowerCut: random.chance(0.6), downMs };
      case "eio":
        return { fault: kind, afterWrites: between(random, 1, 6), isApplied: random.chance(0.5) };
      case "noOpen":
        return { fault: kind, times: between(random, 1, 3) };
      case "full":
        return { fault: kind, ms };
      case "slowDisk":
        return { fault: kind, ms, factor: between(random, 5, 300) };
      case "backup":
      case "copy":
        return { fault: kind };
      case "restore":
      case "swap":
      case "wipe":
        return { fault: kind, downMs };
      case "cut":
        return { fault: kind, peer };
      case "cutStream":
        return { fault: kind, peer, bytes: between(random, 1, 3000), isReset: random.chance(0.5) };
      case "block":
        return { fault: kind, peer, ms, isOneWay: random.chance(0.5) };
      case "partition": {
        const side = random.shuffled(others).slice(0, random.below(others.length));
        return { fault: kind, side: [device, ...side], ms, isOneWay: random.chance(0.2) };
      }
      case "slow":
        return { fault: kind, peer, ms, latencyMs: between(random, 50, 3000) };
      case "noDial":
        return { fault: kind, ms, share: between(random, 10, 90) / 100 };
      case "jump":
        return {
          fault: kind,
          byMs: random.chance(0.5)
            ? between(random, -10, 10) * YEAR_MS
            : between(random, -600_000, 600_000),
        };
      case "freeze":
        return { fault: kind, ms };
    }
  }
}

const MEMBERSHIP: ReadonlySet<string> = new Set<MembershipKind>([
  "describe",
  "leave",
  "eject",
  "grant",
  "publish",
  "disown",
]);

function isMembership(op: OperationKind): op is MembershipKind {
  return MEMBERSHIP.has(op);
}
