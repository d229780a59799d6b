import { expect, test, vi } from "vitest";
import { BlobRef, toHex } from "../base/index.ts";
import type { Collection } from "../db/index.ts";
import { holderRow } from "../holders/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { decodeRow, encodeRow, encodeVersion, keysUnder, oldKey } from "../records/index.ts";
import { type Entry, openMemoryStore, type Store, type WriteOp } from "../store/index.ts";
import {
  exchange,
  grant,
  makeDevice,
  rowsOf,
  settleDevices,
  type TestDevice,
} from "../testkit/device.ts";
import { seededRandom } from "../testkit/seeded-random.ts";
import {
  CommitHeaderSchema,
  create,
  decode,
  decodeStoredCommit,
  encode,
  encodeStoredCommit,
} from "../wire/index.ts";
import { type Finding, treatStore, verifyStore } from "./index.ts";

const crypto = nodeCrypto();

interface Pair extends AsyncDisposable {
  readonly ada: TestDevice;
  readonly bea: TestDevice;
  readonly rows: Collection<unknown>;
  readonly theirs: Collection<unknown>;
  readonly store: Store;
}

/** Two devices after a random workload over everything that leaves traces: conflicts, deletions, batches, revocation, policies. */
async function pair(seed = 1): Promise<Pair> {
  const store = await openMemoryStore();
  const [ada, bea] = [await makeDevice(1, { store }), await makeDevice(2)];
  const [ours, others] = [await ada.db("app"), await bea.db("app")];
  const rows = ours.collection<unknown>("rows");
  const second = ours.collection<unknown>("second");
  const theirs = others.collection<unknown>(rows.id);
  await rows.put("first", 1);
  await rows.put(
    "picture",
    new BlobRef({ root: new Uint8Array(32).fill(7), size: 9, depth: 0, chunker: 1 }),
  );
  await second.put("first", 1);
  for (const { id } of [rows, second]) await grant(ada, id, bea.user, "writer");
  await settleDevices([ada, bea], [rows.id, second.id]);
  const random = seededRandom(seed);
  const pick = (count: number): number => (random.bytes(1)[0] as number) % count;
  for (let i = 0; i < 60; i++) {
    const at = pick(2) === 0 ? rows : theirs;
    const key = `row ${pick(8)}`;
    if (pick(5) === 0) await at.delete(key);
    else await at.put(key, { i, text: "x".repeat(pick(200)) });
    if (i % 12 === 0)
      await ours.batch((batch) => {
        batch.put(rows, `row ${pick(8)}`, i);
        batch.put(second, `row ${pick(8)}`, i);
      });
    if (i % 9 === 0) await settleDevices([ada, bea], [rows.id, second.id]);
  }
  await rows.setPolicy("row", "keepAll");
  await rows.put("contended", "here");
  await theirs.put("contended", "there");
  await settleDevices([ada, bea], [rows.id, second.id]);
  await rows.put("last", 1);
  const close = async (): Promise<void> => {
    await ada.close();
    await bea.close();
    await store.close();
  };
  return { ada, bea, rows, theirs, store, [Symbol.asyncDispose]: close };
}

async function findings(store: Store): Promise<Finding[]> {
  const found = [];
  for await (const one of verifyStore({ store, crypto })) found.push(one);
  return found;
}

const rulesOf = (found: readonly Finding[]): string[] => [
  ...new Set(found.map(({ rule }) => rule)),
];

/** The entries whose keys begin with this byte. */
async function entriesOf(
  store: Store,
  kind: number,
): Promise<{ key: Uint8Array; value: Uint8Array }[]> {
  const found = [];
  for await (const entry of store.scan({ gte: Uint8Array.of(kind), lt: Uint8Array.of(kind + 1) }))
    found.push(entry);
  return found;
}

async function entryAt(store: Store, kind: number, at = -1): Promise<Entry> {
  const entry = (await entriesOf(store, kind)).at(at);
  if (entry === undefined) throw new Error("There is no such entry");
  return entry;
}

