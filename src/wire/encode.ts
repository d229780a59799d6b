import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { AssertionError } from "../base/index.ts";
import { checkCanonical } from "./decode.ts";
import { WireError } from "./errors.ts";

const WRITE_OPTIONS = { writeUnknownFields: false };

/**
 * The canonical bytes of `message`. [WI14]
 *
 * What every receiver would refuse is not sent: a message of ours that breaks a limit is a bug, and not a `WireError`,
 * for which a session would blame its peer. Where a user's input decides, ask `refusalOf` first. [WI16]
 *
 * @throws {AssertionError} when the message breaks a limit, lacks a required field, or is of wrong types.
 */
export function encode<Schema extends DescMessage>(
  schema: Schema,
  message: MessageShape<Schema>,
): Uint8Array {
  try {
    const bytes = toBinary(schema, message, WRITE_OPTIONS);
    checkCanonical(schema, bytes);
    return bytes;
  } catch (cause) {
    if (cause instanceof AssertionError) throw cause;
    const why = cause instanceof Error ? cause.message : "not a message";
    throw new AssertionError(`Our own ${schema.typeName} cannot be sent: ${why}`, { cause });
  }
}

/** Why every receiver would refuse `message`, or `undefined`: to be asked before `encode` where a user's input decides. */
export function refusalOf<Schema extends DescMessage>(
  schema: Schema,
  message: MessageShape<Schema>,
): WireError | undefined {
  try {
    checkCanonical(schema, toBinary(schema, message, WRITE_OPTIONS));
    return undefined;
  } catch (error) {
    if (error instanceof WireError) return error;
    throw error;
  }
}
