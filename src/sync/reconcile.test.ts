import { expect, test } from "vitest";
import { encodeValue, type GenVector, type ScopeId, scopeKeyOf, utf8 } from "../base/index.ts";
import { type Delivery, type PreparedPart, ROW_SPACE } from "../history/index.ts";
import { nodeClock, nodeCrypto } from "../node/index.ts";
import { elideOps, opDigest } from "../records/index.ts";
import {
  admit,
  alike,
  eventually,
  FLOCK_DATABASE,
  groupOf,
  hastyClock,
  shareTodos,
  SyncFlock,
  todosOf,
} from "../testkit/sync-flock.ts";
import {
  type Asked,
  atData,
  claims,
  openDeltas,
  serveScript,
  shownTheDoor,
  wirePart,
} from "../testkit/sync-hostile.ts";
import type { SyncPeer } from "../testkit/sync-peer.ts";
import {
  create,
  decodeDeltaFrame,
  DeltaMode,
  DeltaRequestSchema,
  encode,
  scopeToWire,
  vectorToWire,
} from "../wire/index.ts";

const crypto = nodeCrypto();

const everyOther = (index: number): boolean => index % 2 === 0;

/** What a peer holds of a scope above `known`, for one that it is asked by; without the ops that a relay leaves out. */
async function deliveryOf(
  { history, device }: SyncPeer,
  id: ScopeId,
  known: GenVector,
  isLeftOut: (index: number) => boolean = () => false,
): Promise<Delivery> {
  const scope = history.scope(id) ?? expect.unreachable();
  const parts: PreparedPart[] = [];
  for await (const { part } of history.partsAbove([{ scope, vector: known }])) {
    const digests = part.ops.map((op) => opDigest(crypto, op));
    const elided = elideOps(crypto, digests, isLeftOut);
    const ops = part.ops.filter((_, index) => !isLeftOut(index));
    parts.push(history.prepare({ ...part, ops, elided }));
  }
  const claims = [{ scope: id, vector: scope.vector() }];
  return { from: device, asked: new Set([scopeKeyOf(id)]), parts, claims };
}

test("[SY12] [SY45] rows that a relay left out come from another peer, asked for from scratch, once", async () => {
  await using flock = new SyncFlock();
  const [ada, bea] = [await flock.open("ada"), await flock.open("bea")];
  const shared = await shareTodos(ada);
  await admit(ada, bea, shared);
  await (await todosOf(bea, shared)).put("hers", 1);
  await alike([ada, bea]);
  flock.network.partition([ada.device], [bea.device]);
  const { collection } = shared;
  const known = bea.history.scope(collection)?.vector() ?? new Map();
  const database = await ada.database(FLOCK_DATABASE);
  const ours = await todosOf(ada, shared);
  await database.batch((batch) => {
    for (let i = 0; i < 20; i++) batch.put(ours, `row ${i}`, i);
  });
  // As a relay passes it on that leaves out every other row.
  await bea.history.receive(FLOCK_DATABASE, await deliveryOf(ada, collection, known, everyOther));
  const theirs = await todosOf(bea, shared);
  expect(await theirs.has("row 1")).toBe(true);
  expect(await theirs.has("row 0")).toBe(false);
  flock.network.heal();
  await bea.transport.connect(ada.device, ada.transport.addresses());
  await eventually(() => theirs.has("row 0"));
  await alike([ada, bea]);
  // Ada asked Bea as well, who had nothing to give.
  const reports = flock.events.filter(
    ({ device, event }) => device === "bea" && event === "sync.sums.differ",
  );
  expect(reports.length).toBeGreaterThan(0);
  expect(reports.every(({ fields }) => fields["isStill"] === false)).toBe(true);
});