async function contents(store: Store): Promise<string[]> {
  const all = [];
  for await (const { key, value } of store.scan({})) all.push(`${toHex(key)} ${toHex(value)}`);
  return all;
}

const flipped = (value: Uint8Array, at = value.length - 1): Uint8Array => {
  const copy = value.slice();
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
};

test.for([1, 2, 3, 4, 5, 6])(
  "[DR1] [DR3] a healthy store has no findings, and is left as it is; seed %i",
  async (seed) => {
    await using world = await pair(seed);
    const { ada, bea, rows, store } = world;
    const before = await contents(store);
    expect(await findings(store)).toEqual([]);
    expect(await contents(store)).toEqual(before);
    expect(await findings(bea.store)).toEqual([]);
    // With parts aside, and with what was taken back.
    const freeze = new Map();
    await ada.history.write({
      parts: [{ scope: rows.id, rows: [], controls: [{ type: "revoke", user: bea.user, freeze }] }],
    });
    expect((await entriesOf(store, 0x25)).length).toBeGreaterThan(0);
    expect(await findings(store)).toEqual([]);
  },
);

/** Whether two parts are of one log and scope, and of commits that follow each other. */
function isNext(key: Uint8Array, next: Uint8Array | undefined): boolean {
  if (next === undefined || toHex(key.subarray(0, 9)) !== toHex(next.subarray(0, 9))) return false;
  return Number(next.at(-1)) === Number(key.at(-1)) + 1;
}

