/**
 * The walk over a message's bytes, against its plan, before an object is made. It reads tags, sizes and numbers, steps over
 * contents, and goes into nested messages only as deep as the .proto files do.
 */

import { WireError, type WireErrorCode } from "./errors.ts";
import { ELEMENTS_MAX, UNKNOWN_FIELDS_MAX } from "./limits.ts";
import {
  type FieldPlan,
  type MessagePlan,
  WIRE_FIXED32,
  WIRE_FIXED64,
  WIRE_SIZED,
  WIRE_VARINT,
} from "./plan.ts";
import { isUtf8 } from "./utf8.ts";

/**
 * Checks that `bytes` are one message of `plan` within all its limits; with `canonical`, in its only canonical encoding.
 *
 * @throws {WireError} saying why not.
 */
export function walkMessage(plan: MessagePlan, bytes: Uint8Array, canonical: boolean): void {
  new Walk(plan, bytes, canonical).message(plan, bytes.length);
}

/** What an error names where there is no known field. */
const A_TAG = "a tag";
const UNKNOWN = "an unknown field";

class Walk {
  readonly #top: MessagePlan;
  readonly #bytes: Uint8Array;
  readonly #canonical: boolean;
  #at = 0;
  /** The last varint, as two unsigned halves. */
  #high = 0;
  #low = 0;
  #elements = 0;
  #unknown = 0;
  /** Fields that lead from the top to the message being walked: for the error's text. */
  readonly #trail: FieldPlan[] = [];
  #depth = 0;

  constructor(top: MessagePlan, bytes: Uint8Array, canonical: boolean) {
    this.#top = top;
    this.#bytes = bytes;
    this.#canonical = canonical;
  }

  message(plan: MessagePlan, end: number): void {
    const { byNumber, counts } = plan;
    for (let i = 0; i < counts.length; i++) counts[i] = 0;
    let seen = 0;
    let before = 0;
    while (this.#at < end) {
      this.#varint(end, A_TAG);
      if (this.#high !== 0) throw this.#refuse("WIRE_MALFORMED", A_TAG, "is too great");
      const number = this.#low >>> 3;
      const wireType = this.#low & 7;
      const field = number < byNumber.length ? byNumber[number] : undefined;
      if (field === undefined) {
        this.#skip(number, wireType, end);
        continue;
      }
      if (this.#canonical) {
        if (number < before || (number === before && field.isPacked)) {
          throw this.#refuse("WIRE_NOT_CANONICAL", field, "stands out of order");
        }
        before = number;
      }
      if (field.list < 0) {
        if ((seen & field.group) !== 0)
          throw this.#refuse("WIRE_MALFORMED", field, "stands where it or its alternative stood");
        if (wireType !== field.wireType)
          throw this.#refuse("WIRE_MALFORMED", field, "has another type");
        this.#value(field, end);
        seen |= field.bit;
      } else if (wireType === field.wireType) {
        if (this.#canonical && field.isPacked) {
          throw this.#refuse("WIRE_NOT_CANONICAL", field, "is not packed");
        }
        this.#count(counts, field);
        this.#value(field, end);
        seen |= field.bit;
      } else if (wireType === WIRE_SIZED && field.isPackable) {
        if (this.#packed(counts, field, end)) seen |= field.bit;
      } else {
        throw this.#refuse("WIRE_MALFORMED", field, "has another type");
      }
    }
    if ((seen & plan.required) !== plan.required) throw this.#missing(plan, seen);
  }

  /** One value of `field`, its tag read. */
  #value(field: FieldPlan, end: number): void {
    switch (field.wireType) {
      case WIRE_VARINT:
        this.#varint(end, field);
        this.#number(field);
        return;
      case WIRE_SIZED:
        this.#sized(field, end);
        return;
      case WIRE_FIXED64:
        this.#fixed(field, 8, end);
        return;
      case WIRE_FIXED32:
        this.#fixed(field, 4, end);
    }
  }

  /** Checks the varint just read as a value of `field`. */
  #number(field: FieldPlan): void {
    const high = this.#high;
    const low = this.#low;
    if (field.values !== undefined) {
      if (high !== 0 || !field.values.has(low))
        throw this.#refuse("WIRE_UNKNOWN_VALUE", field, "has a value without a meaning here");
    } else if (high > field.maxHigh || (high === field.maxHigh && low > field.maxLow)) {
      const isMalformed = high > field.typeHigh || (high === field.typeHigh && low > field.typeLow);
      throw this.#refuse(isMalformed ? "WIRE_MALFORMED" : "WIRE_LIMIT", field, "is too great");
    }
    if (high === 0 && low === 0) this.#default(field);
  }

  #fixed(field: FieldPlan, size: number, end: number): void {
    const start = this.#at;
    if (size > end - start) throw this.#refuse("WIRE_MALFORMED", field, "is cut short");
    this.#at = start + size;
    for (let at = start; at < this.#at; at++) if (this.#bytes[at] !== 0) return;
    this.#default(field);
  }

