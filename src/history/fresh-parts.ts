/** What of a delivery is new: asked for, in order, claimed, and not here yet. */

import { equalBytes, generationIn, type ScopeKey, scopeKeyOf } from "../base/index.ts";
import { decodeStoredCommit } from "../wire/index.ts";
import { commitDigest, HistoryError, commitKey, readRecord } from "../records/index.ts";
import type { PreparedPart } from "./prepare.ts";
import type { Delivery, ReceiveDeps } from "./receive.ts";
import type { Turn } from "./turn.ts";

/** A delivery as two, as even as can be; `undefined` where no cut leaves all commits whole. */
export function halvesOf(delivery: Delivery): [Delivery, Delivery] | undefined {
  const { parts } = delivery;
  const last = new Map(parts.map(({ log, generation }, i) => [`${log} ${generation}`, i]));
  let best: number | undefined;
  // Commits of which a part stands before the cut have none behind it.
  let reach = -1;
  for (const [i, { log, generation }] of parts.entries()) {
    if (i > 0 && reach < i && distance(i, parts) < distance(best ?? 0, parts)) best = i;
    reach = Math.max(reach, last.get(`${log} ${generation}`) as number);
  }
  if (best === undefined) return undefined;
  return [
    { ...delivery, parts: parts.slice(0, best) },
    { ...delivery, parts: parts.slice(best) },
  ];
}

/** How far a cut is from the middle. */
function distance(cut: number, { length }: readonly unknown[]): number {
  return Math.abs(2 * cut - length);
}

/** Parts that are asked for, in order, claimed, and not here yet. */
export async function withoutDuplicates(
  deps: ReceiveDeps,
  turn: Turn,
  delivery: Delivery,
): Promise<PreparedPart[]> {
  const fresh: PreparedPart[] = [];
  const last = new Map<string, number>();
  for (const { scope } of delivery.claims) refuseUnasked(delivery, scopeKeyOf(scope));
  for (const part of delivery.parts) {
    refuseUnasked(delivery, part.scopeKey);
    const place = `${part.log} ${part.scopeKey}`;
    if (part.generation <= (last.get(place) ?? 0)) {
      throw new HistoryError(
        "HISTORY_MALFORMED",
        "Cannot take commits: a log's generations are out of order",
      );
    }
    last.set(place, part.generation);
    if (part.generation > turn.scope(part.scope).state.generationOf(part.log)) fresh.push(part);
    else await refuseFork(deps, turn, delivery, part);
  }
  refuseUnclaimed(delivery);
  return fresh;
}

function refuseUnasked(delivery: Delivery, scope: ScopeKey): void {
  if (!delivery.asked.has(scope))
    throw new HistoryError("HISTORY_UNASKED", "Cannot take commits: their scope was not asked for");
}

/** A part that its page's end does not claim would be stored without being known. */
function refuseUnclaimed({ parts, claims }: Delivery): void {
  const vectors = new Map(claims.map(({ scope, vector }) => [scopeKeyOf(scope), vector]));
  for (const part of parts) {
    const vector = vectors.get(part.scopeKey);
    if (vector !== undefined && generationIn(vector, part.log) >= part.generation) continue;
    throw new HistoryError(
      "HISTORY_MALFORMED",
      "Cannot take commits: their page's end does not claim them",
    );
  }
}

/** Known already: dropped, unless it is another commit under a generation that is held. */
async function refuseFork(
  { store, crypto, interner, logger }: ReceiveDeps,
  turn: Turn,
  delivery: Delivery,
  part: PreparedPart,
): Promise<void> {
  const { number } = turn.scope(part.scope).state;
  const bytes = await store.get(commitKey(number, interner.log(part.log), part.generation));
  if (bytes === undefined) return;
  const held = readRecord("commit", bytes, decodeStoredCommit);
  const isSame =
    held.partIndex === part.raw.partIndex &&
    equalBytes(commitDigest(crypto, held.header), part.digest);
  if (isSame) return;
  if (part.author !== delivery.from) {
    // Who passes on what it was given has done nothing wrong: what is held stays, and the fork is told.
    logger("warn", "history.fork", { device: part.author, database: part.scope.database });
    return;
  }
  throw new HistoryError(
    "HISTORY_FORK",
    "Cannot take commit: another one is held under its log and generation",
  );
}
