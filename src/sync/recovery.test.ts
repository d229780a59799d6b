import { describe, expect, test } from "vitest";
import type { DeviceId } from "../base/index.ts";
import { nodeClock } from "../node/index.ts";
import { createMemoryMedium, type MemoryMedium, openMemoryStore } from "../store/index.ts";
import { brokenDiskError, FaultyMedium } from "../testkit/index.ts";
import { copyMedium } from "../testkit/medium-copy.ts";
import {
  admit,
  alike,
  eventually,
  FLOCK_DATABASE,
  shareTodos,
  SyncFlock,
  todosOf,
} from "../testkit/sync-flock.ts";
import type { SyncPeer } from "../testkit/sync-peer.ts";

/** Logs of a device that a peer knows in the group's collection. */
function logsOf(peer: SyncPeer, device: DeviceId): number {
  const logs = peer.history
    .scopes(FLOCK_DATABASE)
    .filter(({ id }) => id.kind === "collection")
    .flatMap((scope) => [...scope.vector().keys()]);
  return logs.filter((log) => log.startsWith(device)).length;
}

const reasonsIn = (flock: SyncFlock): unknown[] =>
  flock.events
    .filter(({ event }) => event === "history.incarnation")
    .map(({ fields }) => fields["reason"]);

describe("[HI14] [HI50] a device with an old backup", () => {
  const CASES: readonly [string, (medium: MemoryMedium) => Promise<MemoryMedium>][] = [
    ["that is known to be one", (medium) => copyMedium(medium)],
    ["that nobody can tell", (medium) => copyMedium(medium, { anonymous: true })],
  ];

  test.for(CASES)("%s: nothing that some peer or it holds is lost", async ([, restore]) => {
    await using flock = new SyncFlock();
    const [ada, cyd] = [await flock.open("ada"), await flock.open("cyd")];
    const medium = createMemoryMedium();
    const bea = await flock.open("bea", { store: await openMemoryStore({ medium }) });
    const shared = await shareTodos(ada);
    await admit(ada, bea, shared);
    await admit(ada, cyd, shared);
    await (await todosOf(bea, shared)).put("kept", 1);
    await alike([ada, bea, cyd]);
    const { identity, device } = bea;
    await flock.close(bea);
    const backup = await copyMedium(medium);

    const later = await flock.open("bea", { identity, store: await openMemoryStore({ medium }) });
    await (await todosOf(later, shared)).put("lost", 2);
    await (await todosOf(later, shared)).put("kept", 2);
    await alike([ada, later, cyd]);
    await flock.close(later);

    // Offline: nobody can say anything.
    flock.network.partition([device], [ada.device, cyd.device]);
    const store = await openMemoryStore({ medium: await restore(backup) });
    const restored = await flock.open("bea", { identity, store });
    await (await todosOf(restored, shared)).put("offline", 3);
    expect(reasonsIn(flock)).toHaveLength(1);
    flock.network.heal();
    await restored.transport.connect(ada.device, ada.transport.addresses());
    await alike([ada, restored, cyd]);
    for (const peer of [ada, restored, cyd]) {
      const todos = await todosOf(peer, shared);
      expect([
        await todos.get("kept"),
        await todos.get("lost"),
        await todos.get("offline"),
      ]).toEqual([2, 2, 3]);
      expect(logsOf(peer, device)).toBe(2);
    }
    expect(flock.events.map(({ event }) => event)).not.toContain("history.fork");
  });

  test("goes on under its log where a peer has said that it knows no more", async () => {
    await using flock = new SyncFlock();
    const ada = await flock.open("ada");
    const medium = createMemoryMedium();
    const bea = await flock.open("bea", { store: await openMemoryStore({ medium }) });
    const shared = await shareTodos(ada);
    await admit(ada, bea, shared);
    await (await todosOf(bea, shared)).put("kept", 1);
    await alike([ada, bea]);
    const { identity, device } = bea;
    await flock.close(bea);
    const store = await openMemoryStore({ medium: await copyMedium(medium, { anonymous: true }) });
    const again = await flock.open("bea", { identity, store });
    // Waits for the word while Ada is being reached.
    await (await todosOf(again, shared)).put("next", 2);
    await alike([ada, again]);
    expect(reasonsIn(flock)).toEqual([]);
    expect(logsOf(ada, device)).toBe(1);
  });
});

test("[HI14] a device that has lost its store gets its rows back when it joins again, and goes on under a new log", async () => {
  await using flock = new SyncFlock();
  const [ada, bea] = [await flock.open("ada"), await flock.open("bea")];
  const shared = await shareTodos(ada);
  await admit(ada, bea, shared);
  await (await todosOf(bea, shared)).put("mine", 1);
  await alike([ada, bea]);
  const { identity, device } = bea;
  await flock.close(bea);
  const again = await flock.open("bea", { identity });
  await admit(ada, again, shared);
  const todos = await todosOf(again, shared);
  await eventually(async () => (await todos.get("mine")) === 1);
  await todos.put("mine", 2);
  await alike([ada, again]);
  expect(await (await todosOf(ada, shared)).get("mine")).toBe(2);
  expect(logsOf(ada, device)).toBe(2);
});

test("[SY25] who waits for an admin that has lost that it let it in joins again by another ticket", async () => {
  await using flock = new SyncFlock();
  const medium = createMemoryMedium();
  const ada = await flock.open("ada", { store: await openMemoryStore({ medium }) });
  const bea = await flock.open("bea");
  const shared = await shareTodos(ada);
  const { identity } = ada;
  await flock.close(ada);
  const backup = await copyMedium(medium);
  const later = await flock.open("ada", { identity, store: await openMemoryStore({ medium }) });
  // Bea hears nothing but the answer.
  await bea.sync.pause(FLOCK_DATABASE);
  await bea.sync.join(FLOCK_DATABASE, await later.sync.invite(shared.group));
  await flock.close(later);
  const store = await openMemoryStore({ medium: backup });
  const restored = await flock.open("ada", { identity, store });
  await bea.sync.resume(FLOCK_DATABASE);
  const ticket = await restored.sync.invite(shared.group);
  expect(bea.sync.status(shared.group)).toBe("pending");
  await bea.sync.join(FLOCK_DATABASE, ticket);
  await bea.sync.ready(shared.group);
  expect(bea.sync.status(shared.group)).toBe("running");
  await (await todosOf(bea, shared)).put("mine", 1);
  await alike([restored, bea]);
});

test("[SY33] what our disk refused is asked for again, though nothing more comes", async () => {
  await using flock = new SyncFlock();
  const below = createMemoryMedium();
  const medium = new FaultyMedium(() => below.openEngine());
  const clock = nodeClock();
  const [ada, bea] = [
    await flock.open("ada"),
    await flock.open("bea", { store: await openMemoryStore({ medium, clock }) }),
  ];
  const shared = await shareTodos(ada);
  await admit(ada, bea, shared);
  await alike([ada, bea]);
  medium.failWrite({ error: brokenDiskError() });
  const written = medium.batches.length;
  await (await todosOf(ada, shared)).put("last", 1);
  await eventually(() => medium.openCount > 1 && medium.batches.length > written);
  await alike([ada, bea]);
  expect(await (await todosOf(bea, shared)).get("last")).toBe(1);
});
