/**
 * Second half of a receipt: walk 2 of ARCHITECTURE.md, from checked parts to one store write. The order of the checks is
 * a rule, because each keeps a peer from making us pay for the next. [HI12]
 */

import { canReduce, type Certified, type VerifiedOp, verifyControlOp } from "../access/index.ts";
import {
  assert,
  type DeviceId,
  type GenVector,
  type Logger,
  logIdOf,
  type LogKey,
  type Random,
  type ScopeId,
  type ScopeKey,
  type SignatureCheck,
  deviceKeyOf,
} from "../base/index.ts";
import { encodeStoredCommit } from "../wire/index.ts";
import type { Identity } from "./author.ts";
import {
  type ControlDot,
  controlEntry,
  controlRecord,
  HistoryError,
  encodeHeld,
} from "../records/index.ts";
import { mayWriteRow } from "./authority.ts";
import { withoutDuplicates } from "./fresh-parts.ts";
import { beginIncarnation } from "./incarnation.ts";
import { DEVICE_LOGS_MAX, SCOPE_LOGS_MAX } from "./limits.ts";
import type { PreparedControl, PreparedPart, PreparedRow } from "./prepare.ts";
import { ownLogKey } from "./state.ts";
import type { StagedScope, Turn, TurnDeps } from "./turn.ts";

export interface ReceiveDeps extends TurnDeps {
  readonly random: Random;
  readonly identity: Identity;
  readonly logger: Logger;
}

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
  readonly claims: readonly { readonly scope: ScopeId; readonly vector: GenVector }[];
}

/** A log that cannot be claimed further in a scope before its control log has grown. */
export interface WaitingLog {
  readonly scope: ScopeKey;
  readonly log: LogKey;
  /** First generation that is not claimed. */
  readonly generation: number;
}

/** What a delivery came to. */
export interface Receipt {
  /** Row ops that were taken. */
  readonly rows: number;
  /** Parts that were here already. */
  readonly duplicates: number;
  readonly waiting: readonly WaitingLog[];
}

/**
 * Checks a delivery and adds it to the turn.
 *
 * @throws {HistoryError} `HISTORY_UNASKED`, `HISTORY_MALFORMED`, `HISTORY_FORK`, `HISTORY_SIGNATURE_INVALID`,
 *   `HISTORY_UNAUTHORISED`: the peer is at fault, and nothing of the delivery may be written.
 */
export async function receiveDelivery(
  deps: ReceiveDeps,
  turn: Turn,
  delivery: Delivery,
): Promise<Receipt> {
  const fresh = await withoutDuplicates(deps, turn, delivery);
  const controls = await verifyControls(deps, fresh);
  await verifySignatures(deps, turn, fresh, controls);
  const receiver = new Receiver(deps, turn, delivery, controls);
  await receiver.takeAll(fresh);
  return {
    rows: receiver.rows,
    duplicates: delivery.parts.length - fresh.length,
    waiting: receiver.waiting(),
  };
}

/** The control ops of these parts, by id, their certificates checked. */
async function verifyControls(
  { crypto }: ReceiveDeps,
  parts: readonly PreparedPart[],
): Promise<Map<string, VerifiedOp>> {
  const verified = new Map<string, VerifiedOp>();
  for (const part of parts) {
    for (const { id, op } of part.controls)
      verified.set(id, await verifyControlOp({ crypto }, part.scope, op));
  }
  return verified;
}

/** Signatures of all authors that are known, or become known by these parts; the others wait unchecked. */
async function verifySignatures(
  { crypto }: ReceiveDeps,
  turn: Turn,
  parts: readonly PreparedPart[],
  controls: ReadonlyMap<string, VerifiedOp>,
): Promise<void> {
  const introduced = new Set<DeviceId>();
  for (const op of controls.values()) if (op.type === "device") introduced.add(op.certified.device);
  const checks: SignatureCheck[] = [];
  for (const { scope, author, digest, raw } of parts) {
    if (turn.scope(scope).access.userOf(author) === undefined && !introduced.has(author)) continue;
    checks.push({ publicKey: deviceKeyOf(author), message: digest, signature: raw.signature });
  }
  if ((await crypto.verify(checks)).every(Boolean)) return;
  throw new HistoryError(
    "HISTORY_SIGNATURE_INVALID",
    "Cannot take commit: its signature is not its author's",
  );
}

