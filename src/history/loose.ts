/** Control ops that travel apart from the rows beside which they stand. */

import {
  asideKey,
  type CommitPart,
  controlsOnly,
  decodeAside,
  type LogNumber,
  readRecord,
} from "../records/index.ts";
import { CommitHeaderSchema, decode } from "../wire/index.ts";
import type { ScopeState, TurnDeps } from "../turns/index.ts";

/** A part without its rows, and where it stands. */
export interface LoosePart {
  readonly part: CommitPart;
  readonly log: LogNumber;
  readonly generation: number;
}

/**
 * The control ops of a scope that stand in parts which do not count here, as those parts without their rows: others may have
 * built on them. In order of their time, so that one mostly follows what it names.
 */
export async function loosePartsOf(deps: TurnDeps, scope: ScopeState): Promise<LoosePart[]> {
  const loose: (LoosePart & { readonly timestamp: bigint })[] = [];
  for (const { log, generation } of scope.controlPlaces.beyond(scope.numbers)) {
    const bytes = await deps.store.get(asideKey(scope.number, log, generation));
    // Taken from aside meanwhile.
    if (bytes === undefined) continue;
    const part = controlsOnly(deps.crypto, readRecord("part aside", bytes, decodeAside).part);
    const { timestamp } = decode(CommitHeaderSchema, part.header);
    loose.push({ part, log, generation, timestamp });
  }
  return loose.sort((a, b) => (a.timestamp < b.timestamp ? -1 : 1));
}
