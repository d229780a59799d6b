import {
  create,
  createFileRegistry,
  type DescMessage,
  equals,
  fromBinary,
  type MessageInitShape,
  setExtension,
  toBinary,
} from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  type FieldDescriptorProtoSchema,
  FieldOptionsSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  MessageOptionsSchema,
} from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { concatBytes, fromHex, fromUtf8, utf8 } from "../base/index.ts";
import { rawNumber, rawSized, rawTag, rawVarint } from "../testkit/wire/wire-raw.ts";
import { decode, decodeCanonical } from "./decode.ts";
import { WireError } from "./errors.ts";
import { max_bytes, max_count, max_size, required } from "./generated/rookery/limits_pb.ts";
import { isUtf8 } from "./utf8.ts";

const { BOOL, BYTES, ENUM, FIXED32, FIXED64, MESSAGE, STRING, UINT32, UINT64 } =
  FieldDescriptorProto_Type;
const { OPTIONAL, REPEATED } = FieldDescriptorProto_Label;

type FieldInit = MessageInitShape<typeof FieldDescriptorProtoSchema>;

function field(
  name: string,
  number: number,
  type: FieldDescriptorProto_Type,
  more: FieldInit = {},
): FieldInit {
  const options = create(FieldOptionsSchema, more.options ?? {});
  if (type === BYTES || type === STRING) setExtension(options, max_bytes, 100);
  if (more.label === REPEATED) setExtension(options, max_count, 4);
  if (name === "must") setExtension(options, required, true);
  return { name, number, type, label: OPTIONAL, ...more, options };
}

/** A message with every kind of field, also those that no message of ours has yet. */
const EVERY = ((): DescMessage => {
  const size = create(MessageOptionsSchema);
  setExtension(size, max_size, 1000);
  const unpacked = { packed: false };
  const file = create(FileDescriptorProtoSchema, {
    name: "every.proto",
    syntax: "proto3",
    enumType: [
      {
        name: "Choice",
        value: [
          { name: "NONE", number: 0 },
          { name: "ONE", number: 1 },
        ],
      },
    ],
    messageType: [
      { name: "Inner", field: [field("deep", 1, STRING)] },
      {
        name: "Every",
        options: size,
        oneofDecl: [{ name: "either" }, { name: "_maybe" }, { name: "_must" }],
        field: [
          field("flag", 1, BOOL),
          field("small", 2, UINT32),
          field("large", 3, UINT64),
          field("fixed32", 4, FIXED32),
          field("fixed64", 5, FIXED64),
          field("choice", 6, ENUM, { typeName: ".Choice" }),
          field("text", 7, STRING),
          field("inner", 8, MESSAGE, { typeName: ".Inner" }),
          field("flags", 9, BOOL, { label: REPEATED }),
          field("choices", 10, ENUM, { label: REPEATED, typeName: ".Choice" }),
          field("fixed", 11, FIXED32, { label: REPEATED }),
          field("loose", 12, UINT32, { label: REPEATED, options: unpacked }),
          field("left", 13, UINT32, { oneofIndex: 0 }),
          field("right", 14, STRING, { oneofIndex: 0 }),
          field("maybe", 15, BYTES, { oneofIndex: 1, proto3Optional: true }),
          field("must", 16, BYTES, { oneofIndex: 2, proto3Optional: true }),
        ],
      },
    ],
  });
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] }));
  return registry.getMessage("Every") as DescMessage;
})();

/** What makes any other field a whole message. */
const MUST = rawSized(16, "x");

function verdict(read: typeof decode, ...fields: Uint8Array[]): string {
  try {
    read(EVERY, concatBytes(...fields));
    return "good";
  } catch (error) {
    if (error instanceof WireError) return error.code;
    throw error;
  }
}

const fixed = (number: number, wireType: 1 | 5, ...bytes: number[]): Uint8Array =>
  concatBytes(rawTag(number, wireType), Uint8Array.from(bytes));
const ZERO4 = [0, 0, 0, 0] as const;
const ONE4 = [1, 0, 0, 0] as const;

