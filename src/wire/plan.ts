/**
 * What the walk needs to know of a message, drawn once from its descriptor and the limits written in its .proto file.
 */

import {
  type DescEnum,
  type DescField,
  type DescMessage,
  getOption,
  hasOption,
  ScalarType,
} from "@bufbuild/protobuf";
import { assert } from "../base/index.ts";
import {
  exact_bytes,
  max_bytes,
  max_count,
  max_size,
  max_value,
  required,
} from "./generated/rookery/limits_pb.ts";
import { FIELD_NUMBER_MAX, FIELDS_MAX } from "./limits.ts";

/** How a value is written (https://protobuf.dev/programming-guides/encoding/#structure). Groups, 3 and 4, are refused. */
export const WIRE_VARINT = 0;
export const WIRE_FIXED64 = 1;
export const WIRE_SIZED = 2;
export const WIRE_FIXED32 = 5;

/** What a message's bytes may hold. */
export interface MessagePlan {
  /** Full name, `rookery.Op`. */
  readonly name: string;
  /** Bytes of the whole; `undefined` for a message that only stands inside others. */
  readonly maxSize: number | undefined;
  /** By field number, with holes. */
  readonly byNumber: readonly (FieldPlan | undefined)[];
  /** Bits of the fields that must be there. */
  readonly required: number;
  /**
   * Elements seen so far, one for each repeated field. Part of the plan, so that a walk allocates nothing: no message
   * contains itself, so at most one of each type is being walked at a time.
   */
  readonly counts: Uint32Array;
}

/** What a field's bytes may hold. All have all properties, so that the walk stays monomorphic. */
export interface FieldPlan {
  readonly name: string;
  /** The field's bit in the set of fields seen. */
  readonly bit: number;
  /** The bits of its oneof's members, itself included, or its own. */
  readonly group: number;
  readonly wireType: number;
  /** Index into `counts` of a repeated field; -1: it may stand once. */
  readonly list: number;
  readonly maxCount: number;
  /** Repeated, and by its type fit for the packed form; `isPacked` says whether that is the canonical one. */
  readonly isPackable: boolean;
  readonly isPacked: boolean;
  /** Whether the default may be written out: it says something where presence does. */
  readonly hasPresence: boolean;
  readonly isRequired: boolean;
  /** Of a varint: the greatest value of its type, then the greatest allowed, each as high and low 32 bits. */
  readonly typeHigh: number;
  readonly typeLow: number;
  readonly maxHigh: number;
  readonly maxLow: number;
  /** Of an enum: the numbers with a meaning. */
  readonly values: ReadonlySet<number> | undefined;
  /** Of bytes and text: -1 when any size up to `maxBytes` will do. */
  readonly exactBytes: number;
  readonly maxBytes: number;
  readonly isText: boolean;
  readonly message: MessagePlan | undefined;
}

const plans = new WeakMap<DescMessage, MessagePlan>();

/** The plan of a message, made at its first use. */
export function planOf(schema: DescMessage): MessagePlan {
  return plans.get(schema) ?? compile(schema, []);
}

/** The plan of the field with that number, which there is. */
export function fieldOf(plan: MessagePlan, number: number): FieldPlan {
  const field = plan.byNumber[number];
  assert(field !== undefined, `${plan.name} has a field ${number}`);
  return field;
}

function compile(schema: DescMessage, containing: readonly DescMessage[]): MessagePlan {
  const known = plans.get(schema);
  if (known !== undefined) return known;
  assert(
    !containing.includes(schema),
    `${schema.typeName} contains itself: its depth would be the sender's choice`,
  );
  assert(
    schema.fields.length <= FIELDS_MAX,
    `${schema.typeName} has more than ${FIELDS_MAX} fields`,
  );

  const byNumber: (FieldPlan | undefined)[] = [];
  let requiredBits = 0;
  let lists = 0;
  schema.fields.forEach((field, index) => {
    assert(
      field.number <= FIELD_NUMBER_MAX,
      `${nameOf(field)} has a number above ${FIELD_NUMBER_MAX}`,
    );
    const plan = compileField(field, index, field.fieldKind === "list" ? lists++ : -1, [
      ...containing,
      schema,
    ]);
    byNumber[field.number] = plan;
    if (plan.isRequired) requiredBits |= plan.bit;
  });
  // Holes filled, or every look-up of an unknown number would search the prototypes.
  for (let number = 0; number < byNumber.length; number++) byNumber[number] ??= undefined;

  const plan: MessagePlan = {
    name: schema.typeName,
    maxSize: hasOption(schema, max_size) ? getOption(schema, max_size) : undefined,
    byNumber,
    required: requiredBits,
    counts: new Uint32Array(lists),
  };
  plans.set(schema, plan);
  return plan;
}

