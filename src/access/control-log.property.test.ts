import { describe, expect, test } from "vitest";
import { logIdOf, type LogKey, toHex, type UserId } from "../base/index.ts";
import { type SeededRandom, seededRandom } from "../testkit/index.ts";
import {
  ADDRESSES,
  type ControlHistory,
  drawControlHistory,
  drawControlOrder,
  INVITE_KEYS,
  POLICY_PREFIXES,
} from "../testkit/control-histories.ts";
import { ControlModel } from "../testkit/control-model.ts";
import type { AccessState, PartPlace } from "./access-state.ts";
import type { ControlEntry } from "./control-entry.ts";
import { ControlLog, reduceControl } from "./control-log.ts";
import { Tags } from "./tags.ts";

/** Histories in a block, each a test of its own: 5 000 in all. */
const HISTORIES = 500;
const BLOCKS = 10;
const ORDERS = 10;
const OPS_MAX = 26;
/** Where the seeds begin: printed, and `ROOKERY_SEED` sets it. */
const SEED = Number(process.env["ROOKERY_SEED"] ?? 1);

/** A state as plain values, to be compared, with what it says of parts. */
function describeState(state: AccessState, parts: readonly PartPlace[] = []): unknown {
  const logs = logsOf(parts);
  return {
    heads: state.heads,
    devices: sorted([...state.devices].map(([device, { user, issued }]) => [device, user, issued])),
    may: logs.map((log) => [1, 2, 4].filter((tag) => state.may(logIdOf(log).device, tag))),
    users: sorted([...state.users()]),
    spec: state.spec && [
      state.spec.version,
      state.spec.value.description,
      state.spec.value.collections[0]?.name,
      state.spec.value.isPrivate,
      [...state.spec.value.rendezvous].sort(),
    ],
    invites: sorted(
      [...state.invites].map(([key, { tags, uses, usedBy, by }]) => [
        key,
        tags,
        uses,
        [...usedBy].sort(),
        by,
      ]),
    ),
    policies: sorted([...state.policies]),
    status: state.status,
    destroyed: state.destroyed,
    rejected: sorted([...state.rejected].map(([id, why]) => [id, why === "frozen"])),
    forks: logs.map((log) => String(state.frozenAt(log))),
    parts: parts.map((part) => state.tagsOfPart(part)),
  };
}

/** The same by the model. */
function describeModel(
  { world, published, parts }: ControlHistory,
  model = new ControlModel(world.scope, world.entries, published),
): unknown {
  const { owner } = world.scope;
  const { effective } = model;
  const granted = new Set(effective.flatMap(({ op }) => (op.type === "grant" ? [op.user] : [])));
  const tags = [...granted.add(owner)].map((user) => [user, model.tagsOf(user)] as const);
  const logs = logsOf(parts);
  return {
    heads: model.heads.sort(),
    devices: sorted(model.devices()),
    may: logs.map((log) =>
      [1, 2, 4].filter((tag) => (model.tagsOfDevice(logIdOf(log).device) & tag) !== 0),
    ),
    users: sorted(tags.filter(([, held]) => held !== 0)),
    spec: describeSpec(model),
    invites: sorted(describeInvites(model)),
    policies: sorted(
      POLICY_PREFIXES.flatMap((prefix) => {
        const policy = model.latest(effective, ({ op }) =>
          op.type === "policy" && op.prefix === prefix ? op.policy : undefined,
        );
        return policy === undefined ? [] : [[prefix, policy]];
      }),
    ),
    status: model.latest(effective, ({ op }) => (op.type === "status" ? op.state : undefined)),
    destroyed: effective.some(({ op }) => op.type === "destroy"),
    rejected: sorted(
      world.entries
        .filter((entry) => !model.hasEffect(entry))
        .map((entry) => [entry.id, model.stands(entry)]),
    ),
    forks: logs.map((log) => String(model.frozenAt(log))),
    parts: parts.map((part) => model.tagsOfPart(part)),
  };
}

function logsOf(parts: readonly PartPlace[]): LogKey[] {
  return [...new Set(parts.map(({ log }) => log))];
}

function sorted<T extends readonly unknown[]>(rows: T[]): T[] {
  return rows.sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1));
}

function describeInvites(model: ControlModel): (readonly [string, ...unknown[]])[] {
  return INVITE_KEYS.map(toHex).flatMap((key) => {
    const invite = model.latest(model.effective, (entry) =>
      entry.op.type === "invite" && toHex(entry.op.publicKey) === key
        ? [entry.op.tags, entry.op.uses, model.authorOf(entry)]
        : undefined,
    );
    if (invite === undefined) return [];
    const users = model.effective.flatMap(({ op }) =>
      op.type === "grant" && op.invite !== undefined && toHex(op.invite) === key ? [op.user] : [],
    );
    return [[key, invite[0], invite[1], [...new Set(users)].sort(), invite[2]] as const];
  });
}

