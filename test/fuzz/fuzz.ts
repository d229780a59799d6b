/** Bytes that make no sense for whatever reads foreign or stored bytes. */

import { CodedError, concatBytes, equalBytes, toHex } from "../../src/base/index.ts";
import { type SeededRandom, seededRandom } from "../../src/testkit/index.ts";
import { mutated } from "../../src/testkit/wire/wire-mutate.ts";
import { rawVarint } from "../../src/testkit/wire/wire-raw.ts";

/** Something that reads bytes. One line of the table makes one. */
export interface Decoder {
  readonly name: string;
  /** The exported functions that it runs. */
  readonly runs: readonly string[];
  /** Good inputs. */
  readonly samples: () => readonly Uint8Array[];
  /** Answers what was read, `undefined` if it refuses without an error, or throws one with a code. */
  readonly decode: (bytes: Uint8Array) => unknown;
  /** The way back. */
  readonly encode?: ((decoded: never) => Uint8Array) | undefined;
  /** Whether what is read is written again to the same bytes; else only to what reads the same. Default `true`. */
  readonly isCanonical?: boolean | undefined;
}

export interface FuzzReport {
  readonly name: string;
  readonly inputs: number;
  readonly good: number;
  /** Refusals by their code. */
  readonly refused: ReadonlyMap<string, number>;
  readonly seconds: number;
}

/** Bytes that a reading may come to, for each byte that was read, and on top of that. */
const OUTPUT_PER_BYTE = 96;
const OUTPUT_BYTES = 4096;

/**
 * Gives a decoder so many inputs: by thirds bytes by chance, good ones with alterations, and the right kind of structure with hostile values.
 *
 * @throws Error with the input, when it is refused by anything but an error with a code, comes to more than is in proportion to it, or is read and not written
 *   again to the same.
 */
export function fuzz(decoder: Decoder, inputs: number, seed: number): FuzzReport {
  const random = seededRandom(seed);
  const corpus = decoder.samples();
  const refused = new Map<string, number>();
  const start = performance.now();
  let good = 0;
  // Nearly all are refused, and where in the code is of no use: to find that out takes longer than to decode.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    for (let i = 0; i < inputs; i++) {
      const input = inputOf(random, corpus, i % 3);
      const code = outcomeOf(decoder, input);
      if (code === undefined) good += 1;
      else refused.set(code, (refused.get(code) ?? 0) + 1);
    }
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  const seconds = (performance.now() - start) / 1000;
  return { name: decoder.name, inputs, good, refused, seconds };
}

/** The code of a refusal; `undefined`: it is read. */
export function outcomeOf(decoder: Decoder, input: Uint8Array): string | undefined {
  let decoded: unknown;
  try {
    decoded = decoder.decode(input);
  } catch (error) {
    if (error instanceof CodedError) return String(error.code);
    throw failure(decoder, input, `is refused by ${String(error)}`, error);
  }
  if (decoded === undefined) return "undefined";
  const size = sizeOf(decoded);
  if (size > OUTPUT_PER_BYTE * input.length + OUTPUT_BYTES)
    throw failure(decoder, input, `comes to ${size} bytes`);
  const { encode, isCanonical = true } = decoder;
  if (encode === undefined) return undefined;
  const written = encode(decoded as never);
  if (equalBytes(written, input)) return undefined;
  if (isCanonical) throw failure(decoder, input, `is written again as ${toHex(written)}`);
  const again = encode(decoder.decode(written) as never);
  if (equalBytes(again, written)) return undefined;
  throw failure(decoder, input, `is written as ${toHex(written)}, then ${toHex(again)}`);
}

function failure(decoder: Decoder, input: Uint8Array, what: string, cause?: unknown): Error {
  return new Error(`${decoder.name}: ${toHex(input)} ${what}`, { cause });
}

