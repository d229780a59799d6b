import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../base/index.ts";
import { committedIn, FORMAT_CHANGED, type FormatVector } from "../testkit/golden.ts";
import { samplesOf } from "../testkit/wire/wire-samples.ts";
import {
  create,
  decode,
  decodeCanonical,
  decodeOp,
  decodeStoredCommit,
  type DescMessage,
  encode,
  encodeOp,
  encodeStoredCommit,
  fromJson,
  type JsonValue,
  OpSchema,
  SCHEMAS,
  sizeLimitOf,
  StoredCommitSchema,
  toJson,
} from "./index.ts";

/** Those that are encoded by themselves; the others stand inside these. */
const WHOLE = SCHEMAS.filter((schema) => sizeLimitOf(schema) !== undefined);

/**
 * Samples whose bytes are in no vector yet, under names that are free: when a message has got a field, the vectors
 * without it stay and one with it joins them.
 */
function newSamples(schema: DescMessage, committed: readonly FormatVector[]): FormatVector[] {
  const own = committed.filter(({ record }) => record === schema.typeName);
  for (const { name, init } of samplesOf(schema)) {
    const message = create(schema, init);
    const hex = toHex(encode(schema, message));
    if (own.some((vector) => vector.hex === hex)) continue;
    let free = name;
    for (let n = 2; own.some((vector) => vector.name === free); n++) free = `${name} (${n})`;
    own.push({ record: schema.typeName, name: free, hex, value: toJson(schema, message) });
  }
  return own.filter((vector) => !committed.includes(vector));
}

const BEFORE = committedIn("messages", []);
const COMMITTED = committedIn(
  "messages",
  WHOLE.flatMap((schema) => newSamples(schema, BEFORE)),
);
const VECTORS = COMMITTED.map(({ record, name, hex = "", value }) => ({
  title: `${record}: ${name}`,
  schema: SCHEMAS.find(({ typeName }) => typeName === record) as DescMessage,
  hex,
  bytes: fromHex(hex) as Uint8Array,
  value: value as JsonValue,
}));

/** Adds the names of the fields that a message's JSON form holds, and of its messages. */
function noteFields(schema: DescMessage, value: JsonValue, seen: Set<string>): void {
  seen.add(schema.typeName);
  for (const [name, content] of Object.entries(value as Record<string, JsonValue>)) {
    const field = schema.fields.find(({ jsonName }) => jsonName === name);
    seen.add(`${schema.typeName}.${field?.name}`);
    if (field?.message === undefined) continue;
    for (const one of Array.isArray(content) ? content : [content])
      noteFields(field.message, one, seen);
  }
}

describe("vectors of messages", () => {
  test("[WI20] every message has some, by itself or within another, and every field of each", () => {
    const seen = new Set<string>();
    for (const { schema, value } of VECTORS) noteFields(schema, value, seen);
    const all = SCHEMAS.flatMap(({ typeName, fields }) => [
      typeName,
      ...fields.map(({ name }) => `${typeName}.${name}`),
    ]);
    expect(
      all.filter((name) => !seen.has(name)),
      "npm run vectors adds them",
    ).toEqual([]);
    expect(
      WHOLE.flatMap((schema) => newSamples(schema, COMMITTED)),
      FORMAT_CHANGED,
    ).toEqual([]);
  });

  test("[WI20] no two have one name", () => {
    expect(new Set(VECTORS.map(({ title }) => title)).size).toBe(VECTORS.length);
  });

  test.for(VECTORS)("[WI20] $title is written as ever", ({ schema, value, hex }) => {
    expect(toHex(encode(schema, fromJson(schema, value))), FORMAT_CHANGED).toBe(hex);
  });

  test.for(VECTORS)("[WI20] $title is read as ever", ({ schema, value, bytes }) => {
    expect(toJson(schema, decode(schema, bytes)), FORMAT_CHANGED).toEqual(value);
    expect(toJson(schema, decodeCanonical(schema, bytes)), FORMAT_CHANGED).toEqual(value);
  });
});

describe("vectors and the codecs by hand", () => {
  const NOTHING = new Uint8Array();

  test.for(VECTORS.filter(({ schema }) => schema === OpSchema))(
    "[WI17] [WI20] $title",
    ({ value, bytes, hex }) => {
      const op = decodeOp(bytes);
      const message = create(OpSchema, {
        salt: op.salt,
        space: op.space,
        key: op.key,
        value: op.value ?? NOTHING,
        context: op.context.map(BigInt),
        control: op.control ?? NOTHING,
      });
      expect(toJson(OpSchema, message), FORMAT_CHANGED).toEqual(value);
      expect(toHex(encodeOp(op)), FORMAT_CHANGED).toBe(hex);
    },
  );

  test.for(VECTORS.filter(({ schema }) => schema === StoredCommitSchema))(
    "[WI17] [WI20] $title",
    ({ value, bytes, hex }) => {
      const commit = decodeStoredCommit(bytes);
      const message = create(StoredCommitSchema, {
        header: commit.header,
        signature: commit.signature,
        part: commit.part,
        partIndex: commit.partIndex,
        sequence: BigInt(commit.sequence),
        held: [...commit.held],
        elided: commit.elided.map(({ first, count, digest }) => ({ first, count, digest })),
      });
      expect(toJson(StoredCommitSchema, message), FORMAT_CHANGED).toEqual(value);
      expect(toHex(encodeStoredCommit(commit)), FORMAT_CHANGED).toBe(hex);
    },
  );
});
