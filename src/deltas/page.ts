/**
 * Parts of commits to frames and back. A frame is filled to `DELTA_FRAME_BYTES`; a part that does not fit goes on in the next
 * ones, which carry ops only.
 */

import { assert, type ScopeId, type GenVector } from "../base/index.ts";
import { type CommitPart, HistoryError, partSize } from "../history/index.ts";
import {
  create,
  type DeltaResponseSchema,
  type MessageInitShape,
  scopeFromWire,
  scopeToWire,
  type ScopeVector,
  ScopeVectorSchema,
  vectorFromWire,
  vectorToWire,
  type WirePart,
} from "../wire/index.ts";
import { BATCH_BYTES_MAX, BATCH_OPS_MAX } from "../base/index.ts";
import {
  CLAIM_BYTES,
  CLAIM_ENTRY_BYTES,
  CLAIMS_BYTES_MAX,
  DELTA_FRAME_BYTES,
  REQUEST_SCOPES_MAX,
} from "./limits.ts";

type WirePartInit = Exclude<
  MessageInitShape<typeof DeltaResponseSchema>["commits"],
  undefined
>[number];

/** A scope with a vector, as it is claimed, asked with or checked against. */
export interface ScopeClaim {
  readonly scope: ScopeId;
  readonly vector: GenVector;
}

export function claimToWire({ scope, vector }: ScopeClaim): ScopeVector {
  return create(ScopeVectorSchema, { scope: scopeToWire(scope), vector: vectorToWire(vector) });
}

/** What is known of a scope, with the sum of its control heads, as it is asked with; `controls`: for all control ops. */
export function knowledgeToWire(
  claim: ScopeClaim,
  controlSum: Uint8Array,
  controls: boolean,
): ScopeVector {
  return { ...claimToWire(claim), controlSum, controls };
}

/** As many of these as one message holds, from one on and around. */
export function fittingClaims(claims: readonly ScopeClaim[], first: number): readonly ScopeClaim[] {
  const from = claims.length === 0 ? 0 : first % claims.length;
  const fitting: ScopeClaim[] = [];
  let left = CLAIMS_BYTES_MAX;
  for (const claim of [...claims.slice(from), ...claims.slice(0, from)]) {
    const { database, name } = claim.scope;
    left -= CLAIM_BYTES + 3 * (database.length + name.length);
    left -= CLAIM_ENTRY_BYTES * claim.vector.size;
    if (left < 0 || fitting.length === REQUEST_SCOPES_MAX) break;
    fitting.push(claim);
  }
  return fitting.length === claims.length ? claims : fitting;
}

/** @throws {WireError} when the scope or the vector is malformed. */
export function claimFromWire({
  scope,
  vector,
}: Pick<ScopeVector, "scope" | "vector">): ScopeClaim {
  assert(scope !== undefined, "decode has checked that the scope is there");
  return { scope: scopeFromWire(scope), vector: vectorFromWire(vector) };
}

/** A whole part as a message has it. */
export function partToWire(part: CommitPart): WirePartInit {
  const { header, signature, part: partHeader, partIndex, ops } = part;
  const elided = part.elided.map(({ first, count, digest }) => ({ first, count, digest }));
  return { header, signature, part: partHeader, partIndex, ops: [...ops], elided };
}

/** Collects parts and gives out frames as they fill. */
export class FrameFiller {
  #parts: WirePart[] = [];
  #size = 0;

  /** Bytes waiting for a frame. */
  get size(): number {
    return this.#size;
  }

  /** Adds a part; answers what the frames hold that are full now. */
  *add(part: CommitPart): Generator<readonly WirePart[], void, undefined> {
    const whole = partSize(part);
    if (this.#size > 0 && this.#size + whole > DELTA_FRAME_BYTES) yield this.take();
    if (whole > DELTA_FRAME_BYTES) yield* this.#split(part, whole);
    else this.#push({ ...part, more: false }, whole);
  }

  /** The frame so far, and an empty one to go on with. */
  take(): readonly WirePart[] {
    const parts = this.#parts;
    this.#parts = [];
    this.#size = 0;
    return parts;
  }

  *#split(part: CommitPart, whole: number): Generator<readonly WirePart[], void, undefined> {
    let opsBytes = 0;
    for (const op of part.ops) opsBytes += op.length + 4;
    let current: { ops: Uint8Array[]; size: number; head: Omit<WirePart, "ops" | "more"> } = {
      ops: [],
      size: whole - opsBytes,
      head: part,
    };
    for (const op of part.ops) {
      if (current.size > 0 && current.size + op.length > DELTA_FRAME_BYTES) {
        this.#push({ ...current.head, ops: current.ops, more: true }, current.size);
        yield this.take();
        current = { ops: [], size: 0, head: NO_HEAD };
      }
      current.ops.push(op);
      current.size += op.length + 4;
    }
    this.#push({ ...current.head, ops: current.ops, more: false }, current.size);
  }

  #push(part: WirePart, size: number): void {
    this.#parts.push(part);
    this.#size += size;
  }
}

const NOTHING = new Uint8Array();

/** What a piece says that only brings more ops. */
const NO_HEAD = { header: NOTHING, signature: NOTHING, part: NOTHING, partIndex: 0, elided: [] };

/** Puts parts together again from frames, bounded in memory. */
export class PartCollector {
  #open: { part: CommitPart; ops: Uint8Array[]; bytes: number } | undefined;

  /** Whether a part has begun and its end has not come. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  /**
   * The parts that are whole with this frame.
   *
   * @throws {HistoryError} `HISTORY_MALFORMED` for a continuation of nothing or with nothing, a start within a part, or one too large.
   */
  add(commits: readonly WirePart[]): CommitPart[] {
    const whole: CommitPart[] = [];
    for (const commit of commits) {
      const isStart = commit.header.length > 0;
      if (isStart === this.isOpen) throw malformed("its pieces are out of order");
      if (!isStart && commit.ops.length === 0) throw malformed("a piece of it brings nothing");
      this.#open ??= { part: startOf(commit), ops: [], bytes: 0 };
      this.#append(commit);
      if (commit.more) continue;
      whole.push({ ...this.#open.part, ops: this.#open.ops });
      this.#open = undefined;
    }
    return whole;
  }

  #append(commit: WirePart): void {
    const open = this.#open;
    assert(open !== undefined, "a part has begun");
    for (const op of commit.ops) {
      open.ops.push(op);
      open.bytes += op.length;
    }
    // Ops carry a key, a salt and a context beside the value that a batch's bytes bound.
    if (open.ops.length > BATCH_OPS_MAX || open.bytes > BATCH_BYTES_MAX)
      throw malformed("it is larger than a batch may be");
  }
}

function startOf(commit: WirePart): CommitPart {
  const { header, signature, part, partIndex, elided } = commit;
  if (signature.length === 0 || part.length === 0)
    throw malformed("it lacks its signature or its part");
  return { header, signature, part, partIndex, ops: [], elided };
}

function malformed(why: string): HistoryError {
  return new HistoryError("HISTORY_MALFORMED", `Cannot take commit: ${why}`);
}
