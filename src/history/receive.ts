/**
 * Second half of a receipt: walk 2 of ARCHITECTURE.md, from checked parts to one store write. The order of the checks is
 * a rule, because each keeps a peer from making us pay for the next. [HI12]
 */

import { type ControlId, type VerifiedOp, verifyControlOp } from "../access/index.ts";
import {
  deviceKeyOf,
  type Logger,
  type LogKey,
  type Random,
  type ScopeKey,
  toHex,
} from "../base/index.ts";
import { controlsOnly, HistoryError, partSize } from "../records/index.ts";
import { ownLogKey, type StagedScope, type Turn, type TurnDeps } from "../turns/index.ts";
import type { Identity } from "./author.ts";
import { isCounted, isSeen, mayHaveLog } from "./counting.ts";
import { proveForks } from "./forks.ts";
import { type Delivery, type FreshParts, freshOf } from "./fresh-parts.ts";
import { beginIncarnation } from "./own-log.ts";
import type { PreparedPart } from "./prepare.ts";
import { growControls, hasRight, obstacleOf, takeBackUncounted, takeInCounted } from "./recount.ts";
import { addControls, takePart, type VerifiedOps } from "./take-part.ts";

export interface ReceiveDeps extends TurnDeps {
  readonly random: Random;
  readonly identity: Identity;
  readonly logger: Logger;
}

/** A log that cannot be claimed further in a scope before its control log has grown. */
export interface WaitingLog {
  readonly scope: ScopeKey;
  readonly log: LogKey;
  /** First generation that is not claimed. */
  readonly generation: number;
  /** It is of another branch than what is held, and where that begins is to be seen by all of the log alone. [HI91] */
  readonly isOfBranch?: boolean | undefined;
}

/** What a delivery came to. */
export interface Receipt {
  /** Row ops that were taken. */
  readonly rows: number;
  /** Parts that were here already. */
  readonly duplicates: number;
  /** Parts that are held and do not count yet. */
  readonly aside: number;
  /** What was left with the sender. */
  readonly waiting: readonly WaitingLog[];
}

/**
 * Checks a delivery and adds it to the turn.
 *
 * @throws {HistoryError} `HISTORY_UNASKED`, `HISTORY_MALFORMED`, `HISTORY_FORK`, `HISTORY_SIGNATURE_INVALID`,
 *   `HISTORY_UNAUTHORISED`: the peer is at fault, and nothing of the delivery may be written.
 * @throws {CutTooLarge}
 */
export async function receiveDelivery(
  deps: ReceiveDeps,
  turn: Turn,
  delivery: Delivery,
): Promise<Receipt> {
  const fresh = await freshOf(deps, turn, delivery);
  const taken = [...fresh.parts, ...fresh.loose, ...fresh.rivals, ...fresh.strays];
  const controls = await verifyControls(deps, taken);
  await verifySignatures(deps, [...new Set([...taken, ...fresh.forks.map(({ part }) => part)])]);
  const receiver = new Receiver(deps, turn, delivery, controls);
  await receiver.take(fresh);
  await proveForks(deps, turn, fresh.forks);
  for (const stray of fresh.strays) receiver.takeStray(stray);
  for (const part of fresh.branched) receiver.noteBranch(part);
  return {
    rows: receiver.rows,
    duplicates: delivery.parts.length - fresh.parts.length,
    aside: receiver.aside,
    waiting: receiver.waiting(),
  };
}

/** The control ops of these parts, by id, what is signed in them for itself checked. */
async function verifyControls(
  { crypto }: ReceiveDeps,
  parts: readonly PreparedPart[],
): Promise<Map<ControlId, VerifiedOp>> {
  const verified = new Map<ControlId, VerifiedOp>();
  for (const part of parts)
    for (const { id, op } of part.controls)
      verified.set(id, await verifyControlOp({ crypto }, part.scope, op));
  return verified;
}

/** Signatures of all that would be stored: a device's name is its key. */
async function verifySignatures(
  { crypto }: ReceiveDeps,
  parts: readonly PreparedPart[],
): Promise<void> {
  const checks = parts.map(({ author, digest, raw }) => ({
    publicKey: deviceKeyOf(author),
    message: digest,
    signature: raw.signature,
  }));
  if ((await crypto.verify(checks)).every(Boolean)) return;
  throw new HistoryError(
    "HISTORY_SIGNATURE_INVALID",
    "Cannot take commit: its signature is not its author's",
  );
}

