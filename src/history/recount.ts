/**
 * What a control log's growth does to the parts of its scope: those that count no more go aside, those aside whose time has come
 * are taken. In the turn that makes it grow, so knowledge never names what does not count.
 *
 *     control ops ──> aside parts whose control ops may go in now ──> more control ops ──> ...
 *     revoke, fork proof ──> takeBack: rows ──> aside
 *     grant, parts       ──> takeIn:   aside ──> rows
 */

import { type AccessState, canReduce, Tags, trustControlOp } from "../access/index.ts";
import type { DeviceId, Logger } from "../base/index.ts";
import { type AsideRecord, type LogNumber, partSize } from "../records/index.ts";
import {
  type Awaits,
  type HeldUpBy,
  type StagedScope,
  type Turn,
  TURN_REFS_MAX,
  type TurnDeps,
} from "../turns/index.ts";
import { isCounted, mayHaveLog, unseenOf } from "./counting.ts";
import {
  LOG_CONTROLS_MAX,
  RECOUNT_BYTES_MAX,
  RECOUNT_OPS_MAX,
  SCOPE_CONTROLS_FREE,
  SCOPE_CONTROLS_MAX,
} from "./limits.ts";
import { type PreparedPart, preparePart } from "./prepare.ts";
import { cutsOf, takeBack } from "./take-back.ts";
import { addControls, takePart } from "./take-part.ts";

export interface RecountDeps extends TurnDeps {
  readonly logger: Logger;
}

/** Brings all scopes of a turn that authored something to what their control logs say now. */
export async function recountAll(deps: RecountDeps, turn: Turn): Promise<void> {
  for (const scope of [...turn.scopes]) {
    await growControls(deps, turn, scope);
    await takeBackUncounted(deps, turn, scope);
    await takeInCounted(deps, turn, scope);
  }
}

/** Whether `recountAll` may find anything to do. */
export function needsRecount({ scopes }: Turn): boolean {
  for (const { hasNewControls, mayHaveLostRights, aside } of scopes)
    if (hasNewControls || mayHaveLostRights || !aside.isEmpty) return true;
  return false;
}

/** Whether a control log has grown: rights may have come back. */
export function hasGrown({ scopes }: Turn): boolean {
  for (const { hasNewControls } of scopes) if (hasNewControls) return true;
  return false;
}

/** Takes back what counts no more. @throws {CutTooLarge}. */
export async function takeBackUncounted(
  deps: RecountDeps,
  turn: Turn,
  scope: StagedScope,
): Promise<void> {
  if (!scope.mayHaveLostRights) return;
  scope.settleRights();
  const cuts = await cutsOf(deps, turn, scope);
  if (cuts.length > 0) await takeBack(deps, turn, scope, cuts);
}

/** Why the control ops of a part cannot go into the control log now; `undefined`: they can. */
export function obstacleOf(
  { interner }: TurnDeps,
  { access, control, controlPlaces }: StagedScope,
  part: PreparedPart,
  isVouched: boolean,
): Awaits | undefined {
  const missing = part.controlHeads.find((id) => !access.has(id));
  if (missing !== undefined) return missing;
  if (!part.controls.every(({ op }) => canReduce(op))) return "version";
  const isBeyond = part.generation > access.frozenAfter(part.log);
  if (isBeyond && !isVouched && !hasRight(access, part.author)) return "vouch";
  const count = part.controls.length;
  const log = interner.knownLog(part.log);
  const ofLog = log === undefined ? 0 : controlPlaces.opsOf(log);
  const isAdmin =
    access.userOf(part.author) === part.scope.owner || access.may(part.author, Tags.ADMIN);
  return hasControlRoom({ size: control.size, ofLog, count, isAdmin }) ? undefined : "room";
}

/** Whether a device's user may do anything here: such a one hands on its own control ops too. */
export function hasRight(access: AccessState, device: DeviceId): boolean {
  const user = access.userOf(device);
  return user !== undefined && access.tagsOf(user) !== 0;
}

/** Whether a scope's control log, of `size` ops, takes `count` more of a log of which it has `ofLog`. [HI44] */
export function hasControlRoom({
  size,
  ofLog,
  count,
  isAdmin,
}: {
  readonly size: number;
  readonly ofLog: number;
  readonly count: number;
  /** Whether the log is a device's of the owner or an admin. */
  readonly isAdmin: boolean;
}): boolean {
  const max = isAdmin ? SCOPE_CONTROLS_MAX : SCOPE_CONTROLS_FREE;
  return size + count <= max && ofLog + count <= LOG_CONTROLS_MAX;
}

