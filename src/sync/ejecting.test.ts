/** Who is ejected, what becomes of what they wrote, and how they hear of it. */

import { describe, expect, test } from "vitest";
import { fromUtf8 } from "../base/index.ts";
import { nodeClock } from "../node/index.ts";
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
import { brokenDiskError, FaultyMedium } from "../testkit/index.ts";
import { makeIdentity, type SyncPeer } from "../testkit/sync-peer.ts";
import { scopeToWire } from "../wire/index.ts";

const userOf = (peer: SyncPeer): { user: SyncPeer["identity"]["certified"]["user"] } => ({
  user: peer.identity.certified.user,
});

describe("ejecting", () => {
  test("[SY75] [SY67] the ejected is told, gets nothing new, keeps what it had and writes nothing", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { bad: "writer", good: "writer" });
    const [bad, good] = members as [SyncPeer, SyncPeer];
    await (await todosOf(bad, shared)).put("theirs", 1);
    await alike([owner, bad, good]);
    await owner.sync.edits.eject(shared.group, userOf(bad));
    await eventually(() => bad.sync.status(shared.group) === "ejected");
    expect(flock.events).toContainEqual(
      expect.objectContaining({ device: "bad", event: "sync.ejected" }),
    );
    await alike([owner, good]);
    for (const peer of [owner, good]) {
      expect(peer.sync.members(shared.group)).toContainEqual(
        expect.objectContaining({ device: bad.device, state: "ejected", role: undefined }),
      );
      expect(await (await todosOf(peer, shared)).get("theirs")).toBe(1);
    }
    await (await todosOf(owner, shared)).put("secret", 1);
    await eventually(async () => (await todosOf(good, shared)).has("secret"));
    const todos = await todosOf(bad, shared);
    expect([await todos.has("secret"), await todos.get("theirs")]).toEqual([false, 1]);
    await expect(todos.put("late", 1)).rejects.toMatchObject({ code: "DB_READ_ONLY" });
    await expect(bad.sync.invite(shared.group)).rejects.toMatchObject({
      code: "SYNC_GROUP_ENDED",
    });
  });

  test("[SY75] what the ejected writes without having heard of it counts nowhere else", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { bad: "writer", good: "writer" });
    const [bad, good] = members as [SyncPeer, SyncPeer];
    flock.network.partition([owner.device], [bad.device, good.device]);
    await owner.sync.edits.eject(shared.group, userOf(bad));
    // The other has not heard of it either, and takes it for the time being.
    await (await todosOf(bad, shared)).put("late", 1);
    await eventually(async () => (await todosOf(good, shared)).has("late"));
    flock.network.heal();
    await alike([owner, good]);
    await eventually(() => bad.sync.status(shared.group) === "ejected");
    for (const peer of [owner, good])
      expect(await (await todosOf(peer, shared)).has("late"), peer.device).toBe(false);
    await (await todosOf(good, shared)).put("after", 1);
    await eventually(async () => (await todosOf(owner, shared)).has("after"));
    expect(await (await todosOf(owner, shared)).has("late")).toBe(false);
  });

  test("[SY75] [SY62] let in again, it goes on", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { writer: "writer" });
    const [writer] = members as [SyncPeer];
    await owner.sync.edits.eject(shared.group, userOf(writer));
    await eventually(() => writer.sync.status(shared.group) === "ejected");
    await (await todosOf(owner, shared)).put("meanwhile", 1);
    await owner.sync.edits.grant(shared.group, userOf(writer).user, "writer");
    await writer.transport.connect(owner.device, owner.transport.addresses());
    await eventually(() => writer.sync.status(shared.group) === "running");
    await eventually(async () => (await todosOf(writer, shared)).has("meanwhile"));
    await (await todosOf(writer, shared)).put("again", 1);
    await eventually(async () => (await todosOf(owner, shared)).has("again"));
  });

  test("[SY81] who is told while their disk refuses is told again", async () => {
    await using flock = new SyncFlock();
    const below = createMemoryMedium();
    const medium = new FaultyMedium(() => below.openEngine());
    const store = await openMemoryStore({ medium, clock: nodeClock() });
    const [owner, writer] = [await flock.open("owner"), await flock.open("writer", { store })];
    const shared = await shareTodos(owner);
    await admit(owner, writer, shared);
    await alike([owner, writer]);
    medium.outage = { error: brokenDiskError() };
    await owner.sync.edits.eject(shared.group, userOf(writer));
    const failed = "sync.removal.failed";
    await eventually(() =>
      flock.events.some(({ device, event }) => device === "writer" && event === failed),
    );
    medium.outage = undefined;
    await eventually(() => writer.sync.status(shared.group) === "ejected");
  });

  test("[SY75] by a ticket it comes back too", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { writer: "writer" });
    const [writer] = members as [SyncPeer];
    await owner.sync.edits.eject(shared.group, userOf(writer));
    await eventually(() => writer.sync.status(shared.group) === "ejected");
    await (await todosOf(owner, shared)).put("meanwhile", 1);
    await admit(owner, writer, shared);
    expect(await (await todosOf(writer, shared)).get("meanwhile")).toBe(1);
    expect(writer.sync.status(shared.group)).toBe("running");
  });

  test("[SY75] who may not be ejected, and by whom", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, {
      admin: "admin",
      other: "admin",
      writer: "writer",
    });
    const [admin, other, writer] = members as [SyncPeer, SyncPeer, SyncPeer];
    const { group } = shared;
    const stranger = await makeIdentity("stranger");
    const cases = [
      { by: admin, whom: userOf(admin), code: "SYNC_NOT_ADMIN" },
      { by: owner, whom: userOf(owner), code: "SYNC_NOT_ADMIN" },
      { by: admin, whom: userOf(owner), code: "SYNC_NOT_ADMIN" },
      { by: admin, whom: userOf(other), code: "SYNC_NOT_ADMIN" },
      { by: writer, whom: userOf(admin), code: "SYNC_NOT_ADMIN" },
      { by: admin, whom: { device: owner.device }, code: "SYNC_NOT_ADMIN" },
      { by: owner, whom: { user: stranger.certified.user }, code: "SYNC_NO_MEMBER" },
      { by: owner, whom: { device: stranger.device }, code: "SYNC_NO_MEMBER" },
    ];
    for (const [i, { by, whom, code }] of cases.entries())
      await expect(by.sync.edits.eject(group, whom), `case ${i}`).rejects.toMatchObject({ code });
    await admin.sync.edits.eject(group, userOf(writer));
    await owner.sync.edits.eject(group, userOf(other));
    await eventually(() => writer.sync.status(group) === "ejected");
    await eventually(() => other.sync.status(group) === "ejected");
    await alike([owner, admin]);
    expect(
      owner.sync
        .members(group)
        .map(({ state }) => state)
        .sort(),
    ).toEqual(["ejected", "ejected", "joined", "joined"]);
  });

  test("[SY75] one device of a user is ejected, the other stays", async () => {
    await using flock = new SyncFlock();
    const owner = await flock.open("owner");
    const shared = await shareTodos(owner);
    const seed = new Uint8Array(32).fill(9);
    const [lost, kept] = [
      await flock.open("lost", { identity: await makeIdentity("lost", seed) }),
      await flock.open("kept", { identity: await makeIdentity("kept", seed) }),
    ];
    await admit(owner, lost, shared);
    await admit(owner, kept, shared);
    await alike([owner, lost, kept]);
    await owner.sync.edits.eject(shared.group, { device: lost.device });
    await eventually(() => lost.sync.status(shared.group) === "ejected");
    await (await todosOf(kept, shared)).put("row", 1);
    await eventually(async () => (await todosOf(owner, shared)).has("row"));
    expect(kept.sync.status(shared.group)).toBe("running");
    expect(await (await todosOf(lost, shared)).has("row")).toBe(false);
  });

  test("[SY67] the ejected is told while another group of the database is shared with whoever ejected it, before it has joined too", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { ben: "writer" });
    const [ben] = members as [SyncPeer];
    const second = await shareTodos(owner, "second");
    const todos = await todosOf(owner, second);
    for (let i = 0; i < 20; i++) await todos.put(`row ${i}`, "x".repeat(100_000));
    await ben.sync.join(FLOCK_DATABASE, await owner.sync.invite(second.group));
    // Nobody connects anew, nobody is refused.
    const [connection = expect.unreachable()] = ben.transport.connections();
    await owner.sync.edits.eject(second.group, userOf(ben));
    await eventually(() => ben.sync.status(second.group) === "ejected");
    expect(ben.sync.status(shared.group)).toBe("running");
    expect(connection.closed.aborted).toBe(false);
  });

  test("[SY75] collections that another group shares are spared when that is asked for", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { writer: "writer" });
    const [writer] = members as [SyncPeer];
    const second = await shareTodos(owner, "second");
    await admit(owner, writer, second);
    await owner.sync.edits.eject(shared.group, userOf(writer), { keepsShared: true });
    await eventually(() => writer.sync.status(shared.group) === "ejected");
    await (await todosOf(writer, shared)).put("row", 1);
    await eventually(async () => (await todosOf(owner, shared)).has("row"));
    await owner.sync.edits.eject(second.group, userOf(writer), { keepsShared: true });
    await eventually(() => writer.sync.status(second.group) === "ejected");
    await expect((await todosOf(writer, shared)).put("row", 2)).rejects.toMatchObject({
      code: "DB_READ_ONLY",
    });
  });

  test("[SY75] whom the group has ejected already is ejected again from collections in which they may still do something", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { writer: "writer" });
    const [writer] = members as [SyncPeer];
    await admit(owner, writer, await shareTodos(owner, "second"));
    await owner.sync.edits.eject(shared.group, userOf(writer), { keepsShared: true });
    await eventually(() => writer.sync.status(shared.group) === "ejected");
    await (await todosOf(writer, shared)).put("row", 1);
    await eventually(async () => (await todosOf(owner, shared)).has("row"));
    await owner.sync.edits.eject(shared.group, userOf(writer));
    await eventually(async () => {
      const refused = (await todosOf(writer, shared)).put("row", 2);
      return refused.then(
        () => false,
        (error: { code?: string }) => error.code === "DB_NO_ACCESS",
      );
    });
  });

  test("[SY67] any member who knows tells it, and no word of an admin is needed", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { bad: "writer", good: "reader" });
    const [bad, good] = members as [SyncPeer, SyncPeer];
    flock.network.partition([bad.device], [owner.device, good.device]);
    await owner.sync.edits.eject(shared.group, userOf(bad));
    await (await todosOf(bad, shared)).put("late", 1);
    await alike([owner, good]);
    await flock.close(owner);
    flock.network.heal();
    await bad.transport.connect(good.device, good.transport.addresses());
    await eventually(() => bad.sync.status(shared.group) === "ejected");
    // What it wrote without having heard of it is set apart there too, and not lost.
    expect(await (await todosOf(bad, shared)).has("late")).toBe(false);
    const apart: string[] = [];
    for await (const { rows } of bad.history.quarantined(shared.collection))
      apart.push(...rows.map(({ key }) => fromUtf8(key) ?? ""));
    expect(apart).toEqual(["late"]);
    // Nothing of it is told twice: it knows.
    expect(bad.history.scope(shared.group)?.access.heads).toEqual(
      good.history.scope(shared.group)?.access.heads,
    );
  });

  test("[SY67] an admin who is ejected hears of it from a reader", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { admin: "admin", reader: "reader" });
    const [admin, reader] = members as [SyncPeer, SyncPeer];
    flock.network.partition([admin.device], [owner.device, reader.device]);
    await owner.sync.edits.eject(shared.group, userOf(admin));
    await alike([owner, reader]);
    await flock.close(owner);
    flock.network.heal();
    await admin.transport.connect(reader.device, reader.transport.addresses());
    await eventually(() => admin.sync.status(shared.group) === "ejected");
    await expect(admin.sync.invite(shared.group)).rejects.toMatchObject({
      code: "SYNC_GROUP_ENDED",
    });
  });

  test("[SY67] [SY29] [SY119] who is ejected before anything of the group has come does not wait for it", async () => {
    await using flock = new SyncFlock();
    const owner = await flock.open("owner");
    const shared = await shareTodos(owner);
    const other = await flock.open("other");
    await admit(owner, other, shared);
    const late = await flock.open("late");
    await late.sync.pause(FLOCK_DATABASE);
    await late.sync.join(FLOCK_DATABASE, await owner.sync.invite(shared.group));
    expect(late.sync.status(shared.group)).toBe("pending");
    await owner.sync.edits.eject(shared.group, userOf(late));
    await alike([owner, other]);
    const ready = late.sync.ready(shared.group);
    await late.sync.resume(FLOCK_DATABASE);
    await expect(ready).rejects.toMatchObject({ code: "SYNC_GROUP_ENDED" });
    expect(late.sync.status(shared.group)).toBe("ejected");
    await expect(late.sync.ready(shared.group)).rejects.toMatchObject({ code: "SYNC_GROUP_ENDED" });
    // By a new ticket it waits for what has come since.
    await late.sync.join(FLOCK_DATABASE, await owner.sync.invite(shared.group));
    await late.sync.ready(shared.group);
    expect(late.sync.status(shared.group)).toBe("running");
  });

  test("[SY68] nobody learns of groups that they were never in", async () => {
    await using flock = new SyncFlock();
    const { members, shared } = await groupOf(flock, { writer: "writer", bad: "writer" });
    const [writer, bad] = members as [SyncPeer, SyncPeer];
    const stranger = await flock.open("stranger");
    const other = await shareTodos(stranger, "elsewhere");
    await admit(stranger, writer, other);
    await admit(stranger, bad, other);
    // The writer tells the stranger nothing of the other group, whatever is asked; nor anybody who may read it.
    const scopes = [shared.group, shared.collection, { ...shared.group, name: "none" }].map(
      (scope) => ({ scope: scopeToWire(scope) }),
    );
    for (const asker of [stranger, bad]) {
      const { value } = await asker.sync.call(writer.device, {
        case: "removal",
        value: { scopes },
      });
      expect(value).toMatchObject({ parts: [], more: false });
    }
  });
});