const CANONICAL: readonly [string, ...Uint8Array[]][] = [
  ["numbers", rawNumber(1, 1), rawNumber(2, 2 ** 32 - 1), rawNumber(3, 2n ** 64n - 1n), MUST],
  ["fixed numbers", fixed(4, 5, ...ONE4), fixed(5, 1, ...ZERO4, ...ONE4), MUST],
  ["a choice, text and a message", rawNumber(6, 1), rawSized(7, "ü"), rawSized(8, ""), MUST],
  [
    "packed",
    rawSized(9, fromHex("0001") as Uint8Array),
    rawSized(10, "\u0001"),
    rawSized(11, "aaaabbbb"),
    MUST,
  ],
  ["not packed", rawNumber(12, 0), rawNumber(12, 300), MUST],
  ["one alternative at its default", rawNumber(13, 0), MUST],
  ["the other alternative at its default", rawSized(14, ""), MUST],
  ["optional and empty", rawSized(15, ""), MUST],
];

const NOT_CANONICAL: readonly [string, ...Uint8Array[]][] = [
  ["out of order", MUST, rawNumber(2, 1)],
  ["a default written out: false", rawNumber(1, 0), MUST],
  ["a default written out: 0", rawNumber(2, 0), MUST],
  ["a default written out: fixed 0", fixed(4, 5, ...ZERO4), MUST],
  ["a default written out: empty text", rawSized(7, ""), MUST],
  ["packed and empty", rawSized(9, ""), MUST],
  ["unpacked where it is packed", rawNumber(9, 1), MUST],
  ["packed in two pieces", rawSized(11, "aaaa"), rawSized(11, "bbbb"), MUST],
  ["packed where it is not", rawSized(12, "\u0001"), MUST],
  ["repeated apart", rawNumber(12, 1), MUST, rawNumber(12, 1)],
  ["unknown", MUST, rawNumber(17, 1)],
  ["unknown within", rawSized(8, rawNumber(2, 1)), MUST],
];

const MALFORMED: readonly [string, ...Uint8Array[]][] = [
  ["a tag is cut", MUST, Uint8Array.of(0x80)],
  ["a number is missing", MUST, rawTag(2, 0)],
  ["a number is cut", MUST, rawTag(2, 0), Uint8Array.of(0x80)],
  ["fixed 32 is cut", MUST, rawTag(4, 5), Uint8Array.of(1, 2, 3)],
  ["fixed 64 is cut", MUST, rawTag(5, 1), Uint8Array.of(1, 2, 3, 4, 5, 6, 7)],
  ["text is cut", MUST, rawTag(7, 2), Uint8Array.of(2, 0x61)],
  ["a size is cut", MUST, rawTag(7, 2)],
  ["a size of 2^32", MUST, rawTag(7, 2), rawVarint(2 ** 32)],
  [
    "within a message: text is cut though more follows",
    rawSized(8, Uint8Array.of(0x0a, 2, 0x61)),
    MUST,
  ],
  ["within packed: a number is cut though more follows", rawSized(11, "aaaab"), MUST],
  ["an unknown field is cut", MUST, rawTag(17, 2), rawVarint(1)],
  ["an unknown fixed field is cut", MUST, rawTag(17, 1), Uint8Array.of(0)],
  ["number where text is", MUST, rawNumber(7, 1)],
  ["text where a number is", MUST, rawSized(2, "a")],
  ["fixed 64 where fixed 32 is", MUST, fixed(4, 1, ...ZERO4, ...ONE4)],
  ["number where a message is", rawNumber(8, 1), MUST],
  ["packed text", MUST, rawNumber(7, 1)],
  ["a group", MUST, rawTag(17, 3), rawTag(17, 4)],
  ["an end of a group", MUST, rawTag(17, 4)],
  ["a group under a known number", MUST, rawTag(2, 3), rawTag(2, 4)],
  ["wire type 6", MUST, rawTag(17, 6)],
  ["wire type 7", MUST, rawTag(17, 7)],
  ["field number 0", MUST, rawNumber(0, 1)],
  ["a field number of more than 29 bits", MUST, rawVarint(2n ** 33n), rawVarint(1)],
  ["a tag in a longer form", MUST, Uint8Array.of(0x90, 0x00, 0x01)],
  ["a number in a longer form", MUST, rawTag(2, 0), rawVarint(1, 2)],
  ["a size in a longer form", MUST, rawTag(7, 2), rawVarint(1, 2), utf8("a")],
  ["a number of 11 bytes", MUST, rawTag(3, 0), rawVarint(2n ** 70n)],
  ["a number of 65 bits", MUST, rawTag(3, 0), rawVarint(2n ** 64n)],
  ["33 bits where 32 fit", MUST, rawNumber(2, 2 ** 32)],
  ["2 where a boolean is", MUST, rawNumber(1, 2)],
  ["text that is not UTF-8", MUST, rawSized(7, Uint8Array.of(0xc3, 0x28))],
];