/** Adds control ops of parts aside for as long as that makes it possible to add others. */
export async function growControls(
  deps: RecountDeps,
  turn: Turn,
  scope: StagedScope,
): Promise<void> {
  if (!scope.hasNewControls) return;
  for (let hasGrown = true; hasGrown;) {
    hasGrown = false;
    for (const [log, entry] of [...scope.aside.awaiting()]) {
      if (!isWorthALook(scope, entry)) continue;
      const record = await turn.staged.aside(scope, log, entry.generation);
      const awaits = addWaiting(deps, turn, scope, record);
      scope.ownAside().put(log, { ...entry, awaits });
      if (awaits !== undefined) continue;
      turn.staged.addBare(scope, log, entry.generation);
      hasGrown = true;
    }
    for (const rival of [...scope.rivals.all(false)]) {
      if (!isWorthALook(scope, rival)) continue;
      const record = await turn.staged.rival(scope, rival);
      const awaits = addWaiting(deps, turn, scope, record);
      scope.ownRivals().put({ ...rival, awaits });
      if (awaits !== undefined) continue;
      turn.staged.hasRivals = true;
      hasGrown = true;
    }
  }
}

/** Adds the control ops of a part to the control log, or answers why they cannot go in. */
function addWaiting(
  deps: RecountDeps,
  turn: Turn,
  scope: StagedScope,
  { part: raw, isVouched }: Pick<AsideRecord, "part" | "isVouched">,
): Awaits | undefined {
  const part = preparePart(deps.crypto, raw);
  const awaits = obstacleOf(deps, scope, part, isVouched);
  if (awaits !== undefined) return awaits;
  const ops = part.controls.map(({ id, op }) => [id, trustControlOp(op)] as const);
  addControls(deps, turn, scope, part, new Map(ops));
  return undefined;
}

function isWorthALook(
  { access }: StagedScope,
  { awaits }: { readonly awaits: Awaits | undefined },
): boolean {
  if (awaits === undefined || awaits === "version" || awaits === "room") return false;
  return awaits === "vouch" || access.has(awaits);
}

/** Takes from aside what counts now, each log in order, as much as one write may change. */
export async function takeInCounted(
  deps: RecountDeps,
  turn: Turn,
  scope: StagedScope,
): Promise<void> {
  if (scope.aside.isEmpty) return;
  const taker = new InTaker(deps, turn, scope);
  // One log's parts may be what another's contexts wait for.
  for (let hasTaken = true; hasTaken;) {
    hasTaken = false;
    for (const [log] of [...scope.aside.logs()]) while (await taker.takeNext(log)) hasTaken = true;
  }
  if (taker.isFull) turn.hasLeftOver = true;
}

class InTaker {
  isFull = false;
  readonly #deps: RecountDeps;
  readonly #turn: Turn;
  readonly #scope: StagedScope;
  readonly #isAccessNew: boolean;
  #ops = 0;
  #bytes = 0;

  constructor(deps: RecountDeps, turn: Turn, scope: StagedScope) {
    this.#deps = deps;
    this.#turn = turn;
    this.#scope = scope;
    this.#isAccessNew = scope.hasNewControls;
  }

  /** Takes the part of a log that follows on what counts, if it is aside and counts. */
  async takeNext(log: LogNumber): Promise<boolean> {
    const aside = this.#scope.aside.log(log);
    const generation = aside?.whole[0];
    if (generation === undefined || this.isFull || this.#isHeldUp(aside?.heldUpBy)) return false;
    const { part: raw } = await this.#turn.staged.aside(this.#scope, log, generation);
    const part = preparePart(this.#deps.crypto, raw);
    const heldUpBy = this.#lookAt(part);
    if (heldUpBy !== undefined) {
      if (aside !== undefined) aside.heldUpBy = heldUpBy;
      return false;
    }
    if (!this.#reserve(part)) return false;
    const names = part.rows.map((row) => row.name);
    await this.#turn.loadRows(this.#scope, names, Number.POSITIVE_INFINITY);
    this.#turn.staged.dropAside(this.#scope, log, generation);
    takePart(this.#deps, this.#turn, this.#scope, part);
    return true;
  }

  /** Whether nothing has changed about what keeps the part from counting. */
  #isHeldUp(by: HeldUpBy | undefined): boolean {
    if (by === undefined || this.#isAccessNew) return false;
    if (by === "access") return true;
    const { state, vector } = this.#scope;
    for (const [log, generation] of by)
      if (state.generationIn(vector, log) < generation) return true;
    return false;
  }

  #lookAt(part: PreparedPart): HeldUpBy | undefined {
    if (!isCounted(this.#scope, part)) return "access";
    const unseen = unseenOf(this.#deps, part, this.#scope);
    if (unseen.length === 0 && mayHaveLog(this.#deps, part.log, this.#scope)) return undefined;
    // Not what lies beyond a freeze: that may never count, and nothing waits for it.
    return new Map(unseen);
  }

  #reserve(part: PreparedPart): boolean {
    this.#ops += part.rows.length;
    this.#bytes += partSize(part.raw);
    const isFirst = this.#ops === part.rows.length;
    const isOver =
      this.#ops > RECOUNT_OPS_MAX ||
      this.#bytes > RECOUNT_BYTES_MAX ||
      this.#turn.refs.length + part.refs > TURN_REFS_MAX;
    this.isFull = isOver && !isFirst;
    return !this.isFull;
  }
}
