/** What an admin that lacks something itself promises those whom it lets in. */

import { expect, test, vi } from "vitest";
import {
  type GenVector,
  generationIn,
  logKeyOf,
  type LogKey,
  type ScopeId,
} from "../base/index.ts";
import { Groups, PASSED_ON_LOGS_MAX, promiseOf, ServiceAccess } from "../groups/index.ts";
import { SCOPE_LOGS_MAX } from "../history/index.ts";
import { FakeClock } from "../testkit/index.ts";
import {
  addLacking,
  admit,
  eventually,
  FLOCK_DATABASE,
  groupOf,
  lackingMember,
  LOST,
  lostOf,
  passUntil,
  type SharedGroup,
  shareTodos,
  SyncFlock,
  todosOf,
} from "../testkit/sync-flock.ts";
import { makeIdentity, type SyncPeer } from "../testkit/sync-peer.ts";
import { CallClient } from "./calls.ts";
import { CHECKPOINT_RETRY_MAX_MS, CHECKPOINT_RETRY_MIN_MS, PROMISED_MS_MAX } from "./limits.ts";

/** A generation that the owner's log comes to when more is written. */
const LATE = 50;

test("[SY122] who is let in by an admin that lacks rows waits for these too, whoever brings them", async () => {
  await using flock = new SyncFlock();
  const owner = await flock.open("owner");
  const shared = await shareTodos(owner);
  const { collection: scope, group } = shared;
  await (await todosOf(owner, shared)).put("row", 0);
  const [log] = owner.history.scope(scope)?.vector().keys() ?? [];
  // What the owner had when it let the admin in: its log up to a row that has not reached anybody yet.
  const late = { scope, vector: new Map([[log as LogKey, LATE]]) };
  const { member: admin } = await addLacking(flock, owner, shared, "admin", late);
  const joiner = await flock.open("joiner", { clock: new FakeClock(Date.now()) });
  flock.network.partition([admin.device, joiner.device], [owner.device]);
  await joiner.sync.join(FLOCK_DATABASE, await admin.sync.invite(group));
  await eventually(() => joiner.sync.status(group) === "running");
  // All that the admin has comes, and that is not all.
  const groups = await groupsOf(joiner);
  const lacking = (): GenVector => groups.lacking(group, scope);
  await eventually(() => lacking().size === 1);
  expect(lacking()).toEqual(new Map([[log, LATE]]));
  expect(joiner.sync.sharing.whyNotRevoke(scope)).toContain("has not brought all of it");
  await expect((await todosOf(joiner, shared)).put("row", 2)).rejects.toMatchObject({
    code: "DB_READ_ONLY",
  });
  flock.network.heal();
  for (const peer of [admin, joiner])
    await peer.transport.connect(owner.device, owner.transport.addresses());
  const todos = await todosOf(owner, shared);
  while (generationIn(owner.history.scope(scope)?.vector() ?? new Map(), log as LogKey) < LATE)
    await todos.put("late", 1);
  await eventually(() => joiner.sync.progress(group) === undefined);
  expect(joiner.sync.sharing.whyNotRevoke(scope)).toBeUndefined();
});

test("[SY122] [SY125] an admin that has everything frees whoever waits for what was passed on", async () => {
  await using flock = new SyncFlock();
  const { owner, member: admin, shared } = await lackingMember(flock, "admin");
  const clock = new FakeClock(Date.now());
  const joiner = await flock.open("joiner", { clock });
  await joiner.sync.join(FLOCK_DATABASE, await admin.sync.invite(shared.group));
  await eventually(() => joiner.sync.status(shared.group) === "running");
  expect([...waitedFor(await groupsOf(joiner), shared).values()]).toContain(LOST);
  await flock.close(admin);
  await joiner.transport.connect(owner.device, owner.transport.addresses());
  const isFree = (): boolean => joiner.sync.progress(shared.group) === undefined;
  await passUntil(clock, CHECKPOINT_RETRY_MIN_MS, isFree);
});

