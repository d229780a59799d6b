import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";

/** The message that `bytes` encode. */
export function decode<Schema extends DescMessage>(
  schema: Schema,
  bytes: Uint8Array,
): MessageShape<Schema> {
  return fromBinary(schema, bytes, { readUnknownFields: false });
}
