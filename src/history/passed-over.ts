/**
 * A log in a scope is a chain: each part names the one before it. A part that passes over one which is held, or is passed over by
 * one, is of another branch of the log, whatever generations the two have there: so a fork shows in each scope that both write to.
 * One that follows at once names the commit before it by its digest as well.
 *
 *     held   12 <── 13        came   12 <─────── 14        14 passes over 13
 *     held   12 <── 13        came   ? <── 14              14 names another commit than 13
 */

import type { ControlOp } from "../access/index.ts";
import { equalBytes, scopeKeyOf } from "../base/index.ts";
import {
  assemblePart,
  commitDigest,
  commitKey,
  type CommitPart,
  commitRange,
  type LogNumber,
  opDigests,
  opsRoot,
  readRecord,
  type StoredRecord,
  storedOps,
} from "../records/index.ts";
import type { StagedScope, Turn, TurnDeps } from "../turns/index.ts";
import { CommitHeaderSchema, decode, decodeStoredCommit, PartHeaderSchema } from "../wire/index.ts";
import { PROOF_PART_BYTES_MAX } from "./limits.ts";
import type { PreparedPart } from "./prepare.ts";

type ForkProof = Extract<ControlOp, { type: "forkProof" }>;

/** Where a log has forked by what its parts in one scope name as before them. */
export interface PassedOver {
  readonly proof: ForkProof;
  /** The lesser generation of the two commits. */
  readonly generation: number;
}

interface Signed {
  readonly header: Uint8Array;
  readonly signature: Uint8Array;
  /** Of the commit. */
  readonly digest: Uint8Array;
}

interface Link {
  readonly raw: CommitPart;
  readonly generation: number;
  readonly previousGeneration: number;
}

/** A part as it is stored: its ops lie elsewhere, and are read for a proof alone. */
interface StoredLink {
  readonly record: StoredRecord;
  readonly generation: number;
}

/** Holds the new parts of a delivery against the chains that are here. */
export class Chains {
  readonly #deps: TurnDeps;
  readonly #turn: Turn;
  readonly #isFromStart: (part: PreparedPart) => boolean;
  /** Of the delivery, by log and scope, ascending. */
  readonly #fresh = new Map<string, PreparedPart[]>();
  /** The last part of the delivery that is as it is here, or new. */
  readonly #last = new Map<string, number>();
  /** Places in which a fork has been shown. */
  readonly #forked = new Set<string>();

  /** `isFromStart`: whether all before a part came before it, since all of its log was asked for. */
  constructor(deps: TurnDeps, turn: Turn, isFromStart: (part: PreparedPart) => boolean) {
    this.#deps = deps;
    this.#turn = turn;
    this.#isFromStart = isFromStart;
  }

  /** Takes note of a part of another branch: those that come after it are as well. */
  noteFork(part: PreparedPart): void {
    this.#forked.add(placeOf(part));
  }

  /** Takes note of a part that is not of another branch. `isNew`: what comes after it is held against it too. */
  note(part: PreparedPart, isNew: boolean): void {
    const place = placeOf(part);
    this.#last.set(place, part.generation);
    if (!isNew) return;
    const fresh = this.#fresh.get(place);
    if (fresh === undefined) this.#fresh.set(place, [part]);
    else fresh.push(part);
  }