/** What is done to a store, the rule that it breaks, and whether a fix is known. */
const PLANTED: readonly {
  readonly rule: string;
  readonly what: string;
  readonly plant: (store: Store) => Promise<WriteOp[]>;
  readonly isFixed?: boolean;
}[] = [
  {
    rule: "HI13",
    what: "a head sum that is another",
    isFixed: true,
    plant: async (store) =>
      (await entriesOf(store, 0x12)).map(({ key, value }) => ({
        type: "put",
        key,
        value: flipped(value, 31),
      })),
  },
  {
    rule: "HI17",
    what: "a row that cannot be read",
    isFixed: true,
    plant: async (store) => {
      const row = await entryAt(store, 0x20);
      return [{ type: "put", key: row.key, value: Uint8Array.of(1, 255) }];
    },
  },
  {
    rule: "HI19",
    what: "a row that is gone",
    isFixed: true,
    plant: async (store) => {
      const row = await entryAt(store, 0x20);
      return [{ type: "delete", key: row.key }];
    },
  },
  {
    rule: "HI19",
    what: "a value that is another",
    isFixed: true,
    plant: async (store) => {
      const row = await entryAt(store, 0x20);
      return [{ type: "put", key: row.key, value: flipped(row.value) }];
    },
  },
  {
    rule: "HI20",
    what: "a part that is gone from the end of its log",
    isFixed: true,
    plant: async (store) => {
      const part = await entryAt(store, 0x22);
      return [{ type: "delete", key: part.key }];
    },
  },
  {
    rule: "HI35",
    what: "a part that is gone from the middle of its log",
    isFixed: true,
    plant: async (store) => {
      const part = await entryAt(store, 0x22, -3);
      return [{ type: "delete", key: part.key }];
    },
  },
  {
    rule: "HI12",
    what: "a signature that is none",
    isFixed: true,
    plant: async (store) => {
      const part = await entryAt(store, 0x22, -2);
      const value = part.value;
      // Field 2 of the record, 64 bytes.
      const at = value.findIndex((byte, i) => byte === 0x12 && value[i + 1] === 64);
      return [{ type: "put", key: part.key, value: flipped(value, at + 40) }];
    },
  },
  {
    rule: "HI18",
    what: "a log with two numbers",
    plant: async (store) => {
      const log = await entryAt(store, 0x10);
      const key = log.key.slice();
      key[5] = 99;
      return [{ type: "put", key, value: log.value }];
    },
  },
  {
    rule: "HI26",
    what: "a change of a part that is not here",
    isFixed: true,
    plant: async (store) => {
      const change = await entryAt(store, 0x24);
      return [{ type: "put", key: change.key, value: Uint8Array.of(0, 1, 1, 1, 100) }];
    },
  },
  {
    rule: "HI27",
    what: "our log one commit shorter than it is",
    plant: async (store) => {
      const own = await entryAt(store, 0x11, 0);
      const value = own.value.slice();
      value[8] = (value[8] as number) - 1;
      return [{ type: "put", key: own.key, value }];
    },
  },
  {
    rule: "HI43",
    what: "a control op that is gone",
    isFixed: true,
    plant: async (store) => {
      // One that another names.
      const all = await entriesOf(store, 0x23);
      const isNamed = ({ key }: { key: Uint8Array }): boolean =>
        all.some(({ value }) => toHex(value).includes(toHex(key.subarray(5))));
      return [{ type: "delete", key: (all.find(isNamed) as Entry).key }];
    },
  },
  {
    rule: "HI15",
    what: "a control op under another id than its own",
    isFixed: true,
    plant: async (store) => {
      const op = await entryAt(store, 0x23);
      return [{ type: "put", key: flipped(op.key), value: op.value }];
    },
  },
  {
    rule: "HI15",
    what: "a commit that names another one before it",
    isFixed: true,
    plant: async (store) => {
      // The one before it in its log and scope is another.
      const all = await entriesOf(store, 0x22);
      const at = all.findIndex(({ key }, i) => isNext(key, all[i + 1]?.key));
      const before = all[at];
      if (before === undefined) return [];
      const record = decodeStoredCommit(before.value);
      const header = decode(CommitHeaderSchema, record.header);
      const changed = create(CommitHeaderSchema, { ...header, timestamp: header.timestamp + 1n });
      const value = encodeStoredCommit({ ...record, header: encode(CommitHeaderSchema, changed) });
      return [{ type: "put", key: before.key, value }];
    },
  },
  {
    rule: "HI21",
    what: "a part whose author has not been granted it",
    isFixed: true,
    plant: async (store) => {
      // The grant that others name.
      const all = await entriesOf(store, 0x23);
      const isNamed = ({ key }: Entry): boolean =>
        all.some(({ value }) => toHex(value).includes(toHex(key.subarray(5))));
      return all.filter(isNamed).map(({ key }) => ({ type: "delete", key }));
    },
  },
  {
    rule: "HI33",
    what: "a blob that is not kept for the row that names it",
    isFixed: true,
    plant: async (store) => {
      const edges = await entriesOf(store, 0x32);
      return edges.map(({ key }) => ({ type: "delete", key }));
    },
  },
  {
    rule: "CH11",
    what: "a blob that is kept for a version that is not here",
    isFixed: true,
    plant: async (store) => {
      const edge = await entryAt(store, 0x32);
      const key = edge.key.slice();
      // Of another root, and of a generation that there never was.
      key[1] = 0;
      key[42] = 9;
      return [{ type: "put", key, value: edge.value }];
    },
  },
  {
    rule: "HI40",
    what: "a version of a commit that does not count",
    isFixed: true,
    plant: async (store) => {
      const row = await entryAt(store, 0x20);
      const { heads, seen } = decodeRow(row.value);
      const ahead = heads.map((head) => ({ ...head, generation: head.generation + 1000 }));
      return [{ type: "put", key: row.key, value: encodeRow({ heads: ahead, seen }) }];
    },
  },
  ...(
    [
      [0x81, "SY29", "a group that was joined"],
      [0x83, "SY64", "a group that was left"],
      [0x84, "SY72", "who has published a group"],
      [0x86, "SY71", "where a group is to be published"],
      [0x85, "SY70", "whom the service is for"],
      [0x82, "SY20", "which database is paused"],
    ] as const
  ).map(([space, rule, of]) => ({
    rule,
    what: `a record of ${of} that cannot be read`,
    isFixed: true,
    plant: async (): Promise<WriteOp[]> => [
      { type: "put", key: Uint8Array.of(space, 0xff), value: Uint8Array.of(9, 9) },
    ],
  })),
  {
    rule: "HI7",
    what: "a superseded version beside no row",
    isFixed: true,
    plant: async (store) => {
      const old = await entryAt(store, 0x21, 0);
      const key = old.key.slice();
      key[8] = 0x7a;
      return [{ type: "put", key, value: old.value }];
    },
  },
  {
    rule: "HI9",
    what: "a row that shows the wrong one of two values",
    isFixed: true,
    plant: async (store) => {
      for (const { key, value } of await entriesOf(store, 0x20)) {
        const row = decodeRow(value);
        if (row.heads.length < 2) continue;
        return [{ type: "put", key, value: encodeRow({ ...row, heads: row.heads.toReversed() }) }];
      }
      return [];
    },
  },
  {
    rule: "HI6",
    what: "a row that lacks one of two values",
    isFixed: true,
    plant: async (store) => {
      for (const { key, value } of await entriesOf(store, 0x20)) {
        const { heads, seen } = decodeRow(value);
        const [first, second] = heads;
        if (first === undefined || second === undefined) continue;
        const scope = new DataView(key.buffer, key.byteOffset).getUint32(1);
        const old = oldKey(scope, 0, key.subarray(6), second.log, second.generation);
        return [
          { type: "put", key, value: encodeRow({ heads: [first], seen }) },
          { type: "put", key: old, value: encodeVersion(second) },
        ];
      }
      return [];
    },
  },
  {
    rule: "HI41",
    what: "a part aside that cannot be read",
    isFixed: true,
    plant: async (store) => {
      const part = await entryAt(store, 0x22, -1);
      const key = part.key.slice();
      key[0] = 0x25;
      key[16] = 0xff;
      return [{ type: "put", key, value: Uint8Array.of(9, 9) }];
    },
  },
  {
    rule: "HI81",
    what: "a rival of a commit that cannot be read",
    isFixed: true,
    plant: async (store) => {
      const part = await entryAt(store, 0x22, -1);
      const key = Uint8Array.of(0x26, ...part.key.subarray(1), ...new Uint8Array(32));
      return [{ type: "put", key, value: Uint8Array.of(9, 9) }];
    },
  },
  {
    rule: "HI60",
    what: "names of positions that cannot be read",
    isFixed: true,
    plant: async (store) => {
      const epochs = await entryAt(store, 0x13, 0);
      return [{ type: "put", key: epochs.key, value: Uint8Array.of(5) }];
    },
  },
];