test("[SY123] nothing is passed on of what somebody promised who is no admin any more", async () => {
  await using flock = new SyncFlock();
  const { owner, member: admin, shared } = await lackingMember(flock, "admin");
  const { collection: scope, group } = shared;
  const groups = await groupsOf(admin);
  const values = (): number[] => [...promised(admin, groups, shared).values()];
  expect(values()).toContain(LOST);
  const writer = await flock.open("writer");
  await admit(owner, writer, shared);
  await eventually(() => admin.sync.members(group).length === 3);
  // As if the writer had been the one that answered, and an admin then.
  await groups.replaceCheckpoint(group, [lostOf(owner, scope)], writer.device);
  expect(groups.lacking(group, scope).size).toBeGreaterThan(0);
  expect(values()).not.toContain(LOST);
  expect(promised(admin, groups, shared)).toEqual(admin.history.scope(scope)?.vector());
});

test("[SY123] of logs of which nothing is here an answer passes on so many", async () => {
  await using flock = new SyncFlock();
  const { owner, member: admin, shared } = await lackingMember(flock, "admin");
  const { collection: scope, group } = shared;
  const groups = await groupsOf(admin);
  const { vector } = lostOf(owner, scope);
  const madeUp = Array.from({ length: 2 * PASSED_ON_LOGS_MAX }, (_, i): [LogKey, number] => [
    logKeyOf({ device: owner.device, incarnation: BigInt(i) }),
    i + 1,
  ]);
  const claim = { scope, vector: new Map([...madeUp, ...vector]) };
  await groups.replaceCheckpoint(group, [claim]);
  const known = admin.history.scope(scope)?.vector() ?? new Map<LogKey, number>();
  const passed = promised(admin, groups, shared);
  expect(passed.size).toBe(known.size + PASSED_ON_LOGS_MAX);
  // A log of which something is here takes no place.
  for (const log of known.keys()) expect(generationIn(passed, log)).toBe(LOST);
});

test("[SY123] an answer names no more logs of a collection than a vector holds", async () => {
  await using flock = new SyncFlock();
  const { owner, member: admin, shared } = await lackingMember(flock, "admin");
  const { collection: scope, group } = shared;
  const groups = await groupsOf(admin);
  const vectorOf = (first: number, count: number, generation: number): Map<LogKey, number> =>
    new Map(
      Array.from({ length: count }, (_, i): [LogKey, number] => [
        logKeyOf({ device: owner.device, incarnation: BigInt(first + i) }),
        generation,
      ]),
    );
  await groups.replaceCheckpoint(group, [{ scope, vector: vectorOf(10, SCOPE_LOGS_MAX, LOST) }]);
  // So many logs take minutes to write: they stand in for what the history would say.
  const here = vectorOf(0, SCOPE_LOGS_MAX - 1, 1);
  const history = {
    scope: (id: ScopeId) => {
      const access = admin.history.scope(id)?.access;
      return { access, vector: () => here };
    },
  } as unknown as SyncPeer["history"];
  const claims = promiseOf(history, groups, group);
  const passed = claims.find((claim) => claim.scope.name === scope.name)?.vector;
  expect(passed?.size).toBe(SCOPE_LOGS_MAX);
  expect(generationIn(passed ?? here, [...here.keys()][10] as LogKey)).toBe(LOST);
});