test("[SY115] rows that a writer leaves out to some come from others on the connections that are there", async () => {
  await using flock = new SyncFlock();
  const roles = { bea: "writer", cai: "writer" } as const;
  const { owner: ada, members, shared } = await groupOf(flock, roles, { clock: hastyClock() });
  const [bea, cai] = members as [SyncPeer, SyncPeer];
  const { collection } = shared;
  flock.network.partition([cai.device], [ada.device, bea.device]);
  const known = cai.history.scope(collection)?.vector() ?? expect.unreachable();
  const todos = await todosOf(cai, shared);
  await (
    await cai.database(FLOCK_DATABASE)
  ).batch((batch) => {
    for (let i = 0; i < 20; i++) batch.put(todos, `row ${i}`, i);
  });
  const connection = await ada.transport.connect(bea.device, bea.transport.addresses());
  // At once, so that neither has them of the other.
  const [partial, whole] = [
    await deliveryOf(cai, collection, known, everyOther),
    await deliveryOf(cai, collection, known),
  ];
  await Promise.all([
    ada.history.receive(FLOCK_DATABASE, partial),
    bea.history.receive(FLOCK_DATABASE, whole),
  ]);
  const theirs = await todosOf(ada, shared);
  expect(await theirs.has("row 1")).toBe(true);
  expect(await theirs.has("row 0")).toBe(false);
  await eventually(() => theirs.has("row 0"));
  await alike([ada, bea]);
  expect(connection.closed.aborted).toBe(false);
});

test("[HI80] a relay that leaves control ops out is shown the door, and they come from another peer", async () => {
  await using flock = new SyncFlock();
  const { owner, members, shared } = await groupOf(flock, { relay: "reader", bea: "reader" });
  const [relay, bea] = members as [SyncPeer, SyncPeer];
  const { collection } = shared;
  flock.network.partition([owner.device], [relay.device, bea.device]);
  const before = owner.history.scope(collection)?.vector() ?? expect.unreachable();
  const name = { space: ROW_SPACE.rows, key: utf8("a"), text: "a" };
  const policy = { type: "policy", prefix: "", policy: "keepAll" } as const;
  const rows = [{ name, value: encodeValue(1) }];
  await owner.history.write({ parts: [{ scope: collection, rows, controls: [policy] }] });
  const scope = owner.history.scope(collection) ?? expect.unreachable();
  const answers: Parameters<Asked["send"]>[0][] = [];
  for await (const { part, log, generation } of owner.history.partsAbove([
    { scope, vector: before },
  ])) {
    const digests = part.ops.map((op) => opDigest(crypto, op));
    const elided = elideOps(crypto, digests, (at) => at === 0);
    answers.push({
      commits: [wirePart({ ...part, ops: part.ops.slice(1), elided })],
      pageEnd: claims(collection, [[owner.history.logOf(log), generation]]),
    });
  }
  const [answer = expect.unreachable()] = answers;
  await relay.sync.close();
  serveScript(
    relay,
    atData((asked) => asked.send(answer)),
  );
  flock.network.cut(bea.device, relay.device);
  await relay.transport.connect(bea.device, bea.transport.addresses());
  await shownTheDoor(bea, relay.device, flock.events);
  expect(bea.history.scope(collection)?.vector()).toEqual(before);
  flock.network.heal();
  await bea.transport.connect(owner.device, owner.transport.addresses());
  await alike([owner, bea]);
  expect(bea.history.scope(collection)?.access.policies.get("")).toBe("keepAll");
});

test("[SY85] control ops that have all come are not asked for again, on a later stream either, before one side knows more", async () => {
  await using flock = new SyncFlock();
  const { owner, members, shared } = await groupOf(flock, { peer: "writer" });
  const [peer] = members as [SyncPeer];
  const { collection } = shared;
  const apart = (): void => flock.network.partition([owner.device], [peer.device]);
  apart();
  await peer.sync.close();
  const asked: boolean[] = [];
  let controlSum = new Uint8Array(32).fill(1);
  const atOwner = owner.history.scope(collection) ?? expect.unreachable();
  serveScript(
    peer,
    atData(async (request) => {
      asked.push(request.hasControls);
      const vector = vectorToWire(atOwner.vector());
      const sum = {
        scope: scopeToWire(collection),
        vector,
        headSum: new Uint8Array(32),
        controlSum,
      };
      await request.send({ caughtUp: { round: request.round, scopes: [sum] } });
    }),
  );
  const meet = async (expected: readonly boolean[]): Promise<void> => {
    flock.network.heal();
    await owner.transport.connect(peer.device, peer.transport.addresses());
    await eventually(() => asked.length >= expected.length);
    // For what would be asked beyond that.
    await nodeClock().sleep(50);
    apart();
    expect(asked.splice(0)).toEqual(expected);
  };
  await meet([false, true]);
  await meet([false]);
  controlSum = controlSum.fill(2);
  await meet([false, true]);
  const policy = { type: "policy", prefix: "", policy: "keepAll" } as const;
  await owner.history.write({ parts: [{ scope: collection, rows: [], controls: [policy] }] });
  await meet([false, true]);
  await meet([false]);
});