test.for(PLANTED)(
  "[DR2] [$rule] $what is found and named",
  async ({ rule, plant, isFixed = false }) => {
    await using world = await pair();
    const ops = await plant(world.store);
    expect(ops.length).toBeGreaterThan(0);
    await world.store.write(ops);
    const found = await findings(world.store);
    expect(rulesOf(found)).toContain(rule);
    for (const { key, says } of found)
      expect([key.length > 0, says.length > 0]).toEqual([true, true]);
    expect(found.some((one) => one.rule === rule && one.fix !== undefined)).toBe(isFixed);
  },
);

test.for(PLANTED.filter(({ isFixed }) => isFixed === true))(
  "[DR4] [DR5] $what is set right, and what is lost comes from a peer again",
  async ({ plant }) => {
    await using world = await pair();
    const { ada, bea, rows, store, theirs } = world;
    await exchange(ada, bea, [rows.id]);
    const scopes = ada.history.scopes("app").map(({ id }) => id);
    await settleDevices([ada, bea], scopes);
    const expected = await rowsOf(theirs);
    await ada.close();
    await store.write(await plant(store));
    const treated = [];
    for await (const one of treatStore({ store, crypto, random: seededRandom(9) }))
      treated.push(one);
    expect(treated.some(({ isFixed }) => isFixed)).toBe(true);
    expect(await findings(store)).toEqual([]);
    const again = await makeDevice(1, { store });
    await settleDevices([again, bea], scopes);
    const rowsAgain = (await again.db("app")).collection<unknown>(rows.id);
    expect(await rowsOf(rowsAgain)).toEqual(expected);
    // It goes on, and nothing is used twice.
    await rowsAgain.put("afterwards", 1);
    await settleDevices([again, bea], scopes);
    expect(await theirs.get("afterwards")).toBe(1);
    expect(await findings(store)).toEqual([]);
    expect(await findings(bea.store)).toEqual([]);
    await again.close();
  },
);

