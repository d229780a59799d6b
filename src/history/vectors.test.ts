import { describe, expect, test } from "vitest";
import {
  toHex,
  fromUtf8,
  ByteReader,
  concatBytes,
  deviceIdOf,
  type LogKey,
  logKeyOf,
  type ScopeId,
  Sum256,
  userIdOf,
  utf8,
} from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { openMemoryStore, type WriteOp } from "../store/index.ts";
import { FORMAT_CHANGED, type GoldenCase, goldenPairs, twoWays } from "../testkit/golden.ts";
import {
  CommitHeaderSchema,
  create,
  encode,
  encodeOp,
  encodeVector,
  decodeVector,
  PartHeaderSchema,
  scopeToWire,
} from "../wire/index.ts";
import {
  commitDigest,
  controlIdBytes,
  elideOps,
  opDigest,
  opsRoot,
  partDigest,
  Interner,
  changeKey,
  commitKey,
  controlKey,
  internKey,
  oldKey,
  asideKey,
  rivalKey,
  decodeAside,
  encodeAside,
  type CommitPart,
  epochsKey,
  markerOf,
  positionOf,
  decodeEpochs,
  encodeEpochs,
  ownKey,
  rowKey,
  scopeStateKey,
  decodeHeld,
  encodeHeld,
  decodeChange,
  decodeControlRecord,
  decodeOwnLog,
  decodeRow,
  decodeScopeRecord,
  decodeVersion,
  encodeChange,
  encodeControlRecord,
  encodeOwnLog,
  encodeRow,
  encodeScopeRecord,
  encodeVersion,
  type Version,
} from "../records/index.ts";

const crypto = nodeCrypto();
const filled = (value: number, size = 32): Uint8Array => new Uint8Array(size).fill(value);
const counting = (from: number, size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => from + i);
const MAX = Number.MAX_SAFE_INTEGER;

const database = "notes";
const owner = userIdOf(filled(0x11));
const collection: ScopeId = { database, kind: "collection", owner, name: "hütte" };
const group: ScopeId = { database, kind: "syncgroup", owner, name: "club" };
const log: LogKey = logKeyOf({
  device: deviceIdOf(filled(0x22)),
  incarnation: 0x0102030405060708n,
});

const head: Version = {
  log: 1,
  generation: 300,
  timestamp: 0x019b7612d4000003n,
  salt: counting(0, 16),
  digest: filled(0xdd),
  context: [
    { log: 2, generation: 5 },
    { log: 7, generation: 129 },
  ],
  value: Uint8Array.of(0x18, 0x2a),
};
const other: Version = {
  ...head,
  log: 3,
  generation: 1,
  context: [],
  value: Uint8Array.of(0x63, 0x74, 0x77, 0x6f),
};
const least: Version = {
  log: 1,
  generation: 1,
  timestamp: 0n,
  salt: filled(0, 16),
  digest: filled(0xee),
  context: [],
  value: Uint8Array.of(0xf6),
};
const deletion: Version = { ...head, value: undefined };
const greatest: Version = {
  ...head,
  log: 2 ** 32 - 1,
  generation: MAX,
  timestamp: 2n ** 64n - 1n,
  context: [{ log: 2 ** 32 - 1, generation: MAX }],
};