test("[SY124] admins that lack the same lost rows do not keep each other waiting, nor whom they let in", async () => {
  await using flock = new SyncFlock();
  const owner = await flock.open("owner");
  const shared = await shareTodos(owner);
  const { group } = shared;
  const one = await addLacking(flock, owner, shared, "admin");
  const other = await addLacking(flock, owner, shared, "admin");
  // Of the owner, who has not left and is an admin still, nothing is heard any more.
  await flock.close(owner);
  const clock = new FakeClock(Date.now());
  const joiner = await flock.open("joiner", { clock });
  await joiner.sync.join(FLOCK_DATABASE, await one.member.sync.invite(group));
  const all = [one, other, { member: joiner, clock }];
  await one.member.transport.connect(other.member.device, other.member.transport.addresses());
  await eventually(() => joiner.sync.status(group) === "running");
  expect(all.every(({ member }) => member.sync.progress(group) !== undefined)).toBe(true);
  // Asked once and more they tell each other what each was promised.
  for (const { clock: own } of all) await own.advance(3 * CHECKPOINT_RETRY_MIN_MS);
  // Whose promise it is that each passes on is who answered it last. [SY123]
  for (const { member } of [one, other])
    await eventually(async () => (await groupsOf(member)).joined(group)?.admin !== owner.device);
  for (const { member, clock: own } of all)
    await passUntil(own, CHECKPOINT_RETRY_MAX_MS, () => member.sync.progress(group) === undefined);
  await (await todosOf(joiner, shared)).put("row", 2);
  const theirs = await todosOf(one.member, shared);
  await eventually(async () => (await theirs.get("row")) === 2);
});

test("[SY122] a publication promises what its publisher lacks, too", async () => {
  await using flock = new SyncFlock();
  const seed = new Uint8Array(32).fill(7);
  const owner = await flock.open("owner", { identity: await makeIdentity("owner", seed) });
  const server = await flock.open("server");
  await new ServiceAccess(server.store).grant(owner.identity.certified.user);
  const shared = await shareTodos(owner);
  const other = await makeIdentity("other", seed);
  const { member } = await addLacking(flock, owner, shared, "admin", undefined, other);
  await flock.close(owner);
  const publishAt = server.transport.addresses();
  await member.sync.edits.setSpec(shared.group, { publishAt });
  await eventually(() => member.sync.status(shared.group) === "running");
  await eventually(() => server.sync.status(shared.group) === "running");
  expect([...waitedFor(await groupsOf(server), shared).values()]).toContain(LOST);
  expect(server.sync.progress(shared.group)).toBeDefined();
});

test("[SY122] of a log that is frozen nothing beyond is passed on", async () => {
  await using flock = new SyncFlock();
  const { owner, members, shared } = await groupOf(flock, { writer: "writer" });
  const [writer] = members as [SyncPeer];
  await (await todosOf(writer, shared)).put("row", 0);
  const todos = await todosOf(owner, shared);
  await eventually(() => todos.has("row"));
  const { collection: scope } = shared;
  const logs = [...(owner.history.scope(scope)?.vector().keys() ?? [])];
  const log = logs.find((one) => one.startsWith(writer.device)) as LogKey;
  const lost = { scope, vector: new Map([[log, LOST]]) };
  const { member: admin } = await addLacking(flock, owner, shared, "admin", lost);
  const groups = await groupsOf(admin);
  expect(promised(admin, groups, shared).get(log)).toBe(LOST);
  await todos.revoke(writer.identity.certified.user);
  await eventually(() => promised(admin, groups, shared).get(log) !== LOST);
  expect(promised(admin, groups, shared)).toEqual(admin.history.scope(scope)?.vector());
});

