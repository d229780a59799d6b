import { beforeAll, expect, test } from "vitest";
import { Blobs } from "../blobs/index.ts";
import { memoryChunkFiles, openChunkStore } from "../chunks/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { Reserve } from "../pullsync/index.ts";
import { type Entry, openMemoryStore, type Store, type WriteOp } from "../store/index.ts";
import { chunksOf, pulled } from "../testkit/pullsync/pull-world.ts";
import { seededRandom } from "../testkit/seeded-random.ts";
import { type Finding, treatStore, verifyStore } from "./index.ts";

const crypto = nodeCrypto();
const network = new Uint8Array(32).fill(1);
const overlay = new Uint8Array(32);

/** All that a device keeps that has a blob of two levels, and is a storage peer. */
let entries: Entry[] = [];

beforeAll(async () => {
  await using store = await openMemoryStore();
  await using chunks = await openChunkStore({ store, files: memoryChunkFiles(), crypto });
  await using blobs = new Blobs({ store, chunks, crypto });
  const random = seededRandom(3);
  const { ref } = await blobs.put([random.bytes(9_000_000)]);
  expect(ref.depth).toBeGreaterThan(1);
  const deps = { store, chunks, random, logger: (): void => {} };
  await using reserve = await Reserve.open(deps, { network, overlay });
  await reserve.put(chunksOf(40).map(pulled));
  entries = await all(store.scan({}));
});

/** A store of its own with that. */
async function world(): Promise<Store> {
  const store = await openMemoryStore();
  await store.write(entries.map(({ key, value }) => ({ type: "put", key, value })));
  return store;
}

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of source) found.push(one);
  return found;
}

const findings = (store: Store): Promise<Finding[]> => all(verifyStore({ store, crypto }));

const entriesOf = (store: Store, kind: number): Promise<Entry[]> =>
  all(store.scan({ gte: Uint8Array.of(kind), lt: Uint8Array.of(kind + 1) }));

const garbage =
  (kind: number) =>
  async (store: Store): Promise<WriteOp[]> =>
    (await entriesOf(store, kind)).slice(0, 1).map(({ key }) => ({
      type: "put",
      key,
      value: Uint8Array.of(255),
    }));

const PLANTED: readonly {
  readonly rule: string;
  readonly what: string;
  readonly plant: (store: Store) => Promise<WriteOp[]>;
  readonly isFixed?: boolean;
}[] = [
  { rule: "CH32", what: "where a chunk lies cannot be read", plant: garbage(0x30) },
  {
    rule: "CH32",
    what: "how much of a pack counts cannot be read",
    plant: garbage(0x33),
    isFixed: false,
  },
  {
    rule: "CH4",
    what: "a pack that counts less than the index names",
    plant: async (store) =>
      (await entriesOf(store, 0x33)).map(({ key }) => ({
        type: "put",
        key,
        // Length 100, a chunk of 9 bytes.
        value: Uint8Array.of(100, 1, 9),
      })),
  },
  {
    rule: "CH32",
    what: "an edge between chunks that cannot be read",
    plant: async () => [{ type: "put", key: Uint8Array.of(0x31, 1, 2), value: new Uint8Array() }],
  },
  {
    rule: "BL13",
    what: "a chunk of a whole blob that is gone",
    plant: async (store) => {
      // One that an edge leads to from a node, below another.
      const edges = await entriesOf(store, 0x31);
      const parents = new Set(edges.map(({ key }) => key.subarray(34).toString()));
      const leaf = edges.find(({ key }) => !parents.has(key.subarray(2, 34).toString())) as Entry;
      return [{ type: "delete", key: Uint8Array.of(0x30, ...leaf.key.subarray(1, 34)) }];
    },
  },
  { rule: "BL13", what: "a note of what is whole that cannot be read", plant: garbage(0x38) },
  { rule: "PS44", what: "a network without a number", plant: garbage(0x40) },
  { rule: "PS2", what: "the last number of a bin that cannot be read", plant: garbage(0x41) },
  {
    rule: "PS2",
    what: "a number beyond the last one that was given",
    plant: async (store) =>
      (await entriesOf(store, 0x41)).map(({ key }) => ({
        type: "put",
        key,
        value: new Uint8Array(8),
      })),
  },
  { rule: "PS2", what: "an entry of a reserve that cannot be read", plant: garbage(0x42) },
  {
    rule: "PS41",
    what: "an entry of a chunk that is not here",
    plant: async (store) => {
      const [entry] = await entriesOf(store, 0x42);
      const address = entry?.value.subarray(0, 32) ?? expect.unreachable();
      return [{ type: "delete", key: Uint8Array.of(0x30, 1, ...address) }];
    },
  },
  {
    rule: "PS41",
    what: "a chunk whose entry is gone",
    plant: async (store) =>
      (await entriesOf(store, 0x42)).slice(0, 1).map(({ key }) => ({ type: "delete", key })),
  },
  ...([0x43, 0x44, 0x45] as const).map((kind, i) => ({
    rule: ["PS32", "PS31", "PS35"][i] as string,
    what: `a record ${kind} of a peer that cannot be read`,
    plant: async (): Promise<WriteOp[]> => [
      { type: "put", key: Uint8Array.of(kind, 0, 0, 0, 1, 7), value: Uint8Array.of(255) },
    ],
  })),
];

test("[DR3] what a storage peer keeps of blobs has no findings", async () => {
  await using store = await world();
  expect(await findings(store)).toEqual([]);
});

test.for(PLANTED)("[DR2] [DR4] [$rule] $what is found, named and set right", async (planted) => {
  const { rule, plant, isFixed = true } = planted;
  await using store = await world();
  const ops = await plant(store);
  expect(ops.length).toBeGreaterThan(0);
  await store.write(ops);
  const found = await findings(store);
  expect(found.map((finding) => finding.rule)).toContain(rule);
  const treated = await all(treatStore({ store, crypto, random: seededRandom(9) }));
  expect(treated.some((finding) => finding.rule === rule && finding.isFixed)).toBe(isFixed);
  const left = (await findings(store)).filter(({ fix }) => fix !== undefined);
  expect(left).toEqual([]);
});