const RECORDS: readonly GoldenCase[] = [
  ...(
    [
      ["one head, seen as it", { heads: [head], seen: head.context }],
      ["least head", { heads: [least], seen: [] }],
      ["greatest numbers", { heads: [greatest], seen: greatest.context }],
      ["a deletion", { heads: [deletion], seen: deletion.context }],
      [
        "one head, seen written",
        { heads: [head], seen: [...head.context, { log: 9, generation: 1 }] },
      ],
      ["two heads", { heads: [head, other], seen: head.context }],
      ["a deletion beside a value", { heads: [deletion, other], seen: head.context }],
      ["no head", { heads: [], seen: [{ log: 3, generation: 1 }] }],
    ] as const
  ).map(([name, row]) => twoWays("row", name, row, encodeRow, decodeRow)),
  ...(
    [
      ["least", least],
      ["with context", head],
      ["a deletion", deletion],
      ["greatest numbers", greatest],
    ] as const
  ).map(([name, version]) =>
    twoWays("superseded version", name, version, encodeVersion, decodeVersion),
  ),
  ...(
    [
      ["empty", { sum: filled(0), vector: new Map() }],
      [
        "two logs",
        {
          sum: counting(0xe0, 32),
          vector: new Map([
            [1, 300],
            [2, 1],
          ]),
        },
      ],
    ] as const
  ).map(([name, record]) =>
    twoWays(
      "scope",
      name,
      record,
      ({ sum, vector }) => encodeScopeRecord({ sum: Sum256.fromBytes(sum), vector }),
      (bytes) => {
        const { sum, vector } = decodeScopeRecord(bytes);
        return { sum: sum.toBytes(), vector };
      },
    ),
  ),
  ...(
    [
      ["new", { incarnation: 1n, generation: 0, timestamp: 0n, digest: undefined }],
      [
        "with a commit",
        {
          incarnation: 2n ** 64n - 1n,
          generation: 300,
          timestamp: head.timestamp,
          digest: filled(0xdd),
        },
      ],
      [
        "with commits to be signed",
        {
          incarnation: 1n,
          generation: MAX,
          timestamp: head.timestamp,
          digest: filled(0xdd),
          unsigned: [
            { scope: 1, log: 1, generation: 1 },
            { scope: 2 ** 32 - 1, log: 2 ** 32 - 1, generation: MAX },
          ],
        },
      ],
    ] as const
  ).map(([name, own]) => twoWays("own log", name, own, encodeOwnLog, decodeOwnLog)),
  ...(
    [
      ["none", []],
      [
        "two",
        [
          { id: filled(0x11, 16), from: 0 },
          { id: counting(0x20, 16), from: MAX },
        ],
      ],
    ] as const
  ).map(([name, epochs]) => twoWays("epochs", name, epochs, encodeEpochs, decodeEpochs)),
  ...[0, 300, MAX].map((sequence) =>
    twoWays(
      "marker",
      `position ${sequence}`,
      { epoch: filled(0x11, 16), sequence },
      (value) => utf8(markerOf({ epochs: [{ id: value.epoch, from: 0 }] }, value.sequence)),
      (bytes) => {
        const state = { epochs: [{ id: filled(0x11, 16), from: 0 }], sequence: MAX };
        const read = positionOf(state, fromUtf8(bytes) ?? "");
        return { epoch: filled(0x11, 16), sequence: read };
      },
    ),
  ),
  ...(
    [
      ["local", { fromSync: false, parts: [{ scope: 1, log: 1, generation: 1 }] }],
      [
        "from a peer",
        {
          fromSync: true,
          parts: [
            { scope: 1, log: 2, generation: 128 },
            { scope: 300, log: 2, generation: MAX },
          ],
        },
      ],
      [
        "with parts taken back",
        {
          fromSync: true,
          parts: [{ scope: 1, log: 1, generation: 2 }],
          takenBack: [{ scope: 1, log: 2, generation: 128 }],
        },
      ],
    ] as const
  ).map(([name, change]) => twoWays("change", name, change, encodeChange, decodeChange)),
  ...(
    [
      [
        "least",
        {
          part: asidePart([Uint8Array.of(1)], []),
          isLoose: false,
          isVouched: false,
          hasCounted: false,
        },
      ],
      [
        "control ops alone",
        {
          part: asidePart([Uint8Array.of(1, 2)], [{ first: 1, count: 300, digest: filled(0xe1) }]),
          isLoose: true,
          isVouched: true,
          hasCounted: false,
        },
      ],
      [
        "taken back",
        {
          part: asidePart([Uint8Array.of(1), filled(0x0b, 130)], []),
          isLoose: false,
          isVouched: true,
          hasCounted: true,
        },
      ],
      [
        "authored again",
        {
          part: asidePart([Uint8Array.of(1)], [{ first: 1, count: 1, digest: filled(0xe1) }]),
          isLoose: false,
          isVouched: true,
          hasCounted: true,
          authored: [filled(0xe2), filled(0xe3)],
        },
      ],
    ] as const
  ).map(([name, record]) => twoWays("part aside", name, record, encodeAside, decodeAside)),
  ...(
    [
      [
        "first",
        { log: 1, generation: 1, index: 0, timestamp: 1n, parents: [], op: Uint8Array.of(1) },
      ],
      [
        "with parents",
        {
          log: 2,
          generation: 300,
          index: 129,
          timestamp: head.timestamp,
          parents: [filled(0xa1), filled(0xa2)],
          op: counting(0, 20),
        },
      ],
    ] as const
  ).map(([name, record]) =>
    twoWays("control", name, record, encodeControlRecord, decodeControlRecord),
  ),
  twoWays("held op", "row", { space: 0, key: utf8("käse") }, encodeHeld, decodeHeld),
  twoWays(
    "held op",
    "row of members, empty key",
    { space: 1, key: filled(0, 0) },
    encodeHeld,
    decodeHeld,
  ),
  twoWays("held op", "control op", "control" as const, encodeHeld, decodeHeld),
  twoWays("generation vector", "empty", new Map<LogKey, number>(), encodeVector, decodeVector),
  twoWays("generation vector", "one log", new Map([[log, 300]]), encodeVector, decodeVector),
];

