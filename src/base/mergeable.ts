import type { Value } from "./value.ts";

/**
 * A row value that is made to be merged: a counter, a set, a map. What its content means is told by whoever merges it
 * (docs/spec/conflicts.md); here it is a value with a tag of its own, so that nothing an application puts is taken for
 * one. It is a whole row value, never a part of another. [VA12]
 */
export class Mergeable {
  readonly content: Value;
  /** What has it came through the constructor. It also keeps a plain object from being taken for one by the compiler. */
  readonly #isMade = true;

  /** Whether `value` is one, made by this class. */
  static isMergeable(value: object): value is Mergeable {
    return #isMade in value && value.#isMade;
  }

  constructor(content: Value) {
    this.content = content;
    Object.freeze(this);
  }
}
