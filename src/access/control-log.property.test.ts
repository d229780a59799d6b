import { describe, expect, test } from "vitest";
import { type DeviceId, type ScopeId, toHex, type UserId } from "../base/index.ts";
import { ControlWorld, namedUser, type SeededRandom, seededRandom } from "../testkit/index.ts";
import type { AccessState } from "./access-state.ts";
import type { ControlEntry, ControlId } from "./control-entry.ts";
import { ControlLog, reduceControl } from "./control-log.ts";
import type { VerifiedOp } from "./verified-op.ts";

const HISTORIES = 300;
const ORDERS = 10;
const OPS_MAX = 45;

const USERS = ["ada", "ben", "cy", "eve"] as const;
const DEVICES = ["laptop", "tablet", "phone", "watch", "spy"] as const;
const KEYS = [1, 2].map((n) => new Uint8Array(32).fill(n));
/** Sets of tags that occur, more often those that are of use. */
const TAGS = [1, 1, 3, 3, 4, 5, 7, 0, 8, 15] as const;

/** A state as plain values, to be compared. */
function describeState(state: AccessState): unknown {
  return {
    heads: state.heads,
    devices: byKey([...state.devices].map(([device, { user, issued }]) => [device, user, issued])),
    users: byKey([...state.users()]),
    spec: state.spec && [
      state.spec.version,
      state.spec.value.description,
      state.spec.value.collections[0]?.name,
      state.spec.value.isPrivate,
      [...state.spec.value.rendezvous].sort(),
    ],
    invites: byKey(
      [...state.invites].map(([key, { tags, uses, usedBy, by }]) => [
        key,
        tags,
        uses,
        [...usedBy].sort(),
        by,
      ]),
    ),
    policies: byKey([...state.policies]),
    status: state.status,
    destroyed: state.destroyed,
    rejected: [...state.rejected.keys()].sort(),
  };
}

function byKey<T extends readonly unknown[]>(rows: T[]): T[] {
  return rows.sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1));
}

/** Makes a history in which most ops count, and every way to be rejected occurs. */
function drawHistory(seed: number): ControlWorld {
  const world = new ControlWorld(seed % 2 === 0 ? "collection" : "syncgroup", seed);
  const { random } = world;
  world.introduce("laptop", "laptop", "ada");
  const count = 5 + random.below(OPS_MAX - 5);
  for (let i = 1; i < count; i++) {
    const parents = drawParents(random, world.entries);
    // Clocks that lie: timestamps say little about order.
    const placed = { parents, timestamp: BigInt(random.below(6)) };
    const device = random.chance(0.5) ? "laptop" : random.pick(DEVICES);
    if (random.chance(0.35)) {
      const subject = random.chance(0.5) ? device : random.pick(DEVICES);
      world.introduce(device, subject, random.pick(USERS), { ...placed, issued: random.below(4) });
    } else {
      world.add(device, drawOp(random), placed);
    }
  }
  return world;
}

function drawParents(random: SeededRandom, entries: readonly ControlEntry[]): ControlEntry[] {
  if (random.chance(0.05)) return [];
  if (random.chance(0.4)) {
    const named = new Set(entries.flatMap(({ parents }) => parents));
    return entries.filter(({ id }) => !named.has(id));
  }
  return random.shuffled(entries).slice(0, 1 + random.below(3));
}

function drawOp(random: SeededRandom): VerifiedOp {
  const user = namedUser(random.pick(USERS));
  const tags = random.pick(TAGS);
  const invite = random.chance(0.4) ? random.pick(KEYS) : undefined;
  const name = `${random.below(3)}`;
  const draws: readonly (() => VerifiedOp)[] = [
    () => ({ type: "grant", user, tags, invite }),
    () => ({ type: "grant", user, tags: random.pick([4, 5, 7]), invite }),
    () => ({ type: "invite", publicKey: random.pick(KEYS), tags, uses: random.below(3) }),
    () => ({ type: "policy", prefix: random.pick(["", "a"]), policy: name }),
    () => ({
      type: "status",
      state: random.pick(["publishPending", "publishRejected", "running"]),
    }),
    () => {
      const collections = [
        { owner: namedUser("ada"), name: random.chance(0.8) ? "games" : "moves" },
      ];
      const rendezvous = ["/a", "/b", "/c"].filter(() => random.chance(0.5));
      const isPrivate = random.chance(0.5);
      return { type: "spec", description: name, collections, rendezvous, isPrivate };
    },
    () => (random.chance(0.1) ? { type: "destroy" } : { type: "grant", user, tags }),
  ];
  return random.pick(draws)();
}