const KEYS: readonly GoldenCase[] = [
  ...(["database", "scope", "log"] as const).map((kind) => ({
    record: "interned name",
    name: kind,
    value: { kind, number: 258 },
    output: internKey(kind, 258),
  })),
  { record: "own log", name: "typical", value: { database: 258 }, output: ownKey(258) },
  { record: "epochs", name: "typical", value: { database: 258 }, output: epochsKey(258) },
  { record: "scope", name: "typical", value: { scope: 258 }, output: scopeStateKey(258) },
  ...[0, 1, 2].map((space) => ({
    record: "row",
    name: `space ${space}`,
    value: { scope: 258, space, key: utf8("käse") },
    output: rowKey(258, space, utf8("käse")),
  })),
  {
    record: "row",
    name: "greatest scope, empty key",
    value: { scope: 2 ** 32 - 1, space: 0, key: filled(0, 0) },
    output: rowKey(2 ** 32 - 1, 0, filled(0, 0)),
  },
  ...[1, 2 ** 40 + 3, MAX].flatMap((generation) => [
    {
      record: "superseded version",
      name: `generation ${generation}`,
      value: { scope: 258, space: 0, key: utf8("käse"), log: 772, generation },
      output: oldKey(258, 0, utf8("käse"), 772, generation),
    },
    {
      record: "commit",
      name: `generation ${generation}`,
      value: { scope: 258, log: 772, generation },
      output: commitKey(258, 772, generation),
    },
    {
      record: "part aside",
      name: `generation ${generation}`,
      value: { scope: 258, log: 772, generation },
      output: asideKey(258, 772, generation),
    },
    {
      record: "rival",
      name: `generation ${generation}`,
      value: { scope: 258, log: 772, generation, digest: filled(0xa2) },
      output: rivalKey(258, 772, generation, toHex(filled(0xa2))),
    },
    {
      record: "change",
      name: `sequence ${generation}`,
      value: { database: 258, sequence: generation },
      output: changeKey(258, generation),
    },
  ]),
  {
    record: "control",
    name: "typical",
    value: { scope: 258, id: filled(0xa1) },
    output: controlKey(258, filled(0xa1)),
  },
];

/** A part of sample bytes. */
function asidePart(ops: readonly Uint8Array[], elided: CommitPart["elided"]): CommitPart {
  return {
    header: filled(0x11, 200),
    signature: filled(0x22, 64),
    part: filled(0x33, 3),
    partIndex: 129,
    ops,
    elided,
  };
}

