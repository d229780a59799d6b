import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concatBytes, utf8 } from "../base/index.ts";
import { block, blocks } from "../testkit/chunker-inputs.ts";
import { Chunker, CHUNKER_VERSION } from "./chunker.ts";
import { GEAR } from "./gear.ts";
import { CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, CHUNK_BYTES_NORMAL } from "./limits.ts";

function cut(...pieces: readonly Uint8Array[]): Uint8Array[] {
  const chunker = new Chunker();
  return [...pieces.flatMap((piece) => chunker.push(piece)), ...chunker.end()];
}

const lengths = (chunks: readonly Uint8Array[]): number[] => chunks.map(({ length }) => length);

/** The hash over the 32 bytes that end with the first `end` of `bytes`. */
function hashAt(bytes: Uint8Array, end: number): number {
  let hash = 0;
  for (let i = end - 32; i < end; i++) hash = (2 * hash + (GEAR[bytes[i] as number] as number)) | 0;
  return hash;
}

/** Lengths of the chunks of `bytes` by [CU3], word by word: every window is hashed from its beginning. */
function expectedLengths(bytes: Uint8Array): number[] {
  const found: number[] = [];
  let begin = 0;
  while (begin < bytes.length) {
    const left = bytes.length - begin;
    let n = Math.min(left, CHUNK_BYTES_MIN);
    for (; n < Math.min(left, CHUNK_BYTES_MAX); n++) {
      const hash = hashAt(bytes, begin + n);
      const isZero = n < CHUNK_BYTES_NORMAL ? hash >>> 16 === 0 : hash >>> 18 === 0;
      if (isZero) break;
    }
    found.push(n);
    begin += n;
  }
  return found;
}

/** 32 bytes after which a chunk ends by the top `bits` bits, and not by one more. */
function cuttingWindow(bits: number): Uint8Array {
  for (let number = 0; ; number++) {
    const window = block(number);
    if (Math.clz32(hashAt(window, 32)) === bits) return window;
  }
}

