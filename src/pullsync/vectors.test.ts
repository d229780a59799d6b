import { expect, test } from "vitest";
import { concatBytes, encodeFrame, fromHex, toHex } from "../base/index.ts";
import { FORMAT_CHANGED, type GoldenCase, goldenPairs, twoWays } from "../testkit/golden.ts";
import { create, encode, PullDeliverySchema } from "../wire/index.ts";
import { CODEC_1_4_0 as codec, decodeBits, encodeBits } from "./codec-1-4-0.ts";

const NOTHING = new Uint8Array();
const bytesOf = (value: number, length = 32): Uint8Array => new Uint8Array(length).fill(value);
const framed = (payload: Uint8Array): Uint8Array => concatBytes(...[encodeFrame(payload)].flat());

/** A frame of ours: its length, then the message. */
function frame<T>(
  record: string,
  name: string,
  value: T,
  write: (value: T) => Uint8Array,
  read: (bytes: Uint8Array) => unknown,
): GoldenCase {
  return twoWays(
    record,
    name,
    value,
    (it) => framed(write(it)),
    (bytes: Uint8Array) => read(bytes.subarray(sizeOfHead(bytes))),
  );
}

/** Bytes of the varint that a frame begins with. */
function sizeOfHead(bytes: Uint8Array): number {
  return bytes.findIndex((byte) => byte < 0x80) + 1;
}

const CURSORS = Array.from({ length: 32 }, (_, bin) => (bin === 1 ? 5n : bin === 31 ? 300n : 0n));
const ENTRY = { address: bytesOf(0x11), batch: bytesOf(0x22), stampHash: bytesOf(0x33) };
const delivery = (it: Parameters<typeof codec.encodeDelivery>[0]): Uint8Array =>
  concatBytes(...codec.encodeDelivery(it));
const readDelivery = (bytes: Uint8Array) => {
  const { address, data, stamp } = codec.decodeDelivery(bytes);
  return { address, data, stamp };
};

const FRAMES: readonly GoldenCase[] = [
  frame(
    "Syn",
    "all there is",
    {},
    () => codec.encodeSyn(),
    (bytes) => (codec.decodeSyn(bytes), {}),
  ),
  frame(
    "Ack",
    "two bins",
    { cursors: CURSORS, epoch: 1_700_000_000n },
    codec.encodeAck,
    codec.decodeAck,
  ),
  frame(
    "Ack",
    "greatest",
    { cursors: Array<bigint>(32).fill(2n ** 53n - 1n), epoch: 2n ** 53n - 1n },
    codec.encodeAck,
    codec.decodeAck,
  ),
  frame("Get", "least", { bin: 0, start: 0n, to: undefined }, codec.encodeGet, codec.decodeGet),
  frame("Get", "usual", { bin: 2, start: 1n, to: undefined }, codec.encodeGet, codec.decodeGet),
  frame("Get", "with an end", { bin: 2, start: 1n, to: 300n }, codec.encodeGet, codec.decodeGet),
  frame(
    "Get",
    "greatest",
    { bin: 31, start: 2n ** 64n - 1n, to: 2n ** 64n - 1n },
    codec.encodeGet,
    codec.decodeGet,
  ),
  frame("Offer", "empty", { topmost: 0n, entries: [] }, codec.encodeOffer, codec.decodeOffer),
  frame(
    "Offer",
    "with a stamp",
    { topmost: 7n, entries: [ENTRY] },
    codec.encodeOffer,
    codec.decodeOffer,
  ),
  frame(
    "Offer",
    "without stamps",
    {
      topmost: 9n,
      entries: [0x44, 0x55].map((n) => ({
        address: bytesOf(n),
        batch: NOTHING,
        stampHash: NOTHING,
      })),
    },
    codec.encodeOffer,
    codec.decodeOffer,
  ),
  ...[
    [true],
    Array.from({ length: 8 }, (_, i) => i === 7),
    Array.from({ length: 10 }, (_, i) => i === 1 || i === 9),
    Array.from({ length: 250 }, (_, i) => i === 0 || i === 249),
  ].map((wanted) =>
    frame(
      "Want",
      `${wanted.length} offered`,
      wanted.flatMap((is, i) => (is ? [i] : [])),
      () => codec.encodeWant(encodeBits(wanted)),
      (bytes) =>
        decodeBits(codec.decodeWant(bytes), wanted.length)?.flatMap((is, i) => (is ? [i] : [])),
    ),
  ),
  frame(
    "Delivery",
    "empty",
    { address: NOTHING, data: NOTHING, stamp: NOTHING },
    delivery,
    readDelivery,
  ),
  frame(
    "Delivery",
    "without a stamp",
    { address: bytesOf(0x11), data: fromHex("0102030405")!, stamp: NOTHING },
    delivery,
    readDelivery,
  ),
  frame(
    "Delivery",
    "with a stamp",
    { address: bytesOf(0x11), data: bytesOf(0x61, 200), stamp: bytesOf(0x77, 113) },
    delivery,
    readDelivery,
  ),
];