test("[DR5] what was taken out is kept aside", async () => {
  await using world = await pair();
  const { store } = world;
  const row = await entryAt(store, 0x20);
  const broken = Uint8Array.of(1, 255);
  await store.write([{ type: "put", key: row.key, value: broken }]);
  for await (const _ of treatStore({ store, crypto, random: seededRandom(9) })) void _;
  const aside = await entriesOf(store, 0x8f);
  const key = toHex(row.key);
  expect(aside.find((one) => toHex(one.key) === `8f${key}`)?.value).toEqual(broken);
});

test("[DR1] rows of one commit are held against it without reading it once a row", async () => {
  const store = await openMemoryStore();
  await using ada = await makeDevice(1, { store });
  const db = await ada.db("app");
  const rows = db.collection("rows");
  await db.batch((batch) => {
    for (let i = 0; i < 500; i++) batch.put(rows, `${i}`, i);
  });
  const get = vi.spyOn(store, "get");
  expect(await findings(store)).toEqual([]);
  expect(get.mock.calls.length).toBeLessThan(100);
});

test("[DR2] [HI23] two commits under one generation, each in a scope of its own, are found and set right", async () => {
  await using world = await pair();
  const { ada, store } = world;
  const second = ada.history.scopes("app").find(({ id }) => id.name === "second");
  const other = await openMemoryStore();
  for await (const { key, value } of store.scan({}))
    await other.write([{ type: "put", key, value }]);
  const same = new Proxy(other, {
    get(target, property) {
      if (property === "origin") return "same";
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  await world.rows.put("here", 1);
  {
    await using clone = await makeDevice(1, { store: same });
    await (await clone.db("app")).collection("second").put("there", 1);
  }
  // All that the clone holds of the one scope.
  const number = second?.number as number;
  for (const kind of [0x12, 0x20, 0x21, 0x22]) {
    const prefix = Uint8Array.of(kind, 0, 0, 0, number);
    for await (const { key, value } of other.scan(keysUnder(prefix)))
      await store.write([{ type: "put", key, value }]);
  }
  expect(rulesOf(await findings(store))).toContain("HI23");
  await ada.history.close();
  for await (const _ of treatStore({ store, crypto, random: seededRandom(9) })) void _;
  expect(await findings(store)).toEqual([]);
  await other.close();
});

test("[DR2] [HO3] that this device has told others of more than is here is found", async () => {
  await using world = await pair();
  const { ada, rows, store } = world;
  const vector = ada.history.scope(rows.id)?.vector() ?? new Map();
  const publish = (ahead: number): Promise<unknown> => {
    const more = new Map(Array.from(vector, ([log, at]) => [log, at + ahead]));
    return ada.history.write({
      parts: [{ scope: rows.id, rows: [holderRow(ada.device, more)] }],
    });
  };
  await publish(0);
  expect(await findings(store)).toEqual([]);
  await publish(1000);
  expect(await findings(store)).toMatchObject(
    Array.from(vector, () => ({ rule: "HO3", row: ada.device })),
  );
});