class Receiver {
  rows = 0;
  readonly #deps: ReceiveDeps;
  readonly #turn: Turn;
  readonly #delivery: Delivery;
  readonly #controls: ReadonlyMap<string, VerifiedOp>;
  readonly #waiting = new Map<string, WaitingLog>();

  constructor(
    deps: ReceiveDeps,
    turn: Turn,
    delivery: Delivery,
    controls: ReadonlyMap<string, VerifiedOp>,
  ) {
    this.#deps = deps;
    this.#turn = turn;
    this.#delivery = delivery;
    this.#controls = controls;
  }

  waiting(): WaitingLog[] {
    return [...this.#waiting.values()];
  }

  async takeAll(parts: readonly PreparedPart[]): Promise<void> {
    const names = Map.groupBy(parts, (part) => part.scopeKey);
    for (const ofScope of names.values()) {
      const scope = this.#turn.scope((ofScope[0] as PreparedPart).scope);
      await this.#turn.loadRows(
        scope,
        ofScope.flatMap((part) => part.rows.map((row) => row.name)),
      );
    }
    for (const part of parts) this.#take(part);
  }

  #take(part: PreparedPart): void {
    const place = `${part.scopeKey} ${part.log}`;
    if (this.#waiting.has(place)) return;
    const scope = this.#turn.scope(part.scope);
    const log = this.#deps.interner.log(part.log);
    // Taken without what came before it, that would never be asked for again.
    const isNext = part.previousGeneration <= (scope.vector.get(log) ?? 0);
    const isDue = isNext && isSeen(part, scope) && this.#mayHaveLog(part, scope);
    if (!isDue || !this.#isReady(part, scope)) {
      if (isDue) this.#refuseAuthorOf(part);
      const { scopeKey, generation } = part;
      this.#waiting.set(place, { scope: scopeKey, log: part.log, generation });
      return;
    }
    this.#turn.refuseRefs(part.refs);
    this.#observe(part);
    this.#beginAgainIfRolledBack(part);
    this.#addControls(part, scope, log);
    for (const row of part.rows) this.#mergeRow(part, scope, log, row);
    this.#turn.addPart(scope, log, part.generation, this.#record(part));
    this.#turn.raise(scope, part.log, part.generation);
    this.rows += part.rows.length;
  }

