/** Fixed messages that between them use every field, every alternative and the edges of numbers: what vectors are made of. */

import { assert, utf8 } from "../../base/index.ts";
import { type DescField, type DescMessage, limitsOf, ScalarType } from "../../wire/index.ts";
import { minimalInit } from "./wire-minimal.ts";

/** Initial values for `create`, by what is special about them. */
export function samplesOf(schema: DescMessage): { name: string; init: Record<string, unknown> }[] {
  const samples = [
    { name: "only what is required", init: minimalInit(schema) },
    { name: "every field", init: fullInit(schema, "usual", undefined) },
    { name: "greatest numbers", init: fullInit(schema, "greatest", undefined) },
  ];
  for (const oneof of schema.oneofs) {
    for (const field of oneof.fields) {
      samples.push({
        name: `${oneof.name}: ${field.name}`,
        init: fullInit(schema, "usual", field),
      });
    }
  }
  return samples;
}

type Numbers = "usual" | "greatest";

/** Every field; of a oneof `chosen` if it is one of it, else its first. */
function fullInit(
  schema: DescMessage,
  numbers: Numbers,
  chosen: DescField | undefined,
): Record<string, unknown> {
  const init: Record<string, unknown> = {};
  for (const member of schema.members) {
    if (member.kind === "field") {
      init[member.localName] = fieldContent(member, numbers);
      continue;
    }
    const field = member.fields.find((one) => one === chosen) ?? member.fields[0];
    assert(field !== undefined, `${member.name} has alternatives`);
    init[member.localName] = { case: field.localName, value: fieldContent(field, numbers) };
  }
  return init;
}

function fieldContent(field: DescField, numbers: Numbers): unknown {
  if (field.fieldKind !== "list") return value(field, numbers, 0);
  const count = Math.min(limitsOf(field).maxCount ?? 0, 2);
  return Array.from({ length: count }, (_, index) => value(field, numbers, index));
}

/** Different for every field and element, so that none can stand for another. */
function value(field: DescField, numbers: Numbers, index: number): unknown {
  if (field.message !== undefined) return fullInit(field.message, numbers, undefined);
  if (field.enum !== undefined) {
    return numbers === "greatest" ? Math.max(...field.enum.values.map((one) => one.number)) : 1;
  }
  const { maxBytes, exactBytes, maxValue } = limitsOf(field);
  const mark = field.number + index;
  switch (field.scalar) {
    case ScalarType.BOOL:
      return true;
    case ScalarType.UINT32:
    case ScalarType.FIXED32: {
      const max = Number(maxValue ?? 0xffff_ffffn);
      return numbers === "greatest" ? max : Math.min(max, 100 * mark + 1);
    }
    case ScalarType.UINT64:
    case ScalarType.FIXED64: {
      const max = maxValue ?? 2n ** 64n - 1n;
      return numbers === "greatest" ? max : (0x0102_0304_0506n << 4n) + BigInt(mark);
    }
    case ScalarType.STRING: {
      const text = `${field.name} ${index} Ü 🐧`;
      assert(utf8(text).length <= (maxBytes ?? 0), `${field.name} holds a sample`);
      return text;
    }
    case ScalarType.BYTES: {
      const size = exactBytes ?? Math.min(maxBytes ?? 0, 5 + mark);
      return Uint8Array.from({ length: size }, (_, at) => (16 * mark + at) & 0xff);
    }
    default:
      assert(false, `${field.name} has a type that messages use`);
  }
}
