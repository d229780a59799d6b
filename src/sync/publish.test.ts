/** Groups that are published at a device that is usually there. */

import { describe, expect, test } from "vitest";
import { Tags } from "../access/index.ts";
import { HistoryError } from "../history/index.ts";
import { createMemoryMedium, openMemoryStore } from "../store/index.ts";
import { FakeClock } from "../testkit/index.ts";
import {
  admit,
  alike,
  eventually,
  FLOCK_DATABASE,
  isConnected,
  passUntil,
  type SharedGroup,
  shareTodos,
  SyncFlock,
  todosOf,
} from "../testkit/sync-flock.ts";
import { makeIdentity, type SyncPeer } from "../testkit/sync-peer.ts";
import { SERVICE_USERS_MAX, ServiceAccess } from "../groups/index.ts";
import { PUBLISH_CLAIM_MS, PUBLISH_RETRY_MAX_MS, RETRY_MAX_MS } from "./limits.ts";

/** Lets `user`'s groups be published at `server`. */
async function allow(server: SyncPeer, user: SyncPeer): Promise<void> {
  await new ServiceAccess(server.store).grant(user.identity.certified.user);
}

/** Two devices of one owner in a group of theirs, and a server that lets it be published. */
async function twoOfOneOwner(
  flock: SyncFlock,
  serverOptions: Parameters<SyncFlock["open"]>[1] = {},
): Promise<{
  readonly one: SyncPeer;
  readonly two: SyncPeer;
  readonly server: SyncPeer;
  readonly shared: SharedGroup;
}> {
  const seed = new Uint8Array(32).fill(7);
  const [one, two, server] = [
    await flock.open("one", { identity: await makeIdentity("one", seed) }),
    await flock.open("two", { identity: await makeIdentity("two", seed) }),
    await flock.open("server", serverOptions),
  ];
  await allow(server, one);
  const shared = await shareTodos(one);
  await admit(one, two, shared);
  await alike([one, two]);
  return { one, two, server, shared };
}

