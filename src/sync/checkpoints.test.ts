/** Groups that wait for what has vanished, and ask for a fresh checkpoint. */

import { expect, test } from "vitest";
import type { Certified } from "../access/index.ts";
import type { GenVector } from "../base/index.ts";
import { Groups } from "../groups/index.ts";
import { createMemoryMedium, openMemoryStore } from "../store/index.ts";
import { FakeClock } from "../testkit/index.ts";
import {
  admit,
  alike,
  eventually,
  FLOCK_DATABASE,
  groupOf,
  lackingMember,
  lostOf,
  passUntil,
  shareTodos,
  SyncFlock,
  takeBackLast,
  todosOf,
  writeApart,
} from "../testkit/sync-flock.ts";
import { makeIdentity, type SyncPeer } from "../testkit/sync-peer.ts";
import { CHECKPOINT_RETRY_MAX_MS, CHECKPOINT_RETRY_MIN_MS } from "./limits.ts";

test("[SY74] [SY29] what only a vanished device held is not waited for for ever", async () => {
  await using flock = new SyncFlock();
  const [owner, admin] = [await flock.open("owner"), await flock.open("admin")];
  const shared = await shareTodos(owner);
  await admit(owner, admin, shared, { role: "admin" });
  await alike([owner, admin]);
  // What the admin writes now is in the checkpoint that it answers with, and vanishes with it.
  flock.network.partition([admin.device]);
  const clock = new FakeClock(Date.now());
  const joiner = await flock.open("joiner", { clock });
  flock.network.partition([admin.device, joiner.device], [owner.device]);
  const ticket = await admin.sync.invite(shared.group);
  await joiner.sync.join(FLOCK_DATABASE, ticket);
  expect(joiner.sync.status(shared.group)).toBe("pending");
  flock.network.partition([joiner.device], [owner.device]);
  await flock.close(admin);
  // By another way the owner hears that the joiner is to be a reader.
  const again = await owner.sync.invite(shared.group);
  expect(again).not.toBe(ticket);
  await owner.sync.edits.grant(shared.group, joiner.identity.certified.user, "writer");
  for (const changed of [
    joiner.sync.edits.setSpec(shared.group, { description: "no" }),
    joiner.sync.invite(shared.group),
  ])
    await expect(changed).rejects.toMatchObject({ code: "SYNC_PENDING" });
  expect(joiner.sync.progress(shared.group)).toMatchObject({ need: expect.any(Number) });
  flock.network.heal();
  await joiner.transport.connect(owner.device, owner.transport.addresses());
  await passUntil(
    clock,
    CHECKPOINT_RETRY_MIN_MS,
    () => joiner.sync.status(shared.group) === "running",
  );
  await alike([owner, joiner]);
});

test("[SY74] what lies between a frozen log's last part and the freeze is not waited for", async () => {
  await using flock = new SyncFlock();
  const medium = createMemoryMedium();
  const identity = await makeIdentity("member");
  const [owner, writer] = [await flock.open("owner"), await flock.open("writer")];
  let member = await flock.open("member", { identity, store: await openMemoryStore({ medium }) });
  const shared = await shareTodos(owner);
  await admit(owner, writer, shared, { role: "writer" });
  await admit(owner, member, shared);
  await (await todosOf(writer, shared)).put("row", 1);
  await alike([owner, writer, member]);
  await flock.close(writer);
  await alike([owner, member]);
  const { collection: scope, group } = shared;
  const vector = new Map(owner.history.scope(scope)?.vector());
  const [log, last] = [...vector].find(([one]) => one.startsWith(writer.device)) ?? [];
  if (log === undefined || last === undefined) throw new Error("The writer wrote nothing");
  const { user } = writer.identity.certified;
  const freeze = new Map([[log, last + 1]]);
  const controls = [{ type: "revoke", user, freeze } as const];
  await owner.history.write({ parts: [{ scope, rows: [], controls }] });
  await alike([owner, member]);
  // As if the admin that admitted the member had held more of that log when it answered.
  const groups = await Groups.open(member.store, member.history);
  const checkpoint = [
    { scope: group, vector: new Map() },
    { scope, vector: vector.set(log, last + 2) },
  ];
  const addresses = owner.transport.addresses();
  await groups.addJoined({ group, checkpoint, fresh: [scope], admin: owner.device, addresses });
  await flock.close(member);
  const clock = new FakeClock(Date.now());
  const store = await openMemoryStore({ medium });
  member = await flock.open("member", { identity, store, clock });
  expect(member.sync.status(group)).toBe("running");
  expect(member.sync.progress(group)).toBeDefined();
  await passUntil(clock, CHECKPOINT_RETRY_MIN_MS, () => member.sync.progress(group) === undefined);
  await (await todosOf(member, shared)).put("row", 2);
});

