import type { BlobRef, Crypto, Logger } from "../base/index.ts";
import {
  type ChunkStore,
  type PutOptions,
  type PutOutcome,
  type VerifiedChunk,
} from "../chunks/index.ts";
import type { Store } from "../store/index.ts";
import { addressPages } from "./addresses.ts";
import { BlobError } from "./errors.ts";
import { BLOB_BYTES_AT_ONCE_MAX, NODE_WRITE_BATCH } from "./limits.ts";
import { bytesHere, type MissingChunks, missingChunks, missingNodes } from "./missing.ts";
import { chunksHere, edgesOf, loadNode, type StoredNode } from "./nodes.ts";
import { Notes } from "./notes.ts";
import type { BlobSource } from "./pieces.ts";
import { PreOrder, type PreOrderOptions } from "./pre-order.ts";
import { type BlobPut, type BlobPutOptions, Put } from "./put.ts";
import { type BlobRange, isRangeHere, rangeOf, readRange } from "./read.ts";
import { type NodeName, rootOf, VerifiedNode } from "./recipe.ts";
import { isWhole } from "./whole.ts";

export interface BlobsDeps {
  /** Where the index of `chunks` is kept. */
  readonly store: Store;
  readonly chunks: ChunkStore;
  readonly crypto: Crypto;
  readonly logger?: Logger | undefined;
}

export interface BlobStatus {
  /** Bytes of the blob that are here, counted wherever they stand in it; those below a node that is lacking are not. */
  readonly here: number;
  readonly size: number;
  /** Whether all of it is here and durable, recipe included. */
  readonly isWhole: boolean;
}

/** A node of a recipe on its way to somebody else; `node` is `undefined` when it is not here. */
export interface RecipeStep {
  readonly name: NodeName;
  readonly node: StoredNode | undefined;
}

/**
 * Blobs of this device: put, read, and what a fetch needs to bring one here. Knows chunks and recipes, no network. Rules:
 * docs/spec/blobs.md.
 *
 * Every call may fail as its `chunks` and `store` do ({ChunkError}, {StoreError}), and with `BLOB_INVALID` when a BlobRef
 * or a recipe lies.
 */
export class Blobs implements AsyncDisposable {
  readonly #deps: BlobsDeps;
  readonly #notes: Notes;
  readonly #walk: { readonly chunks: ChunkStore; readonly notes: Notes };

  constructor(deps: BlobsDeps) {
    this.#deps = deps;
    this.#notes = new Notes(deps);
    this.#walk = { chunks: deps.chunks, notes: this.#notes };
  }

