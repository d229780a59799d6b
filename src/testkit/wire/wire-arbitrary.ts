/** Arbitrary messages within their limits, drawn from the descriptors: a new field is covered when it is written down. */

import fc, { type Arbitrary } from "fast-check";
import { assert, utf8 } from "../../base/index.ts";
import {
  create,
  type DescField,
  type DescMessage,
  limitsOf,
  type MessageInitShape,
  type MessageShape,
  ScalarType,
} from "../../wire/index.ts";

/** Elements of a repeated field and bytes of contents: what matters at sizes beyond is tested at the limits. */
const ELEMENTS = 4;
const SHORT = 24;
const LONG = 300;
let text: Arbitrary<string> | undefined;

/** Made once, when it is needed: fast-check takes a second to make one. */
function wellFormedText(): Arbitrary<string> {
  text ??= fc.string({ unit: "binary", maxLength: SHORT }).filter((drawn) => drawn.isWellFormed());
  return text;
}

/** Messages of a type that every receiver takes, most of them small. */
export function arbitraryMessage<Schema extends DescMessage>(
  schema: Schema,
): Arbitrary<MessageShape<Schema>> {
  return initOf(schema).map((init) => create(schema, init as MessageInitShape<Schema>));
}

function initOf(schema: DescMessage): Arbitrary<Record<string, unknown>> {
  const members: Record<string, Arbitrary<unknown>> = {};
  for (const member of schema.members) {
    members[member.localName] =
      member.kind === "field"
        ? fieldOf(member)
        : fc.oneof(
            fc.constant({ case: undefined }),
            ...member.fields.map((field) =>
              valueOf(field, true).map((value) => ({ case: field.localName, value })),
            ),
          );
  }
  return fc.record(members);
}

function fieldOf(field: DescField): Arbitrary<unknown> {
  const { maxCount, required } = limitsOf(field);
  if (field.fieldKind === "list") {
    assert(maxCount !== undefined, `${field.name} has max_count`);
    const maxLength = Math.min(maxCount, ELEMENTS);
    return fc.array(valueOf(field, true), { minLength: required ? 1 : 0, maxLength });
  }
  if (required) return valueOf(field, true).filter((value) => !isDefault(value));
  // google.protobuf.FeatureSet.FieldPresence.IMPLICIT
  if (field.fieldKind !== "message" && field.presence === 2) return valueOf(field, false);
  return fc.option(valueOf(field, true), { nil: undefined });
}

function isDefault(value: unknown): boolean {
  if (value instanceof Uint8Array) return value.length === 0;
  return value === "" || value === 0 || value === 0n || value === false;
}

/** One value. `present`: its bytes have their exact size; otherwise there may be none. */
function valueOf(field: DescField, present: boolean): Arbitrary<unknown> {
  if (field.message !== undefined) return initOf(field.message);
  if (field.enum !== undefined)
    return fc.constantFrom(...field.enum.values.map(({ number }) => number));
  const { maxBytes, exactBytes, maxValue } = limitsOf(field);
  switch (field.scalar) {
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return fc.nat({ max: Number(maxValue ?? 0xffff_ffffn) });
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return fc.bigInt({ min: 0n, max: maxValue ?? 2n ** 64n - 1n });
    case ScalarType.STRING:
      return wellFormedText().filter((drawn) => utf8(drawn).length <= (maxBytes ?? 0));
    case ScalarType.BYTES:
      return bytesOf(maxBytes ?? 0, exactBytes, present);
    default:
      assert(false, `${field.name} has a type that messages use`);
  }
}

function bytesOf(
  maxBytes: number,
  exactBytes: number | undefined,
  present: boolean,
): Arbitrary<Uint8Array> {
  if (exactBytes !== undefined) {
    const exact = fc.uint8Array({ minLength: exactBytes, maxLength: exactBytes });
    return present ? exact : fc.oneof(fc.constant(new Uint8Array()), exact);
  }
  return fc.oneof(
    { weight: 5, arbitrary: fc.uint8Array({ maxLength: Math.min(maxBytes, SHORT) }) },
    {
      weight: 1,
      arbitrary: fc.uint8Array({ maxLength: Math.min(maxBytes, LONG), size: "large" }),
    },
  );
}
