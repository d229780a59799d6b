/**
 * The holder's side of the chunks stream: answers what peers ask of blobs that they may fetch. Whatever is not there, not
 * theirs, or not in the blob has one answer. [EX2]
 */

import { type Clock, type Crypto, type DeviceId, toHex } from "../base/index.ts";
import {
  BlobError,
  type NodeName,
  type RecipeEntry,
  RecipeVerifier,
  rootOf,
} from "../blobs/index.ts";
import { type ChunkStore, CONTENT } from "../chunks/index.ts";
import { type Connection, FramedStream, type Stream, Wakeup } from "../net/index.ts";
import {
  type BlobRequest,
  BlobRequestSchema,
  type ChunksRequest,
  decode,
  type RecipeRequest,
} from "../wire/index.ts";
import { AnswerFiller } from "./answer-filler.ts";
import type { BlobAccess, BlobId } from "./blob-access.ts";
import { addressesIn } from "./addresses.ts";
import { askerFault, ExchangeError } from "./errors.ts";
import {
  READ_AHEAD_BYTES,
  REQUESTS_AT_ONCE_MAX,
  REQUESTS_HELD_BYTES_MAX,
  REQUESTS_IN_FLIGHT_MAX,
  SERVE_STALL_MS,
  STREAM_BLOBS_MAX,
} from "./limits.ts";
import type { ServedRecipes } from "./served-recipes.ts";

export interface ServeChunksDeps {
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly chunks: ChunkStore;
  readonly access: BlobAccess;
  readonly recipes: ServedRecipes;
}

/** A blob as a peer has named it on its stream. */
interface NamedBlob {
  readonly id: BlobId;
  /** Its root; `undefined` when no blob can be as the peer says, or it is empty: there is nothing to be had. */
  readonly root: NodeName | undefined;
  /** Whether the peer may fetch it, by the state of access with this version. */
  allowed: { readonly version: number; readonly answer: Promise<boolean> } | undefined;
}

/** Serves one stream until the peer ends it. @throws a coded error when the peer is at fault; `EXCHANGE_STALLED`. */
export function serveChunks(
  deps: ServeChunksDeps,
  stream: Stream,
  connection: Connection,
): Promise<void> {
  return new ChunksServer(deps, stream, connection.peer).run();
}

