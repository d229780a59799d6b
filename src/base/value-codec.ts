import { decode, encode, Token, Type } from "cborg";
import { BlobRef } from "./blob-ref.ts";
import { ROW_VALUE_BYTES_MAX } from "./limits.ts";
import { assertEncodable, type Value } from "./value.ts";
import { checkValue } from "./value-walk.ts";
import { ValueError } from "./value-errors.ts";
import { DATE_MILLIS, DATE_SECONDS, TAG } from "./value-tags.ts";

type Tokens = Token[] | Token;

const NEGATIVE_ZERO = new Token(Type.float, -0);
/** Made here, so that no other NaN's bits get into the bytes. */
const NAN = new Token(Type.float, Number.NaN);

const TYPE_ENCODERS = {
  number: (value: number): Tokens | null => {
    if (Number.isNaN(value)) return NAN;
    return Object.is(value, -0) ? NEGATIVE_ZERO : null;
  },
  bigint: (value: bigint): Tokens =>
    value >= 0n
      ? [new Token(Type.tag, TAG.bigintPositive), new Token(Type.bytes, bigintBytes(value))]
      : [new Token(Type.tag, TAG.bigintNegative), new Token(Type.bytes, bigintBytes(-1n - value))],
  Date: (value: Date): Tokens => {
    const millis = value.getTime();
    const seconds = Math.floor(millis / 1000);
    return [
      new Token(Type.tag, TAG.date),
      new Token(Type.map, 2),
      uintToken(DATE_SECONDS),
      seconds < 0 ? new Token(Type.negint, seconds) : uintToken(seconds),
      new Token(Type.negint, DATE_MILLIS),
      uintToken(millis - 1000 * seconds),
    ];
  },
  Object: (value: object): Tokens | null =>
    value instanceof BlobRef ? blobRefTokens(value) : null,
};

function blobRefTokens({ root, size, depth, chunker, mediaType }: BlobRef): Token[] {
  const fields = [
    new Token(Type.bytes, root),
    uintToken(size),
    uintToken(depth),
    uintToken(chunker),
  ];
  if (mediaType !== undefined) fields.push(new Token(Type.string, mediaType));
  return [new Token(Type.tag, TAG.blobRef), new Token(Type.array, fields.length), ...fields];
}

function uintToken(value: number): Token {
  return new Token(Type.uint, value);
}

/**
 * The one encoding of a row value: CBOR, deterministic. [VA1]
 *
 * @throws {ValueError} `DB_VALUE_UNSUPPORTED` or `DB_VALUE_TOO_LARGE`, before anything is written. [VA2]
 */
export function encodeValue(value: unknown): Uint8Array {
  assertEncodable(value);
  const bytes = encode(value, { float64: true, typeEncoders: TYPE_ENCODERS });
  if (bytes.length > ROW_VALUE_BYTES_MAX) {
    throw new ValueError(
      "DB_VALUE_TOO_LARGE",
      `Cannot encode value: over ${ROW_VALUE_BYTES_MAX} bytes. Larger content is a blob`,
    );
  }
  return bytes;
}

const DECODE_OPTIONS: Parameters<typeof decode>[1] = {
  allowIndefinite: false,
  strict: true,
  rejectDuplicateMapKeys: true,
  tags: {
    [TAG.bigintPositive]: (content) => bigintOf(content() as Uint8Array),
    [TAG.bigintNegative]: (content) => -1n - bigintOf(content() as Uint8Array),
    [TAG.date]: (content) => {
      const fields = new Map(content.entries()) as Map<number, number>;
      return new Date(
        1000 * (fields.get(DATE_SECONDS) as number) + (fields.get(DATE_MILLIS) as number),
      );
    },
    [TAG.blobRef]: (content) => {
      const [root, size, depth, chunker, mediaType] = content() as [
        Uint8Array,
        number,
        number,
        number,
        string | undefined,
      ];
      return new BlobRef({ root, size, depth, chunker, mediaType });
    },
  },
};

/**
 * The value that `bytes` encode. They are walked first, so that any bytes may be given.
 *
 * @throws {ValueError} `DB_VALUE_MALFORMED` or `DB_VALUE_TOO_LARGE` for anything that `encodeValue` does not make. [VA6]
 */
export function decodeValue(bytes: Uint8Array): Value {
  checkValue(bytes);
  return decode(bytes, DECODE_OPTIONS) as Value;
}

function bigintBytes(value: bigint): Uint8Array {
  if (value === 0n) return new Uint8Array();
  const hex = value.toString(16);
  const digits = hex.length % 2 === 0 ? hex : `0${hex}`;
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) =>
    Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16),
  );
}

function bigintOf(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n;
  let hex = "0x";
  for (const byte of bytes) hex += byte.toString(16).padStart(2, "0");
  return BigInt(hex);
}
