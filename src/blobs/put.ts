import { ADDRESS_SIZE, BlobRef, type Crypto, isMediaType } from "../base/index.ts";
import {
  Chunker,
  CHUNKER_VERSION,
  type ChunkStore,
  type ChunkWrite,
  contentChunk,
  type PutOutcome,
  type VerifiedChunk,
} from "../chunks/index.ts";
import type { Store } from "../store/index.ts";
import { PUT_BATCH_BYTES, PUT_BATCHES_WRITTEN_MAX } from "./limits.ts";
import { edgesOf } from "./nodes.ts";
import { noteKey, noteOf, type Notes } from "./notes.ts";
import { type BlobSource, piecesOf } from "./pieces.ts";
import type { VerifiedNode } from "./recipe.ts";
import { RecipeBuilder } from "./recipe-builder.ts";

/** How far a put has come. */
export interface PutProgress {
  /** Bytes of the blob that are durable here. */
  readonly bytes: number;
  /** Those of them that were not here before. */
  readonly newBytes: number;
}

export interface BlobPutOptions {
  /** For whoever shows it: goes into the BlobRef. */
  readonly mediaType?: string | undefined;
  /** Ends the put; what is stored by then is found again by the next put of the same bytes. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each write. */
  readonly onProgress?: ((progress: PutProgress) => void) | undefined;
}

export interface BlobPut {
  readonly ref: BlobRef;
  /** Bytes of the blob that were not here before. */
  readonly newBytes: number;
}

interface PutDeps {
  readonly store: Store;
  readonly chunks: ChunkStore;
  readonly crypto: Crypto;
  readonly notes: Notes;
}

const REST_END = noteKey(new Uint8Array(ADDRESS_SIZE).fill(0, 0, -1).fill(1, -1));

/** What is written at once. */
class Batch {
  readonly chunks: VerifiedChunk[] = [];
  /** Those of the nodes whose last entry is among the chunks. */
  readonly nodes: VerifiedNode[] = [];
  bytes = 0;
}

/**
 * One put: while batches of chunks are being written, the next is read, cut and hashed. They are written in order, a node
 * with or after all that it names; where one fails, those that were on their way are noted as whole no more.
 */
export class Put {
  readonly #deps: PutDeps;
  readonly #options: BlobPutOptions;
  readonly #builder: RecipeBuilder;
  /** What was lost since may have been found here by us. */
  readonly #losses: number;
  #batch = new Batch();
  /** Batches that are being written, the first begun first. */
  readonly #writing: Promise<void>[] = [];
  /** Batches that were begun, and those whose turn in the index has come. */
  #begun = 0;
  #turns = 0;
  /** The first that failed. */
  #failed = Number.POSITIVE_INFINITY;
  #bytes = 0;
  #newBytes = 0;

  constructor(deps: PutDeps, options: BlobPutOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#builder = new RecipeBuilder(deps.crypto);
    this.#losses = deps.notes.losses;
  }

  async run(source: BlobSource): Promise<BlobPut> {
    const { mediaType, signal } = this.#options;
    if (mediaType !== undefined && !isMediaType(mediaType))
      throw new RangeError("A media type has 1 to 255 characters of ASCII");
    try {
      const chunker = new Chunker();
      for await (const piece of piecesOf(source, signal)) {
        for (const bytes of chunker.push(piece)) await this.#take(bytes);
        await this.#rest();
      }
      for (const bytes of chunker.end()) await this.#take(bytes);
      const { root, size, depth, nodes } = this.#builder.end();
      this.#batch.nodes.push(...nodes);
      await this.#flush();
      for (const write of this.#writing) await write;
      const ref = new BlobRef({ root, size, depth, chunker: CHUNKER_VERSION, mediaType });
      return { ref, newBytes: this.#newBytes };
    } finally {
      // Nothing of ours goes on afterwards. What it failed with has been told, or something else was first.
      await Promise.allSettled(this.#writing);
    }
  }

  async #take(bytes: Uint8Array): Promise<void> {
    const chunk = contentChunk(this.#deps.crypto, bytes);
    this.#batch.chunks.push(chunk);
    this.#batch.bytes += bytes.length;
    this.#batch.nodes.push(...this.#builder.add({ address: chunk.address, size: bytes.length }));
    if (this.#batch.bytes >= PUT_BATCH_BYTES) await this.#flush();
  }

  /** Lets others have their turn, who would wait while a source in memory is cut: a scan of the disk does that, reads of few keys do not. */
  async #rest(): Promise<void> {
    const range = { gte: noteKey(new Uint8Array(ADDRESS_SIZE)), lt: REST_END };
    for await (const _ of this.#deps.store.scan(range, { limit: 1 })) return;
  }

  /** Begins to write the batch, once there is room for another. */
  async #flush(): Promise<void> {
    if (this.#writing.length >= PUT_BATCHES_WRITTEN_MAX) {
      await this.#writing[0];
      void this.#writing.shift();
    }
    this.#options.signal?.throwIfAborted();
    const batch = this.#batch;
    this.#batch = new Batch();
    if (batch.chunks.length === 0 && batch.nodes.length === 0) return;
    const number = ++this.#begun;
    const writing = this.#write(batch, number);
    this.#writing.push(writing);
    // It is awaited later; until then its failure is nobody's.
    writing.catch(() => (this.#failed = Math.min(this.#failed, number)));
  }

  async #write({ chunks, nodes, bytes }: Batch, number: number): Promise<void> {
    const all = [...chunks, ...nodes.map(({ chunk }) => chunk)];
    const outcomes = await this.#deps.chunks.put(all, {
      with: async (write, found) => {
        this.#turns += 1;
        // A batch that failed, or was refused before its turn, leaves nodes of later ones without what they name.
        const isWhole = this.#turns === number && number < this.#failed;
        await this.#addNodes(write, nodes, found.slice(chunks.length), isWhole);
      },
    });
    this.#bytes += bytes;
    chunks.forEach((chunk, i) => {
      if (outcomes[i] === "stored") this.#newBytes += chunk.bytes.length;
    });
    this.#options.onProgress?.({ bytes: this.#bytes, newBytes: this.#newBytes });
  }

  /** What goes with nodes: edges to what they name, and notes that they are whole. What has both already is left alone. */
  async #addNodes(
    write: ChunkWrite,
    nodes: readonly VerifiedNode[],
    outcomes: readonly PutOutcome[],
    isWhole: boolean,
  ): Promise<void> {
    const notes = await this.#deps.store.getMany(nodes.map(({ address }) => noteKey(address)));
    const isNoted = isWhole && this.#deps.notes.losses === this.#losses;
    for (const [i, node] of nodes.entries()) {
      if (notes[i] !== undefined && outcomes[i] !== "stored") continue;
      write.add(...edgesOf(node));
      if (isNoted) write.add(noteOf(node));
    }
  }
}
