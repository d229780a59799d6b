import { describe, expect, test } from "vitest";
import { concatBytes } from "../base/index.ts";
import { blocks } from "../testkit/chunker-inputs.ts";
import { FORMAT_CHANGED, type GoldenCase, goldenPairs } from "../testkit/golden.ts";
import { Chunker } from "./chunker.ts";
import { GEAR } from "./gear.ts";
import { CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, CHUNK_BYTES_NORMAL } from "./limits.ts";

function table(): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * GEAR.length));
  GEAR.forEach((number, i) => view.setInt32(4 * i, number));
  return new Uint8Array(view.buffer);
}

/** A stretch of a blob: a run of one value, or the SHA-256 of the numbers from `first` on, four bytes each, big-endian. */
type Stretch = { bytes: number; value: number } | { bytes: number; first: number };

function bytesOf(stretch: Stretch): Uint8Array {
  if ("first" in stretch) return blocks(stretch.bytes, stretch.first);
  return new Uint8Array(stretch.bytes).fill(stretch.value);
}

function cuts(name: string, ...blob: readonly Stretch[]): GoldenCase {
  const chunker = new Chunker();
  const chunks = chunker.push(concatBytes(...blob.map(bytesOf)));
  const lengths = [...chunks, ...chunker.end()].map(({ length }) => length);
  return { record: "cuts", name, value: blob, output: lengths.join(" ") };
}

/** Numbers whose SHA-256, as the last 32 bytes of a chunk, has just 16, 15 and 14 zero bits at the top of the hash. */
const [BITS_16, BITS_15, BITS_14] = [29_834, 21_129, 9_784];

const zeros = (bytes: number): Stretch => ({ bytes, value: 0 });
const numbers = (bytes: number, first: number): Stretch => ({ bytes, first });

const PAIRS = goldenPairs("chunker", [
  { record: "table", name: "256 numbers", value: "big-endian, by byte", output: table() },
  cuts("nothing"),
  cuts("one byte", zeros(1)),
  cuts("random, the minimum", numbers(CHUNK_BYTES_MIN, 0)),
  cuts("random, one more", numbers(CHUNK_BYTES_MIN + 1, 0)),
  cuts("random, 2 MiB", numbers(2 * 1024 * 1024, 0)),
  cuts("random, another 2 MiB", numbers(2 * 1024 * 1024, 1_000_000)),
  cuts("a byte in front", { bytes: 1, value: 1 }, numbers(2 * 1024 * 1024, 0)),
  cuts("run, the maximum", zeros(CHUNK_BYTES_MAX)),
  cuts("run, one more", zeros(CHUNK_BYTES_MAX + 1)),
  cuts("run of 1", { bytes: 300_000, value: 1 }),
  cuts("run of 255", { bytes: 300_000, value: 255 }),
  cuts("random between runs", zeros(200_000), numbers(500_000, 5), zeros(200_000)),
  ...(
    [
      ["at the minimum", CHUNK_BYTES_MIN, BITS_16],
      ["one before the minimum", CHUNK_BYTES_MIN - 1, BITS_16],
      ["one before the normal size", CHUNK_BYTES_NORMAL - 1, BITS_16],
      ["one before the normal size", CHUNK_BYTES_NORMAL - 1, BITS_15],
      ["at the normal size", CHUNK_BYTES_NORMAL, BITS_14],
      ["one before the maximum", CHUNK_BYTES_MAX - 1, BITS_14],
    ] as const
  ).map(([where, at, number]) =>
    cuts(`SHA-256 of ${number} ${where}`, zeros(at - 32), numbers(32, number), zeros(200_000)),
  ),
]);

describe("cuts of a blob", () => {
  test.for(PAIRS)("[CU1] $name", ({ written, committed }) => {
    expect(written, FORMAT_CHANGED).toEqual(committed);
  });
});