class Receiver {
  rows = 0;
  aside = 0;
  readonly #deps: ReceiveDeps;
  readonly #turn: Turn;
  readonly #delivery: Delivery;
  readonly #controls: VerifiedOps;
  readonly #waiting = new Map<string, WaitingLog>();

  constructor(deps: ReceiveDeps, turn: Turn, delivery: Delivery, controls: VerifiedOps) {
    this.#deps = deps;
    this.#turn = turn;
    this.#delivery = delivery;
    this.#controls = controls;
  }

  waiting(): WaitingLog[] {
    return [...this.#waiting.values()];
  }

  /** Control ops first: which parts count is decided by all of them. */
  async take({ parts, loose, rivals, strays, unclear }: FreshParts): Promise<void> {
    const scopes = new Map<ScopeKey, StagedScope>();
    const all = [...parts, ...loose, ...rivals, ...strays];
    for (const { scopeKey, scope } of all) scopes.set(scopeKey, this.#turn.scope(scope));
    for (const part of [...parts, ...loose]) this.#beginAgainIfRolledBack(part);
    const bringing = all.filter(({ controls }) => controls.length > 0);
    await this.#growControls([...scopes.values()], bringing);
    for (const scope of scopes.values()) await takeBackUncounted(this.#deps, this.#turn, scope);
    await this.#loadRows(parts);
    for (const part of parts) {
      if (unclear.has(part)) this.#wait(part, true);
      else this.#takePart(part);
    }
    for (const part of loose) await this.#takeLoose(part);
    for (const part of rivals) this.#keepRival(part);
    // A holder record may say less than it did.
    for (const scope of scopes.values()) await takeBackUncounted(this.#deps, this.#turn, scope);
    for (const scope of scopes.values()) await takeInCounted(this.#deps, this.#turn, scope);
  }

  /** Adds all control ops whose parents are held, or come with them: each part is looked at again when what it waits for is there. */
  async #growControls(
    scopes: readonly StagedScope[],
    parts: readonly PreparedPart[],
  ): Promise<void> {
    const waiting = new Map<ControlId, PreparedPart[]>();
    let due = parts;
    while (due.length > 0) {
      const sizes = scopes.map(({ control }) => control.size);
      const others = this.#addAll(due, waiting);
      for (const scope of scopes) await growControls(this.#deps, this.#turn, scope);
      // What was added may vouch for others, and parts aside may have brought parents.
      const hasGrown = scopes.some(({ control }, i) => control.size > (sizes[i] as number));
      due = hasGrown ? [...others, ...[...waiting.values()].flat()] : [];
      waiting.clear();
    }
  }

  /** Adds control ops of these parts, and of those that wait for them. Answers which wait for something else than a parent. */
  #addAll(
    parts: readonly PreparedPart[],
    waiting: Map<ControlId, PreparedPart[]>,
  ): readonly PreparedPart[] {
    const others: PreparedPart[] = [];
    const due = parts.toReversed();
    for (let part = due.pop(); part !== undefined; part = due.pop()) {
      const { access } = this.#turn.scope(part.scope);
      const missing = part.controlHeads.find((id) => !access.has(id));
      if (missing !== undefined) {
        const same = waiting.get(missing);
        if (same === undefined) waiting.set(missing, [part]);
        else same.push(part);
        continue;
      }
      if (!this.#addControls(part)) {
        others.push(part);
        continue;
      }
      for (const { id } of part.controls) {
        due.push(...(waiting.get(id) ?? []));
        waiting.delete(id);
      }
    }
    return others;
  }

  /** Whether a part's control ops are in the control log now. */
  #addControls(part: PreparedPart): boolean {
    const scope = this.#turn.scope(part.scope);
    if (part.controls.every(({ id }) => scope.access.has(id))) return true;
    if (obstacleOf(this.#deps, scope, part, this.#isVouched(part)) !== undefined) return false;
    const rejection = addControls(this.#deps, this.#turn, scope, part, this.#controls);
    // Without effect for ever: kept, so that all hold the same log, but its author need not have sent it.
    const isFault = rejection !== undefined && rejection !== "frozen";
    if (isFault && part.author === this.#delivery.from) refuseAuthor();
    return true;
  }

  /** Whether somebody who has a right here hands the part on: its control ops are in their control log. */
  #isVouched({ scope, author }: PreparedPart): boolean {
    const { from } = this.#delivery;
    return author !== from || hasRight(this.#turn.scope(scope).access, from);
  }

  async #loadRows(parts: readonly PreparedPart[]): Promise<void> {
    const byScope = Map.groupBy(parts, (part) => part.scopeKey);
    for (const ofScope of byScope.values()) {
      const scope = this.#turn.scope((ofScope[0] as PreparedPart).scope);
      await this.#turn.loadRows(
        scope,
        ofScope.flatMap((part) => part.rows.map((row) => row.name)),
      );
    }
  }

  #takePart(part: PreparedPart): void {
    const place = `${part.scopeKey} ${part.log}`;
    const scope = this.#turn.scope(part.scope);
    if (this.#waiting.has(place)) return this.#keepControls(part, scope);
    const log = this.#deps.interner.knownLog(part.log);
    const end = log === undefined ? undefined : scope.aside.log(log)?.end;
    // Taken without what came before it, that would never be asked for again.
    const follows = part.previousGeneration <= Math.max(end ?? 0, generationOf(scope, part.log));
    if (end === undefined && follows && isCounted(scope, part)) {
      if (isSeen(this.#deps, part, scope) && mayHaveLog(this.#deps, part.log, scope))
        return this.#count(part, scope);
    } else {
      if (end === undefined && follows) this.#refuseAuthorOf(part, scope);
      const isHere = end !== undefined && part.generation <= end;
      if ((follows || isHere) && this.#layAside(part, scope, false)) {
        this.aside += 1;
        return;
      }
    }
    this.#wait(part, false);
  }

  /** Leaves a part with its sender. */
  #wait(part: PreparedPart, isOfBranch: boolean): void {
    this.#noteWaiting(part, isOfBranch);
    this.#keepControls(part, this.#turn.scope(part.scope));
  }

  #noteWaiting({ scopeKey, log, generation }: PreparedPart, isOfBranch: boolean): void {
    const place = `${scopeKey} ${log}`;
    if (!this.#waiting.has(place))
      this.#waiting.set(place, { scope: scopeKey, log, generation, isOfBranch });
  }

  /** A part of another branch whose beginning is to be asked for, once all else has been taken. */
  noteBranch(part: PreparedPart): void {
    this.#noteWaiting(part, true);
  }

  /**
   * A part that another branch of its log has passed over lies aside, now that the fork is proven: where the log is ours it is
   * authored again from there. Where we cannot prove it, what others have built on it is kept.
   */
  takeStray(part: PreparedPart): void {
    const scope = this.#turn.scope(part.scope);
    if (part.generation > generationOf(scope, part.log)) this.#layAside(part, scope, false);
    else if (part.controls.length > 0) this.#keepRival(part);
  }

  /** Others may build on what is in the control log, so it can be handed on, also where its part is left with its sender. [HI71] */
  #keepControls(part: PreparedPart, scope: StagedScope): void {
    const { controls, generation } = part;
    if (controls.length === 0 || !controls.every(({ id }) => scope.access.has(id))) return;
    const log = this.#deps.interner.log(part.log);
    if (scope.aside.get(log, generation) === undefined) this.#layAside(part, scope, true);
  }

  #count(part: PreparedPart, scope: StagedScope): void {
    this.#turn.refuseRefs(part.refs);
    // Its control ops may have come before it.
    const log = this.#deps.interner.log(part.log);
    this.#turn.staged.dropAside(scope, log, part.generation);
    takePart(this.#deps, this.#turn, scope, part);
    this.rows += part.rows.length;
  }

  async #takeLoose(part: PreparedPart): Promise<void> {
    const scope = this.#turn.scope(part.scope);
    if (part.generation <= generationOf(scope, part.log)) return;
    const log = this.#deps.interner.knownLog(part.log);
    const known = log === undefined ? undefined : scope.aside.get(log, part.generation);
    if (log === undefined || known === undefined || known.isLoose) {
      this.#layAside(part, scope, true);
      return;
    }
    // Its rows are here: what has come is only that somebody vouches for it.
    const { part: raw } = await this.#turn.staged.aside(scope, log, part.generation);
    this.#layAside({ ...part, raw }, scope, false);
  }

  /** Keeps the control ops of a commit whose place is another's: what others have built on them stands nowhere without. [HI81] */
  #keepRival(part: PreparedPart): void {
    const { generation, controls, raw } = part;
    const scope = this.#turn.scope(part.scope);
    const log = this.#deps.interner.log(part.log);
    const digest = toHex(part.digest);
    const known = scope.rivals.get(log, generation, digest);
    const isVouched = known?.isVouched === true || this.#isVouched(part);
    const isHeld = controls.every(({ id }) => scope.access.has(id));
    const awaits = isHeld ? undefined : obstacleOf(this.#deps, scope, part, isVouched);
    const record = { part: controlsOnly(this.#deps.crypto, raw), isVouched };
    const size = partSize(record.part);
    // Left with the sender, who sends it again with its next stream.
    if (!isHeld && known === undefined && !scope.rivals.hasRoom(size)) return;
    this.#turn.staged.putRival(scope, { log, generation, digest, size, isVouched, awaits }, record);
  }

  /** Lays a part aside, and notes what its control ops have brought. `false`: there is no room for it. */
  #layAside(part: PreparedPart, scope: StagedScope, isLoose: boolean): boolean {
    const { generation, controls } = part;
    const number = this.#deps.interner.knownLog(part.log);
    const { access } = scope;
    const isHeld = controls.every(({ id }) => access.has(id));
    const isVouched = this.#isVouched(part);
    const awaits = isHeld ? undefined : obstacleOf(this.#deps, scope, part, isVouched);
    const size = partSize(part.raw);
    const known = number === undefined ? undefined : scope.aside.get(number, generation);
    const isNew = known === undefined || (known.isLoose && !isLoose);
    const hasRoom = !isNew || scope.aside.hasRoom(number, size);
    if (!hasRoom && (controls.length === 0 || !isHeld)) return false;
    const log = this.#deps.interner.log(part.log);
    if (controls.length > 0 && isHeld) this.#turn.staged.addBare(scope, log, generation);
    // What its control ops are served from is kept; its rows are left with who has them.
    const raw = hasRoom && !isLoose ? part.raw : controlsOnly(this.#deps.crypto, part.raw);
    const flags = {
      isLoose: isLoose || !hasRoom,
      isVouched: isVouched || known?.isVouched === true,
      hasCounted: known?.hasCounted === true,
    };
    const entry = { ...flags, generation, size, awaits };
    this.#turn.staged.putAside(scope, log, entry, { ...flags, part: raw });
    return hasRoom;
  }

  /** Who sends what it may not make itself is at fault, unless it is of a later version, or does not know yet that it may not. */
  #refuseAuthorOf(part: PreparedPart, scope: StagedScope): void {
    const isBeyond = part.generation > scope.access.frozenAfter(part.log);
    if (part.author !== this.#delivery.from || isBeyond) return;
    // What gives it the right, or room, may have been kept from us by somebody else; what takes it away, from it.
    if (obstacleOf(this.#deps, scope, part, true) === undefined) refuseAuthor();
  }
  /** A peer holds a commit of ours that we do not, counted or not: this store is older than what we have sent. [HI14] */
  #beginAgainIfRolledBack({ log, scope: id, generation }: PreparedPart): void {
    const { database } = this.#turn;
    if (log !== ownLogKey(this.#deps.identity.device, database.own)) return;
    const scope = this.#turn.scope(id);
    const isAside = scope.aside.get(this.#deps.interner.log(log), generation) !== undefined;
    if (isAside || generation <= generationOf(scope, log)) return;
    beginIncarnation(this.#deps, this.#turn, "rolledBack");
  }
}

/** The last generation of a log that counts in the scope; 0: none. */
function generationOf({ state, vector }: StagedScope, log: LogKey): number {
  return state.generationIn(vector, log);
}

function refuseAuthor(): never {
  throw new HistoryError(
    "HISTORY_UNAUTHORISED",
    "Cannot take commit: its author, who sent it, may not make it",
  );
}
