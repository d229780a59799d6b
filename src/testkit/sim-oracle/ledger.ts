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
  type ScopeName,
  type VersionFact,
} from "./facts.ts";
import { hex } from "./fields.ts";
import { SimError } from "./sim-error.ts";

/** The parts of one log in one scope, by generation. */
type PartsByGeneration = Map<number, PartFact>;

export class Ledger {
  readonly #inputs = new Map<string, Uint8Array>();
  readonly #commits = new Map<Dot, CommitFact>();
  readonly #byDigest = new Map<string, CommitFact>();
  readonly #established = new Map<Dot, string>();
  readonly #parts = new Map<ScopeName, Map<LogName, PartsByGeneration>>();
  readonly #controls = new Map<string, ControlFact>();
  readonly #log: CommitFact[] = [];
  #honest = 0;
  /** Second commits of liars under one generation. */
  readonly #others: CommitFact[] = [];
  /** Keys of devices that may do anything: they are not held to one record a generation. */
  readonly liars = new Set<string>();
  /** Keys of devices whose store was once put back to an older state. */
  readonly setBack = new Set<string>();
  /** See `OracleDeps`. */
  mayNotKnow: ((device: string, commit: CommitFact) => boolean) | undefined;
  /** Told of each commit as it is signed. */
  onSigned: ((commit: CommitFact) => void) | undefined;

  /** What a device hashed. */
  hashed(digest: Uint8Array, input: Uint8Array): void {
    const kind = input[0] as number;
    // Ops, nodes and parts begin with 0, 1 and 2; commits with their own words.
    if (kind > 2 && !isCommitInput(input)) return;
    // Its memory is its caller's, who uses it again.
    this.#inputs.set(latin1(digest), input.slice());
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
    if (!isLiar && established !== undefined && established !== commit.digest) {
      // It may have asked a peer that knew no more: a fork, which others will prove.
      const isExcused =
        this.setBack.has(commit.device) && this.mayNotKnow?.(commit.device, commit) === true;
      const promise = isExcused ? "fork" : "K2";
      throw new SimError(promise, `A second commit was signed for ${short(dot)}, which is known`);
    }
    if (!isLiar) this.#refuseOlder(commit);
    // The one before it never became durable, or its author would know of it. Of liars all stand side by side.
    if (!isLiar || !this.#commits.has(dot)) this.#index(dot, commit);
    else this.#others.push(commit);
    if (isLiar) {
      for (const part of commit.parts)
        for (const control of part.controls) this.#controls.set(control.id, control);
    }
    this.#log.push(commit);
    if (!isLiar) this.#honest += 1;
    this.onSigned?.(commit);
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
      for (const { id } of controls) this.#controls.delete(id);
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
      for (const control of part.controls) this.#controls.set(control.id, control);
    }
  }

  /** A commit left its author, or was acknowledged: from now on its generation is taken for ever. [K2] */
  establish(commit: CommitFact): void {
    const dot = dotOf(commit.log, commit.generation);
    const before = this.#established.get(dot);
    if (before === undefined) this.#established.set(dot, commit.digest);
    else if (before !== commit.digest && !this.liars.has(commit.device))
      throw new SimError("K2", `Two commits are known as ${short(dot)}`);
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

  part(scope: ScopeName, log: LogName, generation: number): PartFact | undefined {
    return this.#parts.get(scope)?.get(log)?.get(generation);
  }

  /** What a commit wrote to a row of a scope; of a liar's several the one with this value, if any has it. */
  version(
    scope: ScopeName,
    log: LogName,
    generation: number,
    space: number,
    key: string,
    value?: string,
  ): VersionFact | undefined {
    const isIt = (version: VersionFact): boolean => version.space === space && version.key === key;
    const first = this.part(scope, log, generation)?.versions.find(isIt);
    if (first?.value === value || !this.liars.has(log.slice(0, 64))) return first;
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

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/** A dot as messages name it. */
export function short(dot: Dot): string {
  const [log = "", generation = ""] = dot.split("#");
  return `${log.slice(0, 6)}/${log.slice(65, 69)}#${generation}`;
}
