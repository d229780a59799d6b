/**
 * Two commits that do not follow each other: whoever holds the one and is shown the other proves it to all, in every scope of the
 * log, or in the one whose parts show it. From the forked generation on nothing of that log counts there, on any device.
 */

import type { VerifiedOp } from "../access/index.ts";
import { codeOf, logIdOf } from "../base/index.ts";
import type { ScopeState, Turn } from "../turns/index.ts";
import { type AuthorDeps, authorDraft } from "./author.ts";
import type { Fork } from "./fresh-parts.ts";
import { beginIncarnation } from "./own-log.ts";
import { authorBranches } from "./quarantine.ts";
import { recountAll } from "./recount.ts";

/**
 * Adds the proofs of forks to the turn, and takes back what counts no more by them. Nobody is blamed: who passes on what it was
 * given has done nothing wrong, and the log's device may have been copied. [HI46]
 *
 * @throws {CutTooLarge}
 */
export async function proveForks(
  deps: AuthorDeps,
  turn: Turn,
  forks: readonly Fork[],
): Promise<void> {
  if (forks.length === 0) return;
  for (const fork of forks) await proveFork(deps, turn, fork);
  await recountAll(deps, turn);
  // Where we can: what is held has moved aside, and there is no place for a second commit of that name.
  const rivals = forks.filter(
    ({ part, generation, proof }) => proof.parts === undefined && part.generation === generation,
  );
  await authorBranches(
    deps,
    turn,
    rivals.map(({ part }) => part),
  );
}

async function proveFork(
  deps: AuthorDeps,
  turn: Turn,
  { part, generation, proof }: Fork,
): Promise<void> {
  const { log, author } = part;
  const { database } = turn;
  const signed = await signedProof(deps, proof);
  deps.logger("warn", "history.fork", { device: author, database: database.name });
  if (author === deps.identity.device && logIdOf(log).incarnation === turn.own.incarnation)
    beginIncarnation(deps, turn, "forked");
  const number = deps.interner.log(log);
  const holdsLog = ({ numbers, aside }: ScopeState): boolean =>
    numbers.has(number) || aside.log(number) !== undefined;
  // What its parts in one scope show is for the readers of that scope alone.
  const isFor = (state: ScopeState): boolean =>
    proof.parts === undefined ? holdsLog(state) : state.key === part.scopeKey;
  for (const state of [...database.scopes.values()].filter(isFor)) {
    // Proven as far down as this already.
    if (turn.scope(state.id).access.frozenAt(log) < generation) continue;
    await authorProof(deps, turn, state, { ...signed, forked: { log, generation } });
  }
}

/** What is ours may not have been signed yet. [HI83] */
async function signedProof({ signer }: AuthorDeps, proof: Fork["proof"]): Promise<Fork["proof"]> {
  const { headerA, signatureA, headerB, signatureB } = proof;
  return {
    ...proof,
    signatureA: await signer.signatureOf({ header: headerA, signature: signatureA }),
    signatureB: await signer.signatureOf({ header: headerB, signature: signatureB }),
  };
}

/** In scopes where we have no say somebody else has to prove it. */
async function authorProof(
  deps: AuthorDeps,
  turn: Turn,
  { id, access }: ScopeState,
  proof: VerifiedOp,
): Promise<void> {
  if (access.tagsOf(deps.identity.certified.user) === 0) return;
  try {
    await authorDraft(deps, turn, { parts: [{ scope: id, rows: [], controls: [proof] }] });
  } catch (error) {
    if (codeOf(error) !== "HISTORY_UNAUTHORISED") throw error;
  }
}
