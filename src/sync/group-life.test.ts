/** What becomes of a syncgroup after it has been made: its spec, its invites, who leaves, and its end. */

import { describe, expect, test } from "vitest";
import {
  DEVICE_NAME_BYTES_MAX,
  formatTicket,
  parseTicket,
  SPEC_RENDEZVOUS_MAX,
} from "../access/index.ts";
import { type DeviceType, type Member, memberRow } from "../groups/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { createMemoryMedium, openMemoryStore } from "../store/index.ts";
import {
  admit,
  alike,
  eventually,
  FLOCK_DATABASE,
  groupOf,
  shareTodos,
  SyncFlock,
  todosOf,
} from "../testkit/sync-flock.ts";
import { makeIdentity, type SyncPeer } from "../testkit/sync-peer.ts";

const crypto = nodeCrypto();
const ALREADY = AbortSignal.abort(new Error("No waiting"));

describe("the spec", () => {
  test("[SY60] an admin changes it, all see it, and a stale version changes nothing", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { admin: "admin", writer: "writer" });
    const [admin, writer] = members as [SyncPeer, SyncPeer];
    const { group } = shared;
    const first = owner.sync.edits.spec(group);
    expect(first).toMatchObject({ description: "", rendezvous: [], isPrivate: false });
    const changes = { description: "Chess", isPrivate: true, rendezvous: ["/ip4/192.0.2.1/tcp/1"] };
    const second = await admin.sync.edits.setSpec(group, changes, { version: first.version });
    expect(second).toMatchObject(changes);
    await eventually(() => owner.sync.edits.spec(group).version === second.version);
    expect(owner.sync.edits.spec(group)).toEqual(second);
    const stale = owner.sync.edits.setSpec(group, { description: "Go" }, first);
    await expect(stale).rejects.toMatchObject({ code: "SYNC_BAD_VERSION" });
    const theirs = writer.sync.edits.setSpec(group, { description: "Go" });
    await expect(theirs).rejects.toMatchObject({ code: "SYNC_NOT_ADMIN" });
    await alike([owner, admin, writer]);
    expect(writer.sync.edits.spec(group)).toEqual(second);
  });

  test("[SY60] of two edits for one version made here the second is refused", async () => {
    await using flock = new SyncFlock();
    const { owner, shared } = await groupOf(flock, {});
    const version = { version: owner.sync.edits.spec(shared.group).version };
    const results = await Promise.allSettled([
      owner.sync.edits.setSpec(shared.group, { description: "one" }, version),
      owner.sync.edits.setSpec(shared.group, { description: "two" }, version),
    ]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(owner.sync.edits.spec(shared.group).description).toBe("one");
  });

  test("[SY60] edits made at the same time are merged field by field", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { admin: "admin" });
    const [admin] = members as [SyncPeer];
    flock.network.partition([]);
    await owner.sync.edits.setSpec(shared.group, { description: "Chess" });
    await admin.sync.edits.setSpec(shared.group, { isPrivate: true });
    flock.network.heal();
    await alike([owner, admin]);
    const merged = { description: "Chess", isPrivate: true };
    expect(owner.sync.edits.spec(shared.group)).toMatchObject(merged);
    expect(admin.sync.edits.spec(shared.group)).toEqual(owner.sync.edits.spec(shared.group));
  });

  test("[SY60] what a spec cannot hold is refused, and nothing is written", async () => {
    await using flock = new SyncFlock();
    const { owner, shared } = await groupOf(flock, {});
    const { group, collection } = shared;
    const before = owner.sync.edits.spec(group);
    const many = Array.from({ length: SPEC_RENDEZVOUS_MAX + 1 }, (_, i) => `/dns4/host/tcp/${i}`);
    const wrong = [
      { collections: [] },
      { collections: [collection, { ...collection, name: "other" }] },
      { description: "x".repeat(4097) },
      { description: "\ud800" },
      { rendezvous: many },
      { rendezvous: ["no address"] },
      { rendezvous: ["/a", "/a"] },
      { publishAt: ["/ip4/192.0.2.1/tcp/1"] },
      { publishAt: ["nobody"] },
    ];
    for (const changes of wrong) {
      const changed = owner.sync.edits.setSpec(group, changes);
      await expect(changed, JSON.stringify(changes).slice(0, 60)).rejects.toMatchObject({
        code: "SYNC_SPEC_INVALID",
      });
    }
    await owner.sync.edits.setSpec(group, { collections: [collection] });
    expect(owner.sync.edits.spec(group)).toMatchObject({ ...before, version: expect.any(String) });
  });
});

