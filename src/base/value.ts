import type { BlobRef } from "./blob-ref.ts";
import type { Mergeable } from "./mergeable.ts";

/**
 * What a row may hold. What was put is what `get` answers, type for type: -0, NaN, 1 and 1n too. [VA1]
 *
 * A subclass of `Uint8Array` (a `Buffer`) comes back as plain `Uint8Array`, and an object with its keys in the order of
 * their encoding. Rules: docs/spec/values.md.
 */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Date
  | BlobRef
  | Mergeable
  | readonly Value[]
  | { readonly [key: string]: Value };
