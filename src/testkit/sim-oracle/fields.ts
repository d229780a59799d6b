/**
 * Reads protobuf by its rules alone, without our own readers: the oracle shares no code with what it judges.
 */

/** A number as such while it is exact, else as a bigint. */
type FieldValue = number | bigint | Uint8Array;

/** Bytes of the longest varint whose value is exact as a number. */
const EXACT_VARINT_SIZE = 7;

/** Fields of a message in their order: the number of each, and what stands there. */
interface Fields {
  readonly numbers: number[];
  readonly values: FieldValue[];
}

/** Reads a message from its beginning to its end. @throws {RangeError} when the bytes are no message. */
class FieldReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  all(): Fields {
    const fields: Fields = { numbers: [], values: [] };
    while (this.#at < this.#bytes.length) {
      const tag = Number(this.#varint());
      fields.numbers.push(tag >> 3);
      fields.values.push(this.#value(tag & 7));
    }
    return fields;
  }

  #value(type: number): FieldValue {
    switch (type) {
      case 0:
        return this.#varint();
      case 1: {
        const bytes = this.#sized(8);
        return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
      }
      case 2:
        return this.#sized(Number(this.#varint()));
      default:
        throw new RangeError(`Wire type ${type} is not used here`);
    }
  }

  #varint(): number | bigint {
    let value = 0;
    let factor = 1;
    for (let size = 1; size <= EXACT_VARINT_SIZE; size++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
    let great = BigInt(value);
    for (let shift = 7n * BigInt(EXACT_VARINT_SIZE); ; shift += 7n) {
      const byte = this.#byte();
      great |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return great;
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new RangeError("A message ends within a field");
    return byte;
  }

  #sized(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length)
      throw new RangeError("A field ends after its message");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

const texts = new TextDecoder();

/** A message's fields, with the defaults of proto3 for what is left out. */
export class Message {
  readonly #fields: Fields;

  constructor(bytes: Uint8Array) {
    this.#fields = new FieldReader(bytes).all();
  }

  has(field: number): boolean {
    return this.#fields.numbers.includes(field);
  }

  #first(field: number): FieldValue | undefined {
    const at = this.#fields.numbers.indexOf(field);
    return at < 0 ? undefined : this.#fields.values[at];
  }

  number(field: number): number {
    const value = this.#first(field);
    return value instanceof Uint8Array ? 0 : Number(value ?? 0);
  }

  bigint(field: number): bigint {
    const value = this.#first(field);
    return value instanceof Uint8Array ? 0n : BigInt(value ?? 0);
  }

  bytes(field: number): Uint8Array {
    const value = this.#first(field);
    return value instanceof Uint8Array ? value : new Uint8Array();
  }

  text(field: number): string {
    return texts.decode(this.bytes(field));
  }

  all(field: number): Uint8Array[] {
    const { numbers, values } = this.#fields;
    const all: Uint8Array[] = [];
    for (const [i, value] of values.entries())
      if (numbers[i] === field && value instanceof Uint8Array) all.push(value);
    return all;
  }

  messages(field: number): Message[] {
    return this.all(field).map((bytes) => new Message(bytes));
  }

  message(field: number): Message {
    return new Message(this.bytes(field));
  }

  /** Numbers that stand packed, or one by one. */
  numbers(field: number): number[] {
    const { numbers, values } = this.#fields;
    return values.flatMap((value, i) => {
      if (numbers[i] !== field) return [];
      return value instanceof Uint8Array ? packed(value) : [Number(value)];
    });
  }
}

function packed(bytes: Uint8Array): number[] {
  const numbers: number[] = [];
  let value = 0;
  let factor = 1;
  for (const byte of bytes) {
    value += (byte & 0x7f) * factor;
    factor *= 128;
    if (byte >= 0x80) continue;
    numbers.push(value);
    value = 0;
    factor = 1;
  }
  return numbers;
}

/** What Node.js has under `toString`, for any `Uint8Array`: no Buffer is made of it. */
const { hexSlice, latin1Slice } = Buffer.prototype as unknown as Readonly<
  Record<"hexSlice" | "latin1Slice", (this: Uint8Array, from: number, to: number) => string>
>;

export function hex(bytes: Uint8Array): string {
  return hexSlice.call(bytes, 0, bytes.length);
}

/** A character a byte, for maps. */
export function latin1(bytes: Uint8Array): string {
  return latin1Slice.call(bytes, 0, bytes.length);
}
