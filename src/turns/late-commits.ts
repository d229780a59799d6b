/**
 * Commits of ours that one store write makes durable before they are signed: they are signed while the store syncs, and the next
 * write of the database brings their signatures. Our own log's record names them until then. [HI83]
 */

import { type Crypto, equalBytes } from "../base/index.ts";
import {
  commitDigest,
  commitKey,
  type CommitSigner,
  isUnsigned,
  type OwnLog,
  type PartName,
  placeOfSignature,
  readRecord,
  signedCopy,
} from "../records/index.ts";
import type { Store, WriteOp } from "../store/index.ts";
import { decodeStoredCommit } from "../wire/index.ts";
import { LATE_BYTES_MAX } from "./limits.ts";

/** A part of a commit as it is stored without a signature. */
interface LatePart {
  readonly name: PartName;
  readonly digest: Uint8Array;
  readonly record: Uint8Array;
  /** Where its signature belongs. */
  readonly at: number;
  signed?: Uint8Array;
}

export class LateCommits {
  readonly #signer: CommitSigner;
  #parts: LatePart[] = [];
  /** Those of another device, whose store this was: they stay named until it is back. */
  readonly #others: PartName[];
  #bytes = 0;

  /** `before`: those of the write before, of which it goes on to name what cannot be signed here. */
  constructor(signer: CommitSigner, before?: LateCommits) {
    this.#signer = signer;
    this.#others = before === undefined ? [] : before.#others;
  }

  /** Those that the store holds without a signature, by what our log's record says. Signs them. */
  static async load(
    {
      store,
      crypto,
      signer,
    }: {
      readonly store: Pick<Store, "get">;
      readonly crypto: Pick<Crypto, "sha256">;
      readonly signer: CommitSigner;
    },
    { unsigned = [], generation, digest: last }: OwnLog,
  ): Promise<LateCommits> {
    const late = new LateCommits(signer);
    for (const name of unsigned) {
      const bytes = await store.get(commitKey(name.scope, name.log, name.generation));
      if (bytes === undefined) continue;
      const { header, signature } = readRecord("commit", bytes, decodeStoredCommit);
      const digest = commitDigest(crypto, header);
      // What is not the commit that was given this generation is never signed.
      const isOther = name.generation === generation && last && !equalBytes(last, digest);
      if (!isUnsigned(signature) || isOther === true) continue;
      if (signer.isOurs(header)) late.add(name, digest, header, bytes);
      else late.#others.push(name);
    }
    await late.sign();
    return late;
  }

  /** Whether nothing is to be signed. */
  get isEmpty(): boolean {
    return this.#parts.length === 0;
  }

  /** All that our log's record names. */
  get names(): readonly PartName[] {
    return [...this.#others, ...this.#parts.map(({ name }) => name)];
  }

  /** Adds a part whose `record` has no signature yet. */
  add(name: PartName, digest: Uint8Array, header: Uint8Array, record: Uint8Array): void {
    this.#parts.push({ name, digest, record, at: placeOfSignature(header.length) });
    this.#bytes += record.length;
  }

  /** Whether they are more than is to be written twice: a large commit's signature is the least of its costs. */
  get isMany(): boolean {
    return this.#bytes > LATE_BYTES_MAX;
  }

  /** Signs those that are here at once, in the memory that they were given in: before it is written. */
  async signNow(): Promise<void> {
    for (const { digest, record, at } of this.#parts)
      record.set(await this.#signer.sign(digest), at);
    this.#parts = [];
    this.#bytes = 0;
  }

  /** Leaves out those that are not `kept`. */
  keep(isKept: (name: PartName) => boolean): void {
    if (this.isEmpty) return;
    this.#parts = this.#parts.filter(({ name }) => isKept(name));
  }

  /** Signs them, in memory of their own. */
  async sign(): Promise<void> {
    for (const part of this.#parts)
      part.signed ??= signedCopy(part.record, part.at, await this.#signer.sign(part.digest));
  }

  /** As `sign`, once a write that begins now has been handed to the engine, which works on a thread of its own. */
  async signWhileWriting(): Promise<void> {
    for (let turn = 0; turn < TURNS_TO_ENGINE; turn++) await Promise.resolve();
    await this.sign();
  }

  /** Whether all are signed, in memory of their own. */
  get isSigned(): boolean {
    return this.#parts.every(({ signed }) => signed !== undefined);
  }

  /** Adds what writes those that are signed, but for those whose places are `taken`. */
  stage(batch: WriteOp[], isTaken: (name: PartName) => boolean): void {
    for (const { name, signed } of this.#parts) {
      if (signed === undefined || isTaken(name)) continue;
      const key = commitKey(name.scope, name.log, name.generation);
      batch.push({ type: "put", key, value: signed });
    }
  }
}

/** Turns of the microtask queue until a write of an idle store is with its engine. A wrong number costs time alone. */
const TURNS_TO_ENGINE = 3;