  /**
   * Stores what the source yields; resolves when all of it is durable. Memory is bounded whatever the size. What is here
   * already is not written again, so a put that died goes on where it was when the same bytes are put again. [BL7] [BL8]
   *
   * @throws what the source throws, and the signal's reason: nothing refers to what was stored by then. {ChunkError}
   *   `CHUNKS_FULL` and others of its `put`.
   */
  async put(source: BlobSource, options: BlobPutOptions = {}): Promise<BlobPut> {
    return await new Put({ ...this.#deps, notes: this.#notes }, options).run(source);
  }

  /**
   * The bytes of a blob, or of a range of it, in pieces of at most 128 KiB. Reads the nodes on the way and the chunks in the
   * range, nothing else, each checked; the rest of the blob need not be here. [BL9]
   *
   * @throws {RangeError} at once, when the range is not within the blob. While it is read: {BlobError} `BLOB_NOT_HERE`,
   *   `BLOB_INVALID`, and the signal's reason.
   */
  read(
    ref: BlobRef,
    { signal, ...range }: BlobRange & { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    return this.#read(ref, rangeOf(ref, range), signal);
  }

  async *#read(
    ref: BlobRef,
    range: { start: number; end: number },
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    signal?.throwIfAborted();
    const root = rootOf(this.#deps.crypto, ref);
    if (root === undefined || range.start === range.end) return;
    const onMissing = (address: Uint8Array): Promise<void> => this.noteMissing(address);
    yield* readRange({ chunks: this.#deps.chunks, onMissing }, root, range, signal);
  }

  /**
   * All bytes of a blob.
   *
   * @throws {RangeError} when it is over `BLOB_BYTES_AT_ONCE_MAX`: read it. Else as `read`.
   */
  async bytes(
    ref: BlobRef,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Uint8Array> {
    if (ref.size > BLOB_BYTES_AT_ONCE_MAX)
      throw new RangeError(`Over ${BLOB_BYTES_AT_ONCE_MAX} bytes are read piece by piece`);
    let bytes = new Uint8Array();
    let at = 0;
    for await (const piece of this.read(ref, options)) {
      // Not before the recipe was seen to say the same.
      if (at === 0) bytes = new Uint8Array(ref.size);
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes;
  }

  /**
   * Whether the blob is here with its recipe, durable: from a note, else by a walk over its recipe, which notes it and
   * writes the edges of nodes that came without. [BL13]
   */
  async isWhole(ref: BlobRef): Promise<boolean> {
    const root = rootOf(this.#deps.crypto, ref);
    if (root === undefined) return true;
    if (root.level === 0) return (await chunksHere(this.#deps.chunks, [root]))[0] === true;
    return await isWhole(this.#walk, root);
  }

  /**
   * Whether what a read of this range needs is here; the rest need not be. A read may fail all the same, where a chunk is lost
   * meanwhile or found damaged. [BL9]
   *
   * @throws {RangeError} when the range is not within the blob.
   */
  async isHere(ref: BlobRef, range: BlobRange = {}): Promise<boolean> {
    const { start, end } = rangeOf(ref, range);
    const root = rootOf(this.#deps.crypto, ref);
    if (root === undefined || start === end) return true;
    return (
      (await this.isWhole(ref)) || (await isRangeHere(this.#deps.chunks, root, { start, end }))
    );
  }

  /** How much of a blob is here. One that is not whole is walked. */
  async status(ref: BlobRef): Promise<BlobStatus> {
    const { size } = ref;
    if (await this.isWhole(ref)) return { here: size, size, isWhole: true };
    const root = rootOf(this.#deps.crypto, ref);
    const here = root === undefined || root.level === 0 ? 0 : await bytesHere(this.#walk, root);
    return { here, size, isWhole: false };
  }

  /**
   * Nodes of the recipe that are not here while what names them is, in pages of at most `MISSING_NODES_PAGE_MAX`, each once.
   * Of a blob of which nothing is here: its root. When they have been added, what they name in turn is found by another
   * walk: until one answers nothing. Nodes that are whole are not gone into. [BL10]
   */
  async *missingNodes(ref: BlobRef): AsyncGenerator<NodeName[], void, undefined> {
    const root = rootOf(this.#deps.crypto, ref);
    if (root !== undefined && root.level > 0) yield* missingNodes(this.#walk, root);
  }

  /**
   * Chunks that are not here while the node that names them is, node by node in the blob's order. One node's are held at a
   * time. Each once, as long as no more than `WALK_SEEN_MAX` others of its level lie between. What is added during the walk may or may
   * not be answered. [BL10]
   */
  async *missingChunks(ref: BlobRef): AsyncGenerator<MissingChunks, void, undefined> {
    const root = rootOf(this.#deps.crypto, ref);
    if (root === undefined) return;
    if (root.level > 0) yield* missingChunks(this.#walk, root);
    else if (!(await this.isWhole(ref))) yield { node: undefined, entries: [root] };
  }

  /** Stores nodes that were checked, with the edges to what they name. Resolves when they are durable. [BL11] */
  async addNodes(nodes: readonly VerifiedNode[]): Promise<void> {
    for (const node of nodes)
      if (!VerifiedNode.isVerified(node)) throw new TypeError("What is added is a VerifiedNode");
    for (let i = 0; i < nodes.length; i += NODE_WRITE_BATCH) {
      const batch = nodes.slice(i, i + NODE_WRITE_BATCH);
      await this.#deps.chunks.put(
        batch.map(({ chunk }) => chunk),
        { with: (write) => write.add(...batch.flatMap(edgesOf)) },
      );
    }
  }

  /**
   * Stores chunks that were checked: by `checkChunk`, since a node says how long they are. Resolves when they are durable.
   * [BL11]
   */
  addChunks(chunks: readonly VerifiedChunk[], options?: PutOptions): Promise<PutOutcome[]> {
    return this.#deps.chunks.put(chunks, options);
  }

  /** A node that is here, as what stands above it names it. */
  node(name: NodeName): Promise<StoredNode | undefined> {
    return loadNode(this.#deps.chunks, name);
  }

  /**
   * Nodes in pre-order, from each start down: what `RecipeVerifier` takes with the same starts and options. Ends after the
   * first that is not here. [BL6]
   */
  async *recipe(
    starts: readonly NodeName[],
    options: PreOrderOptions = {},
  ): AsyncGenerator<RecipeStep, void, undefined> {
    const order = new PreOrder(starts, options);
    for (let name = order.next; name !== undefined; name = order.next) {
      const node = await loadNode(this.#deps.chunks, name);
      yield { name, node };
      if (node === undefined) return;
      order.enter(node);
    }
  }

  /**
   * Addresses of a whole blob's nodes and chunks, in pages of at most `ADDRESS_PAGE_MAX`. Each once, as long as no more
   * than `WALK_SEEN_MAX` others of its level lie between. [BL12]
   *
   * @throws {BlobError} `BLOB_NOT_HERE` when it is not whole; pages may have been answered by then.
   */
  async *addresses(ref: BlobRef): AsyncGenerator<Uint8Array[], void, undefined> {
    if (!(await this.isWhole(ref)))
      throw new BlobError("BLOB_NOT_HERE", "Cannot list chunks: the blob is not all here");
    const root = rootOf(this.#deps.crypto, ref);
    if (root !== undefined) yield* addressPages(this.#deps.chunks, root);
  }

  /**
   * To be told when a chunk or node is found to be lacking: what was noted of blobs with it is taken back, if anything was.
   * A loss that the store of chunks tells of needs no telling. [BL13]
   */
  async noteMissing(address: Uint8Array): Promise<void> {
    await this.#notes.noteMissing(address);
  }

  /** Waits for what is under way by itself. `store` and `chunks` stay open: they are not ours, and are closed after. */
  async close(): Promise<void> {
    await this.#notes.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
