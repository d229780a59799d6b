/** The smallest message of a type that every receiver takes, as a start for tests that change one thing. */

import { assert } from "../../base/index.ts";
import { type DescField, type DescMessage, limitsOf, ScalarType } from "../../wire/index.ts";

/** Initial values of the required fields and no other, for `create`. */
export function minimalInit(schema: DescMessage): Record<string, unknown> {
  const init: Record<string, unknown> = {};
  for (const field of schema.fields) {
    if (!limitsOf(field).required) continue;
    const value = minimalValue(field);
    init[field.localName] = field.fieldKind === "list" ? [value] : value;
  }
  return init;
}

/** The least value of a field, or of an element, that is not its type's default. */
export function minimalValue(field: DescField): unknown {
  if (field.message !== undefined) return minimalInit(field.message);
  if (field.enum !== undefined) return 1;
  switch (field.scalar) {
    case ScalarType.BOOL:
      return true;
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return 1;
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return 1n;
    case ScalarType.STRING:
      return "a";
    case ScalarType.BYTES:
      return new Uint8Array(limitsOf(field).exactBytes ?? 1).fill(1);
    default:
      assert(false, `${field.name} has a type that messages use`);
  }
}
