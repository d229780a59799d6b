/**
 * `rookery/automerge`: documents of Automerge as row values. A value is a whole document, as `Automerge.save` makes it; concurrent
 * ones are shown merged.
 *
 *     database.registerMerge("automerge", automerge);
 *     await notes.setPolicy("boards/", "merge:automerge");
 *
 * Needs the package `@automerge/automerge`, which Rookery does not bring.
 *
 * @module
 */

import { type Doc, load, merge, save } from "@automerge/automerge";
import type { MergeFunction } from "./merges.ts";

/** Merges Automerge documents. Throws for a value that is none. [CO26] */
export const automerge: MergeFunction = (values) => {
  const [first, ...others] = values.map((value): Doc<unknown> => {
    if (value instanceof Uint8Array) return load(value);
    throw new TypeError("An Automerge document is kept as bytes");
  });
  if (first === undefined) throw new TypeError("There are documents to merge");
  let merged = first;
  for (const other of others) merged = merge(merged, other);
  return save(merged);
};