function compileField(
  field: DescField,
  index: number,
  list: number,
  containing: readonly DescMessage[],
): FieldPlan {
  assert(
    field.fieldKind !== "map",
    `${nameOf(field)} is a map: order and duplicates would be the sender's choice`,
  );
  const isList = field.fieldKind === "list";
  const oneof = isList ? undefined : field.oneof;
  const shape = shapeOf(field);
  const isSized = shape.wireType === WIRE_SIZED;
  const isMessage = field.message !== undefined;
  assert(!isSized || isMessage || hasOption(field, max_bytes), `${nameOf(field)} has no max_bytes`);
  assert(!isList || hasOption(field, max_count), `${nameOf(field)} has no max_count`);
  assert(
    oneof === undefined || !hasOption(field, required),
    `${nameOf(field)} is one of several: none is required`,
  );
  assert(
    shape.wireType === WIRE_VARINT || !hasOption(field, max_value),
    `${nameOf(field)} cannot have max_value`,
  );

  const bit = 1 << index;
  const maxValue = hasOption(field, max_value) ? getOption(field, max_value) : shape.typeMax;
  return {
    name: field.name,
    bit,
    group:
      oneof === undefined
        ? bit
        : oneof.fields.reduce((bits, one) => bits | (1 << field.parent.fields.indexOf(one)), 0),
    wireType: shape.wireType,
    list,
    maxCount: isList ? getOption(field, max_count) : 1,
    isPackable: isList && !isSized,
    isPacked: isList && !isSized && field.packed,
    hasPresence: isList || isMessage || field.presence !== IMPLICIT,
    isRequired: getOption(field, required),
    typeHigh: highOf(shape.typeMax),
    typeLow: lowOf(shape.typeMax),
    maxHigh: highOf(maxValue),
    maxLow: lowOf(maxValue),
    values: field.enum === undefined ? undefined : numbersOf(field.enum),
    exactBytes: hasOption(field, exact_bytes) ? getOption(field, exact_bytes) : -1,
    maxBytes: getOption(field, max_bytes),
    isText: field.scalar === ScalarType.STRING,
    message: field.message === undefined ? undefined : compile(field.message, containing),
  };
}

/** google.protobuf.FeatureSet.FieldPresence.IMPLICIT: absence and the default are one. */
const IMPLICIT = 2;
const UINT32_MAX = 0xffff_ffffn;
const UINT64_MAX = 0xffff_ffff_ffff_ffffn;

/** How a field's values are written, and the greatest that its type holds. */
function shapeOf(field: DescField): { readonly wireType: number; readonly typeMax: bigint } {
  if (field.message !== undefined) {
    const isGroup =
      (field.fieldKind === "message" || field.fieldKind === "list") && field.delimitedEncoding;
    assert(!isGroup, `${nameOf(field)} is a group`);
    return { wireType: WIRE_SIZED, typeMax: 0n };
  }
  if (field.enum !== undefined) return { wireType: WIRE_VARINT, typeMax: UINT64_MAX };
  switch (field.scalar) {
    case ScalarType.BOOL:
      return { wireType: WIRE_VARINT, typeMax: 1n };
    case ScalarType.UINT32:
      return { wireType: WIRE_VARINT, typeMax: UINT32_MAX };
    case ScalarType.UINT64:
      return { wireType: WIRE_VARINT, typeMax: UINT64_MAX };
    case ScalarType.FIXED32:
      return { wireType: WIRE_FIXED32, typeMax: UINT32_MAX };
    case ScalarType.FIXED64:
      return { wireType: WIRE_FIXED64, typeMax: UINT64_MAX };
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return { wireType: WIRE_SIZED, typeMax: 0n };
    default:
      // Signed numbers and floats have several notions of size and order: added when a message needs them.
      assert(false, `${nameOf(field)} has a type that no message of ours uses`);
  }
}

function numbersOf(choice: DescEnum): ReadonlySet<number> {
  return new Set(choice.values.map((value) => value.number));
}

function highOf(value: bigint): number {
  return Number(value >> 32n);
}

function lowOf(value: bigint): number {
  return Number(value & UINT32_MAX);
}

function nameOf(field: DescField): string {
  return `${field.parent.typeName}.${field.name}`;
}
