/**
 * The asking side of walk 2: pulls from one peer, for one database, what this device lacks, and goes on with what happens
 * later. A round asks for the groups' scopes first, then for the collections', so that who may write is known before
 * what they wrote.
 */

import {
  assert,
  type Clock,
  type Crypto,
  type GenVector,
  type Logger,
  type LogKey,
  type ScopeId,
  type ScopeKey,
  scopeKeyOf,
} from "../base/index.ts";
import type { History, Receipt, Written } from "../history/index.ts";
import { type Connection, FramedStream } from "../net/index.ts";
import {
  type CaughtUp,
  create,
  decodeDeltaFrame,
  type DeltaFrame,
  DeltaMode,
  DeltaRequestSchema,
  encode,
  type RoundBegins,
  scopeFromWire,
} from "../wire/index.ts";
import { BranchedLogs, modeOf } from "./branched-logs.ts";
import type { PageBudget } from "./budget.ts";
import { CatchUps, type PullProgress } from "./catch-up.ts";
import { DELTAS_PROTOCOL, hearWho, sayWho } from "./begin-stream.ts";
import type { PeerKnowledges } from "./peer-knowledge.ts";
import type { Crowds } from "./crowd.ts";
import { refusalError, SyncError } from "./errors.ts";
import { inTime } from "./in-time.ts";
import { Intake, LARGE_PAGE_BYTES } from "./intake.ts";
import { PART_MS_MAX, PART_TIMEOUT_MS } from "./limits.ts";
import { Offers } from "./offers.ts";
import {
  claimFromWire,
  fittingClaims,
  knowledgeToWire,
  PartCollector,
  type ScopeClaim,
} from "./page.ts";
import { type Reconciliations, Sums } from "./sums.ts";
import { Uncompared } from "./uncompared.ts";
import { WaitingLogs } from "./waiting-logs.ts";

export interface InitiatorDeps {
  readonly history: History;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly budget: PageBudget;
  readonly knowledge: PeerKnowledges;
  readonly crowds: Crowds;
  readonly reconciliations: Reconciliations;
  /** The peer has passed over a group that was asked for. */
  readonly onPassedOver: () => void;
}

/** The scopes to pull, by mode. */
export type ScopesOf = (mode: DeltaMode) => readonly ScopeId[];

/** One deltas stream, from our side. */
export class Initiator {
  readonly #deps: InitiatorDeps;
  readonly #connection: Connection;
  readonly #database: string;
  readonly #scopesOf: ScopesOf;
  readonly #isAcquaintance: (scope: ScopeId) => boolean;
  readonly #collector = new PartCollector();
  /** Last asked for, by mode. */
  readonly #asked = new Map<DeltaMode, ReadonlySet<ScopeKey>>();
  /** Asked for on this stream at any time: an answer may be under way when a later request leaves a scope out. */
  readonly #everAsked = new Map<ScopeKey, ScopeId>();
  /** Rounds that have not been caught up, by number. */
  readonly #open = new Map<number, DeltaMode>();
  /** Rounds that a later one of their mode has replaced: whether the peer still ends them depends on when it knew. */
  readonly #replaced = new Map<number, DeltaMode>();
  readonly #waiting: WaitingLogs;
  readonly #branched: BranchedLogs;
  readonly #intake: Intake;
  readonly #sums: Sums;
  readonly #uncompared: Uncompared;
  readonly #catchUps: CatchUps;
  readonly #offers: Offers;
  /** What the peer has said that it knows, until it has said so of everything. */
  #words: GenVector[] = [];
  /** The first scope that the next request of a mode names, where one does not hold all. */
  readonly #first = new Map<DeltaMode, number>();
  #isOpened = false;
  #heard = (): void => {};
  #frames: FramedStream | undefined;
  #sending: Promise<void> = Promise.resolve();
  #pageBegan: number | undefined;
  /** Bytes of the frames of a page that has begun and not ended. */
  #pageBytes = 0;
  #round = 0;
  #rows = 0;

