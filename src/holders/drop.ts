/**
 * Dropping superseded versions that nobody can need any more: a little at a time, beside what people write. Of a version
 * nothing stays but the digest of its op, in the commit that it came with, which goes on being served as it was signed. [HO6]
 */

import { blobRefsIn, type Crypto, type GenVector, generationIn, toHex } from "../base/index.ts";
import { rowEdge } from "../chunks/index.ts";
import type { History, ScopeState } from "../history/index.ts";
import {
  commitKey,
  decodeHeld,
  decodeRow,
  decodeVersion,
  elideOps,
  indexesOf,
  type LogNumber,
  type OldName,
  oldNameOf,
  oldOfScope,
  readRecord,
  rowKey,
  seenIn,
  type Version,
} from "../records/index.ts";
import type { Store, WriteOp } from "../store/index.ts";
import { decode, decodeStoredCommit, encodeStoredCommit, PartHeaderSchema } from "../wire/index.ts";
import { DROP_BYTES_MAX, DROP_SCAN_MAX } from "./limits.ts";

export interface DropDeps {
  readonly store: Store;
  readonly crypto: Crypto;
  readonly history: History;
}

/** How far a pass over a collection's superseded versions is. */
export interface Dropping {
  /** Versions that were dropped by this step. */
  readonly dropped: number;
  /** Where the next step begins; `undefined`: the pass is over. */
  readonly next: Uint8Array | undefined;
}

/** A superseded version and where it lies. */
interface Old {
  readonly name: OldName;
  readonly place: Uint8Array;
  readonly version: Version;
}

/** A commit's part that loses ops. */
interface Shrinking {
  readonly key: Uint8Array;
  readonly record: ReturnType<typeof decodeStoredCommit>;
  /** Digests of the ops that it loses, by row. */
  readonly gone: Map<string, Uint8Array>;
}

/** One step of a pass: one store write. `stable`: what every holder has (`stableVector`). [HO4] [HO6] */
export async function dropStable(
  deps: DropDeps,
  scope: ScopeState,
  stable: GenVector,
  from?: Uint8Array,
): Promise<Dropping> {
  let step: Dropping = { dropped: 0, next: undefined };
  await deps.history.maintain(scope.id.database, async (write) => {
    step = await new Step(deps, scope, stable, write).run(from);
  });
  return step;
}

class Step {
  readonly #deps: DropDeps;
  readonly #scope: ScopeState;
  readonly #stable: GenVector;
  readonly #write: (op: WriteOp) => void;
  /** Those that something was dropped of, as they are before. */
  readonly #commits = new Map<string, Shrinking | undefined>();
  #count = 0;
  #bytes = 0;

  constructor(deps: DropDeps, scope: ScopeState, stable: GenVector, write: (op: WriteOp) => void) {
    this.#deps = deps;
    this.#scope = scope;
    this.#stable = stable;
    this.#write = write;
  }

  async run(from: Uint8Array | undefined): Promise<Dropping> {
    const range = oldOfScope(this.#scope.number, from);
    let row: Old[] = [];
    let looked = 0;
    for await (const { key, value } of this.#deps.store.scan(range)) {
      const name = oldNameOf(key);
      const isSameRow = row[0] !== undefined && isOfRow(row[0].name, name);
      if (!isSameRow) {
        await this.#takeRow(row);
        row = [];
      }
      // Also in the middle of a row that was written very often: what supersedes the rest is among the heads or comes again.
      if (looked >= DROP_SCAN_MAX || this.#bytes >= DROP_BYTES_MAX) {
        await this.#takeRow(row);
        this.#rewriteCommits();
        return { dropped: this.#count, next: key };
      }
      looked += 1;
      this.#bytes += value.length;
      row.push({ name, place: key, version: readRecord("version", value, decodeVersion) });
    }
    await this.#takeRow(row);
    this.#rewriteCommits();
    return { dropped: this.#count, next: undefined };
  }

  /** Drops what it may of one row's superseded versions. */
  async #takeRow(olds: readonly Old[]): Promise<void> {
    const first = olds[0];
    if (first === undefined) return;
    const { space, key } = first.name;
    const bytes = await this.#deps.store.get(rowKey(this.#scope.number, space, key));
    const heads = bytes === undefined ? [] : readRecord("row", bytes, decodeRow).heads;
    const versions = [...heads, ...olds.map(({ version }) => version)];
    const superseders = versions.filter((one) => this.#isStable(one));
    for (const old of olds) {
      if (superseders.some((one) => supersedes(one, old.version))) await this.#drop(old);
    }
  }

  #isStable({ log, generation }: Version): boolean {
    return generation <= generationIn(this.#stable, this.#deps.history.logOf(log));
  }

  async #drop(old: Old): Promise<void> {
    const { version, place } = old;
    const { log, generation } = version;
    const commit = await this.#commitOf(log, generation);
    if (commit === undefined) return;
    commit.gone.set(rowText(old.name), version.digest);
    this.#write({ type: "delete", key: place });
    for (const ref of version.value === undefined ? [] : blobRefsIn(version.value)) {
      const { space, key } = old.name;
      const cause = { scope: this.#scope.number, log, generation, space, key };
      this.#write({ type: "delete", key: rowEdge(ref, cause).key });
    }
    this.#count += 1;
  }

  async #commitOf(log: LogNumber, generation: number): Promise<Shrinking | undefined> {
    const name = `${log} ${generation}`;
    if (this.#commits.has(name)) return this.#commits.get(name);
    const key = commitKey(this.#scope.number, log, generation);
    const bytes = await this.#deps.store.get(key);
    this.#bytes += bytes?.length ?? 0;
    const commit = bytes && {
      key,
      record: readRecord("commit", bytes, decodeStoredCommit),
      gone: new Map<string, Uint8Array>(),
    };
    this.#commits.set(name, commit);
    return commit;
  }

  /** Each commit that something was dropped of is written again, digests in place of it. */
  #rewriteCommits(): void {
    for (const commit of this.#commits.values())
      if (commit !== undefined) this.#write(this.#rewritten(commit));
  }

  #rewritten({ key, record, gone }: Shrinking): WriteOp {
    const { opCount } = decode(PartHeaderSchema, record.part);
    const digests: Uint8Array[] = [];
    const held: Uint8Array[] = [];
    const indexes = indexesOf(record.held.length, record.elided);
    record.held.forEach((encoded, i) => {
      const op = decodeHeld(encoded);
      const digest = op === "control" ? undefined : gone.get(rowText(op));
      if (digest === undefined) held.push(encoded);
      else digests[indexes[i] as number] = digest;
    });
    digests.length = opCount;
    const { crypto } = this.#deps;
    const isGone = (index: number): boolean => digests[index] !== undefined;
    const elided = elideOps(crypto, digests, isGone, record.elided);
    return { type: "put", key, value: encodeStoredCommit({ ...record, held, elided }) };
  }
}

/** Whether `one` says all that `other` does, and more: without `other` nothing of the row changes. */
function supersedes(one: Version, other: Version): boolean {
  return (
    seenIn(one.context, other.log) >= other.generation &&
    other.context.every(({ log, generation }) => seenIn(one.context, log) >= generation)
  );
}

function isOfRow(a: OldName, b: OldName): boolean {
  return rowText(a) === rowText(b);
}

function rowText({ space, key }: { readonly space: number; readonly key: Uint8Array }): string {
  return `${space} ${toHex(key)}`;
}