test("[SY125] what a collection lacks for good is not waited for for ever, and its group stays running", async () => {
  await using flock = new SyncFlock();
  const { owner, member, clock, shared } = await lackingMember(flock);
  const { collection: scope, group } = shared;
  const statuses = new Set([member.sync.status(group)]);
  member.sync.onGroups(() => statuses.add(member.sync.status(group)));
  const todos = await todosOf(member, shared);
  await expect(todos.put("row", 2)).rejects.toMatchObject({ code: "DB_READ_ONLY" });
  const ready = member.sync.ready(group);
  await passUntil(clock, CHECKPOINT_RETRY_MIN_MS, () => member.sync.progress(group) === undefined);
  await ready;
  await todos.put("row", 2);
  // What the group's own history lacks by the answer is no reason to be pending again.
  const groups = await Groups.open(member.store, member.history);
  await groups.replaceCheckpoint(group, [lostOf(owner, group), lostOf(owner, scope)]);
  expect(groups.status(group)).toBe("running");
  expect(groups.progress(group)).toBeDefined();
  expect(statuses).toEqual(new Set(["running"]));
});

test("[SY125] while something comes of what a collection lacks nobody is asked", async () => {
  await using flock = new SyncFlock();
  const { owner, member, clock, shared } = await lackingMember(flock);
  const [from, to] = [await todosOf(owner, shared), await todosOf(member, shared)];
  const isAsked = (): boolean => isCheckpointAsked(flock);
  // Looks are three quarters of that time apart at least.
  for (let i = 0; i < 8; i++) {
    await from.put(`row ${i}`, i);
    await eventually(() => to.has(`row ${i}`));
    await clock.advance(CHECKPOINT_RETRY_MIN_MS / 2);
  }
  expect(isAsked()).toBe(false);
  await passUntil(clock, CHECKPOINT_RETRY_MIN_MS, isAsked);
});

test("[SY125] who lets rows come one by one keeps nobody from asking", async () => {
  await using flock = new SyncFlock();
  const { owner, member, clock, shared } = await lackingMember(flock);
  const [from, to] = [await todosOf(owner, shared), await todosOf(member, shared)];
  const isAsked = (): boolean => isCheckpointAsked(flock);
  // Looks are three quarters of the wait apart at least, so that a row has come at each.
  const step = CHECKPOINT_RETRY_MIN_MS / 2;
  const most = (2 * CHECKPOINT_RETRY_MAX_MS) / step;
  for (let i = 0; i < most && !isAsked(); i++) {
    await from.put(`row ${i}`, i);
    await eventually(() => to.has(`row ${i}`));
    await clock.advance(step);
  }
  expect(isAsked()).toBe(true);
});

test("[SY125] where nobody is left who could answer, what is here is all", async () => {
  await using flock = new SyncFlock();
  const { owner, member, clock, shared } = await lackingMember(flock, "admin");
  const { group } = shared;
  await owner.sync.leave(group, { signal: AbortSignal.abort() });
  await eventually(() => member.sync.members(group).some(({ hasLeft }) => hasLeft));
  await passUntil(clock, CHECKPOINT_RETRY_MAX_MS, () => member.sync.progress(group) === undefined);
  await (await todosOf(member, shared)).put("row", 2);
});

test("[SY120] a group that somebody else has made of a collection keeps nobody from revoking in it", async () => {
  await using flock = new SyncFlock();
  const medium = createMemoryMedium();
  const identity = await makeIdentity("owner");
  const before = await flock.open("owner", { identity, store: await openMemoryStore({ medium }) });
  const shared = await shareTodos(before);
  const [admin, writer] = [await flock.open("admin"), await flock.open("writer")];
  await admit(before, admin, shared, { role: "admin" });
  await admit(before, writer, shared);
  const { collection: scope, group } = shared;
  const trap = await admin.sync.createGroup(FLOCK_DATABASE, "trap", { collections: [scope] });
  await before.sync.join(FLOCK_DATABASE, await admin.sync.invite(trap));
  await eventually(() => before.sync.status(trap) === "running");
  const groups = await Groups.open(before.store, before.history);
  await groups.replaceCheckpoint(trap, [lostOf(before, scope)]);
  await flock.close(before);
  const owner = await flock.open("owner", { identity, store: await openMemoryStore({ medium }) });
  expect(owner.sync.progress(trap)).toBeDefined();
  await owner.sync.edits.eject(group, { user: writer.identity.certified.user });
  expect((await todosOf(owner, shared)).access().users).toHaveLength(2);
});