describe("losing a collection", () => {
  test("[SY67] [DB33] who stays in the group is told, shows it, and writes nothing there", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { writer: "writer", good: "reader" });
    const [writer, good] = members as [SyncPeer, SyncPeer];
    const todos = await todosOf(writer, shared);
    await todos.put("theirs", 1);
    await alike([owner, writer, good]);
    flock.network.partition([writer.device], [owner.device, good.device]);
    await (await todosOf(owner, shared)).revoke(userOf(writer).user);
    await (await todosOf(owner, shared)).put("secret", 1);
    await todos.put("late", 1);
    await alike([owner, good]);
    await flock.close(owner);
    flock.network.heal();
    await writer.transport.connect(good.device, good.transport.addresses());
    await eventually(async () => (await roleOf(writer)) === undefined);
    expect(flock.events).toContainEqual(
      expect.objectContaining({ device: "writer", event: "sync.removed" }),
    );
    expect(writer.sync.status(shared.group)).toBe("running");
    await expect(todos.put("more", 1)).rejects.toMatchObject({ code: "DB_NO_ACCESS" });
    expect([await todos.has("late"), await todos.has("secret"), await todos.get("theirs")]).toEqual(
      [false, false, 1],
    );
  });

  test("[SY67] granted again, it goes on", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { writer: "writer" });
    const [writer] = members as [SyncPeer];
    const [ours, theirs] = [await todosOf(owner, shared), await todosOf(writer, shared)];
    // While both are connected it is told at once.
    await ours.revoke(userOf(writer).user);
    await ours.put("meanwhile", 1);
    await eventually(async () => (await roleOf(writer)) === undefined);
    await ours.grant(userOf(writer).user, "writer");
    await eventually(async () => (await roleOf(writer)) === "writer");
    await eventually(() => theirs.has("meanwhile"));
    await theirs.put("again", 1);
    await eventually(() => ours.has("again"));
  });
});

/** What a device shows that its user may do in the one collection that is there. */
async function roleOf(peer: SyncPeer): Promise<string | undefined> {
  const [info] = (await peer.database(FLOCK_DATABASE)).collections();
  return info?.role;
}
