/** Who has left, or has not got everything yet, takes nothing from others. */

import { expect, test } from "vitest";
import { Groups, GroupStore } from "../groups/index.ts";
import { createMemoryMedium, openMemoryStore } from "../store/index.ts";
import { FakeClock } from "../testkit/index.ts";
import {
  admit,
  alike,
  eventually,
  groupOf,
  passUntil,
  shareTodos,
  SyncFlock,
  takeBackLast,
  todosOf,
  writeApart,
} from "../testkit/sync-flock.ts";
import { makeIdentity, type SyncPeer } from "../testkit/sync-peer.ts";
import { CHECKPOINT_RETRY_MIN_MS } from "./limits.ts";

const userOf = (peer: SyncPeer): SyncPeer["identity"]["certified"]["user"] =>
  peer.identity.certified.user;

test("[SY120] [DB33] who has left revokes nobody, not in a collection of their own either, before they are in the group again", async () => {
  await using flock = new SyncFlock();
  const roles = { admin: "admin", writer: "writer" } as const;
  const { owner, members, shared } = await groupOf(flock, roles);
  const [admin, writer] = members as [SyncPeer, SyncPeer];
  const todos = await todosOf(owner, shared);
  await owner.sync.leave(shared.group);
  // The owner has neither of these: with what it holds for a freeze the later one would be taken back.
  await (await todosOf(admin, shared)).put("row", "first");
  const theirs = await todosOf(writer, shared);
  await eventually(async () => (await theirs.get("row")) === "first");
  await theirs.put("row", "second");
  const before = todos.access();
  await expect(todos.revoke(userOf(writer))).rejects.toMatchObject({
    code: "DB_READ_ONLY",
    message: expect.stringContaining("join it again"),
  });
  expect(todos.access()).toEqual(before);
  expect(owner.sync.sharing.whyNotRevoke(shared.group)).toContain('"home"');
  // Rows of its own collection it writes as ever.
  await todos.put("mine", 1);
  await admit(admin, owner, shared);
  await alike([owner, admin, writer]);
  await todos.revoke(userOf(writer));
  await eventually(async () => (await todosOf(admin, shared)).access().users.length === 2);
  for (const peer of [owner, admin])
    expect(await (await todosOf(peer, shared)).get("row")).toBe("second");
});

test("[SY120] who says so revokes and ejects although not all is here, and never where it has gone", async () => {
  await using flock = new SyncFlock();
  const { owner, members, shared } = await groupOf(flock, { writer: "writer", other: "writer" });
  const [writer, other] = members as [SyncPeer, SyncPeer];
  const medium = createMemoryMedium();
  const identity = await makeIdentity("admin");
  const before = await flock.open("admin", { identity, store: await openMemoryStore({ medium }) });
  await admit(owner, before, shared, { role: "admin" });
  const { collection: scope, group } = shared;
  const groups = await Groups.open(before.store, before.history);
  const logs = before.history.scope(scope)?.vector().keys() ?? [];
  const lost = { scope, vector: new Map(Array.from(logs, (log) => [log, 1000])) };
  await groups.replaceCheckpoint(group, [lost]);
  await flock.close(before);
  const admin = await flock.open("admin", { identity, store: await openMemoryStore({ medium }) });
  expect(admin.sync.progress(group)).toBeDefined();
  const todos = await todosOf(admin, shared);
  const whom = { user: userOf(writer) };
  const eject = (options = {}): Promise<void> => admin.sync.edits.eject(group, whom, options);
  await expect(eject()).rejects.toMatchObject({ code: "SYNC_PENDING" });
  await expect(todos.revoke(userOf(other))).rejects.toMatchObject({ code: "DB_READ_ONLY" });
  await eject({ incomplete: true });
  await todos.revoke(userOf(other), { incomplete: true });
  await eventually(async () => (await todosOf(owner, shared)).access().users.length === 2);
  await admin.sync.leave(group, { signal: AbortSignal.abort() });
  const late = todos.revoke(userOf(owner), { incomplete: true });
  await expect(late).rejects.toMatchObject({ code: expect.stringMatching(/^DB_/) });
  expect(admin.sync.sharing.whyNotRevoke(scope, true)).toContain("join it again");
});

test("[SY120] another group that shares the collection is enough", async () => {
  await using flock = new SyncFlock();
  const { owner, members, shared } = await groupOf(flock, { admin: "admin", writer: "writer" });
  const [admin, writer] = members as [SyncPeer, SyncPeer];
  await admit(owner, admin, await shareTodos(owner, "second"), { role: "admin" });
  await admin.sync.leave(shared.group);
  expect(admin.sync.sharing.whyNotRevoke(shared.group)).toContain('"home"');
  await (await todosOf(admin, shared)).revoke(userOf(writer));
  await eventually(async () => (await todosOf(owner, shared)).access().users.length === 2);
});