test("[SY74] what had come and is taken back in a collection alone is lacking again, and asked for without a restart", async () => {
  await using flock = new SyncFlock();
  const [owner, writer] = [await flock.open("owner"), await flock.open("writer")];
  const shared = await shareTodos(owner);
  await admit(owner, writer, shared, { role: "writer" });
  await writeApart(owner, writer, shared);
  const clock = new FakeClock(Date.now());
  const member = await flock.open("member", { clock });
  await admit(owner, member, shared, { role: "writer" });
  // What it waited for when it joined is here: nobody looks again by themselves.
  await clock.advance(2 * CHECKPOINT_RETRY_MIN_MS);
  await alike([owner, member]);
  await flock.close(writer);
  await takeBackLast(owner, writer, shared);
  const { group } = shared;
  const seen = await todosOf(member, shared);
  await eventually(async () => !(await seen.has("second")));
  expect(await seen.has("first")).toBe(true);
  expect(member.sync.status(group)).toBe("running");
  expect(member.sync.progress(group)).toBeDefined();
  await expect(seen.put("third", 1)).rejects.toMatchObject({ code: "DB_READ_ONLY" });
  const ready = member.sync.ready(group);
  await passUntil(clock, CHECKPOINT_RETRY_MIN_MS, () => member.sync.progress(group) === undefined);
  await ready;
  await seen.put("third", 1);
  await eventually(async () => (await todosOf(owner, shared)).has("third"));
});

test("[SY74] what is due again since a freeze has gone is lacking again, and who listens is told", async () => {
  await using flock = new SyncFlock();
  const { owner, members, shared } = await groupOf(flock, { admin: "admin", writer: "writer" });
  const [admin, writer] = members as [SyncPeer, SyncPeer];
  const { collection: scope, group } = shared;
  await (await todosOf(writer, shared)).put("row", 1);
  await alike([owner, admin, writer]);
  const groups = await Groups.open(owner.store, owner.history);
  // As if the part of what is revoked below lay aside, as where one before it is lacking [HI71]: then it is not taken back.
  owner.history.onWritten((written) => groups.noteWritten({ ...written, takenBack: [] }));
  let told = 0;
  groups.onChange(() => (told += 1));
  const known = new Map(owner.history.scope(scope)?.vector());
  const [log, last] = [...known].find(([one]) => one.startsWith(writer.device)) ?? [];
  if (log === undefined || last === undefined) throw new Error("The writer wrote nothing");
  // As if the admin that admitted this device had held more of that log.
  const checkpoint = [{ scope, vector: known.set(log, last + 1) }];
  await groups.addJoined({ group, checkpoint, fresh: [], admin: admin.device, addresses: [] });
  expect(groups.progress(group)).toBeDefined();
  const revoke = async ({ history }: SyncPeer, { user }: Certified, freeze: GenVector) => {
    const controls = [{ type: "revoke", user, freeze } as const];
    await history.write({ parts: [{ scope, rows: [], controls }] });
  };
  await revoke(admin, writer.identity.certified, new Map([[log, last]]));
  await eventually(() => groups.progress(group) === undefined);
  await groups.settled();
  const before = told;
  // The admin's revocation has no effect any more.
  await revoke(owner, admin.identity.certified, new Map());
  await groups.settled();
  expect(groups.progress(group)).toBeDefined();
  expect(told).toBe(before + 1);
  // Of a group that was left nothing is awaited: what is written elsewhere tells nobody.
  await groups.noteLeft(group, 1);
  const left = told;
  const own = (await owner.database(FLOCK_DATABASE)).collection("own");
  for (let i = 0; i < 3; i++) await own.put("row", i);
  await groups.settled();
  expect(told).toBe(left);
});

/** Whether any peer has asked an admin for a fresh checkpoint. */
function isCheckpointAsked({ events }: SyncFlock): boolean {
  return events.some(({ event }) => event.startsWith("sync.checkpoint."));
}
