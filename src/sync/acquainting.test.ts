import { expect, test } from "vitest";
import { deviceKeyOf } from "../base/index.ts";
import { FramedStream } from "../net/index.ts";
import { nodeClock } from "../node/index.ts";
import { createMemoryMedium, openMemoryStore } from "../store/index.ts";
import { copyMedium } from "../testkit/medium-copy.ts";
import {
  admit,
  alike,
  CALLS,
  DELTAS,
  eventually,
  FLOCK_DATABASE,
  type SharedGroup,
  shareTodos,
  SyncFlock,
  todosOf,
} from "../testkit/sync-flock.ts";
import type { SyncPeer } from "../testkit/sync-peer.ts";
import {
  type CallRequest,
  CallRequestSchema,
  CallResponseSchema,
  create,
  decode,
  DeltaOpenSchema,
  DeltaRequestSchema,
  DeltaResponseSchema,
  encode,
} from "../wire/index.ts";

test("[SY77] a device older than a member hears from that member alone what it has lost", async () => {
  await using flock = new SyncFlock();
  const medium = createMemoryMedium();
  const ada = await flock.open("ada", { store: await openMemoryStore({ medium }) });
  const shared = await shareTodos(ada);
  await (await todosOf(ada, shared)).put("kept", 1);
  const { identity } = ada;
  await flock.close(ada);
  const backup = await copyMedium(medium);

  const later = await flock.open("ada", { identity, store: await openMemoryStore({ medium }) });
  const ben = await flock.open("ben");
  await admit(later, ben, shared);
  await (await todosOf(later, shared)).put("lost", 2);
  await (await todosOf(ben, shared)).put("mine", 3);
  await alike([later, ben]);
  await flock.close(later);

  const restored = await flock.open("ada", {
    identity,
    store: await openMemoryStore({ medium: await copyMedium(backup) }),
  });
  expect(restored.sync.members(shared.group)).toHaveLength(1);
  await restored.transport.connect(ben.device, ben.transport.addresses());
  await alike([restored, ben]);
  const todos = await todosOf(restored, shared);
  expect([await todos.get("kept"), await todos.get("lost"), await todos.get("mine")]).toEqual([
    1, 2, 3,
  ]);
  await todos.put("again", 4);
  await alike([restored, ben]);
  expect(await (await todosOf(ben, shared)).get("again")).toBe(4);
  expect(flock.events.map(({ event }) => event)).not.toContain("history.fork");
  expect(flock.events.map(({ event }) => event)).not.toContain("sync.peer.fault");
});

