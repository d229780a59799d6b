/**
 * What of recipes is whole: that a node is here with all below it, down to the bytes, is noted under a key of its own. The
 * note saves the walk, and tells a fetch what it need not ask for. It is taken back when a chunk below is lost. [BL13]
 *
 *   0x38  address of the node  -> its level (1), the blob's bytes below it (varint)
 */

import { ADDRESS_SIZE, ByteReader, ByteWriter, type Logger, toHex } from "../base/index.ts";
import { type ChunkStore, CONTENT, parentsOf } from "../chunks/index.ts";
import type { KeyRange, Store, WriteOp } from "../store/index.ts";
import { invalid } from "./errors.ts";
import { NOTE_WRITE_BATCH } from "./limits.ts";
import { contentName } from "./nodes.ts";
import type { NodeName } from "./recipe.ts";

const SPACE = 0x38;

export function noteKey(address: Uint8Array): Uint8Array {
  const out = new ByteWriter(1 + ADDRESS_SIZE);
  out.u8(SPACE);
  out.bytes(address);
  return out.finish();
}

/** All notes. */
export const NOTE_RANGE: KeyRange = { gte: Uint8Array.of(SPACE), lt: Uint8Array.of(SPACE + 1) };

/** The address of a note's key. */
export function noteAddressOf(key: Uint8Array): Uint8Array {
  return key.subarray(1);
}

export function noteOf({ address, level, size }: NodeName): WriteOp {
  const value = new ByteWriter(9);
  value.u8(level);
  value.varint(size);
  return { type: "put", key: noteKey(address), value: value.finish() };
}

/** What a note says of its node. */
export function readNote(value: Uint8Array): { level: number; size: number } {
  const input = new ByteReader(value);
  return { level: input.u8(), size: input.varint() };
}

export interface NotesDeps {
  readonly store: Store;
  readonly chunks: ChunkStore;
  readonly logger?: Logger | undefined;
}

/** The notes, and what takes them back. */
export class Notes {
  readonly #deps: NotesDeps;
  readonly #stopListening: () => void;
  /** Addresses of lost chunks above which notes may stand still. */
  readonly #lost: Uint8Array[] = [];
  #clearing: Promise<void> | undefined;
  #losses = 0;

  constructor(deps: NotesDeps) {
    this.#deps = deps;
    this.#stopListening = deps.chunks.onLost(({ kind, address }) => {
      if (kind.code === CONTENT.code) this.noteLost(address);
    });
  }

  /**
   * Grows whenever a chunk is lost. A note may be written for what was found here while this number stood still: to be
   * compared within the write.
   */
  get losses(): number {
    return this.#losses;
  }

  /**
   * Whether each node is known to be whole, in order.
   *
   * @throws {BlobError} `BLOB_INVALID` when a name says of a node what is not so; {StoreError}.
   */
  async areWhole(names: readonly NodeName[]): Promise<boolean[]> {
    await this.#settle();
    const values = await this.#deps.store.getMany(names.map(({ address }) => noteKey(address)));
    return values.map((value, i) => {
      if (value === undefined) return false;
      const { level, size } = readNote(value);
      if (level !== names[i]?.level || size !== names[i].size)
        throw invalid("a node is not what is said above it");
      return true;
    });
  }

  /** Takes back the notes of all that is above a chunk which is not here, though it was to be. */
  noteLost(address: Uint8Array): void {
    this.#losses += 1;
    this.#lost.push(address);
    // Who asks next is told why it failed.
    this.#settle().catch(() => {});
  }

  /** A chunk or node was looked for in vain: if a note says that it is here, it is lost. */
  async noteMissing(address: Uint8Array): Promise<void> {
    const { store } = this.#deps;
    const [note] = await store.getMany([noteKey(address)]);
    let isNoted = note !== undefined;
    for await (const parent of parentsOf(store, contentName(address))) {
      if (isNoted) break;
      isNoted = (await store.get(noteKey(parent))) !== undefined;
    }
    if (isNoted) this.noteLost(address);
  }

  /** Hears of no more losses, and waits for what is under way. */
  async close(): Promise<void> {
    this.#stopListening();
    await this.#clearing?.catch(() => {});
  }

  /** Resolves when no note stands that should not. */
  async #settle(): Promise<void> {
    while (this.#lost.length > 0)
      await (this.#clearing ??= this.#clear().finally(() => (this.#clearing = undefined)));
  }

  async #clear(): Promise<void> {
    const { chunks, store, logger } = this.#deps;
    const lost = [...this.#lost];
    // Notes that are being written are durable afterwards; later ones see that something was lost.
    await chunks.write(() => {});
    const above = await this.#above(lost);
    for (let i = 0; i < above.length; i += NOTE_WRITE_BATCH) {
      const batch = above.slice(i, i + NOTE_WRITE_BATCH);
      await store.write(
        batch.map((address): WriteOp => ({ type: "delete", key: noteKey(address) })),
      );
    }
    logger?.("warn", "blobs.not-whole", { lost: lost.length, nodes: above.length });
    this.#lost.splice(0, lost.length);
  }

  /** All nodes above these chunks, and the chunks themselves, which may be nodes. */
  async #above(lost: readonly Uint8Array[]): Promise<Uint8Array[]> {
    const met = new Map(lost.map((address) => [toHex(address), address]));
    // A map grows while it is gone through.
    for (const address of met.values()) {
      for await (const parent of parentsOf(this.#deps.store, contentName(address)))
        met.set(toHex(parent), parent);
    }
    return [...met.values()];
  }
}