describe("the chunker", () => {
  test("[CU1] is version 1", () => {
    expect(CHUNKER_VERSION).toBe(1);
  });

  test("[CU2] has a table made of SHA-256", () => {
    const numbers = Array.from({ length: 256 }, (_, byte) => {
      const hash = createHash("sha256").update(utf8("rookery chunker 1\n"));
      return hash.update(Uint8Array.of(byte)).digest().readInt32BE(0);
    });
    expect([...GEAR]).toEqual(numbers);
  });

  test("[CU3] cuts where the rule says, and within the limits", () => {
    const bytes = blocks(1_000_000, 100_000);
    const found = lengths(cut(bytes));
    expect(found).toEqual(expectedLengths(bytes));
    for (const length of found.slice(0, -1)) {
      expect(length).toBeGreaterThanOrEqual(CHUNK_BYTES_MIN);
      expect(length).toBeLessThanOrEqual(CHUNK_BYTES_MAX);
    }
  });

  test.for([
    ["16 bits before the minimum", 16, CHUNK_BYTES_MIN - 1, false],
    ["16 bits at the minimum", 16, CHUNK_BYTES_MIN, true],
    ["15 bits at the minimum", 15, CHUNK_BYTES_MIN, false],
    ["15 bits before the normal size", 15, CHUNK_BYTES_NORMAL - 1, false],
    ["16 bits before the normal size", 16, CHUNK_BYTES_NORMAL - 1, true],
    ["14 bits at the normal size", 14, CHUNK_BYTES_NORMAL, true],
    ["13 bits at the normal size", 13, CHUNK_BYTES_NORMAL, false],
    ["14 bits before the maximum", 14, CHUNK_BYTES_MAX - 1, true],
    ["13 bits at the maximum", 13, CHUNK_BYTES_MAX, true],
  ] as const)("[CU3] %s", ([, bits, at, isCut]) => {
    const bytes = concatBytes(
      new Uint8Array(at - 32),
      cuttingWindow(bits),
      new Uint8Array(200_000),
    );
    const [first] = lengths(cut(bytes));
    expect(first).toBe(expectedLengths(bytes)[0]);
    expect(first === at).toBe(isCut);
  });

  test("[CU4] the empty blob has no chunks, a small one has one", () => {
    expect(cut()).toEqual([]);
    expect(cut(new Uint8Array(), new Uint8Array())).toEqual([]);
    const bytes = blocks(CHUNK_BYTES_MIN);
    for (const size of [1, 31, 32, 33, CHUNK_BYTES_MIN - 1, CHUNK_BYTES_MIN])
      expect(cut(bytes.subarray(0, size))).toEqual([bytes.subarray(0, size)]);
  });

  test("[CU5] cuts alike however the bytes come, and loses none", () => {
    const bytes = blocks(300_000, 7);
    const whole = cut(bytes);
    expect(whole.length).toBeGreaterThan(4);
    const places = fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 60 });
    fc.assert(
      fc.property(places, (chosen) => {
        const at = [0, ...chosen.toSorted((a, b) => a - b), bytes.length];
        const pieces = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
        const chunks = cut(...pieces);
        expect(lengths(chunks)).toEqual(lengths(whole));
        expect(Buffer.compare(concatBytes(...chunks), bytes)).toBe(0);
      }),
      { seed: 5, numRuns: 60 },
    );
    const chunker = new Chunker();
    const slowly: Uint8Array[] = [];
    for (const byte of bytes) slowly.push(...chunker.push(Uint8Array.of(byte)));
    expect(lengths([...slowly, ...chunker.end()])).toEqual(lengths(whole));
  });

  test("[CU6] what is appended changes the last chunk alone", () => {
    const bytes = blocks(900_000, 3);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: bytes.length }), (size) => {
        const before = lengths(cut(bytes.subarray(0, size))).slice(0, -1);
        const after = lengths(cut(bytes));
        expect(after.slice(0, before.length)).toEqual(before);
        const begin = before.reduce((sum, length) => sum + length, 0);
        expect(lengths(cut(bytes.subarray(begin)))).toEqual(after.slice(before.length));
      }),
      { seed: 6, numRuns: 20 },
    );
  });

  test("[CU6] after a splice the cuts of what follows are found again", () => {
    const bytes = blocks(3_000_000, 11);
    const ends = (chunks: readonly Uint8Array[], shift: number): Set<number> => {
      let end = 0;
      return new Set(chunks.map(({ length }) => (end += length) - shift));
    };
    const before = ends(cut(bytes), 0);
    const edit = fc.record({
      at: fc.integer({ min: 0, max: 500_000 }),
      removed: fc.integer({ min: 0, max: 200_000 }),
      added: fc.uint8Array({ maxLength: 3_000 }),
    });
    fc.assert(
      fc.property(edit, ({ at, removed, added }) => {
        const edited = cut(bytes.subarray(0, at), added, bytes.subarray(at + removed));
        const after = ends(edited, added.length - removed);
        const common = [...before].filter((end) => end > at + removed && after.has(end));
        // From the first common cut on they are the same.
        const [first] = common;
        expect(first).toBeLessThan(at + removed + 1_500_000);
        const beyond = (all: Set<number>): number[] =>
          [...all].filter((end) => end >= Number(first));
        expect(beyond(after)).toEqual(beyond(before));
      }),
      { seed: 60, numRuns: 15 },
    );
  });

  test("[CU7] no run of one value is cut before the maximum", () => {
    for (let value = 0; value < 256; value++) {
      const found = lengths(cut(new Uint8Array(2 * CHUNK_BYTES_MAX + 1).fill(value)));
      expect(found, `${value}`).toEqual([CHUNK_BYTES_MAX, CHUNK_BYTES_MAX, 1]);
    }
  });

  test("[CU8] a chunk within one piece is a view of it, and one that began before is not", () => {
    const bytes = blocks(600_000, 7);
    const chunker = new Chunker();
    const first = chunker.push(bytes.subarray(0, 300_000));
    const second = chunker.push(bytes.subarray(300_000));
    const isView = (chunk: Uint8Array): boolean => chunk.buffer === bytes.buffer;
    expect(first.map(isView)).toEqual(first.map(() => true));
    expect(second.map(isView)).toEqual(second.map((_, i) => i > 0));
    expect(chunker.end().map(isView)).toEqual([false]);
    expect(() => chunker.push(bytes)).toThrow("goes on until its end");
  });

  test("the mean of random bytes is near 39 KiB", () => {
    const bytes = blocks(12_000_000, 1_000_000);
    const mean = bytes.length / cut(bytes).length / 1024;
    expect(mean).toBeGreaterThan(36);
    expect(mean).toBeLessThan(42);
  });
});