/** What `asker` would show to `asked`, worked out by hand. */
async function tokenOf(
  holder: SyncPeer,
  { group }: SharedGroup,
  asker: SyncPeer,
  asked: SyncPeer,
): Promise<Uint8Array> {
  const scope = holder.history.scope(group);
  const [root] = scope === undefined ? [] : await holder.history.rootsOf(scope);
  if (root === undefined) throw new Error("no such group");
  const ends = [deviceKeyOf(asker.device), deviceKeyOf(asked.device)];
  const bytes = Buffer.concat([Buffer.from("rookery acquaint 1\n"), root, ...ends]);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** Shows tokens to `asked`, and answers the bytes of what it says. */
async function show(
  asker: SyncPeer,
  asked: SyncPeer,
  tokens: readonly Uint8Array[],
): Promise<string> {
  const connection = await asker.transport.connect(asked.device, asked.transport.addresses());
  const frames = new FramedStream({ stream: await connection.open(CALLS), clock: nodeClock() });
  decode(CallResponseSchema, (await frames.receive()) as Uint8Array);
  const request: CallRequest["request"] = {
    case: "acquaint",
    value: { $typeName: "rookery.Acquaint", tokens: [...tokens] },
  };
  await frames.send(encode(CallRequestSchema, create(CallRequestSchema, { number: 1, request })));
  return Buffer.from((await frames.receive()) as Uint8Array).toString("hex");
}

test("[SY78] who cannot show it gets the same answer, and is asked for nothing", async () => {
  await using flock = new SyncFlock();
  const [ada, ben, eve] = [
    await flock.open("ada"),
    await flock.open("ben"),
    await flock.open("eve"),
  ];
  const shared = await shareTodos(ada);
  await admit(ada, ben, shared);
  await eve.sync.close();
  let pulled = 0;
  eve.transport.handle(DELTAS, async (stream) => {
    pulled += 1;
    stream.reset();
  });
  const answers = [
    await show(eve, ada, []),
    await show(eve, ada, [new Uint8Array(32)]),
    // What Ben may show, to Ada or of Ada, is worth nothing in the hands of Eve.
    await show(eve, ada, [await tokenOf(ben, shared, ben, ada)]),
    await show(eve, ada, [await tokenOf(ben, shared, ada, eve)]),
    // A device that has no such group.
    await show(ada, eve, []).catch(() => "closed"),
  ];
  expect(new Set(answers.slice(0, 4)).size).toBe(1);
  expect(pulled).toBe(0);
  expect([...ada.sync.sharing.acquaintances.devices]).toEqual([]);
  expect(answers[0]).toBe(await show(eve, ada, [await tokenOf(ben, shared, eve, ada)]));
  await eventually(() => pulled > 0);
});

test("[SY78] an acquaintance is told nothing of what is known, and forgotten with its connection", async () => {
  await using flock = new SyncFlock();
  const [ada, eve] = [await flock.open("ada"), await flock.open("eve")];
  const shared = await shareTodos(ada);
  await (await todosOf(ada, shared)).put("secret", 1);
  await eve.sync.close();
  const asked = Promise.withResolvers<{ scopes: readonly unknown[]; known: number }>();
  eve.transport.handle(DELTAS, async (stream) => {
    const frames = new FramedStream({ stream, clock: nodeClock() });
    const { database } = decode(DeltaOpenSchema, (await frames.receive()) as Uint8Array);
    expect(database).toBe(FLOCK_DATABASE);
    const opened = { certificate: eve.identity.certified.bytes };
    await frames.send(encode(DeltaResponseSchema, create(DeltaResponseSchema, { opened })));
    const { scopes } = decode(DeltaRequestSchema, (await frames.receive()) as Uint8Array);
    const known = scopes.reduce(
      (sum, { vector, controlSum }) => sum + (vector?.entries.length ?? 0) + controlSum.length,
      0,
    );
    asked.resolve({ scopes: scopes.map(({ scope }) => scope?.name), known });
  });
  await show(eve, ada, [await tokenOf(ada, shared, eve, ada)]);
  expect(await asked.promise).toEqual({ scopes: ["home"], known: 0 });
  expect(ada.sync.peers().map(({ device }) => device)).toEqual([eve.device]);
  for (const connection of eve.transport.connections()) await connection.close("done");
  await eventually(() => ada.sync.peers().length === 0);
  expect([...ada.sync.sharing.acquaintances.devices]).toEqual([]);
});

test("[SY77] what is shown once more is no news, and takes nothing away", async () => {
  await using flock = new SyncFlock();
  const [ada, eve] = [await flock.open("ada"), await flock.open("eve")];
  const [home, work] = [await shareTodos(ada), await shareTodos(ada, "work")];
  await eve.sync.close();
  for (const shared of [home, work, home, work])
    await show(eve, ada, [await tokenOf(ada, shared, eve, ada)]);
  const { acquaintances } = ada.sync.sharing;
  for (const { group } of [home, work]) expect(acquaintances.has(eve.device, group)).toBe(true);
  expect(flock.events.filter(({ event }) => event === "sync.acquainted")).toHaveLength(2);
});

test("[SY77] who comes back to one of two groups is heard of, though it was never away from the other", async () => {
  await using flock = new SyncFlock();
  const [ada, bea] = [await flock.open("ada"), await flock.open("bea")];
  const [home, work] = [await shareTodos(ada), await shareTodos(ada, "work")];
  for (const shared of [home, work]) await admit(ada, bea, shared);
  await alike([ada, bea]);
  const stateAtAda = (): string | undefined =>
    ada.sync.members(home.group).find(({ device }) => device === bea.device)?.state;
  await bea.sync.leave(home.group);
  await eventually(() => stateAtAda() === "left");
  await admit(ada, bea, home);
  await eventually(() => stateAtAda() === "joined");
  await alike([ada, bea]);
});

test("[SY77] who comes back by another admin is heard of by whoever serves it already, and from itself alone", async () => {
  await using flock = new SyncFlock();
  const [ada, bea, cyd] = [
    await flock.open("ada"),
    await flock.open("bea"),
    await flock.open("cyd"),
  ];
  const [home, work] = [await shareTodos(ada), await shareTodos(ada, "work")];
  for (const shared of [home, work]) await admit(ada, bea, shared);
  await admit(ada, cyd, home, { role: "admin" });
  await eventually(() => [bea, cyd].every((one) => one.sync.members(home.group).length === 3));
  const stateAtAda = (): string | undefined =>
    ada.sync.members(home.group).find(({ device }) => device === bea.device)?.state;
  await bea.sync.leave(home.group);
  await eventually(() => stateAtAda() === "left");
  // Ada hears nothing from Cyd for a while.
  ada.sync.punish(cyd.device, new Error("as if it had broken the protocol"));
  await admit(cyd, bea, home);
  await eventually(() => stateAtAda() === "joined");
});

test("[SY77] a device that was set back hears of a member whom it serves as one of another group's collection", async () => {
  await using flock = new SyncFlock();
  const medium = createMemoryMedium();
  const ada = await flock.open("ada", { store: await openMemoryStore({ medium }) });
  const [home, work] = [await shareTodos(ada), await shareTodos(ada, "work")];
  const [bea, cyd] = [await flock.open("bea"), await flock.open("cyd")];
  await admit(ada, bea, home);
  const { identity } = ada;
  await flock.close(ada);
  const backup = await copyMedium(medium);
  const later = await flock.open("ada", { identity, store: await openMemoryStore({ medium }) });
  await later.transport.connect(bea.device, bea.transport.addresses());
  await admit(later, cyd, work);
  // Of the collection Bea knows that Cyd may read it; of the other group she knows nothing.
  await eventually(
    () => bea.history.scope(home.collection)?.access.userOf(cyd.device) !== undefined,
  );
  await flock.close(later);
  const store = await openMemoryStore({ medium: backup });
  const again = await flock.open("ada", { store, identity });
  await again.transport.connect(bea.device, bea.transport.addresses());
  await eventually(
    () => again.history.scope(home.collection)?.access.userOf(cyd.device) !== undefined,
  );
  await again.transport.connect(cyd.device, cyd.transport.addresses());
  await eventually(() =>
    again.sync.members(work.group).some(({ device }) => device === cyd.device),
  );
  await (await todosOf(cyd, work)).put("hers", 1);
  await eventually(async () => (await todosOf(again, work)).has("hers"));
});