  #sized(field: FieldPlan, end: number): void {
    const size = this.#size(field, end);
    const start = this.#at;
    if (field.message !== undefined) {
      this.#trail[this.#depth] = field;
      this.#depth += 1;
      this.message(field.message, start + size);
      this.#depth -= 1;
      return;
    }
    this.#at = start + size;
    if (size === 0) {
      this.#default(field);
      if (!field.hasPresence) return;
    }
    if (field.exactBytes >= 0 && size !== field.exactBytes) {
      throw this.#refuse("WIRE_LIMIT", field, `has not the size of ${field.exactBytes} bytes`);
    }
    if (size > field.maxBytes) {
      throw this.#refuse("WIRE_LIMIT", field, `is longer than ${field.maxBytes} bytes`);
    }
    if (field.isText && !isUtf8(this.#bytes, start, this.#at)) {
      throw this.#refuse("WIRE_MALFORMED", field, "is not valid UTF-8");
    }
  }

  /** The values of a repeated field in one piece. Answers whether there is any. */
  #packed(counts: Uint32Array, field: FieldPlan, end: number): boolean {
    if (this.#canonical && !field.isPacked)
      throw this.#refuse("WIRE_NOT_CANONICAL", field, "is packed");
    const size = this.#size(field, end);
    const stop = this.#at + size;
    if (this.#canonical && size === 0)
      throw this.#refuse("WIRE_NOT_CANONICAL", field, "is written though empty");
    while (this.#at < stop) {
      this.#count(counts, field);
      this.#value(field, stop);
    }
    return size > 0;
  }

  #count(counts: Uint32Array, field: FieldPlan): void {
    const count = (counts[field.list] as number) + 1;
    counts[field.list] = count;
    this.#elements += 1;
    if (count > field.maxCount)
      throw this.#refuse("WIRE_LIMIT", field, `has more than ${field.maxCount} elements`);
    if (this.#elements > ELEMENTS_MAX) {
      throw this.#refuse(
        "WIRE_LIMIT",
        field,
        `makes more than ${ELEMENTS_MAX} elements with those of other fields`,
      );
    }
  }

  /** A default that is written out: as good as absent. */
  #default(field: FieldPlan): void {
    if (field.list >= 0) return;
    if (field.isRequired) throw this.#refuse("WIRE_MISSING", field, "is missing");
    if (this.#canonical && !field.hasPresence)
      throw this.#refuse("WIRE_NOT_CANONICAL", field, "is written though empty");
  }

  #skip(number: number, wireType: number, end: number): void {
    if (number === 0) throw this.#refuse("WIRE_MALFORMED", A_TAG, "has field number 0");
    if (this.#canonical) throw this.#refuse("WIRE_NOT_CANONICAL", UNKNOWN, "is there");
    this.#unknown += 1;
    if (this.#unknown > UNKNOWN_FIELDS_MAX) {
      throw this.#refuse("WIRE_LIMIT", UNKNOWN, `follows ${UNKNOWN_FIELDS_MAX} others`);
    }
    let size: number;
    if (wireType === WIRE_VARINT) {
      this.#varint(end, UNKNOWN);
      return;
    } else if (wireType === WIRE_SIZED) size = this.#size(UNKNOWN, end);
    else if (wireType === WIRE_FIXED64) size = 8;
    else if (wireType === WIRE_FIXED32) size = 4;
    else throw this.#refuse("WIRE_MALFORMED", UNKNOWN, "is a group or of no type");
    if (size > end - this.#at) throw this.#refuse("WIRE_MALFORMED", UNKNOWN, "is cut short");
    this.#at += size;
  }

  /** The size in front of bytes, text, messages and packed values; all of it lies before `end`. */
  #size(field: FieldPlan | string, end: number): number {
    this.#varint(end, field);
    if (this.#high !== 0 || this.#low > end - this.#at)
      throw this.#refuse("WIRE_MALFORMED", field, "is cut short");
    return this.#low;
  }

  /** Reads a varint before `end`, in its shortest form and of 64 bits at most. */
  #varint(end: number, field: FieldPlan | string): void {
    const bytes = this.#bytes;
    const start = this.#at;
    const first = bytes[start] as number;
    if (start < end && first < 0x80) {
      this.#at = start + 1;
      this.#high = 0;
      this.#low = first;
      return;
    }
    let high = 0;
    let low = 0;
    for (let at = start; at < end && at < start + 10; at++) {
      const byte = bytes[at] as number;
      const bits = byte & 0x7f;
      const shift = 7 * (at - start);
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) {
        if (byte === 0 || (shift === 63 && byte > 1)) {
          throw this.#refuse(
            "WIRE_MALFORMED",
            field,
            "is a number in a longer form than needed, or of more than 64 bits",
          );
        }
        this.#at = at + 1;
        this.#high = high >>> 0;
        this.#low = low >>> 0;
        return;
      }
    }
    throw this.#refuse("WIRE_MALFORMED", field, "is cut short, or a number of more than 64 bits");
  }

  #missing(plan: MessagePlan, seen: number): WireError {
    const missing = plan.byNumber.find(
      (field) => field !== undefined && field.isRequired && (seen & field.bit) === 0,
    );
    return this.#refuse("WIRE_MISSING", missing ?? "a field", "is missing");
  }

  /** Names message and fields, never what they hold. */
  #refuse(code: WireErrorCode, what: FieldPlan | string, why: string): WireError {
    const path = this.#trail.slice(0, this.#depth).map((field) => field.name);
    if (typeof what !== "string") path.push(what.name);
    const subject =
      typeof what === "string"
        ? `${path.length === 0 ? "" : `${path.join(".")}: `}${what}`
        : path.join(".");
    return new WireError(code, `Cannot read ${this.#top.name}: ${subject} ${why}`);
  }
}
