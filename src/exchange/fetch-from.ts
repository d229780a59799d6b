/**
 * Fetching from one holder: the nodes of the recipe that are lacking, level by level, then the chunks that are lacking. What
 * is here is not asked for, so that a fetch that was cut goes on where it was. [EX9]
 */

import { type BlobRef, concatBytes, type Crypto, toHex } from "../base/index.ts";
import {
  BlobError,
  type Blobs,
  checkChunk,
  checkNode,
  type NodeName,
  type RecipeEntry,
  type VerifiedNode,
} from "../blobs/index.ts";
import { CONTENT, type VerifiedChunk, type Wants } from "../chunks/index.ts";
import type { BlobAnswer } from "../wire/index.ts";
import { ExchangeError, holderFault } from "./errors.ts";
import type { HolderStream } from "./holder-stream.ts";
import {
  CLAIM_MS,
  NODE_BYTES_GUESS,
  REQUEST_ADDRESSES_MAX,
  REQUEST_BYTES,
  REQUEST_NODES,
} from "./limits.ts";
import { StoreBatch } from "./store-batch.ts";

export interface FetchFromDeps {
  readonly crypto: Crypto;
  readonly blobs: Blobs;
  readonly wants: Wants;
}

export interface FetchFromHooks {
  /** The recipe is here, and so many bytes of the blob. */
  readonly onRecipe: (here: number) => void;
  /** So many bytes of chunks have come, and are durable. */
  readonly onStored: (bytes: number) => void;
}

/**
 * Brings what is lacking of a blob, as far as the holder gives it and nobody else is asking for it.
 *
 * @throws {ExchangeError} as `HolderStream.ask`, `EXCHANGE_LACKING`; {BlobError}, {ChunkError}, {StoreError} of our own
 *   store; the signal's reason.
 */
export async function fetchFrom(
  deps: FetchFromDeps,
  stream: HolderStream,
  ref: BlobRef,
  hooks: FetchFromHooks,
  signal: AbortSignal,
): Promise<void> {
  const run = new FetchFrom(deps, stream, ref, hooks, signal);
  try {
    await run.nodes();
    hooks.onRecipe((await deps.blobs.status(ref)).here);
    await run.chunks();
  } finally {
    deps.wants.release(run);
  }
}