/** The entries in some order, parents first. */
function drawOrder(random: SeededRandom, entries: readonly ControlEntry[]): ControlEntry[] {
  const order: ControlEntry[] = [];
  const waiting = new Set(entries);
  const held = new Set<ControlId>();
  while (waiting.size > 0) {
    const next = random.pick(
      [...waiting].filter(({ parents }) => parents.every((parent) => held.has(parent))),
    );
    waiting.delete(next);
    held.add(next.id);
    order.push(next);
  }
  return order;
}

/**
 * The rules once more, written from docs/spec/access.md without the code: sets of ancestors, everything looked up anew,
 * nothing kept up to date.
 */
class Model {
  readonly #scope: ScopeId;
  readonly #entries: ReadonlyMap<ControlId, ControlEntry>;
  readonly #ancestors = new Map<ControlId, ReadonlySet<ControlId>>();
  readonly #counts = new Map<ControlId, boolean>();

  constructor(scope: ScopeId, entries: readonly ControlEntry[]) {
    this.#scope = scope;
    this.#entries = new Map(entries.map((entry) => [entry.id, entry]));
  }

  describe(): unknown {
    const all = [...this.#entries.values()];
    const counting = all.filter((entry) => this.#isCounting(entry));
    const named = new Set(all.flatMap(({ parents }) => parents));
    const tags = this.#scope.kind === "collection" ? 7 : 5;
    const users = new Map<UserId, number>();
    for (const { op } of counting)
      if (op.type === "grant") users.set(op.user, (users.get(op.user) ?? 0) | op.tags);
    users.set(this.#scope.owner, tags);
    return {
      heads: all
        .map(({ id }) => id)
        .filter((id) => !named.has(id))
        .sort(),
      devices: this.#describeDevices(counting),
      users: byKey([...users]),
      spec: this.#describeSpec(counting),
      invites: byKey(this.#describeInvites(counting)),
      policies: this.#describePolicies(counting),
      status: this.#latest(counting, (op) => (op.type === "status" ? [op.state] : undefined))?.[0],
      destroyed: counting.some(({ op }) => op.type === "destroy"),
      rejected: all
        .filter((entry) => !counting.includes(entry))
        .map(({ id }) => id)
        .sort(),
    };
  }

  #ancestorsOf(entry: ControlEntry): ReadonlySet<ControlId> {
    const known = this.#ancestors.get(entry.id);
    if (known !== undefined) return known;
    const ancestors = new Set<ControlId>();
    for (const id of entry.parents) {
      ancestors.add(id);
      for (const further of this.#ancestorsOf(this.#entry(id))) ancestors.add(further);
    }
    this.#ancestors.set(entry.id, ancestors);
    return ancestors;
  }

  #entry(id: ControlId): ControlEntry {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new Error("The set is closed");
    return entry;
  }

  #isCounting(entry: ControlEntry): boolean {
    let counts = this.#counts.get(entry.id);
    if (counts === undefined) this.#counts.set(entry.id, (counts = this.#decide(entry)));
    return counts;
  }

  #pastOf(entry: ControlEntry): ControlEntry[] {
    return [...this.#ancestorsOf(entry)]
      .map((id) => this.#entry(id))
      .filter((other) => this.#isCounting(other));
  }

  #isOwner(entry: ControlEntry): boolean {
    return this.#userOf(entry.device, this.#pastOf(entry)) === this.#scope.owner;
  }

  #isAdmin(entry: ControlEntry): boolean {
    const past = this.#pastOf(entry);
    const user = this.#userOf(entry.device, past);
    return (
      this.#isOwner(entry) ||
      past.some(({ op }) => op.type === "grant" && op.user === user && (op.tags & 4) !== 0)
    );
  }

  #decide(entry: ControlEntry): boolean {
    const { op } = entry;
    const isGroup = this.#scope.kind === "syncgroup";
    const owner = this.#isOwner(entry);
    const admin = this.#isAdmin(entry);
    switch (op.type) {
      case "device": {
        const user = this.#userOf(entry.device, this.#pastOf(entry));
        return op.certified.device === entry.device || admin || user === op.certified.user;
      }
      case "grant": {
        const meaningless = isGroup ? 2 : 8;
        return (
          op.tags > 0 && (op.tags & meaningless) === 0 && ((op.tags & 4) === 0 ? admin : owner)
        );
      }
      case "invite":
        return isGroup && ((op.tags & 4) === 0 ? admin : owner);
      case "spec": {
        const known = this.#pastOf(entry).flatMap(({ op: other }) =>
          other.type === "spec" ? [other] : [],
        );
        const isCreation = known.length === 0;
        const isSame = known.some(
          (other) => other.collections[0]?.name === op.collections[0]?.name,
        );
        return isGroup && (isCreation ? owner : admin && isSame);
      }
      case "status":
        return isGroup && admin;
      case "policy":
        return !isGroup && admin;
      default:
        return owner;
    }
  }

