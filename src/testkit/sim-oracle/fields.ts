/**
 * Reads protobuf by its rules alone, without our own readers: the oracle shares no code with what it judges.
 */

/** A number as such while it is exact, else as a bigint. */
export type FieldValue = number | bigint | Uint8Array;

/** Bytes of the longest varint whose value is exact as a number. */
const EXACT_VARINT_SIZE = 7;

/** What stands under each field number, in order. @throws {RangeError} when the bytes are no message. */
export function fieldsOf(bytes: Uint8Array): Map<number, FieldValue[]> {
  const fields = new Map<number, FieldValue[]>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  const varint = (): number | bigint => {
    let value = 0;
    let factor = 1;
    for (let size = 1; size <= EXACT_VARINT_SIZE; size++) {
      const byte = view.getUint8(at++);
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
    let great = BigInt(value);
    for (let shift = 7n * BigInt(EXACT_VARINT_SIZE); ; shift += 7n) {
      const byte = view.getUint8(at++);
      great |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return great;
    }
  };
  const sized = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new RangeError("A field ends after its message");
    at += length;
    return bytes.subarray(at - length, at);
  };
  const read = (type: number): FieldValue => {
    switch (type) {
      case 0:
        return varint();
      case 1:
        at += 8;
        return view.getBigUint64(at - 8, true);
      case 2:
        return sized(Number(varint()));
      default:
        throw new RangeError(`Wire type ${type} is not used here`);
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const value = read(tag & 7);
    const values = fields.get(tag >> 3);
    if (values === undefined) fields.set(tag >> 3, [value]);
    else values.push(value);
  }
  return fields;
}

/** A message's fields, with the defaults of proto3 for what is left out. */
export class Message {
  readonly #fields: Map<number, FieldValue[]>;

  constructor(bytes: Uint8Array) {
    this.#fields = fieldsOf(bytes);
  }

  has(field: number): boolean {
    return this.#fields.has(field);
  }

  number(field: number): number {
    const value = this.#fields.get(field)?.[0];
    return value instanceof Uint8Array ? 0 : Number(value ?? 0);
  }

  bigint(field: number): bigint {
    const value = this.#fields.get(field)?.[0];
    return value instanceof Uint8Array ? 0n : BigInt(value ?? 0);
  }

  bytes(field: number): Uint8Array {
    const value = this.#fields.get(field)?.[0];
    return value instanceof Uint8Array ? value : new Uint8Array();
  }

  text(field: number): string {
    return new TextDecoder().decode(this.bytes(field));
  }

  all(field: number): Uint8Array[] {
    return (this.#fields.get(field) ?? []).filter((value) => value instanceof Uint8Array);
  }

  messages(field: number): Message[] {
    return this.all(field).map((bytes) => new Message(bytes));
  }

  message(field: number): Message {
    return new Message(this.bytes(field));
  }

  /** Numbers that stand packed, or one by one. */
  numbers(field: number): number[] {
    return (this.#fields.get(field) ?? []).flatMap((value) =>
      value instanceof Uint8Array ? packed(value) : [Number(value)],
    );
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

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}
