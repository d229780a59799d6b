/**
 * An operating error: the program is right and the world is not. Every layer has one subclass with a closed
 * union of codes, listed in docs/errors.md.
 *
 * Branch on `code`: never on `message`, which is for people, nor on `instanceof`, which fails when two copies
 * of this package are loaded. A programmer's mistake is not one of these: it is a `TypeError`, a `RangeError`
 * or an `AssertionError`, and is not for catching.
 */
export abstract class CodedError<Code extends string = string> extends Error {
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The `code` of `error` when it carries one, of whatever class or copy of this package. */
export function codeOf(error: unknown): string | undefined {
  const code: unknown =
    typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** `UNSUPPORTED`: no row value. `TOO_LARGE`: over its limit. `MALFORMED`: bytes or JSON that stand for none. */
export type ValueErrorCode = "DB_VALUE_MALFORMED" | "DB_VALUE_TOO_LARGE" | "DB_VALUE_UNSUPPORTED";

/** What is no row value, or bytes that are none. Its text never repeats what they hold. */
export class ValueError extends CodedError<ValueErrorCode> {}

/** `TRUNCATED`: more was asked for than is there. `MALFORMED`: a number that is not as it is written, or too great. */
export type BytesErrorCode = "BYTES_MALFORMED" | "BYTES_TRUNCATED";

/** Bytes that are not what is read from them. */
export class BytesError extends CodedError<BytesErrorCode> {}

/** `TOO_LARGE`: a frame says that it is over the limit. `MALFORMED`: its length is not written as one. */
export type FrameErrorCode = "FRAME_MALFORMED" | "FRAME_TOO_LARGE";

/** Bytes that are no frame. */
export class FrameError extends CodedError<FrameErrorCode> {}
