/** Who is ejected, what becomes of what they wrote, and how they hear of it. */

import { describe, expect, test } from "vitest";
import { Tags } from "../access/index.ts";
import { nodeClock } from "../node/index.ts";
import { createMemoryMedium, openMemoryStore } from "../store/index.ts";
import {
  admit,
  alike,
  eventually,
  FLOCK_DATABASE,
  groupOf,
  type SharedGroup,
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

  test("[SY81] let in again, it goes on though its disk refused to note it", async () => {
    await using flock = new SyncFlock();
    const below = createMemoryMedium();
    const medium = new FaultyMedium(() => below.openEngine());
    const store = await openMemoryStore({ medium, clock: nodeClock() });
    const [owner, writer] = [await flock.open("owner"), await flock.open("writer", { store })];
    const shared = await shareTodos(owner);
    await admit(owner, writer, shared);
    await owner.sync.edits.eject(shared.group, userOf(writer));
    await eventually(() => writer.sync.status(shared.group) === "ejected");
    // The grant is written; that we are in the group again is not.
    writer.history.onWritten(() => {
      const { access } = writer.history.scope(shared.group) ?? expect.unreachable();
      if (access.may(writer.device, Tags.READ)) medium.outage = { error: brokenDiskError() };
    });
    await owner.sync.edits.grant(shared.group, userOf(writer).user, "writer");
    await writer.transport.connect(owner.device, owner.transport.addresses());
    const failed = "sync.standing.failed";
    await eventually(() =>
      flock.events.some(({ device, event }) => device === "writer" && event === failed),
    );
    medium.outage = undefined;
    await eventually(() => writer.sync.status(shared.group) === "running");
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

  test("[SY68] [SY67] nobody learns of groups that they were never in, and no member is believed who is no admin", async () => {
    await using flock = new SyncFlock();
    const { owner, members, shared } = await groupOf(flock, { writer: "writer", liar: "writer" });
    const [writer, liar] = members as [SyncPeer, SyncPeer];
    const stranger = await flock.open("stranger");
    const other = await shareTodos(stranger, "elsewhere");
    await admit(stranger, writer, other);
    expect(stranger.sync.groups(FLOCK_DATABASE)).toHaveLength(1);
    // The writer tells the stranger nothing of the other group, whatever is asked.
    const asked = { groups: [shared.group, { ...shared.group, name: "none" }].map(wire) };
    const { value } = await stranger.sync.call(writer.device, { case: "standing", value: asked });
    expect((value as { stands: { stand: number }[] }).stands.map(({ stand }) => stand)).toEqual([
      1, 1,
    ]);
    await liar.sync.close();
    expect(writer.sync.status(shared.group)).toBe("running");
    expect(owner.sync.status(shared.group)).toBe("running");
  });
});

const wire = (scope: SharedGroup["group"]): ReturnType<typeof scopeToWire> => scopeToWire(scope);
