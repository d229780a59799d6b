import { create, type DescField, type DescMessage, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { codeOf, concatBytes } from "../base/index.ts";
import { minimalInit, minimalValue } from "../testkit/wire/wire-minimal.ts";
import { rawNumber, rawSized, rawTag } from "../testkit/wire/wire-raw.ts";
import { decode } from "./decode.ts";
import { WireError } from "./errors.ts";
import { limitsOf, sizeLimitOf } from "./field-limits.ts";
import { CallRequestSchema } from "./generated/rookery/call_pb.ts";
import { OpSchema } from "./generated/rookery/commit_pb.ts";
import { DeltaResponseSchema } from "./generated/rookery/deltas_pb.ts";
import { ELEMENTS_MAX, UNKNOWN_FIELDS_MAX } from "./limits.ts";
import { planOf } from "./plan.ts";
import { SCHEMAS } from "./schemas.ts";
import { walkMessage } from "./walk.ts";

/** A field number that no message has. */
const UNUSED_NUMBER = 60;

const allFields = SCHEMAS.flatMap((schema) => schema.fields);

/** One test for each field that `limit` says something of. */
function fieldsWith<Limit>(
  limit: (field: DescField) => Limit | undefined,
): [name: string, field: DescField, limit: Limit][] {
  return allFields.flatMap((field) => {
    const value = limit(field);
    if (value === undefined) return [];
    return [[`${field.parent.typeName}.${field.name}`, field, value] as [string, DescField, Limit]];
  });
}

/** A minimal message with one field of the given content. For a repeated field: its elements. */
function bytesWith(field: DescField, content: unknown): Uint8Array {
  const init = minimalInit(field.parent);
  const oneof = field.fieldKind === "list" ? undefined : field.oneof;
  if (oneof !== undefined) init[oneof.localName] = { case: field.localName, value: content };
  else init[field.localName] = content;
  return toBinary(field.parent, create(field.parent, init));
}

function asContent(field: DescField, value: unknown): unknown {
  return field.fieldKind === "list" ? [value] : value;
}

/** What the walk says to bytes of a message, also of one that only stands inside others. */
function verdict(schema: DescMessage, bytes: Uint8Array): string {
  try {
    walkMessage(planOf(schema), bytes, false);
    return "good";
  } catch (error) {
    if (error instanceof WireError) return error.code;
    throw error;
  }
}

function textOrBytes(field: DescField, size: number): unknown {
  return field.proto.type === 9 ? "a".repeat(size) : new Uint8Array(size).fill(1);
}

describe("limits of fields", () => {
  test.for(
    fieldsWith((field) =>
      limitsOf(field).exactBytes === undefined ? limitsOf(field).maxBytes : undefined,
    ),
  )("[WI5] %s: max_bytes passes, one more does not", ([, field, max]) => {
    const at = bytesWith(field, asContent(field, textOrBytes(field, max)));
    const beyond = bytesWith(field, asContent(field, textOrBytes(field, max + 1)));
    expect(verdict(field.parent, at)).toBe("good");
    expect(verdict(field.parent, beyond)).toBe("WIRE_LIMIT");
  });

  test.for(fieldsWith((field) => limitsOf(field).exactBytes))(
    "[WI5] %s: exact_bytes passes, one more or less does not",
    ([, field, exact]) => {
      const of = (size: number): string =>
        verdict(field.parent, bytesWith(field, asContent(field, new Uint8Array(size).fill(1))));
      expect(of(exact)).toBe("good");
      expect(of(exact + 1)).toBe("WIRE_LIMIT");
      expect(of(exact - 1)).toBe("WIRE_LIMIT");
      const required = limitsOf(field).required;
      const empty = field.fieldKind === "list" ? "WIRE_LIMIT" : required ? "WIRE_MISSING" : "good";
      expect(of(0)).toBe(empty);
    },
  );

  test.for(fieldsWith((field) => limitsOf(field).maxValue))(
    "[WI5] %s: max_value passes, one more does not",
    ([, field, max]) => {
      const value = (number: bigint): unknown =>
        asContent(field, typeof minimalValue(field) === "number" ? Number(number) : number);
      expect(verdict(field.parent, bytesWith(field, value(max)))).toBe("good");
      expect(verdict(field.parent, bytesWith(field, value(max + 1n)))).toBe("WIRE_LIMIT");
    },
  );

  test.for(fieldsWith((field) => limitsOf(field).maxCount))(
    "[WI5] %s: max_count passes, one more does not",
    ([, field, max]) => {
      const element = minimalValue(field);
      const elements = (count: number): unknown[] => Array.from({ length: count }, () => element);
      expect(verdict(field.parent, bytesWith(field, elements(max)))).toBe("good");
      expect(verdict(field.parent, bytesWith(field, elements(max + 1)))).toBe("WIRE_LIMIT");
    },
  );

  test("[WI5] elements are counted packed, unpacked and mixed", () => {
    const salt = rawSized(1, new Uint8Array(16).fill(1));
    const max = limitsOf(OpSchema.field.context).maxCount as number;
    const packed = (count: number): Uint8Array => rawSized(5, new Uint8Array(count));
    const unpacked = (count: number): Uint8Array =>
      concatBytes(...Array.from({ length: count }, () => rawNumber(5, 0)));
    const half = max / 2;
    expect(verdict(OpSchema, concatBytes(salt, unpacked(max)))).toBe("good");
    expect(verdict(OpSchema, concatBytes(salt, unpacked(max + 1)))).toBe("WIRE_LIMIT");
    expect(verdict(OpSchema, concatBytes(salt, packed(half), unpacked(half)))).toBe("good");
    expect(verdict(OpSchema, concatBytes(salt, packed(half), unpacked(half), packed(1)))).toBe(
      "WIRE_LIMIT",
    );
    expect(verdict(OpSchema, concatBytes(salt, packed(max), packed(0)))).toBe("good");
  });

  test.for(fieldsWith((field) => limitsOf(field).required || undefined))(
    "[WI7] %s is required",
    ([, field]) => {
      expect(verdict(field.parent, bytesWith(field, asContent(field, minimalValue(field))))).toBe(
        "good",
      );
      expect(verdict(field.parent, bytesWith(field, undefined))).toBe("WIRE_MISSING");
    },
  );

  test("[WI7] a required field that says its default is missing", () => {
    const { round, mode } = { round: rawNumber(1, 1), mode: rawNumber(2, 1) };
    const schema = SCHEMAS.find(({ name }) => name === "DeltaRequest") as DescMessage;
    expect(verdict(schema, concatBytes(round, mode))).toBe("good");
    expect(verdict(schema, concatBytes(rawNumber(1, 0), mode))).toBe("WIRE_MISSING");
    expect(verdict(schema, concatBytes(round, rawNumber(2, 0)))).toBe("WIRE_MISSING");
    expect(verdict(OpSchema, rawSized(1, ""))).toBe("WIRE_MISSING");
  });

  test.for(fieldsWith((field) => field.enum))(
    "[WI10] %s: a number without a meaning",
    ([, field, choice]) => {
      const next = Math.max(...choice.values.map(({ number }) => number)) + 1;
      for (const value of [next, 2 ** 31 - 1, -1]) {
        const bytes = bytesWith(field, asContent(field, value));
        expect(verdict(field.parent, bytes)).toBe("WIRE_UNKNOWN_VALUE");
      }
    },
  );
});

describe("limits of messages", () => {
  const byThemselves = SCHEMAS.flatMap((schema) => {
    const size = sizeLimitOf(schema);
    return size === undefined ? [] : [[schema.typeName, schema, size] as const];
  });

  test.for(byThemselves)("[WI4] %s: max_size passes, one more does not", ([, schema, max]) => {
    const minimal = toBinary(schema, create(schema, minimalInit(schema)));
    const filled = (size: number): Uint8Array => {
      // Two bytes of tag, and a size whose own size is known by trying.
      for (let head = 3; ; head++) {
        const content = new Uint8Array(size - minimal.length - head);
        const bytes = concatBytes(minimal, rawSized(UNUSED_NUMBER, content));
        if (bytes.length === size) return bytes;
      }
    };
    expect(() => decode(schema, filled(max))).not.toThrow();
    expect(codeOf(errorOf(() => decode(schema, filled(max + 1))))).toBe("WIRE_TOO_LARGE");
    // Not looked at: what is too long may be anything.
    const garbage = new Uint8Array(max + 1).fill(0xff);
    expect(codeOf(errorOf(() => decode(schema, garbage)))).toBe("WIRE_TOO_LARGE");
  });

  test("[WI6] all repeated fields together have at most ELEMENTS_MAX elements", () => {
    const part = (ops: number): Uint8Array => {
      const content = new Uint8Array(2 * ops);
      for (let i = 0; i < content.length; i += 2) content[i] = 0x2a;
      return rawSized(2, content);
    };
    const parts = Math.ceil(ELEMENTS_MAX / 10_000);
    const each = ELEMENTS_MAX / parts - 1;
    expect(Number.isInteger(each)).toBe(true);
    const full = concatBytes(...Array.from({ length: parts }, () => part(each)));
    expect(verdict(DeltaResponseSchema, full)).toBe("good");
    expect(verdict(DeltaResponseSchema, concatBytes(full, part(0)))).toBe("WIRE_LIMIT");
  });

  test("[WI6] a frame full of empty ops is refused, in one part or in many", () => {
    const size = 1024 * 1024;
    const one = new Uint8Array(size);
    for (let i = 0; i < size; i += 2) one[i] = 0x2a;
    const inOne = errorOf(() => decode(DeltaResponseSchema, rawSized(2, one)));
    expect(codeOf(inOne)).toBe("WIRE_LIMIT");
    const small = rawSized(2, one.subarray(0, 104));
    const many = concatBytes(...Array.from({ length: 9_900 }, () => small));
    expect(many.length).toBeGreaterThan(size);
    const inMany = errorOf(() => decode(DeltaResponseSchema, many));
    expect(codeOf(inMany)).toBe("WIRE_LIMIT");
    expect(String(inMany)).toContain("commits.ops");
  });

  test("[WI11] unknown fields are stepped over up to their number, at any depth", () => {
    const salt = rawSized(1, new Uint8Array(16).fill(1));
    const unknown = [
      rawNumber(UNUSED_NUMBER, 2n ** 64n - 1n),
      rawSized(UNUSED_NUMBER, "what a newer peer says"),
      concatBytes(rawTag(UNUSED_NUMBER, 1), new Uint8Array(8)),
      concatBytes(rawTag(2 ** 29 - 1, 5), new Uint8Array(4)),
    ];
    const op = decode(OpSchema, concatBytes(...unknown, salt, ...unknown));
    expect(op).toEqual(decode(OpSchema, salt));
    expect(op.$unknown).toBeUndefined();

    const fields = (count: number): Uint8Array =>
      concatBytes(...Array.from({ length: count }, () => unknown[0] as Uint8Array));
    const half = UNKNOWN_FIELDS_MAX / 2;
    const split = (more: number): Uint8Array =>
      concatBytes(rawSized(2, fields(half)), fields(half + more));
    expect(verdict(DeltaResponseSchema, split(0))).toBe("good");
    expect(verdict(DeltaResponseSchema, split(1))).toBe("WIRE_LIMIT");
  });

  test("[WI19] a request of a kind that is reserved for later is read as one without a kind", () => {
    const reserved = CallRequestSchema.proto.reservedRange.flatMap(({ start, end }) =>
      Array.from({ length: end - start }, (_, i) => start + i),
    );
    expect(reserved).toEqual([6]);
    for (const number of reserved) {
      const request = decode(
        CallRequestSchema,
        concatBytes(rawNumber(1, 7), rawSized(number, "new")),
      );
      expect(request.number).toBe(7);
      expect(request.request.case).toBeUndefined();
    }
  });
});

function errorOf(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was refused");
}
