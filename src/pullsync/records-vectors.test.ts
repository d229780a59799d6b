import { expect, test } from "vitest";
import { fromHex, utf8 } from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { FORMAT_CHANGED, type GoldenCase, goldenPairs, twoWays } from "../testkit/golden.ts";
import { namedDevice, namedUser } from "../testkit/control-world.ts";
import { Intervals } from "./intervals.ts";
import { networkIdOf } from "./networks.ts";
import {
  binIdOf,
  binKey,
  decodeEntry,
  decodeIntervals,
  decodeMissing,
  decodeNetwork,
  decodeNumber,
  encodeEntry,
  encodeIntervals,
  encodeMissing,
  encodeNetwork,
  encodeNumber,
  entryKey,
  intervalsKey,
  missingAddressOf,
  missingKey,
  type MissingRecord,
  networkKey,
  peerKey,
  placedKey,
} from "./records.ts";

const bytesOf = (value: number): Uint8Array => new Uint8Array(32).fill(value);
const GREATEST = 2n ** 53n - 1n;
const U32 = 2 ** 32 - 1;

function oneWay(record: string, name: string, value: unknown, output: Uint8Array): GoldenCase {
  return { record, name, value, output };
}

const crypto = nodeCrypto();
const GROUP = {
  database: "album",
  kind: "syncgroup",
  owner: namedUser("ada"),
  name: "pictures",
} as const;

const KEYS: readonly GoldenCase[] = [
  oneWay("network id", "usual", GROUP, networkIdOf(crypto, GROUP)),
  oneWay("network", "usual", bytesOf(0x11), networkKey(bytesOf(0x11))),
  oneWay("bin", "least", { network: 1, bin: 0 }, binKey(1, 0)),
  oneWay("bin", "greatest", { network: U32, bin: 31 }, binKey(U32, 31)),
  twoWays("entry's BinID", "least", 1n, (it) => entryKey(1, 0, it), binIdOf),
  twoWays("entry's BinID", "usual", 300n, (it) => entryKey(2, 7, it), binIdOf),
  twoWays("entry's BinID", "greatest", GREATEST, (it) => entryKey(U32, 31, it), binIdOf),
  oneWay("peer", "usual", { network: 2, peer: bytesOf(0x22) }, peerKey(2, bytesOf(0x22))),
  oneWay(
    "intervals",
    "usual",
    { network: 2, peer: bytesOf(0x22), bin: 31 },
    intervalsKey(2, bytesOf(0x22), 31),
  ),
  twoWays("missing", "usual", bytesOf(0x33), (it) => missingKey(2, it), missingAddressOf),
  oneWay("placed", "usual", { network: 2, root: bytesOf(0x44) }, placedKey(2, bytesOf(0x44))),
];

const intervals = (...ranges: readonly [bigint, bigint][]) =>
  ranges.map(([first, last]) => ({ first, last }));
const interval = (name: string, ranges: ReturnType<typeof intervals>) =>
  twoWays(
    "intervals",
    name,
    ranges,
    (it) => encodeIntervals(Intervals.of(it)),
    (bytes: Uint8Array) => decodeIntervals(bytes).ranges,
  );
const missing = (name: string, value: MissingRecord) =>
  twoWays("missing", name, value, encodeMissing, decodeMissing);
const source = (peer: number, from: bigint, to: bigint) => ({ peer: bytesOf(peer), from, to });

const RECORDS: readonly GoldenCase[] = [
  twoWays("network", "least", { number: 1, epoch: 1n }, encodeNetwork, decodeNetwork),
  twoWays("network", "greatest", { number: U32, epoch: GREATEST }, encodeNetwork, decodeNetwork),
  twoWays("number", "least", 1n, encodeNumber, decodeNumber),
  twoWays("number", "greatest", GREATEST, encodeNumber, decodeNumber),
  twoWays(
    "entry",
    "least",
    { address: bytesOf(0), size: 1 },
    ({ address, size }) => encodeEntry(address, size),
    decodeEntry,
  ),
  twoWays(
    "entry",
    "greatest",
    { address: bytesOf(0xff), size: 128 * 1024 },
    ({ address, size }) => encodeEntry(address, size),
    decodeEntry,
  ),
  interval("least", []),
  interval("one", intervals([1n, 50n])),
  interval("usual", intervals([1n, 50n], [100n, 200n], [202n, 202n])),
  interval("greatest", intervals([1n, 1n], [GREATEST - 1n, GREATEST])),
  missing("least", { isLost: false, sources: [], lackedBy: [] }),
  missing("usual", {
    isLost: false,
    sources: [source(1, 1n, 250n), source(2, 300n, 300n)],
    lackedBy: [],
  }),
  missing("lost", { isLost: true, sources: [], lackedBy: [bytesOf(3), bytesOf(4)] }),
  missing("greatest", {
    isLost: true,
    sources: [source(0xff, 1n, GREATEST)],
    lackedBy: [bytesOf(0xff)],
  }),
];

test.for(goldenPairs("pullsync-keys", KEYS))(
  "[FO3] key of $name is written and read as ever",
  ({ written, committed, readAgain }) => {
    expect(written, FORMAT_CHANGED).toEqual(committed);
    expect(readAgain(), FORMAT_CHANGED).toEqual(committed);
  },
);

test.for(goldenPairs("pullsync-records", RECORDS))(
  "[FO3] record of $name is written and read as ever",
  ({ written, committed, readAgain }) => {
    expect(written, FORMAT_CHANGED).toEqual(committed);
    expect(readAgain(), FORMAT_CHANGED).toEqual(committed);
  },
);

test("[PS6] a network's id says which syncgroup it is of, and nothing else", () => {
  const other = { ...GROUP, name: "pictures 2" };
  expect(networkIdOf(crypto, GROUP)).toHaveLength(32);
  expect(networkIdOf(crypto, other)).not.toEqual(networkIdOf(crypto, GROUP));
  expect(utf8("rookery network 1\n")).toHaveLength(18);
  expect(namedDevice("ada")).not.toEqual(namedUser("ada"));
});

test("[FO3] records that make no sense are refused", () => {
  const reads = [decodeNetwork, decodeNumber, decodeEntry, decodeMissing];
  for (const read of reads) {
    expect(() => read(new Uint8Array())).toThrow("its bytes make no sense");
    expect(() => read(new Uint8Array(100))).toThrow("its bytes make no sense");
  }
  expect(() => decodeMissing(fromHex("020000")!)).toThrow("its bytes make no sense");
});