  /** `isAcquaintance`: whether the peer is told nothing of a scope, and its word about our log in it does not count. */
  constructor(
    deps: InitiatorDeps,
    connection: Connection,
    database: string,
    scopesOf: ScopesOf,
    isAcquaintance: (scope: ScopeId) => boolean = () => false,
  ) {
    this.#deps = deps;
    this.#connection = connection;
    this.#database = database;
    this.#scopesOf = scopesOf;
    this.#isAcquaintance = isAcquaintance;
    this.#catchUps = new CatchUps(deps.history);
    this.#waiting = new WaitingLogs(deps, () => this.#askAgain(new Set()));
    this.#branched = new BranchedLogs(deps.history);
    const crowd = deps.crowds.of(database);
    this.#offers = new Offers(deps, crowd, (mode) => this.#askLater(mode));
    this.#sums = new Sums(deps, connection.peer);
    this.#uncompared = new Uncompared(deps.clock, crowd, (mode) => this.#askLater(mode));
    this.#intake = new Intake(
      { ...deps, crowd },
      connection.peer,
      database,
      (receipt, heads) => this.#took(receipt, heads),
      () => this.#frames?.stream.reset(), // With the next frame it would be too late: there may be none.
    );
  }

  get progress(): PullProgress {
    const stream = this.#frames?.stream;
    const isCatchingUp = this.#asked.size < 2 || this.#open.size > 0;
    const state = !this.#isOpened ? "opening" : isCatchingUp ? "catchingUp" : "live";
    return {
      state,
      rows: this.#rows,
      bytes: stream === undefined ? 0 : stream.bytesIn + stream.bytesOut,
      catchingUp: this.#catchUps.all,
    };
  }

  /**
   * Pulls until the stream ends or `signal` aborts.
   *
   * @throws a coded error; `isPeerFault` tells whose doing it was.
   */
  async run(signal: AbortSignal): Promise<void> {
    this.#heard = this.#deps.history.expectWord(this.#database);
    await this.#run(signal).finally(this.#heard);
  }

  async #run(signal: AbortSignal): Promise<void> {
    const stream = await this.#connection.open(DELTAS_PROTOCOL, { signal });
    const frames = new FramedStream({ stream, clock: this.#deps.clock });
    const stop = this.#deps.history.onWritten((written) => this.#onWritten(written));
    const abort = (): void => stream.reset();
    signal.addEventListener("abort", abort, { once: true });
    try {
      signal.throwIfAborted();
      await sayWho(this.#deps, frames, this.#database);
      this.#frames = frames;
      // Without waiting for who the peer is, or for the groups: it answers in this order.
      this.#askLater(DeltaMode.SYNCGROUPS);
      if (this.#scopesOf(DeltaMode.DATA).length > 0) this.#askLater(DeltaMode.DATA);
      await hearWho(this.#deps, frames, this.#connection.peer);
      this.#isOpened = true;
      for (
        let frame = await this.#next(frames);
        frame !== undefined;
        frame = await this.#next(frames)
      )
        await this.#take(frame, stream.ended);
      await this.#intake.flush();
    } catch (error) {
      stream.reset();
      await this.#intake.close();
      // What was wrong with a page counts for more than that its sender left before we had looked at it.
      throw this.#intake.failure ?? error;
    } finally {
      signal.removeEventListener("abort", abort);
      stop();
      stream.reset();
      await this.#intake.close();
    }
  }

  /** Asks again where the scopes to pull have changed. */
  refresh(): void {
    for (const [mode, asked] of this.#asked) {
      const wanted = this.#scopesOf(mode);
      if (asked.size === wanted.length && wanted.every((scope) => asked.has(scopeKeyOf(scope))))
        continue;
      this.#askLater(mode);
    }
  }

  /** Sends a request with what is known now; the peer's answers to earlier ones of the mode end with it. */
  #ask(mode: DeltaMode): Promise<void> {
    const frames = this.#frames;
    assert(frames !== undefined, "a stream is open when something is asked");
    const first = this.#first.get(mode) ?? 0;
    const wanted = this.#scopesOf(mode).map((scope) => ({
      scope,
      vector: this.#knowledgeOf(scope),
    }));
    const known = fittingClaims(wanted, first);
    this.#first.set(mode, first + known.length);
    this.#round += 1;
    for (const [round, of] of this.#open) {
      if (of !== mode) continue;
      this.#open.delete(round);
      this.#replaced.set(round, of);
    }
    this.#open.set(this.#round, mode);
    this.#asked.set(mode, new Set(known.map(({ scope }) => scopeKeyOf(scope))));
    for (const { scope } of known) this.#everAsked.set(scopeKeyOf(scope), scope);
    const scopes = known.map((claim) => {
      if (this.#isAcquaintance(claim.scope)) return knowledgeToWire(claim, NO_SUM, false);
      const sum = this.#deps.history.scope(claim.scope)?.access.controlSum(this.#deps.crypto);
      const controls = this.#sums.ask(scopeKeyOf(claim.scope), this.#round);
      return knowledgeToWire(claim, sum ?? NO_SUM, controls);
    });
    const request = create(DeltaRequestSchema, { round: this.#round, mode, scopes, live: true });
    this.#sending = this.#sending.then(() => frames.send(encode(DeltaRequestSchema, request)));
    return this.#sending;
  }

  /** What is known of a scope: nothing, where all of it is to be sent, or the peer is told nothing. */
  #knowledgeOf(scope: ScopeId): GenVector {
    if (this.#isAcquaintance(scope) || this.#sums.reconciling.has(scopeKeyOf(scope)))
      return NOTHING;
    const known = this.#deps.history.scope(scope)?.vector() ?? NOTHING;
    return this.#branched.lessen(scopeKeyOf(scope), known);
  }

  #askLater(mode: DeltaMode): void {
    // The stream's own reader meets the failure; here it has nobody to go to.
    this.#ask(mode).catch(() => {});
  }

  /** The next frame. Within a page it has to come in time: a page under way holds memory that others wait for. */
  async #next(frames: FramedStream): Promise<Uint8Array | undefined> {
    const { clock } = this.#deps;
    if (!this.#isWithinPage) {
      this.#pageBegan = undefined;
      return frames.receive();
    }
    this.#pageBegan ??= clock.monotonic();
    const left = this.#pageBegan + PART_MS_MAX - clock.monotonic();
    return inTime(
      clock,
      frames.receive(),
      Math.min(PART_TIMEOUT_MS, left),
      "Cannot pull: the peer stopped within a page",
    );
  }

  async #take(bytes: Uint8Array, ended: AbortSignal): Promise<void> {
    const frame = decodeDeltaFrame(bytes);
    if (frame.refused !== undefined) throw refusalError(frame.refused.code, frame.refused.message);
    if (frame.fromScratch !== undefined || frame.opened !== undefined) {
      throw new SyncError("SYNC_PROTOCOL", "Cannot pull: the peer sent what was not due");
    }
    // What brings nothing to be written would be held until something does.
    if (frame.commits.length > 0 || frame.pageEnd !== undefined)
      await this.#intake.hold(bytes.length, this.#isWithinPage, ended);
    if (frame.commits.length > 0) this.#pageBytes += bytes.length;
    if (this.#pageBytes > LARGE_PAGE_BYTES)
      throw new SyncError("SYNC_PROTOCOL", "Cannot pull: a page does not end");
    this.#intake.add(this.#collector.add(frame.commits));
    if (frame.pageEnd !== undefined) await this.#endPage(frame);
    else if (this.#isWithinPage && !this.#collector.isOpen && !this.#intake.mayLackParts) {
      throw new SyncError(
        "SYNC_PROTOCOL",
        "Cannot pull: a frame ends neither a page nor within a commit",
      );
    }
    if (frame.begins !== undefined) this.#beginRound(frame.begins);
    if (frame.caughtUp !== undefined) await this.#catchUp(frame.caughtUp);
    for (const claim of this.#noteKnown(frame.offer?.vectors.map(claimFromWire) ?? []))
      this.#offers.note(claim, ended);
  }

  /** Takes note of what the peer holds; answers what of that we have asked it for. */
  #noteKnown(claims: readonly ScopeClaim[]): readonly ScopeClaim[] {
    const known = this.#deps.knowledge.at(this.#connection);
    const asked = claims.filter(({ scope }) => this.#everAsked.has(scopeKeyOf(scope)));
    for (const claim of asked) known.note(claim);
    return asked;
  }

  /** What is said of a round that was replaced meanwhile is out of date. */
  #beginRound(begins: RoundBegins): void {
    const mode = this.#open.get(begins.round);
    if (mode !== undefined) this.#catchUps.begin(begins, this.#asked.get(mode) ?? new Set());
  }

  get #isWithinPage(): boolean {
    return this.#pageBytes > 0;
  }

  async #endPage({ pageEnd }: DeltaFrame): Promise<void> {
    if (this.#collector.isOpen)
      throw new SyncError("SYNC_PROTOCOL", "Cannot pull: a page ends within a commit");
    this.#pageBytes = 0;
    const claims = pageEnd?.vectors.map(claimFromWire) ?? [];
    // Now, not when it is written here: that is when it would be sent back.
    this.#noteKnown(claims);
    await this.#intake.endPage(claims, this.#everAsked, {
      isLive: this.#open.size === 0,
      isLoose: pageEnd?.loose === true,
      restores: new Set(this.#sums.reconciling.keys()),
      isFromStart: (scope, log) => this.#branched.isFromStart(scope, log),
    });
  }

  async #catchUp({ round, scopes }: CaughtUp): Promise<void> {
    if (this.#isWithinPage)
      throw new SyncError("SYNC_PROTOCOL", "Cannot pull: the peer ended a round within a page");
    await this.#intake.flush();
    const mode = this.#open.get(round) ?? this.#replaced.get(round);
    if (mode === undefined)
      throw new SyncError("SYNC_PROTOCOL", "Cannot pull: the peer ended a round that was not open");
    if (this.#open.delete(round)) {
      this.#catchUps.end(mode);
      this.#branched.end(this.#asked.get(mode) ?? []);
    }
    this.#offers.noteAnswered(mode);
    for (const [earlier, of] of this.#replaced)
      if (of === mode && earlier <= round) this.#replaced.delete(earlier);
    let isToAsk = false;
    let isAlike = true;
    const due = new Set(this.#everAsked.keys());
    for (const sum of scopes) {
      // Once each, and nothing of what was not asked for: it may be there or not.
      if (sum.scope === undefined || !due.delete(scopeKeyOf(scopeFromWire(sum.scope)))) continue;
      const told = await this.#sums.take(sum, round, (scope) => !this.#isAcquaintance(scope));
      if (!this.#isAcquaintance(scopeFromWire(sum.scope))) this.#words.push(told.vector);
      isToAsk ||= told.isToAsk;
      isAlike &&= told.isAlike;
    }
    const asked = this.#asked.get(mode)?.size ?? 0;
    if (mode === DeltaMode.SYNCGROUPS && scopes.length < asked) this.#deps.onPassedOver();
    // Of what one request does not hold, others are asked for the next time. [SY117]
    if (asked < this.#scopesOf(mode).length)
      this.#uncompared.notePartial([mode], this.#frames?.stream.ended);
    // What was replaced is asked for again anyway.
    if (isToAsk) await this.#ask(mode);
    else this.#uncompared.note(mode, isAlike, this.#frames?.stream.ended);
    if (mode === DeltaMode.DATA) this.#hear();
    // The first answer about groups may have brought the first collections.
    if (!this.#asked.has(DeltaMode.DATA)) await this.#ask(DeltaMode.DATA);
  }

  /** All that the peer has of our log is here by now, or it has shown that we have lost some of it. */
  #hear(): void {
    for (const vector of this.#words) this.#deps.history.hearWord(this.#database, vector);
    this.#words = [];
    this.#heard();
  }

  #took({ rows, waiting }: Receipt, headsBefore: ReadonlyMap<ScopeKey, string>): void {
    this.#rows += rows;
    const due = new Set<DeltaMode>();
    for (const { scope: key, log, isOfBranch } of waiting) {
      const scope = this.#everAsked.get(key);
      if (scope === undefined) continue;
      this.#waiting.add(scope, log, headsBefore.get(key) ?? "");
      if (isOfBranch === true && this.#branched.add(key, log)) due.add(modeOf(scope));
    }
    // The control log may have grown in the very write that made it wait.
    if (waiting.length > 0) this.#askAgain(due);
  }

  #onWritten(written: Written): void {
    if (written.database !== this.#database) return;
    this.#uncompared.noteWritten();
    if (written.isPartial === true)
      this.#uncompared.notePartial(this.#asked.keys(), this.#frames?.stream.ended);
    this.#askAgain(this.#branched.lowered(written));
  }

  /** Asks again in these modes, and for what has waited. */
  #askAgain(due: ReadonlySet<DeltaMode>): void {
    const ended = this.#frames?.stream.ended;
    const modes = this.#waiting.size === 0 ? due : new Set([...due, ...this.#waiting.due(ended)]);
    for (const mode of modes) if (this.#asked.has(mode)) this.#askLater(mode);
  }
}

const NOTHING: ReadonlyMap<LogKey, number> = new Map();
const NO_SUM = new Uint8Array();