  /** The user of `device` by these counting entries. */
  #userOf(device: DeviceId, counting: readonly ControlEntry[]): UserId | undefined {
    const introductions = counting.flatMap((entry) => {
      const { op } = entry;
      if (op.type !== "device" || op.certified.device !== device) return [];
      const by = entry.device === device ? 0 : this.#isAdmin(entry) ? 1 : 2;
      return [{ key: [by, this.#heightOf(entry), entry.id] as const, user: op.certified.user }];
    });
    introductions.sort(
      ({ key: a }, { key: b }) => a[0] - b[0] || a[1] - b[1] || (a[2] < b[2] ? -1 : 1),
    );
    return introductions[0]?.user;
  }

  #heightOf(entry: ControlEntry): number {
    return Math.max(0, ...entry.parents.map((id) => this.#heightOf(this.#entry(id)) + 1));
  }

  #describeDevices(counting: readonly ControlEntry[]): unknown {
    const devices = new Map<DeviceId, readonly [DeviceId, UserId | undefined, number]>();
    for (const { op } of counting) {
      if (op.type !== "device") continue;
      const { device } = op.certified;
      const user = this.#userOf(device, counting);
      const issued = counting.flatMap(({ op: other }) =>
        other.type === "device" &&
        other.certified.device === device &&
        other.certified.user === user
          ? [other.certified.issued]
          : [],
      );
      devices.set(device, [device, user, Math.max(...issued)]);
    }
    return byKey([...devices.values()]);
  }

  #describeInvites(counting: readonly ControlEntry[]): (readonly [string, ...unknown[]])[] {
    return KEYS.map(toHex).flatMap((key) => {
      const invite = this.#latest(counting, (op, entry) =>
        op.type === "invite" && toHex(op.publicKey) === key
          ? [op.tags, op.uses, this.#userOf(entry.device, this.#pastOf(entry))]
          : undefined,
      );
      if (invite === undefined) return [];
      const users = counting.flatMap(({ op }) =>
        op.type === "grant" && op.invite !== undefined && toHex(op.invite) === key ? [op.user] : [],
      );
      return [[key, invite[0], invite[1], [...new Set(users)].sort(), invite[2]] as const];
    });
  }

  #describePolicies(counting: readonly ControlEntry[]): unknown {
    return ["", "a"].flatMap((prefix) => {
      const policy = this.#latest(counting, (op) =>
        op.type === "policy" && op.prefix === prefix ? [op.policy] : undefined,
      );
      return policy === undefined ? [] : [[prefix, policy[0]]];
    });
  }

  #describeSpec(counting: readonly ControlEntry[]): unknown {
    const specs = counting.filter(({ op }) => op.type === "spec");
    if (specs.length === 0) return undefined;
    const heads = specs.filter(({ id }) => !specs.some((other) => this.#isBelow(id, other)));
    const version = heads.reduce((sum, { id }) => sum ^ BigInt(`0x${id}`), 0n);
    const { description, collection, isPrivate, rendezvous } = this.#mergedSpec(specs);
    return [
      version.toString(16).padStart(64, "0"),
      description,
      collection,
      isPrivate,
      [...(rendezvous as ReadonlySet<string>)].sort(),
    ];
  }

  #isBelow(id: ControlId, entry: ControlEntry): boolean {
    return this.#ancestorsOf(entry).has(id);
  }

  /** Each field by itself: the latest of those that changed it, each address as a field of its own. */
  #mergedSpec(specs: readonly ControlEntry[]): Record<string, unknown> {
    const fieldsOf = ({ op }: ControlEntry): Record<string, unknown> =>
      op.type === "spec"
        ? {
            description: op.description,
            collection: op.collections[0]?.name,
            isPrivate: op.isPrivate,
            rendezvous: new Set(op.rendezvous),
          }
        : {};
    const before = new Map(
      specs.map((one) => {
        const past = specs.filter(({ id }) => this.#isBelow(id, one));
        return [one.id, past.length === 0 ? undefined : this.#mergedSpec(past)] as const;
      }),
    );
    const merged: Record<string, unknown> = {};
    for (const field of ["description", "collection", "isPrivate"]) {
      const changed = specs.filter(
        (one) =>
          before.get(one.id) === undefined || before.get(one.id)?.[field] !== fieldsOf(one)[field],
      );
      merged[field] = this.#latest(changed, (_, entry) => [fieldsOf(entry)[field]])?.[0];
    }
    const has = (fields: Record<string, unknown> | undefined, address: string): boolean =>
      (fields?.["rendezvous"] as ReadonlySet<string> | undefined)?.has(address) === true;
    merged["rendezvous"] = new Set(
      ["/a", "/b", "/c"].filter((address) => {
        const was = (one: ControlEntry): boolean => has(before.get(one.id), address);
        const adds = specs.filter((one) => !was(one) && has(fieldsOf(one), address));
        const removes = specs.filter((one) => was(one) && !has(fieldsOf(one), address));
        return adds.some(({ id }) => !removes.some((one) => this.#isBelow(id, one)));
      }),
    );
    return merged;
  }

  /** What `read` makes of the latest entry of which it makes anything. */
  #latest(
    counting: readonly ControlEntry[],
    read: (op: VerifiedOp, entry: ControlEntry) => readonly unknown[] | undefined,
  ): readonly unknown[] | undefined {
    const candidates = counting.filter((entry) => read(entry.op, entry) !== undefined);
    const last = candidates.filter(
      (one) => !candidates.some((other) => this.#ancestorsOf(other).has(one.id)),
    );
    last.sort((a, b) =>
      a.timestamp === b.timestamp ? (a.id > b.id ? -1 : 1) : a.timestamp > b.timestamp ? -1 : 1,
    );
    const [latest] = last;
    if (latest === undefined) return undefined;
    return read(latest.op, latest);
  }
}

describe("random histories", () => {
  test(`[AC9] ${HISTORIES} histories are reduced alike in ${ORDERS} orders each, and as the rules say`, () => {
    let rejected = 0;
    let entries = 0;
    for (let seed = 1; seed <= HISTORIES; seed++) {
      const world = drawHistory(seed);
      const expected = new Model(world.scope, world.entries).describe();
      const random = seededRandom(seed);
      for (let order = 0; order < ORDERS; order++) {
        const log = new ControlLog(world.scope);
        for (const entry of drawOrder(random, world.entries)) {
          const verdict = log.judge(entry);
          expect(log.add(entry)).toBe(verdict);
          if (random.chance(0.1))
            log.add(random.pick(world.entries.filter(({ id }) => log.has(id))));
        }
        expect(describeState(log.state), `seed ${seed}, order ${order}`).toEqual(expected);
      }
      const state = reduceControl(world.scope, random.shuffled(world.entries));
      expect(describeState(state), `seed ${seed}, any order`).toEqual(expected);
      rejected += state.rejected.size;
      entries += world.entries.length;
    }
    // What is drawn is worth the test: neither nothing nor everything is rejected.
    expect(rejected / entries).toBeGreaterThan(0.2);
    expect(rejected / entries).toBeLessThan(0.8);
  });

  test("[AC10] [AC21] a verdict never changes, and each state stays that of the ops held when it was asked for", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const world = drawHistory(seed);
      const order = drawOrder(seededRandom(seed), world.entries);
      let log = new ControlLog(world.scope);
      const states: AccessState[] = [];
      for (const entry of order) {
        if (seed % 3 === 0) log = log.fork();
        log.add(entry);
        states.push(log.state);
      }
      for (const [index, state] of states.entries()) {
        const prefix = reduceControl(world.scope, order.slice(0, index + 1));
        expect(describeState(state), `seed ${seed}, after ${index + 1}`).toEqual(
          describeState(prefix),
        );
        for (const { id } of order.slice(0, index + 1)) {
          expect(state.rejected.get(id)).toBe(log.state.rejected.get(id));
        }
      }
    }
  });

  test("[AC21] a log and its forks do not touch each other, however each goes on", () => {
    for (let seed = 1; seed <= 100; seed++) {
      const world = drawHistory(seed);
      const random = seededRandom(seed);
      const order = drawOrder(random, world.entries);
      const log = new ControlLog(world.scope);
      for (const entry of order.slice(0, random.below(order.length))) log.add(entry);
      const forks = [log.fork(), log.fork()];
      for (const [index, fork] of [...forks, log].entries()) {
        const only = index === 0 ? random.below(order.length) : order.length;
        const held = drawOrder(random, world.entries).slice(0, only);
        const rest = held.filter(({ id }) => !fork.has(id));
        const before = order.filter(({ id }) => fork.has(id));
        for (const entry of rest) fork.add(entry);
        const expected = reduceControl(world.scope, [...before, ...rest]);
        expect(describeState(fork.state), `seed ${seed}, fork ${index}`).toEqual(
          describeState(expected),
        );
      }
    }
  });
});