const TWICE: readonly [string, ...Uint8Array[]][] = [
  ["a number", MUST, rawNumber(2, 1), rawNumber(2, 1)],
  ["text", MUST, rawSized(7, "a"), rawSized(7, "a")],
  ["a message", MUST, rawSized(8, ""), rawSized(8, "")],
  ["an alternative", MUST, rawNumber(13, 1), rawNumber(13, 1)],
  ["both alternatives", MUST, rawNumber(13, 1), rawSized(14, "a")],
  ["an optional field", MUST, MUST],
];

describe("the form of bytes", () => {
  test.for(MALFORMED)("[WI8] %s", ([, ...fields]) => {
    expect(verdict(decode, ...fields)).toBe("WIRE_MALFORMED");
  });

  test.for(TWICE)("[WI9] twice: %s", ([, ...fields]) => {
    expect(verdict(decode, ...fields)).toBe("WIRE_MALFORMED");
  });

  test.for(CANONICAL)("[WI14] canonical: %s", ([, ...fields]) => {
    expect(verdict(decode, ...fields)).toBe("good");
    expect(verdict(decodeCanonical, ...fields)).toBe("good");
    const bytes = concatBytes(...fields);
    expect(toBinary(EVERY, decodeCanonical(EVERY, bytes))).toEqual(bytes);
  });

  test.for(NOT_CANONICAL)("[WI15] readable, not canonical: %s", ([, ...fields]) => {
    expect(verdict(decode, ...fields)).toBe("good");
    expect(verdict(decodeCanonical, ...fields)).toBe("WIRE_NOT_CANONICAL");
    const bytes = concatBytes(...fields);
    const message = decode(EVERY, bytes);
    expect(equals(EVERY, message, fromBinary(EVERY, bytes, { readUnknownFields: false }))).toBe(
      true,
    );
    expect(toBinary(EVERY, message)).not.toEqual(bytes);
  });

  test("[WI7] required where presence says something: absent and empty are both missing", () => {
    expect(verdict(decode, rawNumber(2, 1))).toBe("WIRE_MISSING");
    expect(verdict(decode, rawSized(16, ""))).toBe("WIRE_MISSING");
  });

  test("[WI5] [WI10] packed elements are checked like others", () => {
    expect(verdict(decode, MUST, rawSized(9, Uint8Array.of(0, 1, 0, 1, 0)))).toBe("WIRE_LIMIT");
    expect(verdict(decode, MUST, rawSized(9, Uint8Array.of(2)))).toBe("WIRE_MALFORMED");
    expect(verdict(decode, MUST, rawSized(10, Uint8Array.of(1, 2)))).toBe("WIRE_UNKNOWN_VALUE");
  });
});

describe("UTF-8", () => {
  test("[WI8] is told from what is not, as the platform's strict decoder tells it", () => {
    const leads = [
      0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf3, 0xf4,
      0xf5, 0xff,
    ];
    const seconds = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff];
    const thirds = [0x41, 0x80, 0xbf, 0xc0];
    for (const a of leads) {
      for (const b of seconds) {
        for (const c of thirds) {
          for (const d of thirds) {
            const all = Uint8Array.of(0x61, a, b, c, d);
            for (let end = 1; end <= all.length; end++) {
              const bytes = all.subarray(0, end);
              expect(isUtf8(bytes, 0, end)).toBe(fromUtf8(bytes) !== undefined);
              // What follows the end does not count.
              expect(isUtf8(all, 0, end)).toBe(isUtf8(bytes, 0, end));
            }
          }
        }
      }
    }
  });
});