describe("publishing", () => {
  test("[SY71] a group without a publish peer is running at once", async () => {
    await using flock = new SyncFlock();
    const owner = await flock.open("owner");
    const { group } = await shareTodos(owner);
    expect(owner.sync.status(group)).toBe("running");
  });

  test("[SY70] [SY72] the publish peer takes the group, becomes an admin and lets others join", async () => {
    await using flock = new SyncFlock();
    const [owner, server] = [await flock.open("owner"), await flock.open("server")];
    await allow(server, owner);
    const todos = (await owner.database(FLOCK_DATABASE)).collection("todos");
    await todos.put("early", 1);
    const group = await owner.sync.createGroup(FLOCK_DATABASE, "home", {
      collections: [todos.id],
      publishAt: server.transport.addresses(),
    });
    const shared = { group, collection: todos.id };
    expect(owner.sync.status(group)).toBe("publishPending");
    await eventually(() => owner.sync.status(group) === "running");
    await eventually(() => server.sync.status(group) === "running");
    await alike([owner, server]);
    expect(await (await todosOf(server, shared)).get("early")).toBe(1);
    expect(owner.sync.members(group)).toContainEqual(
      expect.objectContaining({
        device: server.device,
        type: "server",
        role: "admin",
        name: "server",
      }),
    );
    const access = owner.history.scope(todos.id)?.access;
    const { user } = server.identity.certified;
    expect(access?.tagsOf(user)).toBe(Tags.READ | Tags.ADMIN);
    await expect((await todosOf(server, shared)).put("row", 1)).rejects.toMatchObject({
      code: "DB_NO_ACCESS",
    });
    // The owner goes; others join at the server, by a ticket of the server's or of the owner's.
    await eventually(() =>
      owner.sync
        .members(group)
        .some(({ device, addresses }) => device === server.device && addresses.length > 0),
    );
    const ticket = await owner.sync.invite(group);
    await alike([owner, server]);
    await flock.close(owner);
    const joiner = await flock.open("joiner");
    await joiner.sync.join(FLOCK_DATABASE, ticket);
    await joiner.sync.ready(group);
    await (await todosOf(joiner, shared)).put("late", 1);
    await eventually(async () => (await todosOf(server, shared)).has("late"));
  });

  test("[SY70] [SY71] whom the publish peer does not know is rejected, and may publish anew when it does", async () => {
    await using flock = new SyncFlock();
    const [owner, server, member] = [
      await flock.open("owner"),
      await flock.open("server"),
      await flock.open("member"),
    ];
    const shared = await shareTodos(owner);
    await admit(owner, member, shared, { role: "admin" });
    const publishAt = server.transport.addresses();
    await owner.sync.edits.setSpec(shared.group, { publishAt });
    await eventually(() => owner.sync.status(shared.group) === "publishRejected");
    await alike([owner, member]);
    expect(member.sync.status(shared.group)).toBe("publishRejected");
    expect(server.sync.groups(FLOCK_DATABASE)).toEqual([]);
    expect(server.history.databases()).toEqual([]);
    await allow(server, owner);
    // An admin may ask for it; the owner's device does it.
    await member.sync.edits.setSpec(shared.group, { publishAt });
    await eventually(() => owner.sync.status(shared.group) === "running");
    await alike([owner, member, server]);
    expect(member.sync.status(shared.group)).toBe("running");
    // Published nowhere: nothing is taken from whoever has it.
    await owner.sync.edits.setSpec(shared.group, { publishAt: [] });
    expect(owner.sync.edits.spec(shared.group).publishPeer).toBeUndefined();
    expect(owner.sync.status(shared.group)).toBe("running");
  });

  test("[SY71] it is tried again across restarts until the publish peer is there", async () => {
    await using flock = new SyncFlock();
    const identity = await makeIdentity("owner");
    const medium = createMemoryMedium();
    const server = await makeIdentity("server");
    const clock = new FakeClock(Date.now());
    const open = async (): Promise<SyncPeer> =>
      flock.open("owner", { clock, identity, store: await openMemoryStore({ medium }) });
    const first = await open();
    const { group } = await shareTodos(first);
    // Nobody is there yet, and it will be the third on this network.
    const publishAt = [`/memory/3/p2p/${server.device}`];
    await first.sync.edits.setSpec(group, { publishAt });
    await clock.advance(10 * PUBLISH_RETRY_MAX_MS);
    expect(first.sync.status(group)).toBe("publishPending");
    await flock.close(first);
    const second = await open();
    expect(second.sync.status(group)).toBe("publishPending");
    await clock.advance(2 * PUBLISH_RETRY_MAX_MS);
    const there = await flock.open("server", { identity: server });
    expect(there.transport.addresses()).toEqual(publishAt);
    await allow(there, second);
    await passUntil(clock, RETRY_MAX_MS, () => second.sync.status(group) === "running");
    await eventually(() => there.sync.status(group) === "running");
  });

  test("[SY71] a device that was revoked is offered nothing, and the group is rejected at once", async () => {
    await using flock = new SyncFlock();
    const [owner, server] = [await flock.open("owner"), await flock.open("server")];
    await allow(server, owner);
    const shared = await shareTodos(owner);
    await admit(owner, server, shared);
    await owner.sync.edits.eject(shared.group, { device: server.device });
    await owner.sync.edits.setSpec(shared.group, { publishAt: server.transport.addresses() });
    await eventually(() => owner.sync.status(shared.group) === "publishRejected");
    const { events } = flock;
    expect(events.map(({ event }) => event)).not.toContain("sync.published");
    const access = owner.history.scope(shared.group)?.access;
    expect(access?.tagsOfDevice(server.device, server.identity.certified.user)).toBe(0);
  });

  test("[SY72] publishing twice changes nothing; another device of the owner leaves it to the first", async () => {
    await using flock = new SyncFlock();
    const { one, two, server, shared } = await twoOfOneOwner(flock);
    flock.network.partition([one.device, server.device], [two.device]);
    const publishAt = server.transport.addresses();
    await one.sync.edits.setSpec(shared.group, { publishAt });
    await eventually(() => one.sync.status(shared.group) === "running");
    await eventually(() => server.sync.status(shared.group) === "running");
    flock.network.partition([two.device, server.device], [one.device]);
    await two.sync.edits.setSpec(shared.group, { publishAt });
    await eventually(() =>
      flock.events.some(
        ({ event, fields }) =>
          event === "sync.publish.failed" && fields["code"] === "SYNC_DUP_PUBLISH",
      ),
    );
    flock.network.heal();
    await alike([one, two, server]);
    expect(two.sync.status(shared.group)).toBe("running");
    // Offered again by the first: the same answer, and the same members.
    const before = one.sync.members(shared.group).length;
    await one.sync.edits.setSpec(shared.group, { publishAt });
    await alike([one, two, server]);
    expect([one.sync.status(shared.group), one.sync.members(shared.group).length]).toEqual([
      "running",
      before,
    ]);
  });

  test("[SY72] [SY71] where the publisher vanishes before it has made the publish peer an admin, another of the owner's devices goes on", async () => {
    await using flock = new SyncFlock();
    const { one, two, server, shared } = await twoOfOneOwner(flock);
    // The answer comes to the first, which dies before it has written what follows from it.
    flock.network.partition([two.device], [one.device, server.device]);
    const write = one.history.write.bind(one.history);
    let isOffered = false;
    one.history.write = (request) => {
      const grants = request.parts.some(({ controls = [] }) =>
        controls.some(({ type }) => type === "grant"),
      );
      if (!grants) return write(request);
      isOffered = true;
      return new Promise(() => {});
    };
    const publishAt = server.transport.addresses();
    await one.sync.edits.setSpec(shared.group, { publishAt });
    await eventually(() => isOffered);
    expect(server.sync.status(shared.group)).toBe("pending");
    flock.forget(one);
    await one.transport.close();
    one.sync.close().catch(() => {});
    flock.network.heal();
    await two.sync.edits.setSpec(shared.group, { publishAt });
    await eventually(() => two.sync.status(shared.group) === "running");
    await eventually(() => server.sync.status(shared.group) === "running");
    await alike([two, server]);
  });

  test("[SY72] where the publisher stays and makes nobody an admin, another of the owner's devices goes on after a while", async () => {
    await using flock = new SyncFlock();
    const clock = new FakeClock(Date.now());
    const { one, two, server, shared } = await twoOfOneOwner(flock, { clock });
    flock.network.partition([two.device], [one.device, server.device]);
    const write = one.history.write.bind(one.history);
    let refused = 0;
    one.history.write = (request) => {
      const grants = request.parts.some(({ controls = [] }) =>
        controls.some(({ type }) => type === "grant"),
      );
      if (!grants) return write(request);
      refused += 1;
      return Promise.reject(new HistoryError("HISTORY_UNAUTHORISED", "It was revoked meanwhile"));
    };
    const publishAt = server.transport.addresses();
    await one.sync.edits.setSpec(shared.group, { publishAt });
    await eventually(() => refused > 0);
    flock.network.heal();
    await two.sync.edits.setSpec(shared.group, { publishAt });
    const isRefused = (): boolean =>
      flock.events.some(({ fields }) => fields["code"] === "SYNC_DUP_PUBLISH");
    await eventually(isRefused);
    expect(server.sync.status(shared.group)).toBe("pending");
    await clock.advance(PUBLISH_CLAIM_MS);
    await passUntil(clock, 1, () => server.sync.status(shared.group) === "running");
    expect(isConnected(server, one.device)).toBe(true);
  });

  test("[SY72] of a group that is at the publish peer already it becomes an admin", async () => {
    await using flock = new SyncFlock();
    const [owner, server] = [await flock.open("owner"), await flock.open("server")];
    const shared = await shareTodos(owner);
    await admit(owner, server, shared, { role: "reader" });
    await allow(server, owner);
    await owner.sync.edits.setSpec(shared.group, { publishAt: [server.device] });
    await eventually(() => owner.sync.status(shared.group) === "running");
    await alike([owner, server]);
    expect(server.sync.members(shared.group)).toHaveLength(2);
    await server.sync.edits.setSpec(shared.group, { description: "by the server" });
  });

  test("[SY70] the list is kept, and has an end", async () => {
    const medium = createMemoryMedium();
    const users = await Promise.all(
      Array.from({ length: 3 }, async (_, i) => (await makeIdentity(`user ${i}`)).certified.user),
    );
    {
      await using store = await openMemoryStore({ medium });
      const access = new ServiceAccess(store);
      for (const user of users) await access.grant(user);
      await access.grant(users[0] as (typeof users)[number]);
      await access.revoke(users[1] as (typeof users)[number]);
    }
    await using store = await openMemoryStore({ medium });
    const access = new ServiceAccess(store);
    expect(new Set(await access.list())).toEqual(new Set([users[0], users[2]]));
    expect(await access.mayPublish(users[1] as (typeof users)[number])).toBe(false);
    expect(SERVICE_USERS_MAX).toBeGreaterThan(100);
  });
});
