/** What a peer sent up to a page end, and what of it is new: asked for, in order, claimed, and not here yet. */

import type { ControlOp } from "../access/index.ts";
import {
  equalBytes,
  generationIn,
  type ScopeKey,
  scopeKeyOf,
  toHex,
  type DeviceId,
  type GenVector,
  type LogKey,
  type ScopeId,
} from "../base/index.ts";
import { decodeStoredCommit } from "../wire/index.ts";
import { commitDigest, HistoryError, commitKey, partSize, readRecord } from "../records/index.ts";
import type { Turn } from "../turns/index.ts";
import { TOGETHER_BYTES_MAX, TOGETHER_OPS_MAX } from "./limits.ts";
import { Chains, proofOfTwo } from "./passed-over.ts";
import type { PreparedPart } from "./prepare.ts";
import type { ReceiveDeps } from "./receive.ts";

/**
 * What a peer sent, up to a page end: parts, and the vectors that it says may be claimed once they are durable. Knowledge
 * follows the parts: a claim of what was not sent raises nothing. [HI20]
 */
export interface Delivery {
  /** The device at the other end of the connection. */
  readonly from: DeviceId;
  /** The scopes that it was asked for. */
  readonly asked: ReadonlySet<ScopeKey>;
  readonly parts: readonly PreparedPart[];
  /** Control ops whose parts do not count where they come from: without rows, outside of the claims. */
  readonly loose?: readonly PreparedPart[] | undefined;
  readonly claims: readonly { readonly scope: ScopeId; readonly vector: GenVector }[];
  /** Whether all of a log was asked for, known or not, so that its parts come from the first one on; absent: of none. */
  readonly isFromStart?: ((scope: ScopeKey, log: LogKey) => boolean) | undefined;
  /** Called when it has been merged and all that is left is up to the store; never where there is nothing to write, or it fails before. */
  readonly onWriting?: (() => void) | undefined;
}

/** Commits of one log that do not follow each other: what came, and what shows it beside what is held. */
export interface Fork {
  readonly part: PreparedPart;
  /** The least generation of which it is shown. */
  readonly generation: number;
  readonly proof: Extract<ControlOp, { type: "forkProof" }>;
}

/** What is new of a delivery. */
export interface FreshParts {
  readonly parts: readonly PreparedPart[];
  readonly loose: readonly PreparedPart[];
  readonly forks: readonly Fork[];
  /** Parts with control ops whose places are those of other commits, and that are not known as such. */
  readonly rivals: readonly PreparedPart[];
  /** Of `parts`: those of another branch of their log, of which it is not to be seen where it begins. */
  readonly unclear: ReadonlySet<PreparedPart>;
  /** Parts of another branch whose places another branch has passed over. */
  readonly strays: readonly PreparedPart[];
  /** Parts that are not new, of a branch of which it is not to be seen where it begins. */
  readonly branched: readonly PreparedPart[];
}

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
    { ...delivery, parts: parts.slice(best), loose: [] },
  ];
}

/**
 * How many of these deliveries, from the first on, may share a turn: small ones of rows alone, each of other logs than those before it.
 * So none of them decides about another, and what a part is compared with is what is durable. [HI86]
 */
export function countTogether(deliveries: readonly Delivery[]): number {
  const places = new Set<string>();
  let [count, ops, bytes] = [0, 0, 0];
  for (const { parts, loose = [] } of deliveries) {
    const own = parts.map(({ scopeKey, log }) => `${scopeKey} ${log}`);
    for (const { raw, rows } of parts) {
      ops += rows.length;
      bytes += partSize(raw);
    }
    const isPlain = loose.length === 0 && parts.every(({ controls }) => controls.length === 0);
    const isSmall = ops <= TOGETHER_OPS_MAX && bytes <= TOGETHER_BYTES_MAX;
    if (!isPlain || !isSmall || own.some((place) => places.has(place))) break;
    for (const place of own) places.add(place);
    count += 1;
  }
  return Math.max(1, count);
}

/** How far a cut is from the middle. */
function distance(cut: number, { length }: readonly unknown[]): number {
  return Math.abs(2 * cut - length);
}

