/** Random control logs in which people give, take away, fork and lie, and in which every verdict occurs. */

import type { ControlEntry, ControlId, PartPlace, VerifiedOp } from "../access/index.ts";
import { type DeviceId, type GenVector, logIdOf, type LogKey } from "../base/index.ts";
import { ControlWorld, namedDevice, namedLog, namedUser, type Placed } from "./control-world.ts";
import type { SeededRandom } from "./seeded-random.ts";

/** A random control log with what is asked about it. */
export interface ControlHistory {
  readonly world: ControlWorld;
  /** What holders have published. */
  readonly published: ReadonlyMap<DeviceId, GenVector>;
  /** Parts of commits, of which it is asked by which tags they count. */
  readonly parts: readonly PartPlace[];
}

/** Whose devices are whose, when nobody lies. */
const DEVICES = {
  laptop: "ada",
  desktop: "ada",
  phone: "ben",
  watch: "dan",
  tablet: "cy",
  spy: "eve",
} as const;
type DeviceName = keyof typeof DEVICES;
const DEVICE_NAMES = Object.keys(DEVICES) as DeviceName[];
const USERS = ["ada", "ben", "cy", "dan", "eve"] as const;
/** Public keys of invites. */
export const INVITE_KEYS = [1, 2].map((n) => new Uint8Array(32).fill(n));
/** Prefixes of policies. */
export const POLICY_PREFIXES = ["", "a"];
/** Addresses in specs. */
export const ADDRESSES = ["/a", "/b", "/c"];
/** Sets of tags that occur, more often those that are of use. */
const TAGS = [1, 1, 3, 3, 4, 5, 7, 0, 8, 15] as const;
const PARTS = 6;

/** A history of at most `opsMax` ops; the same for a seed. */
export function drawControlHistory(seed: number, opsMax: number): ControlHistory {
  return new Drawing(seed, opsMax).draw();
}

/** The entries in some order, parents first. */
export function drawControlOrder(
  random: SeededRandom,
  entries: readonly ControlEntry[],
): ControlEntry[] {
  const order: ControlEntry[] = [];
  const waiting = [...entries];
  const held = new Set<ControlId>();
  while (waiting.length > 0) {
    // Any that is due: the first one from a random place on.
    const from = random.below(waiting.length);
    for (let i = 0; i < waiting.length; i++) {
      const at = (from + i) % waiting.length;
      const next = waiting[at] as ControlEntry;
      if (!next.parents.every((parent) => held.has(parent))) continue;
      waiting.splice(at, 1);
      held.add(next.id);
      order.push(next);
      break;
    }
  }
  return order;
}

class Drawing {
  readonly #world: ControlWorld;
  readonly #random: SeededRandom;
  readonly #opsMax: number;
  readonly #generations = new Map<LogKey, number>();
  /** Whether somebody forks a log again and again. */
  readonly #isFlooded: boolean;

  constructor(seed: number, opsMax: number) {
    this.#world = new ControlWorld(seed % 2 === 0 ? "collection" : "syncgroup", seed);
    this.#random = this.#world.random;
    this.#opsMax = opsMax;
    this.#isFlooded = seed % 7 === 0;
  }