class ChunksServer {
  readonly #deps: ServeChunksDeps;
  readonly #frames: FramedStream;
  readonly #peer: DeviceId;
  readonly #blobs = new Map<number, NamedBlob>();
  readonly #waiting: { readonly request: BlobRequest; readonly bytes: number }[] = [];
  /** Bytes of those that wait. */
  #waitingBytes = 0;
  readonly #changed = new Wakeup();
  /** Requests of which the asker cannot know that they are answered, and those that are being worked on or wait. */
  #unanswered = 0;
  #open = 0;
  #lastNumber = 0;
  #hasEnded = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(deps: ServeChunksDeps, stream: Stream, peer: DeviceId) {
    this.#deps = deps;
    this.#frames = new FramedStream({ stream, clock: deps.clock });
    this.#peer = peer;
  }

  async run(): Promise<void> {
    const workers = Array.from({ length: REQUESTS_AT_ONCE_MAX }, () => this.#work());
    void this.#watch();
    try {
      for (
        let frame = await this.#frames.receive();
        frame !== undefined;
        frame = await this.#frames.receive()
      ) {
        this.#take(decode(BlobRequestSchema, frame), frame.length);
        while (this.#waitingBytes > REQUESTS_HELD_BYTES_MAX) await this.#changed.wait();
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#hasEnded = true;
    this.#changed.wake();
    await Promise.all(workers);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Ends the stream: nobody waits in a send any more. The first failure is the one that counts. */
  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#hasEnded = true;
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.#frames.reset();
    this.#changed.wake();
  }

  #take(request: BlobRequest, bytes: number): void {
    if (request.number <= this.#lastNumber) throw askerFault("a request's number does not ascend");
    this.#lastNumber = request.number;
    if (request.request.case === undefined) throw askerFault("a request of an unknown kind");
    if (this.#unanswered >= REQUESTS_IN_FLIGHT_MAX)
      throw askerFault(`over ${REQUESTS_IN_FLIGHT_MAX} requests are unanswered`);
    this.#name(request);
    this.#unanswered += 1;
    this.#open += 1;
    this.#waiting.push({ request, bytes });
    this.#waitingBytes += bytes;
    this.#changed.wake();
  }

  /** A blob is named with the first request for it, and with that alone. */
  #name({ blob, name }: BlobRequest): void {
    if ((name === undefined) !== this.#blobs.has(blob))
      throw askerFault("a blob is not named with its first request, or named again");
    if (name === undefined) return;
    if (this.#blobs.size >= STREAM_BLOBS_MAX)
      throw askerFault(`over ${STREAM_BLOBS_MAX} blobs on one stream`);
    // The frame that it came in is not kept for it.
    const id = { root: name.root.slice(), size: Number(name.size), depth: name.depth };
    this.#blobs.set(blob, { id, root: this.#rootOf(id), allowed: undefined });
  }

  #rootOf(id: BlobId): NodeName | undefined {
    try {
      return rootOf(this.#deps.crypto, id);
    } catch (error) {
      if (error instanceof BlobError) return undefined;
      throw error;
    }
  }

  async #work(): Promise<void> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next === undefined) {
        if (this.#hasEnded) return;
        await this.#changed.wait();
        continue;
      }
      this.#waitingBytes -= next.bytes;
      this.#changed.wake();
      try {
        await this.#answer(next.request);
        this.#open -= 1;
      } catch (error) {
        this.#fail(error);
      }
    }
  }

  async #answer({ number, blob, request }: BlobRequest): Promise<void> {
    const named = this.#blobs.get(blob) as NamedBlob;
    const root = (await this.#mayFetch(named)) ? named.root : undefined;
    const filler = new AnswerFiller(number, (parts) => this.#frames.send(parts));
    if (request.case === "recipe") await this.#answerRecipe(named.id, root, request.value, filler);
    if (request.case === "chunks") await this.#answerChunks(root, request.value, filler);
    // The asker may have the last answer, and ask again, before we are told that it went out.
    this.#unanswered -= 1;
    await filler.end();
  }

  #mayFetch(named: NamedBlob): Promise<boolean> {
    const { access } = this.#deps;
    if (named.allowed?.version !== access.version)
      named.allowed = { version: access.version, answer: access.mayFetch(this.#peer, named.id) };
    return named.allowed.answer;
  }

  /** Nodes in pre-order, as far as they are here. */
  async #answerRecipe(
    id: BlobId,
    root: NodeName | undefined,
    { nodes, levels, held }: RecipeRequest,
    filler: AnswerFiller,
  ): Promise<void> {
    const [first = id.root] = nodes;
    // With a depth of 0 the root is no node.
    if (root === undefined || root.level === 0) return filler.absent([first]);
    const starts: NodeName[] = [];
    for (const address of nodes) {
      const name = await this.#deps.recipes.find(root, address);
      if (name === undefined) return filler.absent([first]);
      starts.push(name);
    }
    const left = new Set(held.map(toHex));
    const order = new RecipeVerifier(this.#deps.crypto, nodes.length === 0 ? [root] : starts, {
      levels,
      isHeld: (address) => left.has(toHex(address)),
    });
    for (let next = order.next; next !== undefined; next = order.next) {
      if (this.#frames.ended.aborted) return;
      const bytes = await this.#deps.chunks.get({ kind: CONTENT, address: next.address });
      if (bytes === undefined || !takes(order, bytes)) return filler.absent([next.address]);
      await filler.node(bytes);
    }
  }

  /** Entries of one node of the blob, as far as they are here. */
  async #answerChunks(
    root: NodeName | undefined,
    { node, addresses: packed }: ChunksRequest,
    filler: AnswerFiller,
  ): Promise<void> {
    const addresses = addressesIn(packed);
    if (addresses === undefined) throw askerFault("addresses of no whole number");
    const sizes = root === undefined ? undefined : await this.#entriesOf(root, node);
    let batch: RecipeEntry[] = [];
    let bytes = 0;
    const send = async (): Promise<void> => {
      await this.#sendChunks(batch, filler);
      batch = [];
      bytes = 0;
    };
    for (const address of addresses) {
      const size = sizes?.get(toHex(address));
      if (size === undefined) {
        await filler.absent([address]);
        continue;
      }
      if (bytes + size > READ_AHEAD_BYTES) await send();
      if (this.#frames.ended.aborted) return;
      batch.push({ address, size });
      bytes += size;
    }
    await send();
  }

  async #sendChunks(batch: readonly RecipeEntry[], filler: AnswerFiller): Promise<void> {
    const { chunks } = this.#deps;
    const addresses = batch.map(({ address }) => address);
    const here = await chunks.entries(CONTENT, addresses);
    // A node may say one byte of what has 128 KiB. That is no entry of a blob, and is not taken into memory.
    const wanted = addresses.filter((_, i) => here[i]?.size === batch[i]?.size);
    const found = await chunks.getMany(CONTENT, wanted);
    const byAddress = new Map(wanted.map((address, i) => [address, found[i]]));
    for (const address of addresses) {
      const data = byAddress.get(address);
      await (data === undefined ? filler.absent([address]) : filler.chunk(address, data));
    }
  }

  /** Sizes of the chunks that a node of the blob names, by address; of a blob without nodes, its one chunk. */
  async #entriesOf(
    root: NodeName,
    node: Uint8Array,
  ): Promise<ReadonlyMap<string, number> | undefined> {
    if (node.length === 0)
      return root.level === 0 ? new Map([[toHex(root.address), root.size]]) : undefined;
    if (root.level === 0) return undefined;
    const name = await this.#deps.recipes.find(root, node);
    if (name?.level !== 1) return undefined;
    const read = await this.#deps.recipes.read(name);
    return read && new Map(read.entries.map(({ address, size }) => [toHex(address), size]));
  }

  /** Ends the stream of a peer that takes nothing of what it asked for: what is held for it is freed. */
  async #watch(): Promise<void> {
    const { clock } = this.#deps;
    try {
      for (let before = -1; ; before = this.#frames.bytesOut) {
        await clock.sleep(SERVE_STALL_MS, this.#frames.ended);
        if (this.#open > 0 && this.#frames.bytesOut === before)
          return this.#fail(
            new ExchangeError(
              "EXCHANGE_STALLED",
              "Cannot serve chunks: the peer takes nothing of what it asked for",
            ),
          );
      }
    } catch {
      // The stream has ended, which is what aborts the sleep.
    }
  }
}

/** Whether the bytes are the node that comes next. */
function takes(order: RecipeVerifier, bytes: Uint8Array): boolean {
  try {
    order.take(bytes);
    return true;
  } catch (error) {
    if (error instanceof BlobError) return false;
    throw error;
  }
}
