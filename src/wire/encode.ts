import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";

/** The bytes of `message`. */
export function encode<Schema extends DescMessage>(
  schema: Schema,
  message: MessageShape<Schema>,
): Uint8Array {
  return toBinary(schema, message);
}
