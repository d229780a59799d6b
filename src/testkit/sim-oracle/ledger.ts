/**
 * Everything that honest devices, and those that are not, have ever signed: the pure graph of versions that a run is held
 * against. It is read from what was hashed and signed, before any store or wire has seen it.
 */

import { createHash } from "node:crypto";
import {
  type CommitFact,
  type ControlFact,
  type Dot,
  dotOf,
  isCommitInput,
  type LogName,
  type PartFact,
  readCommit,
  rowOf,
  type ScopeName,
  type VersionFact,
} from "./facts.ts";
import { hex, latin1 } from "./fields.ts";
import { SimError } from "./sim-error.ts";

/** The parts of one log in one scope, by generation. */
type PartsByGeneration = Map<number, PartFact>;

/** Where a commit stands, and which it is, if that is known. */
export type Place = Pick<CommitFact, "log" | "generation"> & Partial<Pick<CommitFact, "digest">>;

export class Ledger {
  readonly #inputs = new Map<string, Uint8Array>();
  readonly #commits = new Map<Dot, CommitFact>();
  readonly #byDigest = new Map<string, CommitFact>();
  readonly #established = new Map<Dot, string>();
  readonly #parts = new Map<ScopeName, Map<LogName, PartsByGeneration>>();
  readonly #controls = new Map<string, ControlFact>();
  readonly #log: CommitFact[] = [];
  #honest = 0;
  #controlsReplaced = 0;
  /** Second commits under one generation, of liars and of logs that forked. */
  readonly #others: CommitFact[] = [];
  readonly #forks = new Map<LogName, number>();
  /** Keys of devices that may do anything: they are not held to one record a generation. */
  readonly liars = new Set<string>();
  /** Keys of devices whose store was once put back to an older state. */
  readonly setBack = new Set<string>();
  /** Keys of devices of whose stores there are copies. */
  readonly copied = new Set<string>();
  /** See `OracleDeps`. */
  mayNotKnow: ((device: string, commit: CommitFact) => boolean) | undefined;
  /** Told of each log of an honest device that goes on from where it went on before. */
  onFork: ((log: LogName) => void) | undefined;
  /** Told of each commit as it is signed. */
  onSigned: ((commit: CommitFact) => void) | undefined;

  /** What a device hashed. */
  hashed(digest: Uint8Array, input: Uint8Array): void {
    const kind = input[0] as number;
    // Ops, nodes and parts begin with 0, 1 and 2; commits with their own words.
    if (kind > 2 && !isCommitInput(input)) return;
    const name = latin1(digest);
    // Each receiver hashes it once more. Its memory is its caller's, who uses it again.
    if (!this.#inputs.has(name)) this.#inputs.set(name, new Uint8Array(input));
  }

  /** What a device signed: a commit, or something that is none. */
  signed(publicKey: Uint8Array, message: Uint8Array): void {
    if (message.length !== 32) return;
    const commit = readCommit(message, (digest) => this.#inputs.get(latin1(digest)), controlId);
    if (commit === undefined || commit.device !== hex(publicKey)) return;
    this.#add(commit);
  }

  #add(commit: CommitFact): void {
    const dot = dotOf(commit.log, commit.generation);
    this.#byDigest.set(commit.digest, commit);
    const isLiar = this.liars.has(commit.device);
    const established = this.#established.get(dot);
    const before = this.#commits.get(dot)?.digest ?? commit.digest;
    // What neither left its author nor was acknowledged may lie in a copy of its store all the same.
    const isInCopy = this.copied.has(commit.device) && before !== commit.digest;
    const isSecond = established !== undefined && established !== commit.digest;
    if (!isLiar && (isSecond || isInCopy)) this.#fork(commit, isSecond);
    const hasBranches = isLiar || this.isForked(commit);
    if (!hasBranches) this.#refuseOlder(commit);
    // The one before it never became durable, or its author would know of it. Of liars and of forks all stand side by side.
    if (!hasBranches || !this.#commits.has(dot)) this.#index(dot, commit);
    else this.#others.push(commit);
    if (hasBranches) {
      for (const part of commit.parts)
        for (const control of part.controls) this.#setControl(control);
    }
    this.#log.push(commit);
    if (!isLiar) this.#honest += 1;
    this.onSigned?.(commit);
  }

  /** @throws {SimError} `K2` unless its author may have asked a peer that knew no more: a fork, which others will prove. */
  #fork(commit: CommitFact, isKnown: boolean): void {
    const { log, generation, device } = commit;
    const known = this.#forks.get(log);
    if (known === undefined && isKnown) {
      if (!this.setBack.has(device) || this.mayNotKnow?.(device, commit) !== true) {
        const dot = short(dotOf(log, generation));
        throw new SimError("K2", `A second commit was signed for ${dot}, which is known`);
      }
      this.onFork?.(log);
    }
    this.#forks.set(log, Math.min(generation, known ?? generation));
  }

  /** Whether any log of an honest device has forked. */
  get hasForks(): boolean {
    return this.#forks.size > 0;
  }

  /** Whether somebody who lies has written a value with this in it, hexadecimal. */
  isOfLiar(hexToken: string): boolean {
    return this.#log.some(
      ({ device, parts }) =>
        this.liars.has(device) &&
        parts.some(({ versions }) => versions.some(({ value }) => value?.includes(hexToken))),
    );
  }