class FetchFrom {
  readonly #deps: FetchFromDeps;
  readonly #stream: HolderStream;
  readonly #ref: BlobRef;
  readonly #signal: AbortSignal;
  readonly #failing = new AbortController();
  readonly #batch: StoreBatch;
  readonly #asks = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  constructor(
    deps: FetchFromDeps,
    stream: HolderStream,
    ref: BlobRef,
    hooks: FetchFromHooks,
    signal: AbortSignal,
  ) {
    this.#deps = deps;
    this.#stream = stream;
    this.#ref = ref;
    this.#signal = AbortSignal.any([signal, this.#failing.signal]);
    this.#batch = new StoreBatch(deps.blobs, (chunks) => {
      for (const chunk of chunks) deps.wants.stored(chunk);
      hooks.onStored(chunks.reduce((sum, { bytes }) => sum + bytes.length, 0));
    });
  }

  /** Nodes, until all are here: what those that came name is found by the next walk. */
  async nodes(): Promise<void> {
    for (let isOver = false; !isOver;) {
      isOver = true;
      for await (const page of this.#deps.blobs.missingNodes(this.#ref)) {
        isOver = false;
        for (let from = 0; from < page.length; from += REQUEST_NODES)
          await this.#askNodes(page.slice(from, from + REQUEST_NODES));
      }
      await this.#settle();
    }
  }

  /** Chunks, until all are here that nobody else is asking for; then those, if they did not come. */
  async chunks(): Promise<void> {
    for (;;) {
      let elsewhere: RecipeEntry | undefined;
      for await (const { node, entries } of this.#deps.blobs.missingChunks(this.#ref)) {
        const own = entries.filter((entry) => this.#claim(entry));
        elsewhere ??= entries.find((entry) => !own.includes(entry));
        for (const part of requestsOf(own)) await this.#askChunks(node, part);
      }
      await this.#settle();
      if (elsewhere === undefined) return;
      await this.#deps.wants.freed({ kind: CONTENT, address: elsewhere.address }, this.#signal);
    }
  }

  #claim({ address }: RecipeEntry): boolean {
    const name = { kind: CONTENT, address };
    // What this run has asked for already is not here yet, or it would not be missing.
    if (this.#deps.wants.isClaimedBy(name, this)) return false;
    return this.#deps.wants.claim(name, this, CLAIM_MS);
  }

  #askNodes(names: readonly NodeName[]): Promise<void> {
    const nodes = names.map(({ address }) => address);
    const isRoot = names[0]?.level === this.#ref.depth;
    const left = [...names];
    return this.#ask(
      { case: "recipe", value: { nodes: isRoot ? [] : nodes, levels: 1 } },
      nodes.length * NODE_BYTES_GUESS,
      async ({ nodes: came, chunks, absent, isLast }) => {
        if (chunks.length > 0) throw holderFault("chunks where nodes were asked for");
        for (const bytes of came) {
          const name = left.shift();
          if (name === undefined) throw holderFault("more nodes than were asked for");
          const { crypto } = this.#deps;
          await this.#batch.addNode(checked(() => checkNode(crypto, name, bytes)));
        }
        if (absent.length > 0) throw lacking();
        if (isLast && left.length > 0) throw holderFault("fewer nodes than were asked for");
      },
    );
  }

  #askChunks(node: Uint8Array | undefined, entries: readonly RecipeEntry[]): Promise<void> {
    const left = new Map(entries.map((entry) => [toHex(entry.address), entry]));
    const take = async ({ nodes, chunks, absent, isLast }: BlobAnswer): Promise<void> => {
      if (nodes.length > 0) throw holderFault("nodes where chunks were asked for");
      for (const { address, data } of chunks) {
        const key = toHex(address);
        const entry = left.get(key);
        if (entry === undefined) throw holderFault("a chunk that was not asked for");
        left.delete(key);
        const { crypto } = this.#deps;
        await this.#batch.addChunk(checked(() => checkChunk(crypto, entry, data)));
      }
      if (absent.length > 0) throw lacking();
      if (isLast && left.size > 0) throw holderFault("fewer chunks than were asked for");
    };
    const addresses = concatAddresses(entries);
    const bytes = entries.reduce((sum, { size }) => sum + size, 0);
    return this.#ask(
      { case: "chunks", value: { ...(node !== undefined && { node }), addresses } },
      bytes,
      take,
    );
  }

  /** Asks once there is room, and does not wait for the answer. */
  async #ask(
    request: Parameters<HolderStream["ask"]>[0]["request"],
    bytes: number,
    take: (answer: BlobAnswer) => Promise<void>,
  ): Promise<void> {
    try {
      await this.#stream.room(bytes, this.#signal);
    } catch (error) {
      throw this.#failure?.error ?? error;
    }
    const asking = { blob: this.#ref, request, bytes, take };
    const one = this.#stream
      .ask(asking, this.#signal)
      .catch((error: unknown) => {
        this.#failure ??= { error };
        this.#failing.abort(error);
      })
      .finally(() => this.#asks.delete(one));
    this.#asks.add(one);
  }

  /** Waits for what is under way; all that came is durable afterwards. @throws what failed first. */
  async #settle(): Promise<void> {
    await Promise.all(this.#asks);
    // What came before a failure was checked, and need not come again.
    await this.#batch.flush();
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

/** What comes from a holder and is not what it should be can only be the holder's doing. */
function checked<Piece extends VerifiedNode | VerifiedChunk>(check: () => Piece): Piece {
  try {
    return check();
  } catch (error) {
    if (error instanceof BlobError) throw holderFault("what came is not what was asked for", error);
    throw error;
  }
}

function lacking(): ExchangeError {
  return new ExchangeError(
    "EXCHANGE_LACKING",
    "Cannot fetch: the holder lacks what it said to have",
  );
}

/** Entries in parts, each for one request. */
function* requestsOf(entries: readonly RecipeEntry[]): Generator<RecipeEntry[]> {
  let part: RecipeEntry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    if (part.length >= REQUEST_ADDRESSES_MAX || bytes + entry.size > REQUEST_BYTES) {
      if (part.length > 0) yield part;
      part = [];
      bytes = 0;
    }
    part.push(entry);
    bytes += entry.size;
  }
  if (part.length > 0) yield part;
}

function concatAddresses(entries: readonly RecipeEntry[]): Uint8Array {
  return concatBytes(...entries.map(({ address }) => address));
}