/** Frames as Bee's own messages of pull-sync 1.4.0 make them (pkg/pullsync/pb/pullsync.proto, varint length first). */
const OF_BEE: Readonly<Record<string, string>> = {
  "Syn: all there is": "00",
  "Get: least": "00",
  "Get: usual": "0408021001",
  "Ack: two bins": `290a2100050000000000000000000000000000000000000000000000000000000000ac021080e2cfaa06`,
  "Want: 10 offered": "040a020202",
  "Offer: with a stamp": `6a080712660a20${"11".repeat(32)}1220${"22".repeat(32)}1a20${"33".repeat(32)}`,
  "Delivery: empty": "00",
};

test.for(goldenPairs("pullsync-frames", FRAMES))(
  "[PS8] [FO3] $name is written and read as ever",
  ({ written, committed, readAgain }) => {
    expect(written, FORMAT_CHANGED).toEqual(committed);
    expect(readAgain(), FORMAT_CHANGED).toEqual(committed);
  },
);

test.for(Object.entries(OF_BEE))("[PS8] %s has the bytes of Bee's protocol", ([name, hex]) => {
  const ours = FRAMES.find((it) => `${it.record}: ${it.name}` === name);
  expect(toHex(ours?.output as Uint8Array)).toBe(hex);
});

test("[PS8] a delivery written by hand is what the schema makes", () => {
  for (const [size, stamp] of [
    [0, 0],
    [1, 0],
    [127, 113],
    [128, 0],
    [128 * 1024, 1],
  ] as const) {
    const message = {
      address: bytesOf(size === 0 ? 1 : 2),
      data: bytesOf(3, size),
      stamp: bytesOf(4, stamp),
    };
    const due = encode(PullDeliverySchema, create(PullDeliverySchema, message));
    expect(toHex(delivery(message))).toBe(toHex(due));
  }
});

test("[PS12] bits are counted from the least of each byte, and spare ones do not count", () => {
  expect(encodeBits([true, false, false])).toEqual(Uint8Array.of(1));
  expect(encodeBits(Array.from({ length: 9 }, (_, i) => i === 8))).toEqual(Uint8Array.of(0, 1));
  expect(encodeBits([])).toEqual(Uint8Array.of(0));
  expect(decodeBits(Uint8Array.of(0b1111_0010), 3)).toEqual([false, true, false]);
  // Bee's has a byte to spare where the number of entries is a multiple of eight.
  expect(decodeBits(Uint8Array.of(0x80, 0), 8)?.lastIndexOf(true)).toBe(7);
  expect(decodeBits(Uint8Array.of(0xff), 9)).toBeUndefined();
  expect(decodeBits(NOTHING, 0)).toEqual([]);
});