describe("invites", () => {
  test("[SY61] they are listed with their uses, and one that is taken back admits nobody any more", async () => {
    await using flock = new SyncFlock();
    const { owner, shared } = await groupOf(flock, {});
    const [b, c] = [await flock.open("b"), await flock.open("c")];
    const { group } = shared;
    const ticket = await owner.sync.invite(group, { uses: 2, role: "reader" });
    await b.sync.join(FLOCK_DATABASE, ticket);
    const [invite] = owner.sync.edits.invites(group);
    expect(invite).toMatchObject({
      role: "reader",
      uses: 2,
      usedBy: [b.identity.certified.user],
      isRevoked: false,
    });
    await owner.sync.edits.revokeInvite(group, invite?.id ?? "");
    expect(owner.sync.edits.invites(group)).toMatchObject([
      { isRevoked: true, notAfter: undefined },
    ]);
    await expect(c.sync.join(FLOCK_DATABASE, ticket)).rejects.toMatchObject({
      code: "SYNC_INVITE_EXPIRED",
    });
    expect(c.sync.groups(FLOCK_DATABASE)).toEqual([]);
    await b.sync.ready(group);
    const none = owner.sync.edits.revokeInvite(group, "00".repeat(32));
    await expect(none).rejects.toMatchObject({ code: "SYNC_NO_INVITE" });
    await expect(b.sync.edits.revokeInvite(group, invite?.id ?? "")).rejects.toMatchObject({
      code: "SYNC_NOT_ADMIN",
    });
  });

  test("[SY73] a ticket leads to another admin when the one that made it is away", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { admin: "admin" });
    const [admin] = members as [SyncPeer];
    await eventually(() =>
      owner.sync
        .members(shared.group)
        .some(({ device, addresses }) => device === admin.device && addresses.length > 0),
    );
    const ticket = await owner.sync.invite(shared.group);
    await alike([owner, admin]);
    await flock.close(owner);
    const joiner = await flock.open("joiner");
    await joiner.sync.join(FLOCK_DATABASE, ticket);
    await joiner.sync.ready(shared.group);
    expect(joiner.sync.members(shared.group)).toHaveLength(3);
  });
});

