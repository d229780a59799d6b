/**
 * The codec of ops, by hand: they are most of what is read and written. The same bytes as `encode` and
 * `decodeCanonical` make of rookery.Op; a differential test holds them together.
 */

import { assert, varintSize } from "../base/index.ts";
import { checkCanonical } from "./decode.ts";
import { FieldReader, FieldWriter, sizedSize } from "./fields.ts";
import { OpSchema } from "./generated/rookery/commit_pb.ts";
import { fieldOf, planOf } from "./plan.ts";

/** One change, as it is signed. A row op has no control; a control op has nothing else. */
export interface WireOp {
  /** 16 bytes. */
  readonly salt: Uint8Array;
  /** 0: the application's rows. 1: members of a syncgroup. 2: holders of a collection. */
  readonly space: number;
  /** UTF-8; empty in a control op. */
  readonly key: Uint8Array;
  /** CBOR; `undefined` when the row is deleted. Never empty. */
  readonly value: Uint8Array | undefined;
  /** Pairs (index into the part's logs, generation), flat. */
  readonly context: readonly number[];
  /** An encoded ControlOp; `undefined` in a row op. Never empty. */
  readonly control: Uint8Array | undefined;
}

const PLAN = planOf(OpSchema);
const SALT = fieldOf(PLAN, 1);
const SPACE = fieldOf(PLAN, 2);
const KEY = fieldOf(PLAN, 3);
const VALUE = fieldOf(PLAN, 4);
const CONTEXT = fieldOf(PLAN, 5);
const CONTROL = fieldOf(PLAN, 6);
const OP_BYTES_MAX = PLAN.maxSize ?? 0;

/** Field number, shifted over the wire type. */
const TAG = {
  salt: 0x0a,
  space: 0x10,
  key: 0x1a,
  value: 0x22,
  context: 0x2a,
  control: 0x32,
} as const;

const NO_CONTEXT: readonly number[] = [];

/** The canonical bytes of `op`. @throws {AssertionError} when it breaks a limit: see `encode`. */
export function encodeOp(op: WireOp): Uint8Array {
  return writeOp(op, opSize(op));
}

/** Bytes of an op when it is encoded. @throws {AssertionError} as `encodeOp`. */
export function opSize(op: WireOp): number {
  const { salt, space, key, value, context, control } = op;
  assert(salt.length === SALT.exactBytes, "an op's salt has its size");
  assert(
    space >= 0 && space <= SPACE.maxLow && Number.isInteger(space),
    "an op's space is one of those there are",
  );
  assert(key.length <= KEY.maxBytes, "an op's key is within its limit");
  assert(context.length <= CONTEXT.maxCount, "an op's context is within its limit");

  let size = sizedSize(salt.length);
  if (space !== 0) size += 2;
  if (key.length > 0) size += sizedSize(key.length);
  if (value !== undefined) {
    assert(
      value.length > 0 && value.length <= VALUE.maxBytes,
      "an op's value is within its limit and not empty",
    );
    size += sizedSize(value.length);
  }
  if (context.length > 0) {
    for (const number of context) {
      assert(
        Number.isSafeInteger(number) && number >= 0,
        "an op's context holds indexes and generations",
      );
    }
    size += sizedSize(contextSize(context));
  }
  if (control !== undefined) {
    assert(
      control.length > 0 && control.length <= CONTROL.maxBytes,
      "a control op is within its limit and not empty",
    );
    size += sizedSize(control.length);
  }
  assert(size <= OP_BYTES_MAX, "an op is within its limit");
  return size;
}

/** The canonical bytes of an op of `size` bytes, in `into` from `at` on, or in memory of their own. */
export function writeOp(op: WireOp, size: number, into?: Uint8Array, at?: number): Uint8Array {
  const { salt, space, key, value, context, control } = op;
  const out = new FieldWriter(size, into, at);
  out.sized(TAG.salt, salt);
  out.number(TAG.space, space);
  if (key.length > 0) out.sized(TAG.key, key);
  if (value !== undefined) out.sized(TAG.value, value);
  if (context.length > 0) {
    out.head(TAG.context, contextSize(context));
    for (const number of context) out.varint(number);
  }
  if (control !== undefined) out.sized(TAG.control, control);
  return out.finish();
}

function contextSize(context: readonly number[]): number {
  let size = 0;
  for (const number of context) size += varintSize(number);
  return size;
}

/**
 * An op in its canonical bytes, and where its fields lie in them: of most ops a field is looked at once, and a view of each that is
 * kept while the op is under way weighs as much as the op.
 */
export class PlacedOp implements WireOp {
  readonly bytes: Uint8Array;
  readonly space: number;
  readonly context: readonly number[];
  readonly keyAt: number;
  readonly keyEnd: number;
  /** 0, as its end: there is none. */
  readonly valueAt: number;
  readonly valueEnd: number;
  readonly #controlAt: number;

  /** @throws {WireError} as `decodeCanonical`. */
  constructor(bytes: Uint8Array) {
    const input = new FieldReader(bytes);
    input.require(bytes.length <= OP_BYTES_MAX && input.next(TAG.salt));
    input.pass(SALT.exactBytes, SALT.exactBytes);
    this.space = input.next(TAG.space) ? input.number(SPACE.maxLow) : 0;
    this.keyAt = input.next(TAG.key) ? input.pass(1, KEY.maxBytes) : input.at;
    this.keyEnd = input.at;
    this.valueAt = input.next(TAG.value) ? input.pass(1, VALUE.maxBytes) : 0;
    this.valueEnd = this.valueAt === 0 ? 0 : input.at;
    this.context = input.next(TAG.context) ? readContext(input) : NO_CONTEXT;
    this.#controlAt = input.next(TAG.control) ? input.pass(1, CONTROL.maxBytes) : 0;
    this.bytes = bytes;
    if (input.isGood) return;
    checkCanonical(OpSchema, bytes);
    assert(false, "both readers of ops refuse the same bytes");
  }

  /** Where the salt lies in the bytes of every op. */
  static readonly saltAt = 2;

  get salt(): Uint8Array {
    return this.bytes.subarray(PlacedOp.saltAt, PlacedOp.saltAt + SALT.exactBytes);
  }

  get key(): Uint8Array {
    return this.bytes.subarray(this.keyAt, this.keyEnd);
  }

  get value(): Uint8Array | undefined {
    return this.valueAt === 0 ? undefined : this.bytes.subarray(this.valueAt, this.valueEnd);
  }

  get control(): Uint8Array | undefined {
    return this.#controlAt === 0 ? undefined : this.bytes.subarray(this.#controlAt);
  }
}

/**
 * The op that `bytes` encode canonically. Its bytes are views of `bytes`: see `decode`.
 *
 * @throws {WireError} as `decodeCanonical`.
 */
export function decodeOp(bytes: Uint8Array): WireOp {
  const { salt, space, key, value, context, control } = new PlacedOp(bytes);
  return { salt, space, key, value, context, control };
}

function readContext(input: FieldReader): number[] {
  const end = input.nested(OP_BYTES_MAX);
  input.require(end > input.at);
  // Of one log mostly: an array that grows from nothing has room for many.
  const context = [input.varint(Number.MAX_SAFE_INTEGER)];
  if (input.at < end) context.push(input.varint(Number.MAX_SAFE_INTEGER));
  while (input.at < end && context.length < CONTEXT.maxCount)
    context.push(input.varint(Number.MAX_SAFE_INTEGER));
  input.require(input.at === end);
  return context;
}