test("[SY120] a group that was destroyed hinders nobody who had not left it", async () => {
  await using flock = new SyncFlock();
  const { owner, members, shared } = await groupOf(flock, { one: "writer", other: "writer" });
  const [one, other] = members as [SyncPeer, SyncPeer];
  const todos = await todosOf(owner, shared);
  await owner.sync.edits.destroy(shared.group);
  await todos.revoke(userOf(one));
  const second = await shareTodos(owner, "second");
  await admit(owner, other, second);
  await owner.sync.leave(second.group, { lastAdmin: true });
  await owner.sync.edits.destroy(second.group);
  await expect(todos.revoke(userOf(other))).rejects.toMatchObject({ code: "DB_READ_ONLY" });
  // There is no way back into that one: the collection is shared anew.
  await shareTodos(owner, "third");
  await todos.revoke(userOf(other));
  expect(todos.access().users).toHaveLength(1);
});

test("[SY120] [SY75] [SY62] while part of a collection is lacking nobody is ejected from it, made less in it, or revoked", async () => {
  await using flock = new SyncFlock();
  const { owner, members, shared } = await groupOf(flock, { writer: "writer", other: "writer" });
  const [writer, other] = members as [SyncPeer, SyncPeer];
  await writeApart(owner, writer, shared);
  const clock = new FakeClock(Date.now());
  const admin = await flock.open("admin", { clock });
  await admit(owner, admin, shared, { role: "admin" });
  await clock.advance(2 * CHECKPOINT_RETRY_MIN_MS);
  await alike([owner, admin]);
  await flock.close(writer);
  await takeBackLast(owner, writer, shared);
  const { collection: scope, group } = shared;
  const seen = await todosOf(admin, shared);
  await eventually(async () => !(await seen.has("second")));
  expect(admin.sync.status(group)).toBe("running");
  expect(admin.sync.progress(group)).toBeDefined();
  const user = userOf(other);
  for (const taken of [
    admin.sync.edits.eject(group, { user }),
    admin.sync.edits.grant(group, user, "reader"),
  ])
    await expect(taken).rejects.toMatchObject({ code: "SYNC_PENDING" });
  await expect(seen.revoke(user)).rejects.toMatchObject({ code: "DB_READ_ONLY" });
  expect(admin.sync.sharing.whyNotRevoke(scope)).toContain('"home"');
  expect(admin.sync.sharing.whyNotRevoke(scope, true)).toBeUndefined();
  await passUntil(clock, CHECKPOINT_RETRY_MIN_MS, () => admin.sync.progress(group) === undefined);
  await admin.sync.edits.grant(group, user, "reader");
  await eventually(async () =>
    (await todosOf(owner, shared)).access().users.some(({ role }) => role === "reader"),
  );
});

test("[SY120] [SY75] [DB33] who never gets what an admin promised ejects and revokes when told to all the same", async () => {
  await using flock = new SyncFlock();
  const { owner, members, shared } = await groupOf(flock, { one: "writer", other: "writer" });
  const [one, other] = members as [SyncPeer, SyncPeer];
  const { group, collection } = shared;
  const medium = createMemoryMedium();
  const before = await flock.open("admin", { store: await openMemoryStore({ medium }) });
  await admit(owner, before, shared, { role: "admin" });
  await alike([owner, before]);
  const { identity } = before;
  await flock.close(before);
  // What the admin that let it in answered names commits of its own that there are not.
  const store = await openMemoryStore({ medium });
  const records = await GroupStore.open(store);
  const joined = records.joined(group);
  if (joined === undefined) throw new Error("The admin has joined");
  const checkpoint = [group, collection].map((scope) => {
    const vector = owner.history.scope(scope)?.vector() ?? new Map<never, number>();
    return { scope, vector: new Map([...vector].map(([log, last]) => [log, last + 9] as const)) };
  });
  await records.addJoined({ ...joined, checkpoint, fresh: [collection] });
  // Time stands still for it, so that it asks for no other answer.
  const admin = await flock.open("admin", { identity, store, clock: new FakeClock(Date.now()) });
  expect(admin.sync.status(group)).toBe("pending");
  const todos = await todosOf(admin, shared);
  const [user, device] = [userOf(one), other.device];
  await expect(admin.sync.edits.eject(group, { device })).rejects.toMatchObject({
    code: "SYNC_PENDING",
  });
  await expect(todos.revoke(user)).rejects.toMatchObject({
    code: "DB_READ_ONLY",
    message: expect.stringContaining('"incomplete"'),
  });
  await todos.revoke(user, { incomplete: true });
  await admin.sync.edits.eject(group, { device }, { incomplete: true });
  expect(todos.access().users.some((held) => held.user === user)).toBe(false);
  for (const scope of [group, collection])
    expect(admin.history.scope(scope)?.access.userOf(device)).toBeUndefined();
  // It takes nothing else for granted.
  await expect(todos.put("row", 1)).rejects.toMatchObject({ code: "DB_READ_ONLY" });
  await eventually(
    async () => !(await todosOf(owner, shared)).access().users.some((held) => held.user === user),
  );
});
