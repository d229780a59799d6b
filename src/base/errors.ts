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