/** One commit with one part and three ops, from op to signature. Each digest is made of the one before. */
async function digestCases(): Promise<readonly GoldenCase[]> {
  const seed = counting(0x40, 32);
  const publicKey = await crypto.publicKey(seed);
  const nothing = filled(0, 0);
  const ops = [1, 2, 3].map((n) =>
    encodeOp({
      salt: filled(n, 16),
      space: 0,
      key: utf8(`key ${n}`),
      value: n === 3 ? undefined : Uint8Array.of(n),
      context: n === 1 ? [] : [0, n],
      control: undefined,
    }),
  );
  const leaves = ops.map((op) => opDigest(crypto, op));
  const root = opsRoot(crypto, ops.length, concatBytes(...leaves));
  const logs = [{ device: publicKey, incarnation: 9n }];
  const partHeader = encode(
    PartHeaderSchema,
    create(PartHeaderSchema, {
      salt: filled(4, 16),
      scope: scopeToWire(collection),
      logs,
      opCount: ops.length,
    }),
  );
  const part = partDigest(crypto, partHeader, root);
  const header = encode(
    CommitHeaderSchema,
    create(CommitHeaderSchema, {
      log: logs[0] as (typeof logs)[number],
      generation: 1n,
      previous: nothing,
      timestamp: head.timestamp,
      parts: [part],
      hint: "import",
    }),
  );
  const digest = commitDigest(crypto, header);
  const signature = await crypto.sign(seed, digest);
  expect(await crypto.verify([{ publicKey, message: digest, signature }])).toEqual([true]);
  const [first, second] = leaves as [Uint8Array, Uint8Array];
  const seventeen = Array.from({ length: 17 }, (_, i) => opDigest(crypto, Uint8Array.of(i)));
  const sum = Sum256.zero();
  for (const one of leaves) sum.add(one);
  return [
    ...ops.map((op, i) => ({
      record: "op digest",
      name: `op ${i}`,
      value: { op },
      output: leaves[i] as Uint8Array,
    })),
    {
      record: "inner digest",
      name: "of two ops",
      value: { left: first, right: second },
      output: opsRoot(crypto, 2, concatBytes(first, second)),
    },
    { record: "root of ops", name: "of three", value: { leaves }, output: root },
    {
      record: "root of ops",
      name: "of seventeen",
      value: { leaves: seventeen },
      output: opsRoot(crypto, seventeen.length, concatBytes(...seventeen)),
    },
    {
      record: "elided digest",
      name: "the first sixteen of seventeen",
      value: { leaves: seventeen, elided: [0, 16] },
      output: elideOps(crypto, seventeen, (i) => i < 16)[0]?.digest ?? nothing,
    },
    { record: "part digest", name: "typical", value: { header: partHeader, root }, output: part },
    ...[0, 0x01020304].map((index) => ({
      record: "control id",
      name: `index ${index}`,
      value: { part, index },
      output: controlIdBytes(crypto, part, index),
    })),
    { record: "commit digest", name: "first of a log", value: { header }, output: digest },
    {
      record: "commit signature",
      name: "Ed25519",
      value: { seed, publicKey, digest },
      output: signature,
    },
    { record: "head sum", name: "of three heads", value: { heads: leaves }, output: sum.toBytes() },
  ];
}

/** What the interner writes for one database, two scopes and one log, as the store gets it. */
function internCases(): readonly GoldenCase[] {
  const interner = new Interner();
  interner.database(database);
  interner.scope(collection);
  interner.scope(group);
  interner.log(log);
  const batch: WriteOp[] = [];
  interner.save(batch);
  const values = [database, collection, group, log];
  return batch.map((op, i) => {
    const key = new ByteReader(op.key);
    const [, kind, number] = [key.u8(), key.u8(), key.u32()];
    return {
      record: `interned ${["database", "scope", "log"][kind - 1]}`,
      name: `number ${number}`,
      value: values[i],
      output: op.type === "put" ? op.value : new Uint8Array(),
    };
  });
}

const held = (file: string, cases: readonly GoldenCase[]): void => {
  test.for(goldenPairs(file, cases))("[FO2] [FO3] $name", ({ written, committed, readAgain }) => {
    expect(written, FORMAT_CHANGED).toEqual(committed);
    expect(readAgain(), FORMAT_CHANGED).toEqual(committed);
  });
};

describe("records", () => held("history-records", RECORDS));
describe("keys", () => held("history-keys", KEYS));
describe("interned names", () => {
  const cases = internCases();
  held("history-names", cases);

  test("[FO3] the interner reads what it has written", async () => {
    await using store = await openMemoryStore();
    const batch: WriteOp[] = [];
    const written = new Interner();
    written.database(database);
    written.scope(collection);
    written.scope(group);
    written.log(log);
    written.save(batch);
    await store.write(batch);
    const read = await Interner.load(store);
    expect([...read.databases()]).toEqual([database]);
    expect([...read.scopes()]).toEqual([collection, group]);
    expect(read.logOf(1)).toBe(log);
    expect(read.scope(group)).toBe(2);
  });
});
const DIGESTS = await digestCases();
describe("digests and signatures", () => held("history-digests", DIGESTS));