  /** The first generation of which a log has two commits; Infinity: it has not forked. */
  forkOf(log: LogName): number {
    return this.#forks.get(log) ?? Number.POSITIVE_INFINITY;
  }

  /** Whether a commit stands where its log has branches. */
  isForked({ log, generation }: Pick<CommitFact, "log" | "generation">): boolean {
    return generation >= this.forkOf(log);
  }

  /** Time stamps of a log only rise. [K7] */
  #refuseOlder({ log, generation, timestamp }: CommitFact): void {
    const before = this.#commits.get(dotOf(log, generation - 1));
    if (before !== undefined && before.timestamp >= timestamp)
      throw new SimError("K7", `${short(dotOf(log, generation))} is not later than the one before`);
  }

  #index(dot: Dot, commit: CommitFact): void {
    for (const { scope, controls } of this.#commits.get(dot)?.parts ?? []) {
      this.#parts.get(scope)?.get(commit.log)?.delete(commit.generation);
      for (const { id } of controls) this.#controlsReplaced += Number(this.#controls.delete(id));
    }
    this.#commits.set(dot, commit);
    for (const part of commit.parts) {
      let logs = this.#parts.get(part.scope);
      if (logs === undefined)
        this.#parts.set(part.scope, (logs = new Map<LogName, PartsByGeneration>()));
      let generations = logs.get(commit.log);
      if (generations === undefined)
        logs.set(commit.log, (generations = new Map<number, PartFact>()));
      generations.set(commit.generation, part);
      for (const control of part.controls) this.#setControl(control);
    }
  }

  #setControl(control: ControlFact): void {
    this.#controlsReplaced += Number(this.#controls.has(control.id));
    this.#controls.set(control.id, control);
  }

  /** How often a control op went, or stood somewhere else: what was worked out before may be wrong then. */
  get controlsReplaced(): number {
    return this.#controlsReplaced;
  }

  /** A commit left its author, or was acknowledged: from now on its generation is taken for ever, and those before it in its log. [K2] */
  establish(commit: CommitFact): void {
    const dot = dotOf(commit.log, commit.generation);
    const before = this.#established.get(dot);
    if (this.isForked(commit)) return;
    if (before === undefined) {
      this.#established.set(dot, commit.digest);
      this.#establishBefore(commit);
    } else if (before !== commit.digest && !this.liars.has(commit.device))
      throw new SimError("K2", `Two commits are known as ${short(dot)}`);
  }

  /** What a durable commit follows on is durable, told of or not: a store that is set back may not know of it. */
  #establishBefore({ log, generation }: CommitFact): void {
    for (let at = generation - 1; at > 0; at--) {
      const dot = dotOf(log, at);
      const commit = this.#commits.get(dot);
      if (commit === undefined || this.#established.has(dot)) return;
      this.#established.set(dot, commit.digest);
    }
  }

  /** Whether a commit has left its author, or was acknowledged. */
  isEstablished({ log, generation, digest }: CommitFact): boolean {
    return this.#established.get(dotOf(log, generation)) === digest;
  }

  /** Parts of commits that have left their authors, or were acknowledged. */
  *establishedParts(): Generator<PartFact> {
    for (const commit of this.#commits.values())
      if (this.isEstablished(commit)) yield* commit.parts;
  }

  byDigest(digest: string): CommitFact | undefined {
    return this.#byDigest.get(digest);
  }

  commit(dot: Dot): CommitFact | undefined {
    return this.#commits.get(dot);
  }

  control(id: string): ControlFact | undefined {
    return this.#controls.get(id);
  }

  /** Commits in the order in which they were signed, from a position on. */
  since(position: number): readonly CommitFact[] {
    return this.#log.slice(position);
  }

  /** Commits of those who do not lie. */
  get honest(): number {
    return this.#honest;
  }

  get length(): number {
    return this.#log.length;
  }

  scopes(): ScopeName[] {
    return [...this.#parts.keys()];
  }

  logs(scope: ScopeName): LogName[] {
    return [...(this.#parts.get(scope)?.keys() ?? [])];
  }

  /** Parts of a log in a scope up to a generation. */
  *partsUpTo(scope: ScopeName, log: LogName, generation: number): Generator<PartFact> {
    for (const [at, part] of this.#parts.get(scope)?.get(log) ?? [])
      if (at <= generation) yield part;
  }

  /** Parts in a scope of a commit and of all before it in its log; where that has branches, of the one that ends with this digest. */
  *partsBehind(scope: ScopeName, place: Place): Generator<PartFact> {
    const { log, generation, digest } = place;
    if (digest === undefined || !this.isForked(place)) {
      yield* this.partsUpTo(scope, log, generation);
      return;
    }
    for (let at = this.byDigest(digest); at !== undefined; at = this.byDigest(at.previous))
      yield* at.parts.filter((part) => part.scope === scope);
  }

  part(scope: ScopeName, log: LogName, generation: number): PartFact | undefined {
    return this.#parts.get(scope)?.get(log)?.get(generation);
  }

  /** All that was ever written to a row of a scope. */
  *versionsOf(scope: ScopeName, space: number, key: string): Generator<VersionFact> {
    for (const { parts } of this.#log)
      for (const part of parts)
        if (part.scope === scope)
          for (const one of part.versions) if (one.space === space && one.key === key) yield one;
  }

  /** What a commit wrote to a row of a scope; of several under one generation the one with this value, if any has it. */
  version(
    scope: ScopeName,
    log: LogName,
    generation: number,
    space: number,
    key: string,
    value?: string,
  ): VersionFact | undefined {
    const row = rowOf(space, key);
    const isIt = (version: VersionFact): boolean => version.row === row;
    const first = this.part(scope, log, generation)?.versions.find(isIt);
    const hasBranches = this.liars.has(log.slice(0, 64)) || this.isForked({ log, generation });
    // A deletion has no value, and neither has a row that the first of several has not written.
    if (!hasBranches || (first !== undefined && first.value === value)) return first;
    const other = this.#others
      .filter((one) => one.log === log && one.generation === generation)
      .flatMap(({ parts }) => parts.filter((part) => part.scope === scope))
      .flatMap(({ versions }) => versions.filter(isIt))
      .find((one) => one.value === value);
    return other ?? first;
  }
}

/** @see proto/rookery/commit.proto */
function controlId(part: Uint8Array, index: number): string {
  const at = Buffer.alloc(4);
  at.writeUInt32BE(index);
  return createHash("sha256").update(Uint8Array.of(3)).update(part).update(at).digest("hex");
}

/** A dot as messages name it. */
export function short(dot: Dot): string {
  const [log = "", generation = ""] = dot.split("#");
  return `${log.slice(0, 6)}/${log.slice(65, 69)}#${generation}`;
}
