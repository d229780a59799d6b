import { describe, expect, test } from "vitest";
import { BlobRef, ByteWriter, fromHex, utf8 } from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { FORMAT_CHANGED, type GoldenCase, goldenPairs, twoWays } from "../testkit/golden.ts";
import { rowEdge } from "./edges.ts";
import {
  chunkKey,
  nodeEdgeKey,
  packKey,
  packOf,
  parentOf,
  readRowEdgeKey,
  type RowCause,
  rowEdgeKey,
} from "./keys.ts";
import { CONTENT, contentChunk } from "./kind.ts";
import { packHeader, packOwner, writeRecordHeader } from "./pack-format.ts";
import {
  decodeIndexEntry,
  decodePackRecord,
  encodeIndexEntry,
  encodePackRecord,
  type IndexEntry,
  type PackRecord,
} from "./records.ts";

const crypto = nodeCrypto();
const MAX = Number.MAX_SAFE_INTEGER;
const counting = (from: number, size = 32): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => from + i);

const name = { kind: CONTENT, address: counting(0x10) };
const other = { kind: { ...CONTENT, code: 255 }, address: new Uint8Array(32).fill(0xff) };
const usualCause: RowCause = { scope: 1, log: 2, generation: 300, space: 0, key: utf8("hütte") };
const greatestCause: RowCause = {
  scope: 0xffff_ffff,
  log: 0xffff_fffe,
  generation: MAX,
  space: 255,
  key: new Uint8Array(),
};

const chunkKeyCase = (title: string, chunk: typeof name): GoldenCase => ({
  record: "chunk key",
  name: title,
  value: { kind: chunk.kind.code, address: chunk.address },
  output: chunkKey(chunk),
});

const nodeEdgeCase = (title: string, child: typeof name, parent: Uint8Array): GoldenCase => ({
  record: "node edge key",
  name: title,
  value: { kind: child.kind.code, child: child.address, parent },
  output: nodeEdgeKey(child, parent),
  read: (key: Uint8Array) => ({ kind: key[1], child: key.slice(2, 34), parent: parentOf(key) }),
});

const rowEdgeCases = (title: string, root: Uint8Array, cause: RowCause): GoldenCase[] => {
  const ref = new BlobRef({ root, size: cause.generation, depth: 2, chunker: 1 });
  const edge = rowEdge(ref, cause);
  const write = (value: { root: Uint8Array; cause: RowCause }): Uint8Array =>
    rowEdgeKey(value.root, value.cause);
  const value = { depth: 2, chunker: 1, size: ref.size };
  const output = edge.type === "put" ? edge.value : expect.unreachable();
  return [
    twoWays("row edge key", title, { root, cause }, write, readRowEdgeKey),
    { record: "row edge", name: title, value, output },
  ];
};

const KEYS: readonly GoldenCase[] = [
  chunkKeyCase("content", name),
  chunkKeyCase("greatest", other),
  nodeEdgeCase("content", name, counting(0x80)),
  nodeEdgeCase("greatest", other, new Uint8Array(32).fill(0xff)),
  ...rowEdgeCases("usual", counting(0x40), usualCause),
  ...rowEdgeCases("greatest numbers", counting(0), greatestCause),
  twoWays("pack key", "first", 1, packKey, packOf),
  twoWays("pack key", "greatest", 0xffff_ffff, packKey, packOf),
];

const entry: IndexEntry = { pack: 3, offset: 36, size: 39_000, crc: 0x01020304, places: [] };
const greatestPlaces = [
  { network: 1, binId: 1 },
  { network: MAX, binId: MAX },
];
const entries: readonly (readonly [string, IndexEntry])[] = [
  ["least", { pack: 1, offset: 36, size: 1, crc: 0, places: [] }],
  ["usual", entry],
  ["with a place", { ...entry, places: [{ network: 1, binId: 300 }] }],
  [
    "greatest numbers",
    { pack: 0xffff_ffff, offset: MAX, size: MAX, crc: 0xffff_ffff, places: greatestPlaces },
  ],
];
const packs: readonly (readonly [string, PackRecord])[] = [
  ["empty", { length: 36, chunks: 0, bytes: 0 }],
  ["usual", { length: 262_000_000, chunks: 6_500, bytes: 261_000_000 }],
  ["greatest numbers", { length: MAX, chunks: MAX, bytes: MAX }],
];

/** A whole pack of two chunks. */
function pack(number: number): { value: unknown; output: Uint8Array } {
  const storeId = counting(0x10, 16);
  const chunks = [Uint8Array.of(7), utf8("chunk of a test")].map((bytes) =>
    contentChunk(crypto, bytes),
  );
  const out = new ByteWriter();
  out.bytes(packHeader(crypto, storeId, number));
  for (const chunk of chunks) {
    writeRecordHeader(out, chunk, chunk.bytes.length, crypto.crc32(chunk.bytes));
    out.bytes(chunk.bytes);
  }
  const value = { storeId, number, chunks: chunks.map(({ bytes }) => bytes) };
  return { value, output: out.finish() };
}

const RECORDS: readonly GoldenCase[] = [
  ...entries.map(([title, value]) =>
    twoWays("index entry", title, value, encodeIndexEntry, decodeIndexEntry),
  ),
  ...packs.map(([title, value]) =>
    twoWays("pack record", title, value, encodePackRecord, decodePackRecord),
  ),
  { record: "pack", name: "two chunks", ...pack(1) },
  { record: "pack", name: "greatest number", ...pack(0xffff_ffff) },
];

describe("what chunks write", () => {
  const pairs = [...goldenPairs("chunks-keys", KEYS), ...goldenPairs("chunks-records", RECORDS)];

  test.for(pairs)("[FO3], [CH32] $name", ({ written, committed, readAgain }) => {
    expect(written, FORMAT_CHANGED).toEqual(committed);
    expect(readAgain(), FORMAT_CHANGED).toEqual(committed);
  });

  test("[FO3] the committed pack is known as that store's, and as no other's", () => {
    const bytes = fromHex(pairs.at(-1)?.committed?.hex ?? "") as Uint8Array;
    expect(packOwner(crypto, counting(0x10, 16), 0xffff_ffff, bytes)).toBe("ours");
    expect(packOwner(crypto, counting(0x11, 16), 0xffff_ffff, bytes)).toBe("foreign");
    expect(packOwner(crypto, counting(0x10, 16), 1, bytes)).toBe("foreign");
    expect(packOwner(crypto, counting(0x10, 16), 1, bytes.subarray(0, 35))).toBe("damaged");
  });
});

test("[CH32] a record whose bytes make no sense is told as that", () => {
  const good = encodeIndexEntry({ ...entry, places: [{ network: 1, binId: 300 }] });
  for (const bytes of [good.subarray(0, -1), Uint8Array.of(...good, 0), new Uint8Array()])
    expect(() => decodeIndexEntry(bytes)).toThrow(
      expect.objectContaining({ code: "CHUNKS_CORRUPT" }),
    );
  expect(() => decodePackRecord(Uint8Array.of(1, 2))).toThrow(
    expect.objectContaining({ code: "CHUNKS_CORRUPT" }),
  );
});
