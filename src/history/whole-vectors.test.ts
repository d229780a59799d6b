import { createHash, type Hash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { issueCertificate, verifyCertificate } from "../access/index.ts";
import {
  type DeviceId,
  deviceIdOf,
  encodeValue,
  type LogKey,
  type ScopeId,
  scopeKeyOf,
  toHex,
  type UserId,
  utf8,
  type Value,
} from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { openMemoryStore, type Store } from "../store/index.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import { FORMAT_CHANGED, type GoldenCase, goldenPairs } from "../testkit/golden.ts";
import { seededRandom } from "../testkit/seeded-random.ts";
import { History, type PreparedPart, ROW_SPACE, type RowWrite } from "./index.ts";

const crypto = nodeCrypto();
const DATABASE = "notes";
const START = 1_767_225_600_000;

interface Device {
  readonly id: DeviceId;
  readonly user: UserId;
  readonly clock: FakeClock;
  readonly store: Store;
  readonly history: History;
}

/** Not the testkit's devices, which may change: whatever these write is pinned. */
async function openDevice(seed: number): Promise<Device> {
  const random = seededRandom(seed);
  const deviceSeed = random.bytes(32);
  const id = deviceIdOf(await crypto.publicKey(deviceSeed));
  const request = { device: id, name: `device ${seed}`, issued: START };
  const certificate = await issueCertificate({ crypto }, random.bytes(32), request);
  const certified = await verifyCertificate({ crypto }, certificate);
  const identity = { device: id, deviceSeed, certified };
  const clock = new FakeClock(START + seed);
  const store = await openMemoryStore();
  const logger = (): void => {};
  const history = await History.open({ store, crypto, clock, random, logger, identity });
  await history.createDatabase(DATABASE);
  return { id, user: certified.user, clock, store, history };
}

function row(text: string, value?: Value, space: number = ROW_SPACE.rows): RowWrite {
  return {
    name: { space, key: utf8(text), text },
    value: value === undefined ? undefined : encodeValue(value),
  };
}

/** All of `scope` that `to` lacks, in one delivery. */
async function give(from: Device, to: Device, scope: ScopeId): Promise<void> {
  const state = from.history.scope(scope);
  if (state === undefined) expect.fail("the scope is there");
  const known = to.history.scope(scope)?.vector() ?? new Map<LogKey, number>();
  const vector = state.vector();
  const parts: PreparedPart[] = [];
  for await (const { part } of from.history.partsAbove([{ scope: state, vector: known }]))
    parts.push(to.history.prepare(part));
  const claims = [{ scope, vector }];
  await to.history.receive(DATABASE, {
    from: from.id,
    asked: new Set([scopeKeyOf(scope)]),
    parts,
    claims,
  });
}

/**
 * A history with every kind of key and record: rows with one head, with two and deleted, versions superseded by an
 * overwrite and by a merge, control ops, a group, our own commits and foreign ones.
 */
async function smallHistory(ada: Device, ben: Device): Promise<void> {
  const owner = ada.user;
  const trips: ScopeId = { database: DATABASE, kind: "collection", owner, name: "trips" };
  const club: ScopeId = { database: DATABASE, kind: "syncgroup", owner, name: "club" };
  const write = (by: Device, scope: ScopeId, ...rows: RowWrite[]): Promise<unknown> =>
    by.history.write({ parts: [{ scope, rows }] });

  await write(ada, trips, row("a", { title: "Hütte", days: 3 }), row("b", 1), row("c", [null]));
  await write(ada, trips, row(ada.id, { since: 1 }, ROW_SPACE.holders));
  await ada.history.write({
    parts: [
      {
        scope: trips,
        rows: [row("a", { title: "Hütte", days: 4 }), row("c")],
        controls: [{ type: "grant", user: ben.user, tags: 3 }],
      },
    ],
    hint: "import",
  });
  const collections = [{ owner, name: trips.name }];
  const spec = { description: "Verein", collections, rendezvous: [], isPrivate: false };
  await ada.history.write({
    parts: [
      {
        scope: club,
        rows: [row(ada.id, { user: ada.user }, ROW_SPACE.members)],
        controls: [{ type: "spec", ...spec }],
      },
    ],
  });
  await give(ada, ben, trips);
  await give(ada, ben, club);
  ben.clock.jump(10_000);
  await write(ben, trips, row("a", "Ben's"), row("b"), row("d", 2n));
  ada.clock.jump(20_000);
  await write(ada, trips, row("a", "Ada's"), row("e", new Date(0)));
  await give(ben, ada, trips);
  await give(ada, ben, trips);
  await write(ben, trips, row("e", "after both"));
  await give(ben, ada, trips);
}

/** What a store holds under one first byte of keys. */
interface Contents {
  readonly entries: number;
  /** SHA-256 over keys and values in order, each after its length in 4 bytes. */
  readonly hash: string;
}

/** By first byte of the keys, so that a change says which records it is about; and a hash over all. */
async function contentsOf(
  store: Store,
): Promise<{ all: string; kinds: Readonly<Record<string, Contents>> }> {
  const all = createHash("sha256");
  const kinds = new Map<string, { entries: number; hash: Hash }>();
  const size = new DataView(new ArrayBuffer(4));
  for await (const { key, value } of store.scan({})) {
    const kind = toHex(key.subarray(0, 1));
    const own = kinds.get(kind) ?? { entries: 0, hash: createHash("sha256") };
    kinds.set(kind, own);
    own.entries += 1;
    for (const bytes of [key, value]) {
      size.setUint32(0, bytes.length);
      for (const hash of [all, own.hash]) hash.update(new Uint8Array(size.buffer)).update(bytes);
    }
  }
  const done = Array.from(kinds, ([kind, { entries, hash }]) => {
    return [kind, { entries, hash: hash.digest("hex") }] as const;
  });
  return { all: all.digest("hex"), kinds: Object.fromEntries(done) };
}

async function contents(): Promise<readonly GoldenCase[]> {
  const devices = [await openDevice(101), await openDevice(102)] as const;
  await smallHistory(...devices);
  const cases: GoldenCase[] = [];
  for (const [i, { history, store }] of devices.entries()) {
    await history.close();
    const { all, kinds } = await contentsOf(store);
    const name = ["the owner's", "the writer's"][i] ?? "";
    cases.push({ record: "store contents", name, value: { kinds }, output: all });
    await store.close();
  }
  return cases;
}

const CASES = await contents();

describe("a whole history", () => {
  test.for(goldenPairs("history-store", CASES))(
    "[FO4] the same writes make the same store, key by key and value by value: $name",
    ({ written, committed }) => {
      expect(written, FORMAT_CHANGED).toEqual(committed);
    },
  );

  test("[FO4] it has keys of every kind", () => {
    const { kinds } = (CASES[0] as GoldenCase).value as { kinds: Record<string, Contents> };
    expect(Object.keys(kinds).toSorted()).toEqual([
      "10",
      "11",
      "12",
      "13",
      "20",
      "21",
      "22",
      "23",
      "24",
    ]);
  });

  test("[FO4] it does not depend on when or where it is made", async () => {
    expect(await contents()).toEqual(CASES);
  });
});
