import { equalBytes } from "../base/index.ts";
import { decode, type DescMessage, encode, type MessageShape, WireError } from "../wire/index.ts";

/**
 * The message that `bytes` encode canonically. What is signed here is sent on as it came and compared by its bytes, so
 * a second encoding of the same thing is refused.
 *
 * @throws {WireError} as `decode` does; `WIRE_NOT_CANONICAL` for another encoding.
 */
export function decodeCanonical<Schema extends DescMessage>(
  schema: Schema,
  bytes: Uint8Array,
): MessageShape<Schema> {
  const message = decode(schema, bytes);
  if (!equalBytes(encode(schema, message), bytes)) {
    throw new WireError(
      "WIRE_NOT_CANONICAL",
      `Cannot read ${schema.name}: not its canonical encoding`,
    );
  }
  return message;
}