describe("members", () => {
  test("[SY31] a device changes what it says of itself, and nothing else", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { writer: "writer" });
    const [writer] = members as [SyncPeer];
    const { group } = shared;
    await writer.sync.edits.updateMember(group, { name: "Kitchen", type: "leaf", priority: 7 });
    await alike([owner, writer]);
    const shown = owner.sync.members(group).find(({ device }) => device === writer.device);
    expect(shown).toMatchObject({
      name: "Kitchen",
      type: "leaf",
      priority: 7,
      user: writer.identity.certified.user,
      state: "joined",
      role: "writer",
    });
    const wrong = [
      { priority: 256 },
      { name: "é".repeat(DEVICE_NAME_BYTES_MAX / 2 + 1) },
      { name: "\ud800" },
      { type: "toaster" as DeviceType },
    ];
    for (const changes of wrong)
      await expect(writer.sync.edits.updateMember(group, changes)).rejects.toMatchObject({
        code: "SYNC_SPEC_INVALID",
      });
    await writer.sync.edits.updateMember(group, { name: "é".repeat(DEVICE_NAME_BYTES_MAX / 2) });
  });

  test("[SY31] of a name that a peer wrote too long, the whole characters that have room are kept", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { writer: "writer" });
    const [writer] = members as [SyncPeer];
    const { group } = shared;
    const own = (peer: SyncPeer): Member | undefined =>
      peer.sync.members(group).find(({ device }) => device === writer.device);
    const name = `x${"é".repeat(10_000)}`;
    const rows = [memberRow({ ...(own(writer) ?? expect.unreachable()), name })];
    await writer.history.write({ parts: [{ scope: group, rows }] });
    await alike([owner, writer]);
    await eventually(() => own(owner)?.name !== "writer");
    expect(own(owner)?.name).toBe(`x${"é".repeat(DEVICE_NAME_BYTES_MAX / 2 - 1)}`);
  });

  test("[SY62] a reader is made a writer, and an admin makes no admins", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { reader: "reader", admin: "admin" });
    const [reader, admin] = members as [SyncPeer, SyncPeer];
    const { user } = reader.identity.certified;
    await expect((await todosOf(reader, shared)).put("row", 1)).rejects.toMatchObject({
      code: "DB_NO_ACCESS",
    });
    await expect(admin.sync.edits.grant(shared.group, user, "admin")).rejects.toMatchObject({
      code: "SYNC_NOT_ADMIN",
    });
    await admin.sync.edits.grant(shared.group, user, "writer");
    await alike([owner, reader, admin]);
    await (await todosOf(reader, shared)).put("row", 1);
    await eventually(async () => (await todosOf(owner, shared)).has("row"));
    await owner.sync.edits.grant(shared.group, user, "admin");
    await alike([owner, reader, admin]);
    await reader.sync.edits.setSpec(shared.group, { description: "mine now" });
  });

  test("[SY62] a writer is made a reader: what it wrote stays, and it writes no more", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { writer: "writer" });
    const [writer] = members as [SyncPeer];
    await (await todosOf(writer, shared)).put("row", 1);
    await alike([owner, writer]);
    await owner.sync.edits.grant(shared.group, writer.identity.certified.user, "reader");
    await alike([owner, writer]);
    expect(await (await todosOf(owner, shared)).get("row")).toBe(1);
    await expect((await todosOf(writer, shared)).put("row", 2)).rejects.toMatchObject({
      code: "DB_NO_ACCESS",
    });
    await (await todosOf(owner, shared)).put("news", 1);
    await eventually(async () => (await todosOf(writer, shared)).has("news"));
  });
});

describe("joining at two admins", () => {
  test("[SY76] [SY27] both keep whom they admitted, though the invite had one use left", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { admin: "admin" });
    const [admin] = members as [SyncPeer];
    const isListed = ({
      device,
      addresses,
    }: {
      device: string;
      addresses: readonly string[];
    }): boolean => device === admin.device && addresses.length > 0;
    await eventually(() => owner.sync.members(shared.group).some(isListed));
    const ticket = await owner.sync.invite(shared.group, { uses: 1 });
    await alike([owner, admin]);
    const [one, two] = [await flock.open("one"), await flock.open("two")];
    flock.network.partition([owner.device, one.device], [admin.device, two.device]);
    await one.sync.join(FLOCK_DATABASE, ticket);
    await two.sync.join(FLOCK_DATABASE, ticket);
    flock.network.heal();
    await alike([owner, admin, one, two]);
    for (const peer of [owner, admin, one, two])
      expect(peer.sync.members(shared.group).map(({ state }) => state)).toEqual(
        Array.from({ length: 4 }, () => "joined"),
      );
    for (const [i, peer] of [one, two].entries())
      await (await todosOf(peer, shared)).put(`row ${i}`, i);
    await alike([owner, admin, one, two]);
    expect(await (await todosOf(two, shared)).get("row 0")).toBe(0);
    const late = await flock.open("late");
    await expect(late.sync.join(FLOCK_DATABASE, ticket)).rejects.toMatchObject({
      code: "SYNC_INVITE_USED_UP",
    });
  });

  test("[SY27] a paused database is offline for who may join, and nothing for others", async () => {
    await using flock = new SyncFlock();
    const { owner, shared } = await groupOf(flock, {});
    const ticket = await owner.sync.invite(shared.group);
    const none = { ...parseTicket(ticket, { crypto }), secret: new Uint8Array(32) };
    await owner.sync.pause(FLOCK_DATABASE);
    const joiner = await flock.open("joiner");
    await expect(joiner.sync.join(FLOCK_DATABASE, ticket)).rejects.toMatchObject({
      code: "SYNC_OFFLINE",
    });
    const wrong = joiner.sync.join(FLOCK_DATABASE, formatTicket(none, { crypto }));
    await expect(wrong).rejects.toMatchObject({ code: "SYNC_NO_ACCESS" });
    await owner.sync.resume(FLOCK_DATABASE);
    await joiner.sync.join(FLOCK_DATABASE, ticket);
  });

  test("[SY66] groups are listed by owner, then name", async () => {
    await using flock = new SyncFlock();
    const [a, b] = [await flock.open("a"), await flock.open("b")];
    for (const name of ["z", "m", "a"]) await shareTodos(a, name);
    const theirs = await shareTodos(b, "q");
    await admit(b, a, theirs);
    const listed = a.sync.groups(FLOCK_DATABASE).map(({ owner, name }) => `${owner} ${name}`);
    expect(listed).toHaveLength(4);
    expect(listed).toEqual(listed.toSorted());
  });
});