  /**
   * A part in whose place nothing is held: the proof that it is of another branch, if it is. `unclear`: it is, and where the branches
   * part is not to be seen. `follows`: it came after one of which that was shown. [HI90]
   */
  async judge(part: PreparedPart): Promise<PassedOver | "unclear" | "follows" | undefined> {
    if (this.#forked.has(placeOf(part))) return "follows";
    const { generation, previousGeneration: previous } = part;
    const scope = this.#turn.scope(part.scope);
    const fresh = this.#fresh.get(placeOf(part)) ?? [];
    const log = this.#deps.interner.knownLog(part.log);
    const aside = (log === undefined ? undefined : scope.aside.log(log)?.whole) ?? [];
    const counted = scope.state.generationOf(part.log);
    const last = fresh.at(-1)?.generation ?? 0;
    const before = generation === previous + 1 ? await this.#at(part, log, previous) : undefined;
    const isNamed = before !== undefined && equalBytes(part.previous, before.digest);
    if (before !== undefined && !isNamed) {
      if (!this.isClear(part)) return "unclear";
      return { proof: proofOfTwo(before, part.raw), generation: previous };
    }
    // What follows on all that is here, as nearly everything does, passes over none of it.
    if (previous >= Math.max(counted, aside.at(-1) ?? 0, last)) return undefined;
    const stored = log === undefined ? undefined : await this.#storedAfter(scope, log, previous);
    const next = fresh.find((one) => one.generation > previous);
    const first = firstOf([stored, next], aside, previous);
    if (first === undefined || first === generation) return undefined;
    // Shown as far down as this already.
    if (Math.min(first, generation) > scope.access.frozenAt(part.log)) return undefined;
    if (!isNamed && !this.isClear(part)) return "unclear";
    const held = await this.#linkAt(part, log, first, stored);
    return held && this.#proofOfChains(held, part);
  }

  /** Whether what a part follows on is known to be what is here of that generation. */
  isClear(part: PreparedPart): boolean {
    const { previousGeneration: previous } = part;
    const isNext = this.#last.get(placeOf(part)) === previous;
    return previous === 0 || isNext || this.#isFromStart(part);
  }

  /** The commit of a generation of which there is a part here in the scope. */
  async #at(
    part: PreparedPart,
    log: LogNumber | undefined,
    generation: number,
  ): Promise<Signed | undefined> {
    // Mostly it is the one that came just before.
    const fresh = this.#fresh.get(placeOf(part))?.findLast((one) => one.generation <= generation);
    if (fresh?.generation === generation) return { ...fresh.raw, digest: fresh.digest };
    if (log === undefined) return undefined;
    const held = await this.#heldAt(this.#turn.scope(part.scope), log, generation);
    return held && { ...held, digest: commitDigest(this.#deps.crypto, held.header) };
  }

  async #heldAt(
    scope: StagedScope,
    log: LogNumber,
    generation: number,
  ): Promise<Omit<Signed, "digest"> | undefined> {
    if (scope.aside.log(log)?.whole.includes(generation) === true)
      return (await this.#turn.staged.aside(scope, log, generation)).part;
    const bytes = await this.#deps.store.get(commitKey(scope.state.number, log, generation));
    return bytes && readRecord("commit", bytes, decodeStoredCommit);
  }

  /** A part that is here whole. */
  async #linkAt(
    part: PreparedPart,
    log: LogNumber | undefined,
    generation: number,
    stored: StoredLink | undefined,
  ): Promise<Link | undefined> {
    const scope = this.#turn.scope(part.scope);
    if (log !== undefined && stored?.generation === generation) {
      const sources = storedOps(this.#deps.store, scope.state.number, log, generation);
      return linkOf(await assemblePart(this.#deps, stored.record, sources));
    }
    const held = this.#fresh.get(placeOf(part))?.find((one) => one.generation === generation);
    if (held !== undefined || log === undefined) return held;
    return linkOf((await this.#turn.staged.aside(scope, log, generation)).part);
  }

  /** Of two parts that are not of one chain, the proof, where it fits a control op. */
  #proofOfChains(held: Link, came: Link): PassedOver | undefined {
    const [a, b] = held.generation < came.generation ? [held, came] : [came, held];
    // Of a chain with a hole nothing is shown.
    if (b.previousGeneration >= a.generation) return undefined;
    if (Math.max(a.raw.part.length, b.raw.part.length) > PROOF_PART_BYTES_MAX) return undefined;
    const parts = [this.#shown(a.raw), this.#shown(b.raw)] as const;
    const proof: ForkProof = { ...proofOfTwo(a.raw, b.raw), parts };
    return { proof, generation: a.generation };
  }

  #shown({ part, partIndex, ops, elided }: CommitPart): NonNullable<ForkProof["parts"]>[0] {
    const { crypto } = this.#deps;
    const { opCount } = decode(PartHeaderSchema, part);
    const root = opsRoot(crypto, opCount, opDigests(crypto, ops), elided);
    return { index: partIndex, root, header: part };
  }

  async #storedAfter(
    { state: { number } }: StagedScope,
    log: LogNumber,
    after: number,
  ): Promise<StoredLink | undefined> {
    const range = commitRange(number, log, after);
    for await (const { value } of this.#deps.store.scan(range, { limit: 1 })) {
      const record = readRecord("commit", value, decodeStoredCommit);
      return { record, generation: Number(decode(CommitHeaderSchema, record.header).generation) };
    }
    return undefined;
  }
}

/** Of two commits, by their headers alone where nothing is added. */
export function proofOfTwo(a: Omit<Signed, "digest">, b: Omit<Signed, "digest">): ForkProof {
  return {
    type: "forkProof",
    headerA: a.header,
    signatureA: a.signature,
    headerB: b.header,
    signatureB: b.signature,
  };
}

function firstOf(
  links: readonly ({ readonly generation: number } | undefined)[],
  aside: readonly number[],
  after: number,
): number | undefined {
  const generations = links.flatMap((link) => (link === undefined ? [] : [link.generation]));
  const all = [...generations, ...aside.filter((generation) => generation > after)];
  return all.length === 0 ? undefined : Math.min(...all);
}

function linkOf(raw: CommitPart): Link {
  const { generation } = decode(CommitHeaderSchema, raw.header);
  const { previousGeneration } = decode(PartHeaderSchema, raw.part);
  return {
    raw,
    generation: Number(generation),
    previousGeneration: Number(previousGeneration),
  };
}

function placeOf({ scope, log }: PreparedPart): string {
  return `${scopeKeyOf(scope)} ${log}`;
}
