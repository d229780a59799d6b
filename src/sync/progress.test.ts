import { expect, test } from "vitest";
import { FramedStream } from "../net/index.ts";
import { nodeClock } from "../node/index.ts";
import {
  admit,
  alike,
  DELTAS,
  eventually,
  FLOCK_DATABASE,
  shareTodos,
  SyncFlock,
  todosOf,
} from "../testkit/sync-flock.ts";
import {
  atData,
  claims,
  forge,
  freshLog,
  headsAt,
  serveScript,
  wirePart,
} from "../testkit/sync-hostile.ts";
import {
  create,
  decode,
  DeltaMode,
  DeltaOpenSchema,
  DeltaRequestSchema,
  type DeltaResponse,
  DeltaResponseSchema,
  encode,
  scopeToWire,
} from "../wire/index.ts";

test("[SY46] [DB39] people are shown how far a large catch-up is, and see what has come of it", async () => {
  await using flock = new SyncFlock();
  const [ada, ben] = [await flock.open("ada"), await flock.open("ben")];
  const shared = await shareTodos(ada);
  await admit(ada, ben, shared);
  const todos = await todosOf(ada, shared);
  expect(todos.progress()).toBeUndefined();
  await ben.sync.close();
  const scope = shared.collection;
  const log = freshLog(ben.device);
  const [goOn, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  serveScript(
    ben,
    atData(async (asked) => {
      const { vectors } = claims(scope, [[log, 4]]) ?? {};
      const other = claims({ ...scope, name: "other" }, [[log, 9]])?.vectors ?? [];
      await asked.send({ begins: { round: asked.round, vectors: [...(vectors ?? []), ...other] } });
      await goOn.promise;
      const rows = Array.from({ length: 1000 }, (_, i) => ({
        key: `row ${i}`,
        value: Uint8Array.of(1),
      }));
      const heads = headsAt(ada, scope);
      const { part } = await forge({ identity: ben.identity, scope, log, heads, rows });
      await asked.send({ commits: [wirePart(part)], pageEnd: claims(scope, [[log, 1]]) });
      await end.promise;
      await asked.caughtUp();
    }),
  );
  flock.network.cut(ada.device, ben.device);
  await ben.transport.connect(ada.device, ada.transport.addresses());
  await eventually(() => todos.progress() !== undefined);
  expect(todos.progress()).toMatchObject({ have: 0, need: 4 });
  goOn.resolve();
  await eventually(() => todos.progress()?.have === 1);
  expect(await todos.get("row 999")).toBe(1);
  end.resolve();
  // What did not come after all is not waited for.
  await eventually(() => todos.progress() === undefined);
  expect(ada.sync.peers()[0]).toMatchObject({ faults: 0 });
});

test("[SY46] a round begins with what it will bring, where that is anything", async () => {
  await using flock = new SyncFlock();
  const [ada, ben] = [await flock.open("ada"), await flock.open("ben")];
  const shared = await shareTodos(ada);
  await admit(ada, ben, shared);
  await (await todosOf(ada, shared)).put("row", 1);
  await alike([ada, ben]);
  await ben.sync.close();
  const connection = await ben.transport.connect(ada.device, ada.transport.addresses());
  const frames = new FramedStream({ stream: await connection.open(DELTAS), clock: nodeClock() });
  const open = { database: FLOCK_DATABASE, certificate: ben.identity.certified.bytes };
  await frames.send(encode(DeltaOpenSchema, create(DeltaOpenSchema, open)));
  const next = async (): Promise<DeltaResponse> =>
    decode(DeltaResponseSchema, (await frames.receive()) as Uint8Array);
  expect((await next()).opened).toBeDefined();
  const asked = { scope: scopeToWire(shared.collection) };
  const ask = { round: 1, mode: DeltaMode.DATA, live: true, scopes: [asked] };
  await frames.send(encode(DeltaRequestSchema, create(DeltaRequestSchema, ask)));
  const { begins } = await next();
  const { pageEnd } = await next();
  expect(begins?.round).toBe(1);
  expect(begins?.vectors).toEqual(pageEnd?.vectors);
  const { caughtUp } = await next();
  const [sum] = caughtUp?.scopes ?? [];
  const all = { ...ask, round: 2, scopes: [{ ...asked, vector: sum?.vector }] };
  await frames.send(encode(DeltaRequestSchema, create(DeltaRequestSchema, all as typeof ask)));
  expect((await next()).caughtUp?.round).toBe(2);
});