describe("leaving", () => {
  test("[SY63] [SY64] [SY65] it ends when others hold everything, and the copy stays, read-only", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { writer: "writer" });
    const [writer] = members as [SyncPeer];
    const { group, collection } = shared;
    const todos = await todosOf(writer, shared);
    for (let i = 0; i < 20; i++) void todos.put(`row ${i}`, i);
    await todos.put("last", 1);
    expect(await writer.sync.leave(group)).toEqual({ onlyHere: [] });
    expect(await (await todosOf(owner, shared)).get("last")).toBe(1);
    expect(writer.sync.status(group)).toBe("left");
    expect(owner.sync.members(group)).toContainEqual(
      expect.objectContaining({
        device: writer.device,
        state: "left",
        hasLeft: true,
        left: expect.any(Number),
      }),
    );
    expect(writer.sync.readOnlyReason(collection)).toContain("left");
    await expect(todos.put("late", 1)).rejects.toMatchObject({ code: "DB_READ_ONLY" });
    // Nothing new comes: another device that came later has it, and this one does not.
    const other = await flock.open("other");
    await admit(owner, other, shared);
    await (await todosOf(owner, shared)).put("news", 1);
    await eventually(async () => (await todosOf(other, shared)).has("news"));
    expect(await todos.has("news")).toBe(false);
    expect(await todos.get("last")).toBe(1);
    for (const changed of [
      writer.sync.leave(group),
      writer.sync.invite(group),
      writer.sync.edits.setSpec(group, {}),
      writer.sync.edits.updateMember(group, {}),
    ])
      await expect(changed).rejects.toMatchObject({ code: "SYNC_GROUP_ENDED" });
  });

  test("[SY118] handing over ends when somebody else holds everything, and leaves nothing", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { writer: "writer" });
    const [writer] = members as [SyncPeer];
    const { group } = shared;
    const todos = await todosOf(writer, shared);
    await todos.put("eggs", 1);
    expect(await writer.sync.leaving.handOver(group)).toEqual({ onlyHere: [] });
    expect(await (await todosOf(owner, shared)).get("eggs")).toBe(1);
    expect(writer.sync.status(group)).toBe("running");
    flock.network.partition([]);
    await todos.put("milk", 1);
    const { onlyHere } = await writer.sync.leaving.handOver(group, { signal: ALREADY });
    expect(onlyHere).toContainEqual(shared.collection);
    await writer.sync.leave(group, { signal: ALREADY });
    const ended = writer.sync.leaving.handOver(group);
    await expect(ended).rejects.toMatchObject({ code: "SYNC_GROUP_ENDED" });
  });

  test("[SY63] alone, or without waiting, it says what stays here", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { writer: "writer" });
    const [writer] = members as [SyncPeer];
    flock.network.partition([]);
    await (await todosOf(writer, shared)).put("mine", 1);
    const { onlyHere } = await writer.sync.leave(shared.group, { signal: ALREADY });
    expect(onlyHere).toContainEqual(shared.collection);
    expect(writer.sync.status(shared.group)).toBe("left");
    const { onlyHere: all } = await owner.sync.leave(shared.group, {
      signal: ALREADY,
      lastAdmin: true,
    });
    expect(all).toHaveLength(2);
    // Their own collection is theirs: they may go on with it.
    await (await todosOf(owner, shared)).put("still mine", 1);
  });

  test("[SY121] [SY63] the only admin does not leave others behind unasked, and waits for nobody who was ejected", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { one: "writer", other: "writer" });
    const [one, other] = members as [SyncPeer, SyncPeer];
    const { group } = shared;
    const { user } = one.identity.certified;
    await expect(owner.sync.leave(group)).rejects.toMatchObject({ code: "SYNC_LAST_ADMIN" });
    expect(owner.sync.status(group)).toBe("running");
    await owner.sync.edits.grant(group, user, "admin");
    await owner.sync.leave(group);
    await eventually(() => one.sync.members(group).some(({ hasLeft }) => hasLeft));
    // Who has left, and who was ejected, does not count.
    await expect(one.sync.leave(group)).rejects.toMatchObject({ code: "SYNC_LAST_ADMIN" });
    await one.sync.edits.eject(group, { user: other.identity.certified.user });
    expect(await one.sync.leave(group)).toMatchObject({ onlyHere: expect.any(Array) });
    expect(one.sync.status(group)).toBe("left");
  });

  test("[SY121] it is looked at again when the hand-over has ended", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { admin: "admin" });
    const [admin] = members as [SyncPeer];
    const { group } = shared;
    flock.network.partition([]);
    await (await todosOf(owner, shared)).put("mine", 1);
    const waiting = new AbortController();
    const leaving = owner.sync.leave(group, { signal: waiting.signal });
    await owner.sync.edits.grant(group, admin.identity.certified.user, "writer");
    waiting.abort();
    await expect(leaving).rejects.toMatchObject({ code: "SYNC_LAST_ADMIN" });
    expect(owner.sync.status(group)).toBe("running");
  });

  test("[SY121] another device of the same user is admin enough, and who says so leaves anyway", async () => {
    await using flock = new SyncFlock();
    const identity = await makeIdentity("owner");
    const owner = await flock.open("owner", { identity });
    const shared = await shareTodos(owner);
    const twin = await flock.open("twin", {
      identity: await makeIdentity("twin", identity.userSeed),
    });
    const writer = await flock.open("writer");
    await admit(owner, twin, shared);
    await admit(owner, writer, shared);
    await eventually(() => twin.sync.members(shared.group).length === 3);
    await owner.sync.leave(shared.group);
    await eventually(() => twin.sync.members(shared.group).some(({ hasLeft }) => hasLeft));
    await expect(twin.sync.leave(shared.group)).rejects.toMatchObject({ code: "SYNC_LAST_ADMIN" });
    await twin.sync.leave(shared.group, { lastAdmin: true, signal: ALREADY });
    expect(twin.sync.status(shared.group)).toBe("left");
  });

  test("[SY64] who has left joins again by a ticket, with what was written meanwhile on both sides", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { writer: "writer" });
    const [writer] = members as [SyncPeer];
    await writer.sync.leave(shared.group);
    await (await todosOf(owner, shared)).put("meanwhile", 1);
    await admit(owner, writer, shared);
    expect(await (await todosOf(writer, shared)).get("meanwhile")).toBe(1);
    await (await todosOf(writer, shared)).put("again", 1);
    await eventually(async () => (await todosOf(owner, shared)).has("again"));
    await alike([owner, writer]);
    expect(owner.sync.members(shared.group)).toContainEqual(
      expect.objectContaining({ device: writer.device, state: "joined", hasLeft: false }),
    );
  });

  test("[SY64] a crash before the others were told leaves a device that tells them", async () => {
    await using flock = new SyncFlock();
    const owner = await flock.open("owner");
    const shared = await shareTodos(owner);
    const medium = createMemoryMedium();
    const identity = await makeIdentity("writer");
    const before = await flock.open("writer", {
      store: await openMemoryStore({ medium }),
      identity,
    });
    await admit(owner, before, shared);
    await alike([owner, before]);
    flock.network.partition([]);
    await before.sync.leave(shared.group, { signal: ALREADY });
    await flock.close(before);
    flock.network.heal();
    const after = await flock.open("writer", {
      store: await openMemoryStore({ medium }),
      identity,
    });
    expect(after.sync.status(shared.group)).toBe("left");
    await eventually(() =>
      owner.sync
        .members(shared.group)
        .some(({ device, hasLeft }) => device === after.device && hasLeft),
    );
  });

  test("[SY65] a collection that another group shares goes on", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { writer: "writer" });
    const [writer] = members as [SyncPeer];
    const second = await shareTodos(owner, "second");
    await admit(owner, writer, second);
    await writer.sync.leave(shared.group);
    expect(writer.sync.readOnlyReason(shared.collection)).toBeUndefined();
    await (await todosOf(writer, shared)).put("row", 1);
    await eventually(async () => (await todosOf(owner, shared)).has("row"));
  });
});

