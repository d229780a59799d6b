import type { Blobs, VerifiedNode } from "../blobs/index.ts";
import type { VerifiedChunk } from "../chunks/index.ts";
import { BATCH_BYTES, BATCH_CHUNKS_MAX } from "./limits.ts";

/** What is stored together: nodes, with their edges, and chunks. */
interface Batch {
  readonly nodes: VerifiedNode[];
  readonly chunks: VerifiedChunk[];
  bytes: number;
}

/**
 * Stores what arrives, a few megabytes at a time, while the next arrive: so at most two batches are held, one of them being
 * written. Whoever adds waits when the disk is slower than the network. [EX10]
 */
export class StoreBatch {
  readonly #blobs: Pick<Blobs, "addNodes" | "addChunks">;
  readonly #onStored: (chunks: readonly VerifiedChunk[]) => void;
  #open: Batch = emptyBatch();
  #storing: Promise<void> = Promise.resolve();

  /** `onStored` is told of chunks that have become durable. */
  constructor(
    blobs: Pick<Blobs, "addNodes" | "addChunks">,
    onStored: (chunks: readonly VerifiedChunk[]) => void,
  ) {
    this.#blobs = blobs;
    this.#onStored = onStored;
  }

  /** @throws {ChunkError}, {StoreError} when what was added before could not be stored. */
  addNode(node: VerifiedNode): Promise<void> {
    this.#open.nodes.push(node);
    return this.#grow(node.chunk.bytes.length);
  }

  /** @throws as `addNode`. */
  addChunk(chunk: VerifiedChunk): Promise<void> {
    this.#open.chunks.push(chunk);
    return this.#grow(chunk.bytes.length);
  }

  /** Stores what is left; all that was added is durable when it resolves. @throws as `addNode`. */
  async flush(): Promise<void> {
    await this.#turn();
    await this.#storing;
  }

  async #grow(bytes: number): Promise<void> {
    this.#open.bytes += bytes;
    const { nodes, chunks } = this.#open;
    if (this.#open.bytes >= BATCH_BYTES || nodes.length + chunks.length >= BATCH_CHUNKS_MAX)
      await this.#turn();
  }

  /** Begins to store the open batch, once the one before is stored. */
  async #turn(): Promise<void> {
    await this.#storing;
    const batch = this.#open;
    this.#open = emptyBatch();
    this.#storing = this.#store(batch);
    // Told to whoever adds next, or flushes.
    this.#storing.catch(() => {});
  }

  async #store({ nodes, chunks }: Batch): Promise<void> {
    if (nodes.length > 0) await this.#blobs.addNodes(nodes);
    if (chunks.length === 0) return;
    await this.#blobs.addChunks(chunks);
    this.#onStored(chunks);
  }
}

function emptyBatch(): Batch {
  return { nodes: [], chunks: [], bytes: 0 };
}
