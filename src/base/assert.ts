/** A broken promise of our own code: never caught, so that it is seen. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/**
 * States what must hold here whatever a caller or a peer does.
 *
 * @throws {AssertionError} when it does not: a bug of ours, not an operating error.
 */
export function assert(condition: unknown, why: string): asserts condition {
  if (!condition) throw new AssertionError(why);
}