/**
 * Parts that are asked for, in order, claimed, and not here yet; of those aside also what would let their control ops go on.
 *
 * @throws {HistoryError} `HISTORY_UNASKED`, `HISTORY_MALFORMED`, `HISTORY_FORK`.
 */
export async function freshOf(
  deps: ReceiveDeps,
  turn: Turn,
  delivery: Delivery,
): Promise<FreshParts> {
  refuseUnasked(delivery);
  refuseDisorder(delivery);
  refuseUnclaimed(delivery);
  const { parts: all, loose: allLoose = [] } = delivery;
  const parts: PreparedPart[] = [];
  const loose: PreparedPart[] = [];
  const forks: Fork[] = [];
  const rivals: PreparedPart[] = [];
  const unclear = new Set<PreparedPart>();
  const strays: PreparedPart[] = [];
  const firsts = new Map<string, PreparedPart>();
  const branched: PreparedPart[] = [];
  const chains = new Chains(
    deps,
    turn,
    ({ scopeKey, log }) => delivery.isFromStart?.(scopeKey, log) === true,
  );
  for (const [at, part] of [...all, ...allLoose].entries()) {
    const isLoose = at >= all.length;
    const found = await comparisonOf(deps, turn, delivery, part, isLoose);
    const { isNew, fork } = found.isNew ? withFirst(firsts, part) : found;
    const isAlone = found.isPlaceFree === true || found.isGone === true;
    const passed = isLoose || !isAlone || fork !== undefined ? undefined : await chains.judge(part);
    if (fork !== undefined) {
      const isClear = isLoose || chains.isClear(part);
      // Of a log that is known to fork where it begins to matters alone.
      const isToProve = isClear || !isKnownToFork(turn, part);
      if (isToProve) forks.push(fork);
      if (isToProve && !isLoose) chains.noteFork(part);
      if (!isClear) branched.push(part);
    } else if (passed === "unclear") {
      if (isNew) unclear.add(part);
      else branched.push(part);
    } else if (typeof passed === "object") {
      forks.push({ part, ...passed });
      chains.noteFork(part);
    } else if (!isLoose && found.isGone !== true) {
      chains.note(part, isNew);
    }
    const isStray = passed === "follows" || typeof passed === "object";
    if (isNew) (isLoose ? loose : parts).push(part);
    else if (isStray) strays.push(part);
    else if (isRival(turn, part, { ...found, fork }) && isNewRival(deps, turn, delivery, part))
      rivals.push(part);
  }
  return { parts, loose, forks, rivals, unclear, strays, branched };
}

function isKnownToFork(turn: Turn, { scope, log }: PreparedPart): boolean {
  return turn.scope(scope).access.frozenAt(log) < Number.POSITIVE_INFINITY;
}

/** A part that is new here against others of the delivery under its name. */
function withFirst(firsts: Map<string, PreparedPart>, part: PreparedPart): Comparison {
  const place = `${part.scopeKey} ${part.log} ${part.generation}`;
  const first = firsts.get(place);
  if (first === undefined) firsts.set(place, part);
  if (first === undefined || equalBytes(first.digest, part.digest)) return { isNew: true };
  return { isNew: false, fork: forkOfTwo(part, first.raw) };
}

/** Whether a part that is not new has control ops which are not here: its place is another commit's, or nobody's. [HI81] */
function isRival(
  turn: Turn,
  { scope, controls }: PreparedPart,
  { fork, isGone }: Comparison,
): boolean {
  if (controls.length === 0) return false;
  const { access } = turn.scope(scope);
  return fork !== undefined || (isGone === true && !controls.every(({ id }) => access.has(id)));
}

/** Whether a rival is not known, or handed on now by somebody else than its author. */
function isNewRival(
  { interner }: ReceiveDeps,
  turn: Turn,
  { from }: Delivery,
  { scope, log, generation, digest, author }: PreparedPart,
): boolean {
  const number = interner.knownLog(log);
  const known =
    number === undefined
      ? undefined
      : turn.scope(scope).rivals.get(number, generation, toHex(digest));
  return known === undefined || (!known.isVouched && author !== from);
}

