/** What a responder says of a round: how far it goes, and what the initiator is to have afterwards. */

import { type Crypto, type GenVector, generationIn } from "../base/index.ts";
import type { LoosePlace, ScopeState } from "../history/index.ts";
import {
  type MessageInitShape,
  type ScopeSumSchema,
  scopeToWire,
  type ScopeVector,
  vectorToWire,
} from "../wire/index.ts";
import { FRAME_VECTOR_ENTRIES_MAX } from "./limits.ts";
import { claimToWire } from "./page.ts";
import type { AskedScope } from "./page-writer.ts";

/** A scope that was asked for, is here, and may be read. */
export interface Readable {
  readonly asked: AskedScope;
  readonly scope: ScopeState;
}

/** How far the initiator will be after a round, of as many scopes as fit a frame. Nothing, where it lacks nothing. [SY46] */
export function lackingVectors(
  due: Iterable<{ readonly asked: AskedScope; readonly until: GenVector }>,
): ScopeVector[] {
  const vectors: ScopeVector[] = [];
  let entries = 0;
  for (const { asked, until } of due) {
    const lacking = [...until].filter(([log, end]) => end > generationIn(asked.sent, log));
    entries += lacking.length;
    if (entries > FRAME_VECTOR_ENTRIES_MAX) break;
    if (lacking.length > 0)
      vectors.push(claimToWire({ scope: asked.id, vector: new Map(lacking) }));
  }
  return vectors;
}

/** Sums of as many scopes as fit a frame. Each is a check, and none has to be there. */
export function sumsOf(
  crypto: Crypto,
  readable: readonly Readable[],
): MessageInitShape<typeof ScopeSumSchema>[] {
  const sums: MessageInitShape<typeof ScopeSumSchema>[] = [];
  let entries = 0;
  for (const { asked, scope } of readable) {
    entries += scope.numbers.size;
    if (entries > FRAME_VECTOR_ENTRIES_MAX) break;
    sums.push({
      scope: scopeToWire(asked.id),
      vector: vectorToWire(scope.vector()),
      headSum: scope.sum.toBytes(),
      controlSum: scope.access.controlSum(crypto),
    });
  }
  return sums;
}

/** A place as a text. */
export function textOf({ log, generation, digest = "" }: LoosePlace): string {
  return `${log} ${generation} ${digest}`;
}
