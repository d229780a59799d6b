/**
 * What the walk needs to know of a message, drawn once from its descriptor and the limits written in its .proto file.
 */

import { type DescEnum, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { assert } from "../base/index.ts";
import { type FieldLimits, limitsOf, sizeLimitOf } from "./field-limits.ts";
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
    maxSize: sizeLimitOf(schema),
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
  const limits = limitsOf(field);
  const shape = shapeOf(field);
  checkLimits(field, limits, shape);

  const bit = 1 << index;
  const oneof = isList ? undefined : field.oneof;
  const bitOf = (one: DescField): number => 1 << field.parent.fields.indexOf(one);
  const isPackable = isList && shape.wireType !== WIRE_SIZED;
  const maxValue = limits.maxValue ?? shape.typeMax;
  return {
    name: field.name,
    bit,
    group: oneof === undefined ? bit : oneof.fields.reduce((bits, one) => bits | bitOf(one), 0),
    wireType: shape.wireType,
    list,
    maxCount: limits.maxCount ?? 1,
    isPackable,
    isPacked: isPackable && field.packed,
    hasPresence: isList || field.message !== undefined || field.presence !== IMPLICIT,
    isRequired: limits.required,
    typeHigh: highOf(shape.typeMax),
    typeLow: lowOf(shape.typeMax),
    maxHigh: highOf(maxValue),
    maxLow: lowOf(maxValue),
    values: field.enum === undefined ? undefined : numbersOf(field.enum),
    exactBytes: limits.exactBytes ?? -1,
    maxBytes: limits.maxBytes ?? limits.exactBytes ?? 0,
    isText: field.scalar === ScalarType.STRING,
    message: field.message === undefined ? undefined : compile(field.message, containing),
  };
}

/** How a type is written, and the greatest number that it holds. */
interface Shape {
  readonly wireType: number;
  readonly typeMax: bigint;
}

/** Refuses a field that the walk could not bound, and limits that would not be kept. */
function checkLimits(field: DescField, limits: FieldLimits, { wireType }: Shape): void {
  const name = nameOf(field);
  const isList = field.fieldKind === "list";
  const isBytes = wireType === WIRE_SIZED && field.message === undefined;
  const hasBytes = limits.maxBytes !== undefined || limits.exactBytes !== undefined;
  assert(isBytes === hasBytes, `${name} has max_bytes or exact_bytes if it holds bytes or text`);
  assert(isList === (limits.maxCount !== undefined), `${name} has max_count if it is repeated`);
  const isNumber = wireType === WIRE_VARINT && field.enum === undefined;
  assert(isNumber || limits.maxValue === undefined, `${name} has max_value only as a varint`);
  const isAlternative = !isList && field.oneof !== undefined;
  assert(!isAlternative || !limits.required, `${name} is one of several: none is required`);
}

/** google.protobuf.FeatureSet.FieldPresence.IMPLICIT: absence and the default are one. */
const IMPLICIT = 2;
const UINT32_MAX = 0xffff_ffffn;
const UINT64_MAX = 0xffff_ffff_ffff_ffffn;

function shapeOf(field: DescField): Shape {
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
