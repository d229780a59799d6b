/**
 * A commit's part as it is signed and sent: putting one together from a draft, and taking one apart that a peer sent.
 */

import { allocate, assert } from "../base/index.ts";
import type { ElidedOps } from "./digest.ts";
import type { Context, LogNumber } from "./version.ts";

/** One scope's part of a commit, as signed: what is stored, sent and checked. */
export interface CommitPart {
  /** Canonical bytes of the commit's header. */
  readonly header: Uint8Array;
  /** 64 bytes, over the header's digest. */
  readonly signature: Uint8Array;
  /** Canonical bytes of the part's header. */
  readonly part: Uint8Array;
  readonly partIndex: number;
  /** Canonical bytes of the ops that are there, in order. */
  readonly ops: readonly Uint8Array[];
  readonly elided: readonly ElidedOps[];
}

/** Bytes that a part takes on the wire, about: what pages are measured by. */
export function partSize(part: CommitPart): number {
  let size = part.header.length + part.part.length + 96 + 48 * part.elided.length;
  for (const op of part.ops) size += op.length + 4;
  return size;
}

/** What a stored commit says of each op still held: a row's space and key, or a control op. */
export type HeldOp = { readonly space: number; readonly key: Uint8Array } | "control";

/** First byte of what a stored commit says of a row. */
export const HELD_ROW = 0;
const HELD_CONTROL = 1;

export function encodeHeld(held: HeldOp): Uint8Array {
  if (held === "control") return Uint8Array.of(HELD_CONTROL);
  const bytes = allocate(2 + held.key.length);
  bytes[0] = HELD_ROW;
  bytes[1] = held.space;
  bytes.set(held.key, 2);
  return bytes;
}

export function decodeHeld(bytes: Uint8Array): HeldOp {
  return bytes[0] === HELD_CONTROL
    ? "control"
    : { space: bytes[1] as number, key: bytes.subarray(2) };
}

const NO_CONTEXT: readonly number[] = [];

/** A context as an op names it: pairs (index into the part's dictionary, generation) by ascending index, flat. */
export function indexedContext(
  context: Context,
  dictionary: ReadonlyMap<LogNumber, number>,
): readonly number[] {
  if (context.length === 0) return NO_CONTEXT;
  const pairs = context.map(({ log, generation }) => {
    const index = dictionary.get(log);
    assert(index !== undefined, "a part's dictionary holds the logs of its ops' contexts");
    return [index, generation] as const;
  });
  return pairs.sort(([a], [b]) => a - b).flat();
}