function refuseUnasked({ parts, loose = [], claims, asked }: Delivery): void {
  const scopes: ScopeKey[] = [...parts, ...loose].map(({ scopeKey }) => scopeKey);
  for (const { scope } of claims) scopes.push(scopeKeyOf(scope));
  if (!scopes.every((scope) => asked.has(scope)))
    throw new HistoryError("HISTORY_UNASKED", "Cannot take commits: their scope was not asked for");
}

function refuseDisorder({ parts, loose = [] }: Delivery): void {
  const last = new Map<string, number>();
  for (const { log, scopeKey, generation } of parts) {
    const place = `${log} ${scopeKey}`;
    if (generation <= (last.get(place) ?? 0)) {
      throw new HistoryError(
        "HISTORY_MALFORMED",
        "Cannot take commits: a log's generations are out of order",
      );
    }
    last.set(place, generation);
  }
  // Rows come with a claim, or not at all: here nobody would look for them.
  if (loose.every(({ rows, controls }) => rows.length === 0 && controls.length > 0)) return;
  throw new HistoryError(
    "HISTORY_MALFORMED",
    "Cannot take control ops: they come with rows, or are none",
  );
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

interface Comparison {
  readonly isNew: boolean;
  /** Nothing is known in its place, or its control ops alone. */
  readonly isPlaceFree?: boolean | undefined;
  readonly fork?: Fork | undefined;
  /** Nothing is held in its place, which is known all the same. */
  readonly isGone?: boolean | undefined;
}

/** A part against what is held in its place. */
async function comparisonOf(
  { store, crypto, interner }: ReceiveDeps,
  turn: Turn,
  { from }: Delivery,
  part: PreparedPart,
  isLoose: boolean,
): Promise<Comparison> {
  const scope = turn.scope(part.scope);
  const { number } = scope.state;
  // A log gets a number when something of it is kept: peers could name new ones without end.
  const log = interner.knownLog(part.log);
  if (log === undefined) return { isNew: true, isPlaceFree: true };
  const aside = scope.aside.get(log, part.generation);
  const isKnown = part.generation <= scope.state.generationOf(part.log);
  if (!isKnown && aside === undefined) return { isNew: true, isPlaceFree: true };
  if (aside === undefined) {
    const bytes = await store.get(commitKey(number, log, part.generation));
    // Another branch of the log may have nothing here.
    if (bytes === undefined) return { isNew: false, isGone: true };
    const held = readRecord("commit", bytes, decodeStoredCommit);
    return { isNew: false, fork: forkOf(crypto, part, held, from) };
  }
  const { part: held, isVouched } = await turn.staged.aside(scope, log, part.generation);
  const fork = forkOf(crypto, part, held, from);
  if (fork !== undefined) return { isNew: false, fork };
  if (aside.isAuthored === true) return { isNew: false };
  const isMore = aside.isLoose && !isLoose;
  const isWord = !isVouched && part.author !== from && part.controls.length > 0;
  return { isNew: isMore || isWord, isPlaceFree: isMore };
}

/** @throws {HistoryError} `HISTORY_FORK`: the same commit has two parts of one scope, and its author sends it. */
function forkOf(
  crypto: ReceiveDeps["crypto"],
  part: PreparedPart,
  held: Signed & { readonly partIndex: number },
  from: Delivery["from"],
): Fork | undefined {
  if (!equalBytes(commitDigest(crypto, held.header), part.digest)) return forkOfTwo(part, held);
  if (held.partIndex === part.raw.partIndex || part.author !== from) return undefined;
  throw new HistoryError(
    "HISTORY_FORK",
    "Cannot take commit: another part of it is held for the same scope",
  );
}

interface Signed {
  readonly header: Uint8Array;
  readonly signature: Uint8Array;
}

/** Two commits under one generation. */
function forkOfTwo(part: PreparedPart, held: Signed): Fork {
  const { raw, generation } = part;
  const proof = proofOfTwo(held, raw);
  return { part, generation, proof };
}
