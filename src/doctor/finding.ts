/** What a look through a store finds, and what would set it right. */

import type { LogNumber, ScopeNumber } from "../records/index.ts";
import type { WriteOp } from "../store/index.ts";

/**
 * What may be done without inventing anything. `write`: what follows from the rest is written anew. `replace`: so it is, and what
 * was there is laid aside. `remove`: what cannot be read is laid aside. `cut`: of a log nothing is known beyond `keep` any more, so that peers send it again. [DR4]
 */
export type Fix =
  | { readonly type: "write"; readonly ops: readonly WriteOp[] }
  | { readonly type: "replace"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "remove"; readonly key: Uint8Array }
  | {
      readonly type: "cut";
      readonly scope: ScopeNumber;
      readonly log: LogNumber;
      readonly keep: number;
    };

/** How much a look has gone through. */
export interface Looked {
  readonly databases: number;
  readonly collections: number;
  readonly syncgroups: number;
  /** Of collections, deleted ones that are still kept among them. */
  readonly rows: number;
  /** Of commits, one a collection or syncgroup that a commit touches; those aside among them. */
  readonly parts: number;
  /** Chunks of blobs in the index: their bytes are not read. */
  readonly chunks: number;
}

/** One thing that is not as a rule wants it. Names rows: it is for the store's owner, not for logs. */
export interface Finding {
  /** The rule of docs/spec that it breaks: `HI13`. */
  readonly rule: string;
  /** What is wrong, as a sentence without a full stop. */
  readonly says: string;
  /** The key in the store that it is about, in hexadecimal digits. */
  readonly key: string;
  readonly database?: string | undefined;
  /** A collection or syncgroup by kind, owner and name. */
  readonly scope?: string | undefined;
  /** The key of the row, as text. */
  readonly row?: string | undefined;
  /** Absent: nothing is safe to do. */
  readonly fix?: Fix | undefined;
}