  draw(): ControlHistory {
    const world = this.#world;
    const random = this.#random;
    const all = world.scope.kind === "collection" ? 7 : 5;
    world.introduce("laptop", "laptop", "ada", this.#place("laptop", []));
    const least = random.chance(0.8) ? 6 : 2;
    if (least > 2) {
      // Else most of what follows would be by people who never may.
      for (const admin of ["ben", "dan"]) world.grant("laptop", admin, all, this.#next("laptop"));
      for (const device of ["phone", "watch"] as const)
        world.introduce(device, device, DEVICES[device], this.#next(device));
    }
    const count = least + random.below(this.#opsMax - least);
    while (world.entries.length < count) this.#addOne();
    return { world, published: this.#drawPublished(), parts: this.#drawParts() };
  }

  #addOne(): void {
    const random = this.#random;
    const usual = ["laptop", "laptop", "phone", "phone", "watch"] as const;
    const device = random.chance(0.6) ? random.pick(usual) : random.pick(DEVICE_NAMES);
    const placed = this.#place(device, this.#drawParents());
    if (random.chance(0.2)) {
      const subject = random.chance(0.5) ? device : random.pick(DEVICE_NAMES);
      const user = random.chance(0.8) ? DEVICES[subject] : random.pick(USERS);
      this.#world.introduce(device, subject, user, { ...placed, issued: random.below(4) });
      return;
    }
    if (this.#isFlooded && random.chance(0.3)) {
      this.#world.proveFork(device, "phone", 1 + random.below(9), placed);
      return;
    }
    const op = random.chance(0.4) ? this.#drawTaking() : this.#drawOp();
    this.#world.add(device, op, placed);
  }

  /** After all that has been made. */
  #next(device: DeviceName): Placed {
    return this.#place(device, this.#world.entries.slice(-1));
  }

  #place(device: DeviceName, parents: readonly ControlEntry[]): Placed {
    const random = this.#random;
    const incarnation = random.chance(0.85) ? 1n : 2n;
    const log = namedLog(device, incarnation);
    const before = this.#generations.get(log) ?? 0;
    // The same generation again, now and then: a fork.
    const generation = Math.max(1, before + (random.chance(0.05) ? 0 : 1 + random.below(2)));
    this.#generations.set(log, generation);
    // Clocks that lie: timestamps say little about order.
    return { parents, incarnation, generation, timestamp: BigInt(random.below(6)) };
  }

  #drawParents(): readonly ControlEntry[] {
    const random = this.#random;
    const { entries } = this.#world;
    if (random.chance(0.04)) return [];
    if (random.chance(0.5)) {
      const named = new Set(entries.flatMap(({ parents }) => parents));
      return entries.filter(({ id }) => !named.has(id));
    }
    const parents = new Set<ControlEntry>();
    // Late ones more often: branches are short.
    for (let i = random.below(2); i >= 0; i--) {
      const back = random.below(1 + random.below(entries.length));
      parents.add(entries[entries.length - 1 - back] as ControlEntry);
    }
    return [...parents];
  }

  #drawTaking(): VerifiedOp {
    const random = this.#random;
    const kind = random.below(10);
    const device = random.pick(DEVICE_NAMES);
    const owner = random.chance(0.9) ? DEVICES[device] : random.pick(USERS);
    if (kind < 5) {
      const user = random.pick(USERS);
      const freeze = this.#drawFreeze((name) => DEVICES[name] === user);
      return { type: "revoke", user: namedUser(user), freeze };
    }
    const what = { device: namedDevice(device), freeze: this.#drawFreeze((one) => one === device) };
    if (kind < 7) return { type: "revokeDevice", ...what };
    if (kind < 9) {
      const signature = new Uint8Array(64);
      return { type: "revokeOwnDevice", user: namedUser(owner), signature, ...what };
    }
    const none = new Uint8Array();
    const [log, generation] = this.#drawLog();
    return {
      type: "forkProof",
      headerA: none,
      signatureA: none,
      headerB: none,
      signatureB: none,
      forked: { log, generation },
    };
  }

  /** A log that occurs, and one of its generations or a little beyond. */
  #drawLog(): readonly [LogKey, number] {
    const [log, last] = this.#random.pick([...this.#generations]);
    return [log, 1 + this.#random.below(last + 1)];
  }

  #drawFreeze(isNamed: (device: DeviceName) => boolean): GenVector {
    const freeze = new Map<LogKey, number>();
    for (const name of DEVICE_NAMES.filter(isNamed)) {
      for (const incarnation of [1n, 2n]) {
        const log = namedLog(name, incarnation);
        const last = this.#generations.get(log);
        if (last === undefined || this.#random.chance(0.2)) continue;
        const generation = this.#random.chance(0.3) ? last : this.#random.below(last + 1);
        if (generation > 0) freeze.set(log, generation);
      }
    }
    return freeze;
  }

  #drawOp(): VerifiedOp {
    const random = this.#random;
    const user = namedUser(random.pick(USERS));
    const tags = random.pick(TAGS);
    const invite = random.chance(0.4) ? random.pick(INVITE_KEYS) : undefined;
    const name = `${random.below(3)}`;
    const draws: readonly (() => VerifiedOp)[] = [
      () => ({ type: "grant", user, tags, invite }),
      () => ({ type: "grant", user, tags, invite }),
      () => ({ type: "grant", user, tags: random.pick([4, 5, 7]), invite }),
      () => ({ type: "invite", publicKey: random.pick(INVITE_KEYS), tags, uses: random.below(3) }),
      () => ({ type: "policy", prefix: random.pick(POLICY_PREFIXES), policy: name }),
      () => ({
        type: "status",
        state: random.pick(["publishPending", "publishRejected", "running"]),
      }),
      () => {
        const collection = random.chance(0.8) ? "games" : "moves";
        return {
          type: "spec",
          description: name,
          collections: [{ owner: namedUser("ada"), name: collection }],
          rendezvous: ADDRESSES.filter(() => random.chance(0.5)),
          isPrivate: random.chance(0.5),
        };
      },
      () => (random.chance(0.2) ? { type: "destroy" } : { type: "grant", user, tags }),
    ];
    return random.pick(draws)();
  }

  #drawPublished(): ReadonlyMap<DeviceId, GenVector> {
    const published = new Map<DeviceId, GenVector>();
    if (this.#random.chance(0.7)) return published;
    for (const name of DEVICE_NAMES)
      if (this.#random.chance(0.4))
        published.set(
          namedDevice(name),
          this.#drawFreeze(() => true),
        );
    return published;
  }

  #drawParts(): PartPlace[] {
    const random = this.#random;
    return Array.from({ length: PARTS }, () => {
      const [log, generation] = this.#drawLog();
      const heads = this.#drawParents().map(({ id }) => id);
      return { device: logIdOf(log).device, log, generation, heads };
    }).filter(() => random.chance(0.9));
  }
}