/** Bytes that something takes, about. */
function sizeOf(value: unknown): number {
  if (typeof value === "string") return 2 * value.length + 16;
  if (typeof value === "bigint") return 8 + value.toString(16).length / 2;
  if (typeof value !== "object" || value === null) return 8;
  if (ArrayBuffer.isView(value)) return value.byteLength + 16;
  let size = 16;
  if (value instanceof Map) for (const [key, one] of value) size += sizeOf(key) + sizeOf(one);
  else if (value instanceof Set || Array.isArray(value))
    for (const one of value as Iterable<unknown>) size += sizeOf(one);
  // The names of fields are everybody's.
  else for (const one of Object.values(value)) size += 8 + sizeOf(one);
  return size;
}

function inputOf(random: SeededRandom, corpus: readonly Uint8Array[], kind: number): Uint8Array {
  if (kind === 0) return random.bytes(random.below(random.chance(0.1) ? 300 : 48));
  if (kind === 1) return mutated(random, corpus);
  return hostile(random, corpus);
}

/** Numbers that go wrong somewhere. */
const NUMBERS = [
  0n,
  1n,
  127n,
  128n,
  255n,
  256n,
  65_535n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 53n + 1n,
  2n ** 63n,
  2n ** 64n - 1n,
  2n ** 64n,
];
/** Each as a varint of so many bytes at least. */
const VARINTS = [1, 2, 3].map((size) => NUMBERS.map((number) => rawVarint(number, size)));
const [SHORTEST] = VARINTS as [Uint8Array[]];
const WIDE = NUMBERS.map((number) => {
  const wide = new Uint8Array(8);
  new DataView(wide.buffer).setBigUint64(0, BigInt.asUintN(64, number));
  return wide;
});
/** Tags of the first 16 fields by wire type and, 8 each, number. */
const TAGS = Array.from({ length: 128 }, (_, i) => rawVarint(8 + i));
/** Texts: ends of UTF-8, halves of surrogates, what is too long for its number. */
const TEXTS = [
  "",
  "61",
  "00",
  "efbbbf",
  "eda080",
  "edb080",
  "c080",
  "f4908080",
  "ff",
  "e2808f",
  "f09f90a7",
].map(hexBytes);
/** Heads of CBOR: not-a-number, minus zero, lengths that are nowhere, breaks, tags, nesting. */
const HEADS = [
  "f97e00",
  "f98000",
  "fb7ff8000000000000",
  "9f",
  "bf",
  "5f",
  "ff",
  "9bffffffffffffffff",
  "bb001fffffffffffff",
  "7a7fffffff",
  "c249010000000000000000",
  "8181818181818181",
  "a1606160",
  "1b0020000000000000",
  "3b001fffffffffffff",
  "d9d9f7",
  "f4",
  "f6",
  "f7",
].map(hexBytes);

/** Pieces of good inputs between numbers, lengths, texts and heads that are the worst of their kind. */
function hostile(random: SeededRandom, corpus: readonly Uint8Array[]): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (let left = 1 + random.below(8); left > 0; left--) pieces.push(piece(random, corpus));
  return concatBytes(...pieces);
}

function piece(random: SeededRandom, corpus: readonly Uint8Array[]): Uint8Array {
  const sample = random.pick(corpus);
  const at = random.below(sample.length + 1);
  switch (random.below(9)) {
    case 0:
      return sample.subarray(0, at);
    case 1:
      return sample.subarray(at);
    case 2:
      return sample.subarray(at, at + random.below(40));
    case 3:
      return random.pick(random.pick(VARINTS));
    case 4: // A field with a number.
      return concatBytes(tag(random, 0), random.pick(SHORTEST));
    case 5: {
      // A field with a content, and a length that may be another.
      const content = random.chance(0.5) ? random.pick(TEXTS) : random.bytes(random.below(40));
      const length = random.chance(0.7) ? Uint8Array.of(content.length) : random.pick(SHORTEST);
      return concatBytes(tag(random, 2), length, content);
    }
    case 6:
      return random.pick(HEADS);
    case 7:
      return random.pick(WIDE);
    default:
      return random.bytes(random.pick([1, 4, 8, 16, 32, 64]));
  }
}

/** One of the first 16 fields. */
function tag(random: SeededRandom, wireType: number): Uint8Array {
  return TAGS[wireType + 8 * random.below(16)] as Uint8Array;
}

/** The bytes of hexadecimal digits. */
export function hexBytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (two) => Number.parseInt(two, 16));
}