describe("the end", () => {
  test("[SY69] [SY66] a destroyed group is destroyed everywhere, also for who was away", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { admin: "admin", away: "writer" });
    const [admin, away] = members as [SyncPeer, SyncPeer];
    const { group } = shared;
    const ticket = await admin.sync.invite(group);
    await expect(admin.sync.edits.destroy(group)).rejects.toMatchObject({ code: "SYNC_NOT_ADMIN" });
    flock.network.partition([owner.device, admin.device], [away.device]);
    await owner.sync.edits.destroy(group);
    await eventually(() => admin.sync.status(group) === "destroyed");
    await (await todosOf(owner, shared)).put("after", 1);
    await flock.close(owner);
    flock.network.heal();
    await eventually(() => away.sync.status(group) === "destroyed");
    expect(await (await todosOf(away, shared)).has("after")).toBe(false);
    await expect((await todosOf(away, shared)).put("row", 1)).rejects.toMatchObject({
      code: "DB_READ_ONLY",
    });
    const late = await flock.open("late");
    await expect(late.sync.join(FLOCK_DATABASE, ticket)).rejects.toMatchObject({
      code: "SYNC_NO_ACCESS",
    });
    await expect(away.sync.join(FLOCK_DATABASE, ticket)).rejects.toMatchObject({
      code: "SYNC_GROUP_ENDED",
    });
  });

  test("[SY69] an owner who has left, and is alone, ends it nevertheless", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { writer: "writer" });
    const [writer] = members as [SyncPeer];
    await owner.sync.leave(shared.group, { lastAdmin: true });
    await owner.sync.edits.destroy(shared.group);
    expect(owner.sync.status(shared.group)).toBe("destroyed");
    await writer.transport.connect(owner.device, owner.transport.addresses());
    await eventually(() => writer.sync.status(shared.group) === "destroyed");
  });

  test("[SY66] the name of a destroyed group is taken", async () => {
    await using flock = new SyncFlock();
    const { owner, shared } = await groupOf(flock, {});
    await owner.sync.edits.destroy(shared.group);
    await expect(shareTodos(owner)).rejects.toMatchObject({ code: "SYNC_GROUP_EXISTS" });
    await expect(owner.sync.edits.destroy(shared.group)).rejects.toMatchObject({
      code: "SYNC_GROUP_ENDED",
    });
    const again = await shareTodos(owner, "another");
    expect(owner.sync.status(again.group)).toBe("running");
  });
});