function describeSpec(model: ControlModel): unknown {
  const specs = model.effective.filter(({ op }) => op.type === "spec");
  if (specs.length === 0) return undefined;
  const heads = specs.filter(({ id }) => !specs.some((other) => model.isBelow(id, other)));
  const version = heads.reduce((sum, { id }) => sum ^ BigInt(`0x${id}`), 0n);
  const { description, collection, isPrivate, rendezvous } = mergedSpec(model, specs);
  return [
    version.toString(16).padStart(64, "0"),
    description,
    collection,
    isPrivate,
    [...(rendezvous as ReadonlySet<string>)].sort(),
  ];
}

/** Each field by itself: the latest of those that changed it, each address as a field of its own. */
function mergedSpec(model: ControlModel, specs: readonly ControlEntry[]): Record<string, unknown> {
  const before = new Map(
    specs.map((one) => {
      const past = specs.filter(({ id }) => model.isBelow(id, one));
      return [one.id, past.length === 0 ? undefined : mergedSpec(model, past)] as const;
    }),
  );
  const merged: Record<string, unknown> = {};
  for (const field of ["description", "collection", "isPrivate"]) {
    const changed = specs.filter(
      (one) =>
        before.get(one.id) === undefined || before.get(one.id)?.[field] !== fieldsOf(one)[field],
    );
    merged[field] = model.latest(changed, (entry) => [fieldsOf(entry)[field]])?.[0];
  }
  const has = (fields: Record<string, unknown> | undefined, address: string): boolean =>
    (fields?.["rendezvous"] as ReadonlySet<string> | undefined)?.has(address) === true;
  merged["rendezvous"] = new Set(
    ADDRESSES.filter((address) => {
      const was = (one: ControlEntry): boolean => has(before.get(one.id), address);
      const adds = specs.filter((one) => !was(one) && has(fieldsOf(one), address));
      const removes = specs.filter((one) => was(one) && !has(fieldsOf(one), address));
      return adds.some(({ id }) => !removes.some((one) => model.isBelow(id, one)));
    }),
  );
  return merged;
}

function fieldsOf({ op }: ControlEntry): Record<string, unknown> {
  if (op.type !== "spec") return {};
  const { description, collections, isPrivate, rendezvous } = op;
  return {
    description,
    collection: collections[0]?.name,
    isPrivate,
    rendezvous: new Set(rendezvous),
  };
}

/** A log of the history's entries, added in some order, some of them twice, with forks of the log on the way. */
function reduceInSomeOrder(
  { world, published }: ControlHistory,
  random: SeededRandom,
): AccessState {
  let log = new ControlLog(world.scope);
  const order = drawControlOrder(random, world.entries);
  const told = random.below(order.length);
  for (const [i, entry] of order.entries()) {
    if (i === told) for (const [device, vector] of published) log.notePublished(device, vector);
    if (random.chance(0.05)) log = log.fork();
    const judged = random.chance(0.2) ? log.judge(entry) : undefined;
    const verdict = log.add(entry);
    if (judged !== undefined && judged !== verdict) throw new Error("judge tells what add answers");
    if (random.chance(0.05)) log.add(order[random.below(i + 1)] as ControlEntry);
  }
  return log.state;
}