  /**
   * Whether there is room for one more log: knowledge names each in every request. A device begins a new one only when its
   * store was set back. [HI32]
   */
  #mayHaveLog({ log, author }: PreparedPart, scope: StagedScope): boolean {
    const { interner } = this.#deps;
    if (scope.vector.has(interner.log(log))) return true;
    if (scope.vector.size >= SCOPE_LOGS_MAX) return false;
    let count = 0;
    for (const known of scope.vector.keys()) {
      if (logIdOf(interner.logOf(known)).device === author) count += 1;
    }
    return count < DEVICE_LOGS_MAX;
  }

  /** Who sends what it may not make itself is at fault, unless it is of a later version. */
  #refuseAuthorOf(part: PreparedPart): void {
    if (part.author !== this.#delivery.from) return;
    // What gives it the right may have been kept from us by somebody else.
    const { access } = this.#turn.scope(part.scope);
    if (!part.controlHeads.every((id) => access.has(id))) return;
    if (part.controls.every(({ op }) => canReduce(op))) refuseAuthor();
  }

  /**
   * Whether all that the part needs is held: its control ops' parents, and for its rows a known author who may write
   * them, counting what the part itself brings. Otherwise it waits for the control log to grow.
   */
  #isReady(part: PreparedPart, scope: StagedScope): boolean {
    const { access } = scope;
    if (!part.controls.every(({ op }) => canReduce(op))) return false;
    if (part.controls.length > 0 && !part.controlHeads.every((id) => access.has(id))) return false;
    const user = access.userOf(part.author) ?? this.#introducedUser(part);
    if (user === undefined) return false;
    const tags = access.tagsOf(user);
    return part.rows.every(({ name }) => mayWriteRow(tags, part.author, name.space, name.text));
  }

  #introducedUser(part: PreparedPart): Certified["user"] | undefined {
    for (const { id } of part.controls) {
      const op = this.#controls.get(id);
      if (op?.type === "device" && op.certified.device === part.author) return op.certified.user;
    }
    return undefined;
  }

  #observe(part: PreparedPart): void {
    const verdict = this.#turn.clock.observe(part.timestamp);
    if (verdict !== "tooFarAhead") return;
    this.#deps.logger("warn", "history.clock.ahead", {
      device: part.author,
      database: part.scope.database,
    });
  }

  /** A peer holds a commit of ours that we do not: this store is older than what we have sent. [HI14] */
  #beginAgainIfRolledBack(part: PreparedPart): void {
    const { database } = this.#turn;
    // What is fresh here is not ours to the last byte: a commit that we have lost, or another under one of our generations.
    if (part.log === ownLogKey(this.#deps.identity.device, database.own))
      beginIncarnation(this.#deps, this.#turn, "rolledBack");
  }

  #addControls(part: PreparedPart, scope: StagedScope, log: number): void {
    const dot: ControlDot = {
      log,
      logKey: part.log,
      generation: part.generation,
      timestamp: part.timestamp,
    };
    let parents = part.controlHeads;
    for (const control of part.controls) {
      const entry = controlEntry(control.id, this.#verified(control), part.author, dot, parents);
      const record = controlRecord(entry, log, control.index, control.bytes);
      const rejection = this.#turn.addControl(scope, control.idBytes, entry, record);
      // Without effect for ever: kept, so that all hold the same log, but its author need not have sent it. Who wrote beyond a
      // freeze may not have known of it.
      if (rejection !== undefined && rejection !== "frozen" && part.author === this.#delivery.from)
        refuseAuthor();
      parents = [control.id];
    }
  }

  #verified({ id }: PreparedControl): VerifiedOp {
    const op = this.#controls.get(id);
    assert(op !== undefined, "control ops are verified before they are taken");
    return op;
  }

  #mergeRow(part: PreparedPart, scope: StagedScope, log: number, row: PreparedRow): void {
    const { interner } = this.#deps;
    const context = [];
    for (let i = 0; i < row.context.length; i += 2) {
      const named = part.logs[row.context[i] as number];
      assert(named !== undefined, "a prepared context names logs of its dictionary");
      context.push({ log: interner.log(named), generation: row.context[i + 1] as number });
    }
    const { generation, timestamp } = part;
    const { salt, digest, value } = row;
    this.#turn.merge(scope, row.name, { log, generation, timestamp, salt, digest, context, value });
  }

  #record(part: PreparedPart): Uint8Array {
    const { header, signature, part: partHeader, partIndex, elided } = part.raw;
    const held = [
      ...part.controls.map(() => encodeHeld("control")),
      ...part.rows.map(({ name }) => encodeHeld({ space: name.space, key: name.key })),
    ];
    return encodeStoredCommit({
      header,
      signature,
      part: partHeader,
      partIndex,
      sequence: this.#turn.place,
      held,
      elided,
    });
  }
}

function refuseAuthor(): never {
  throw new HistoryError(
    "HISTORY_UNAUTHORISED",
    "Cannot take commit: its author, who sent it, may not make it",
  );
}

/**
 * Whether all that the part's contexts name is held. A context that names what is yet to be written would make that
 * superseded before it is there, and its author's next context one that covers its own version.
 */
function isSeen({ logs, seen }: PreparedPart, { state, vector }: StagedScope): boolean {
  return logs.every((log, i) => (seen[i] as number) <= state.generationIn(vector, log));
}
