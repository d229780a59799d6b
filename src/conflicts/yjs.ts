/**
 * `rookery/yjs`: documents of Yjs as row values. A value is an update of the whole document, as `Y.encodeStateAsUpdate` makes it;
 * concurrent ones are shown merged.
 *
 *     database.registerMerge("yjs", yjs);
 *     await notes.setPolicy("text/", "merge:yjs");
 *
 * Needs the package `yjs`, which Rookery does not bring.
 *
 * @module
 */

import { mergeUpdates } from "yjs";
import type { MergeFunction } from "./merges.ts";

/** Merges Yjs updates. Throws for a value that is none. [CO26] */
export const yjs: MergeFunction = (values) =>
  mergeUpdates(
    values.map((value) => {
      if (value instanceof Uint8Array) return value;
      throw new TypeError("A Yjs document is kept as bytes");
    }),
  );