test("[SY124] an admin that leaves a collection out, as while it is paused, has not said that it holds nothing of it", async () => {
  await using flock = new SyncFlock();
  const owner = await flock.open("owner");
  const shared = await shareTodos(owner);
  const { collection: scope, group } = shared;
  const { member: admin } = await addLacking(flock, owner, shared, "admin");
  const { member, clock } = await addLacking(flock, owner, shared, "writer");
  await flock.close(owner);
  await member.transport.connect(admin.device, admin.transport.addresses());
  // The real call, behind a pause that comes between the two questions.
  type Call = CallClient["call"];
  const { value } = Object.getOwnPropertyDescriptor(CallClient.prototype, "call") ?? {};
  const call = value as (this: CallClient, ...args: Parameters<Call>) => ReturnType<Call>;
  let asked = 0;
  const spy = vi.spyOn(CallClient.prototype, "call").mockImplementation(async function (
    this: CallClient,
    request,
    signal,
  ) {
    if (request.case === "knows" && asked++ === 0) await admin.sync.pause(FLOCK_DATABASE);
    return call.call(this, request, signal);
  });
  const failed = (): number =>
    flock.events.filter(({ event }) => event === "sync.checkpoint.failed").length;
  await passUntil(clock, CHECKPOINT_RETRY_MAX_MS, () => asked > 0);
  await eventually(() => failed() > 0);
  spy.mockRestore();
  expect([...waitedFor(await groupsOf(member), shared).values()]).toContain(LOST);
  expect(member.sync.sharing.whyNotRevoke(scope)).toContain("has not brought all of it");
  await admin.sync.resume(FLOCK_DATABASE);
  await passUntil(clock, CHECKPOINT_RETRY_MAX_MS, () => member.sync.progress(group) === undefined);
});

test("[SY124] while something comes the longest wait takes nothing away of what was promised, for a day", async () => {
  await using flock = new SyncFlock();
  const { owner, members, shared } = await groupOf(flock, { writer: "writer" });
  const [writer] = members as [SyncPeer];
  const from = await todosOf(writer, shared);
  await from.put("row", 0);
  await eventually(async () => (await todosOf(owner, shared)).has("row"));
  const { collection: scope, group } = shared;
  const logs = [...(writer.history.scope(scope)?.vector().keys() ?? [])];
  const log = logs.find((one) => one.startsWith(writer.device)) as LogKey;
  const lost = { scope, vector: new Map([[log, LOST]]) };
  const { member: admin } = await addLacking(flock, owner, shared, "admin", lost);
  const { member, clock } = await addLacking(flock, owner, shared, "writer", lost);
  await flock.close(owner);
  for (const peer of [admin, writer])
    await member.transport.connect(peer.device, peer.transport.addresses());
  const asks = (): number =>
    flock.events.filter(({ event }) => event === "sync.checkpoint.fresh").length;
  const to = await todosOf(member, shared);
  // Looks are three quarters of a wait apart at least: something has come at each.
  let rows = 0;
  const lookWithNews = async (): Promise<void> => {
    const row = ++rows;
    await from.put("row", row);
    await eventually(async () => (await to.get("row")) === row);
    const wait = Math.min(CHECKPOINT_RETRY_MIN_MS * 2 ** asks(), CHECKPOINT_RETRY_MAX_MS);
    await clock.advance((3 / 8) * wait);
  };
  while (asks() < 8) await lookWithNews();
  expect(generationIn(waitedFor(await groupsOf(member), shared), log)).toBe(LOST);
  expect(clock.monotonic()).toBeLessThan(PROMISED_MS_MAX);
  while (member.sync.progress(group) !== undefined) await lookWithNews();
  expect(clock.monotonic()).toBeGreaterThan(PROMISED_MS_MAX);
  // Not since all of it had come.
  expect(rows).toBeLessThan(LOST / 2);
});

/** What a device keeps of its groups, read anew. */
function groupsOf({ store, history }: SyncPeer): Promise<Groups> {
  return Groups.open(store, history);
}

/** What a device waits for in the group's collection. */
function waitedFor(groups: Groups, { group, collection }: SharedGroup): GenVector {
  const claims = groups.joined(group)?.checkpoint ?? [];
  return claims.find(({ scope }) => scope.name === collection.name)?.vector ?? new Map();
}

/** What an admin promises of the group's collection. */
function promised({ history }: SyncPeer, groups: Groups, shared: SharedGroup): GenVector {
  const claims = promiseOf(history, groups, shared.group);
  return claims.find(({ scope }) => scope.name === shared.collection.name)?.vector ?? new Map();
}
