import { expect, test } from "vitest";
import { scopeKeyOf } from "../base/index.ts";
import type { PreparedPart } from "../history/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { elideOps, opDigest } from "../records/index.ts";
import {
  admit,
  alike,
  eventually,
  FLOCK_DATABASE,
  shareTodos,
  SyncFlock,
  todosOf,
} from "../testkit/sync-flock.ts";

const crypto = nodeCrypto();

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
  const scope = ada.history.scope(collection) ?? expect.unreachable();
  const parts: PreparedPart[] = [];
  for await (const { part } of ada.history.partsAbove([{ scope, vector: known }])) {
    const digests = part.ops.map((op) => opDigest(crypto, op));
    const elided = elideOps(crypto, digests, (index) => index % 2 === 0);
    const ops = part.ops.filter((_, index) => index % 2 === 1);
    parts.push(bea.history.prepare({ ...part, ops, elided }));
  }
  await bea.history.receive(FLOCK_DATABASE, {
    from: ada.device,
    asked: new Set([scopeKeyOf(collection)]),
    parts,
    claims: [{ scope: collection, vector: scope.vector() }],
  });
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