test("[SY116] what a peer says of scopes that it was not asked for is passed over, and of one it is heard once", async () => {
  await using flock = new SyncFlock();
  const { owner, members, shared } = await groupOf(flock, { peer: "writer" });
  const [peer] = members as [SyncPeer];
  const diary: ScopeId = { ...shared.collection, name: "diary" };
  const name = { space: ROW_SPACE.rows, key: utf8("a"), text: "a" };
  const rows = [{ name, value: encodeValue(1) }];
  await owner.history.write({ parts: [{ scope: diary, rows, controls: [] }] });
  flock.network.partition([owner.device], [peer.device]);
  await peer.sync.close();
  let asked = 0;
  serveScript(
    peer,
    atData(async (request) => {
      asked += 1;
      const { access, vector } = stateOf(owner, shared.collection);
      const known = {
        scope: scopeToWire(shared.collection),
        vector: vectorToWire(vector()),
        headSum: new Uint8Array(32).fill(9),
        controlSum: access.controlSum(crypto),
      };
      const guess = {
        scope: scopeToWire(diary),
        vector: vectorToWire(stateOf(owner, diary).vector()),
        headSum: new Uint8Array(32),
        controlSum: new Uint8Array(32),
      };
      const scopes = asked > 1 ? [guess] : [guess, known, known, known];
      await request.send({ caughtUp: { round: request.round, scopes } });
    }),
  );
  flock.network.heal();
  await owner.transport.connect(peer.device, peer.transport.addresses());
  await eventually(() => asked === 2);
  // For what would be asked beyond that.
  await nodeClock().sleep(50);
  expect(asked).toBe(2);
  const reports = flock.events.filter(({ event }) => event === "sync.sums.differ");
  expect(reports.length).toBe(1);
});

test("[SY45] a scope that is asked for from scratch twice is sent whole all the same", async () => {
  await using flock = new SyncFlock();
  const { owner, members, shared } = await groupOf(flock, { peer: "writer" });
  const [peer] = members as [SyncPeer];
  const todos = await todosOf(peer, shared);
  for (let i = 0; i < 20; i++) await todos.put(`row ${i}`, i);
  await alike([owner, peer]);
  const [connection = expect.unreachable()] = peer.transport.connections();
  const { bytes } = peer.identity.certified;
  const frames = await openDeltas(connection, FLOCK_DATABASE, bytes);
  await frames.receive();
  const scope = scopeToWire(shared.collection);
  const ask = (round: number, known: GenVector): Promise<void> => {
    const scopes = [{ scope, vector: vectorToWire(known), controlSum: new Uint8Array() }];
    const request = { round, mode: DeltaMode.DATA, scopes, live: true };
    return frames.send(encode(DeltaRequestSchema, create(DeltaRequestSchema, request)));
  };
  await ask(1, stateOf(peer, shared.collection).vector());
  await ask(2, new Map());
  await ask(3, new Map());
  let parts = 0;
  for (let round = 0n; round < 3n;) {
    const frame = decodeDeltaFrame((await frames.receive()) ?? expect.unreachable());
    parts += frame.commits.length;
    round = BigInt(frame.caughtUp?.round ?? 0);
  }
  expect(parts).toBeGreaterThanOrEqual(20);
});

function stateOf({ history }: SyncPeer, scope: ScopeId) {
  const state = history.scope(scope) ?? expect.unreachable();
  return { access: state.access, vector: () => state.vector() };
}
