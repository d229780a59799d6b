import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  create,
  createFileRegistry,
  type DescField,
  type DescMessage,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import {
  DescriptorProtoSchema,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  type FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import {
  AssertionError,
  FRAME_BYTES_MAX,
  KEY_SIZE,
  NAME_BYTES_MAX,
  ROW_KEY_BYTES_MAX,
  ROW_VALUE_BYTES_MAX,
} from "../base/index.ts";
import { limitsOf, sizeLimitOf } from "./field-limits.ts";
import { CommitHeaderSchema, OpSchema } from "./generated/rookery/commit_pb.ts";
import { DeltaResponseSchema } from "./generated/rookery/deltas_pb.ts";
import { LogIdSchema, ScopeIdSchema } from "./generated/rookery/ids_pb.ts";
import { CallResponseSchema } from "./generated/rookery/call_pb.ts";
import { FIELD_NUMBER_MAX, FIELDS_MAX } from "./limits.ts";
import { planOf } from "./plan.ts";
import { SCHEMAS } from "./schemas.ts";

const ROOT = join(import.meta.dirname, "../..");
const BYTES_TYPES: ReadonlySet<FieldDescriptorProto_Type> = new Set([
  FieldDescriptorProto_Type.BYTES,
  FieldDescriptorProto_Type.STRING,
]);
const TYPES_IN_USE: ReadonlySet<FieldDescriptorProto_Type> = new Set([
  FieldDescriptorProto_Type.BOOL,
  FieldDescriptorProto_Type.BYTES,
  FieldDescriptorProto_Type.ENUM,
  FieldDescriptorProto_Type.FIXED32,
  FieldDescriptorProto_Type.FIXED64,
  FieldDescriptorProto_Type.MESSAGE,
  FieldDescriptorProto_Type.STRING,
  FieldDescriptorProto_Type.UINT32,
  FieldDescriptorProto_Type.UINT64,
]);

/** Read from the compiler's own descriptors, not by the code under test. */
function checkField(field: DescField, within: readonly DescMessage[]): void {
  const name = `${field.parent.typeName}.${field.name}`;
  const limits = limitsOf(field);
  const { type, label } = field.proto;
  expect(TYPES_IN_USE, name).toContain(type);
  expect(field.number, name).toBeLessThanOrEqual(FIELD_NUMBER_MAX);
  expect(field.fieldKind, name).not.toBe("map");
  if (BYTES_TYPES.has(type)) expect(limits.maxBytes ?? limits.exactBytes, name).toBeGreaterThan(0);
  if (label === FieldDescriptorProto_Label.REPEATED)
    expect(limits.maxCount, name).toBeGreaterThan(0);
  if (limits.exactBytes !== undefined && limits.maxBytes !== undefined) {
    expect(limits.exactBytes, name).toBe(limits.maxBytes);
  }
  if (field.enum !== undefined) {
    expect(field.enum.values[0]?.number, name).toBe(0);
    expect(field.enum.values[0]?.name, name).toMatch(/_UNSPECIFIED$/);
    expect(
      field.enum.values.every((value) => value.number >= 0),
      name,
    ).toBe(true);
  }
  if (field.message !== undefined) {
    expect(within, `${name} recurs`).not.toContain(field.message);
    for (const inner of field.message.fields) checkField(inner, [...within, field.message]);
  }
}

describe("schemas", () => {
  test("[WI1] every file of proto/ is among the schemas, and every message of each", () => {
    const folder = join(ROOT, "proto/rookery");
    const files = readdirSync(folder).filter((name) => name !== "limits.proto");
    const names = files.flatMap((name) =>
      [...readFileSync(join(folder, name), "utf8").matchAll(/^message (\w+)/gm)].map(
        (match) => `rookery.${match[1]}`,
      ),
    );
    expect(SCHEMAS.map((schema) => schema.typeName).toSorted()).toEqual(names.toSorted());
    expect(names.length).toBeGreaterThan(30);
  });

  test.for(SCHEMAS.map((schema) => [schema.typeName, schema] as const))(
    "[WI2] %s says its own bounds",
    ([, schema]) => {
      expect(schema.file.proto.syntax).toBe("proto3");
      expect(schema.fields.length).toBeLessThanOrEqual(FIELDS_MAX);
      expect(schema.nestedMessages).toEqual([]);
      for (const field of schema.fields) checkField(field, [schema]);
      expect(() => planOf(schema)).not.toThrow();
    },
  );

  test("[WI2] what any folder encodes or decodes by itself has max_size", () => {
    const source = join(ROOT, "src");
    const call = /\b(?:encode|decode|decodeCanonical|refusalOf)\(\s*(\w+)Schema\b/g;
    const used = new Set<string>();
    for (const path of readdirSync(source, { recursive: true, encoding: "utf8" })) {
      if (!path.endsWith(".ts") || path.endsWith(".test.ts")) continue;
      for (const match of readFileSync(join(source, path), "utf8").matchAll(call)) {
        used.add(`rookery.${match[1]}`);
      }
    }
    expect(used.size).toBeGreaterThan(5);
    const sizes = new Map(SCHEMAS.map((schema) => [schema.typeName, sizeLimitOf(schema)]));
    for (const name of used) expect(sizes.get(name), name).toBeGreaterThan(0);
  });

  test("[WI3] bounds that stand in a schema and in code are the same", () => {
    expect(sizeLimitOf(DeltaResponseSchema)).toBe(FRAME_BYTES_MAX);
    expect(sizeLimitOf(CallResponseSchema)).toBe(FRAME_BYTES_MAX);
    expect(limitsOf(ScopeIdSchema.field.database).maxBytes).toBe(NAME_BYTES_MAX);
    expect(limitsOf(ScopeIdSchema.field.name).maxBytes).toBe(NAME_BYTES_MAX);
    expect(limitsOf(LogIdSchema.field.device).exactBytes).toBe(KEY_SIZE);
    expect(limitsOf(OpSchema.field.key).maxBytes).toBe(ROW_KEY_BYTES_MAX);
    expect(limitsOf(OpSchema.field.value).maxBytes).toBe(ROW_VALUE_BYTES_MAX);
    for (const schema of SCHEMAS) {
      for (const field of schema.fields) {
        if (field.name !== "header" && !field.name.startsWith("header_")) continue;
        expect(limitsOf(field).maxBytes, String(field)).toBe(sizeLimitOf(CommitHeaderSchema));
      }
    }
  });
});

describe("a schema that the walk cannot bound is a bug", () => {
  const { BYTES, INT32, MESSAGE, UINT32 } = FieldDescriptorProto_Type;
  const { REPEATED, OPTIONAL } = FieldDescriptorProto_Label;

  function schemaOf(field: MessageInitShape<typeof FieldDescriptorProtoSchema>): DescMessage {
    const message = create(DescriptorProtoSchema, {
      name: "Made",
      field: [{ name: "field", number: 1, label: OPTIONAL, ...field }],
    });
    const file = create(FileDescriptorProtoSchema, {
      name: "made.proto",
      syntax: "proto3",
      messageType: [message],
    });
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] }));
    return registry.getMessage("Made") as DescMessage;
  }

  test.for([
    ["bytes without max_bytes", { type: BYTES }, /has max_bytes/],
    ["a repeated field without max_count", { type: UINT32, label: REPEATED }, /has max_count/],
    ["a signed number", { type: INT32 }, /no message of ours uses/],
    ["recursion", { type: MESSAGE, typeName: ".Made" }, /contains itself/],
    ["a great field number", { type: UINT32, number: FIELD_NUMBER_MAX + 1 }, /number above/],
  ] as const)("[WI2] %s", ([, field, why]) => {
    const schema = schemaOf(field);
    expect(() => planOf(schema)).toThrow(AssertionError);
    expect(() => planOf(schema)).toThrow(why);
  });
});