describe("random histories", () => {
  const seeds = Array.from({ length: BLOCKS }, (_, i) => SEED + i * HISTORIES);
  const title = `${HISTORIES} histories, seeds from %i, are reduced alike in ${ORDERS} orders each, and as the definitions say`;

  test.for(seeds)(`[AC9] [AC30] [AC35] ${title}`, (first) => {
    const counts = { entries: 0, rejected: 0, frozen: 0, parts: 0, counting: 0 };
    for (let seed = first; seed < first + HISTORIES; seed++) {
      const history = drawControlHistory(seed, OPS_MAX);
      const { world, published, parts } = history;
      const description = describeModel(history) as { parts: number[] };
      const expected = JSON.stringify(description);
      const random = seededRandom(seed);
      for (let order = 0; order < ORDERS; order++) {
        const state = reduceInSomeOrder(history, random);
        if (JSON.stringify(describeState(state, parts)) === expected) continue;
        expect(describeState(state, parts), `seed ${seed}, order ${order}`).toEqual(description);
      }
      const whole = ControlLog.of(world.scope, random.shuffled(world.entries));
      for (const [device, vector] of published) whole.notePublished(device, vector);
      expect(JSON.stringify(describeState(whole.state, parts)), `seed ${seed}`).toBe(expected);
      counts.entries += world.entries.length;
      counts.rejected += whole.state.rejected.size;
      for (const why of whole.state.rejected.values()) if (why === "frozen") counts.frozen += 1;
      counts.parts += parts.length;
      counts.counting += description.parts.filter((tags) => tags !== 0).length;
    }
    // What is drawn is worth the test: of everything there is enough.
    const share = (part: number, of: number): number => Math.round((100 * part) / of);
    expect(share(counts.rejected, counts.entries)).toBeGreaterThan(25);
    expect(share(counts.rejected, counts.entries)).toBeLessThan(75);
    expect(share(counts.frozen, counts.entries)).toBeGreaterThan(3);
    expect(share(counts.counting, counts.parts)).toBeGreaterThan(20);
    expect(share(counts.counting, counts.parts)).toBeLessThan(80);
  });

  test("[AC36] up to frozenAfter every part counts by what was ever given, whatever was taken away", () => {
    const counts = { within: 0, beyond: 0, untouched: 0 };
    for (let seed = SEED; seed < SEED + 1500; seed++) {
      const { world, published, parts } = drawControlHistory(seed, OPS_MAX);
      const log = ControlLog.of(world.scope, world.entries);
      for (const [device, vector] of published) log.notePublished(device, vector);
      const model = new ControlModel(world.scope, world.entries, published);
      for (const part of parts) {
        const after = log.state.frozenAfter(part.log);
        if (after === Number.POSITIVE_INFINITY) counts.untouched += 1;
        else counts[part.generation <= after ? "within" : "beyond"] += 1;
        if (part.generation > after) continue;
        expect(log.state.tagsOfPart(part), `seed ${seed}`).toBe(model.tagsOfPartAsGiven(part));
      }
    }
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(200);
  });

  test("[AC10] [AC21] what stands stands for ever, and each state stays that of the ops held when it was asked for", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const { world, parts } = drawControlHistory(seed, 45);
      const order = drawControlOrder(seededRandom(seed), world.entries);
      let log = new ControlLog(world.scope);
      const states: AccessState[] = [];
      for (const entry of order) {
        if (seed % 3 === 0) log = log.fork();
        log.add(entry);
        states.push(log.state);
      }
      for (const [index, state] of states.entries()) {
        const prefix = reduceControl(world.scope, order.slice(0, index + 1));
        expect(describeState(state, parts), `seed ${seed}, after ${index + 1}`).toEqual(
          describeState(prefix, parts),
        );
        for (const { id } of order.slice(0, index + 1)) {
          const verdicts = [state.rejected.get(id), log.state.rejected.get(id)];
          const [then, now] = verdicts.map((why) => (why === "frozen" ? undefined : why));
          expect(then).toBe(now);
        }
      }
    }
  });

  test("[AC21] a log and its forks do not touch each other, however each goes on", () => {
    for (let seed = 1; seed <= 100; seed++) {
      const { world, parts } = drawControlHistory(seed, 45);
      const random = seededRandom(seed);
      const order = drawControlOrder(random, world.entries);
      const log = new ControlLog(world.scope);
      for (const entry of order.slice(0, random.below(order.length))) log.add(entry);
      const forks = [log.fork(), log.fork()];
      for (const [index, fork] of [...forks, log].entries()) {
        const only = index === 0 ? random.below(order.length) : order.length;
        const held = drawControlOrder(random, world.entries).slice(0, only);
        const rest = held.filter(({ id }) => !fork.has(id));
        const before = order.filter(({ id }) => fork.has(id));
        for (const entry of rest) fork.add(entry);
        const expected = reduceControl(world.scope, [...before, ...rest]);
        expect(describeState(fork.state, parts), `seed ${seed}, fork ${index}`).toEqual(
          describeState(expected, parts),
        );
      }
    }
  });
});

test("[AC39] why a device may not read any more follows from what is told of it, and from nothing later", () => {
  let removed = 0;
  for (let seed = SEED; seed < SEED + HISTORIES; seed++) {
    const { world } = drawControlHistory(seed, OPS_MAX);
    const log = ControlLog.of(world.scope, world.entries);
    for (const device of log.state.devices.keys())
      if (log.state.may(device, Tags.READ)) expect(log.removalOf(device, [])).toEqual([]);
    const introduced = world.entries.flatMap(({ op }) =>
      op.type === "device" ? [op.certified.device] : [],
    );
    for (const device of new Set(introduced)) {
      const told = log.removalOf(device, []);
      if (told.length === 0) continue;
      removed += 1;
      const state = reduceControl(world.scope, told);
      const user = log.userBefore(device);
      expect(state.hasLostRead(device, user as UserId), `seed ${seed}`).toBe(true);
      const removers = log.removersOf(device, user as UserId);
      const ids = new Set(told.map(({ id }) => id));
      // Each of them gave it or took it away, or is something that one of those follows on.
      const given = world.entries.filter(({ op }) => op.type === "grant" && op.user === user);
      const last = [...removers, ...given];
      for (const { id } of told)
        expect(last.some((one) => one.id === id || follows(world.entries, one, id))).toBe(true);
      // What is known is not told again.
      for (const { id } of told.slice(0, 3))
        expect(log.removalOf(device, [id]).length).toBeLessThan(ids.size);
      expect(log.removalOf(device, state.heads)).toEqual([]);
    }
  }
  expect(removed).toBeGreaterThan(100);
});

function follows(entries: readonly ControlEntry[], last: ControlEntry, id: string): boolean {
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  const due = [...last.parents];
  for (let next = due.pop(); next !== undefined; next = due.pop()) {
    if (next === id) return true;
    due.push(...(byId.get(next)?.parents ?? []));
  }
  return false;
}
