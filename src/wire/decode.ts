import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { assert } from "../base/index.ts";
import { WireError } from "./errors.ts";
import { type MessagePlan, planOf } from "./plan.ts";
import { walkMessage } from "./walk.ts";

// Unknown fields are dropped: what must travel on unchanged is kept as bytes, never as a message.
const READ_OPTIONS = { readUnknownFields: false };

/**
 * The message that `bytes` encode. Nothing is made of them before a walk has held them against every limit of the
 * message's .proto file. [WI5]
 *
 * Its bytes fields are views of `bytes`: change neither, and copy what outlives the frame.
 *
 * @throws {WireError} `WIRE_TOO_LARGE`, `WIRE_LIMIT`, `WIRE_MALFORMED`, `WIRE_MISSING`, `WIRE_UNKNOWN_VALUE`.
 */
export function decode<Schema extends DescMessage>(
  schema: Schema,
  bytes: Uint8Array,
): MessageShape<Schema> {
  const plan = planOf(schema);
  checkSize(plan, bytes);
  walkMessage(plan, bytes, false);
  return fromBinary(schema, bytes, READ_OPTIONS);
}

/**
 * As `decode`, of bytes that must be the message's only canonical encoding, the one that `encode` makes: for what is
 * signed or hashed and sent on as it came. [WI15]
 *
 * @throws {WireError} as `decode`, and `WIRE_NOT_CANONICAL`.
 */
export function decodeCanonical<Schema extends DescMessage>(
  schema: Schema,
  bytes: Uint8Array,
): MessageShape<Schema> {
  checkCanonical(schema, bytes);
  return fromBinary(schema, bytes, READ_OPTIONS);
}

/** The checks of `decodeCanonical` without the message. @throws {WireError} as `decodeCanonical`. */
export function checkCanonical(schema: DescMessage, bytes: Uint8Array): void {
  const plan = planOf(schema);
  checkSize(plan, bytes);
  walkMessage(plan, bytes, true);
}

function checkSize(plan: MessagePlan, bytes: Uint8Array): void {
  assert(
    plan.maxSize !== undefined,
    `${plan.name} has no max_size: it only stands inside other messages`,
  );
  if (bytes.length > plan.maxSize) {
    throw new WireError(
      "WIRE_TOO_LARGE",
      `Cannot read ${plan.name}: it is longer than ${plan.maxSize} bytes`,
    );
  }
}
