import {
  BlobRef,
  Budget,
  type Clock,
  codeOf,
  type Crypto,
  type DeviceId,
  type Logger,
  type Random,
  type ScopeId,
} from "../base/index.ts";
import type { Blobs } from "../blobs/index.ts";
import type { ChunkStore, Wants } from "../chunks/index.ts";
import type { History } from "../history/index.ts";
import { type Connection, type Stream, type Transport, Wakeup } from "../net/index.ts";
import type { Store } from "../store/index.ts";
import type { SyncService } from "../sync/index.ts";
import { type BlobHeldSchema, type BlobName, type MessageInitShape } from "../wire/index.ts";
import { BlobAccess, blobKeyOf } from "./blob-access.ts";
import { ExchangeError } from "./errors.ts";
import { Fetch, type FetchDeps, type FetchProgress } from "./fetch.ts";
import { HolderStream } from "./holder-stream.ts";
import { Keeper, type KeeperStatus } from "./keeper.ts";
import { SERVED_STREAMS_PER_PEER_MAX, WINDOW_BYTES } from "./limits.ts";
import { Locator } from "./locator.ts";
import { CHUNKS_PROTOCOL } from "./protocols.ts";
import { serveChunks } from "./serve-chunks.ts";
import { ServedRecipes } from "./served-recipes.ts";

export interface ExchangeDeps {
  readonly store: Store;
  readonly history: History;
  readonly chunks: ChunkStore;
  readonly blobs: Blobs;
  readonly wants: Wants;
  readonly sync: SyncService;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly logger: Logger;
}

export interface ExchangeOptions {
  /**
   * Called for each blob that has become whole on a storage peer, for each group that names it and has this device as one:
   * gives its chunks their places in what the group's storage peers replicate. Called again when it rejects, and at each
   * start. Default: nothing.
   */
  readonly place?: ((group: ScopeId, ref: BlobRef) => Promise<void>) | undefined;
  /** Whether a storage peer fetches by itself, as against waiting for pull-sync. Default true. */
  readonly fetchesByItself?: boolean | undefined;
}

/** The blob methods of the Sync service: what peers ask of blobs, fetching, and what storage peers do by themselves. */
export class Exchange implements AsyncDisposable {
  readonly #deps: ExchangeDeps;
  readonly #access: BlobAccess;
  readonly #recipes: ServedRecipes;
  readonly #fetchDeps: FetchDeps;
  readonly #keeper: Keeper;
  readonly #fetches = new Map<string, Fetch>();
  readonly #streams = new Map<Connection, Promise<HolderStream>>();
  /** Fetches and serving, all of which use the store. */
  readonly #running = new Set<Promise<void>>();
  /** Streams that peers have opened. */
  readonly #serving = new Map<Stream, DeviceId>();
  readonly #ending = new AbortController();
  readonly #news = new Wakeup();
  readonly #stops: (() => void)[] = [];

  private constructor(deps: ExchangeDeps, options: ExchangeOptions) {
    this.#deps = deps;
    this.#access = new BlobAccess(deps);
    this.#recipes = new ServedRecipes(deps);
    const { sync, transport } = deps;
    const holderDeps = { clock: deps.clock, window: new Budget(WINDOW_BYTES) };
    this.#fetchDeps = {
      ...deps,
      locator: new Locator({ ...deps, access: this.#access }),
      streamTo: (connection, signal) => this.#streamTo(holderDeps, connection, signal),
      punish: (peer, error) => sync.punish(peer, error),
      news: this.#news,
      ending: this.#ending.signal,
    };
    this.#keeper = new Keeper(
      {
        ...deps,
        access: this.#access,
        fetch: (ref, signal) => this.fetch(ref, { signal }),
        ending: this.#ending.signal,
      },
      options,
    );
    this.#stops.push(
      transport.onConnection(() => this.#onNews()),
      sync.onGroups(() => this.#onNews()),
      sync.handleHaveBlob((blob, peer) => this.#haveBlob(blob, peer)),
      sync.serve(CHUNKS_PROTOCOL, (stream, connection) => this.#serve(stream, connection)),
    );
  }

  /** Begins to serve, and on a storage peer to fetch what its groups name. */
  static async open(deps: ExchangeDeps, options: ExchangeOptions = {}): Promise<Exchange> {
    const exchange = new Exchange(deps, options);
    exchange.#keeper.start();
    return exchange;
  }

  /**
   * Brings a blob here, and tells how far that is: the latest progress whenever it is asked for, `done` at last. All who
   * fetch one blob share the work. Ends by the signal, or when nobody listens any more; what came by then is kept. [EX7]
   *
   * @throws {ChunkError} `CHUNKS_FULL` and others, {StoreError}: our own trouble; {BlobError} `BLOB_INVALID` when the BlobRef
   *   lies; {ExchangeError} `EXCHANGE_CLOSED`; the signal's reason. That nobody has it is no error, but `pending`.
   */
  async *fetch(
    ref: BlobRef,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<FetchProgress, void, undefined> {
    options.signal?.throwIfAborted();
    this.#ending.signal.throwIfAborted();
    const key = blobKeyOf(ref);
    let fetch = this.#fetches.get(key);
    if (fetch === undefined || fetch.isOver) {
      const made = new Fetch(this.#fetchDeps, ref);
      fetch = made;
      this.#fetches.set(key, made);
      this.#running.add(made.done);
      void made.done.then(() => {
        this.#running.delete(made.done);
        if (this.#fetches.get(key) === made) this.#fetches.delete(key);
      });
    }
    yield* fetch.progress(options.signal);
  }

  /** As `fetch`, and resolves with the last progress when the blob is here. */
  async fetchWhole(
    ref: BlobRef,
    options: {
      readonly signal?: AbortSignal | undefined;
      readonly onProgress?: ((progress: FetchProgress) => void) | undefined;
    } = {},
  ): Promise<FetchProgress> {
    let last: FetchProgress | undefined;
    for await (const progress of this.fetch(ref, options)) {
      last = progress;
      options.onProgress?.(progress);
    }
    return last as FetchProgress;
  }

  /** What this device does as a storage peer. */
  keeperStatus(): KeeperStatus {
    return this.#keeper.status();
  }

  /** To be told when pull-sync has stored chunks: a blob may have become whole by them. */
  noteStored(): void {
    this.#keeper.noteStored();
  }

  /** Ends streams and fetches; nothing uses the store afterwards. What the deps are stays open: it is not ours. */
  async close(): Promise<void> {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort(new ExchangeError("EXCHANGE_CLOSED", "The exchange is closed"));
    for (const stop of this.#stops) stop();
    this.#access[Symbol.dispose]();
    for (const opening of this.#streams.values())
      opening.then(
        (stream) => stream.close(),
        () => {},
      );
    for (const stream of this.#serving.keys()) stream.reset();
    await Promise.all([this.#keeper.close(), ...this.#running]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Counts among what `close` waits for. */
  async #serve(stream: Stream, connection: Connection): Promise<void> {
    const { peer } = connection;
    const others = [...this.#serving.values()].filter((other) => other === peer);
    if (this.#ending.signal.aborted || others.length >= SERVED_STREAMS_PER_PEER_MAX)
      return stream.reset();
    const deps = { ...this.#deps, access: this.#access, recipes: this.#recipes };
    const served = serveChunks(deps, stream, connection);
    const settled = served.catch(() => {});
    this.#serving.set(stream, peer);
    this.#running.add(settled);
    try {
      await served;
    } finally {
      this.#serving.delete(stream);
      this.#running.delete(settled);
    }
  }

  #onNews(): void {
    this.#news.wake();
    this.#keeper.noteNews();
  }

  /** The size when all of the blob is durable here and the peer may fetch it, else nothing. [EX4] */
  async #haveBlob(
    { root, size, depth }: BlobName,
    peer: DeviceId,
  ): Promise<MessageInitShape<typeof BlobHeldSchema>> {
    const id = { root: root.slice(), size: Number(size), depth };
    if (!(await this.#access.mayFetch(peer, id))) return {};
    try {
      // The chunker's version says nothing about what is here.
      const isWhole = await this.#deps.blobs.isWhole(new BlobRef({ ...id, chunker: 1 }));
      return isWhole ? { size } : {};
    } catch (error) {
      if (codeOf(error) === "BLOB_INVALID") return {};
      throw error;
    }
  }

  /** The one stream on a connection on which we ask; another when it has ended. */
  async #streamTo(
    deps: { readonly clock: Clock; readonly window: Budget },
    connection: Connection,
    signal: AbortSignal,
  ): Promise<HolderStream> {
    const before = this.#streams.get(connection);
    const open = await before?.catch(() => undefined);
    signal.throwIfAborted();
    if (open?.isOpen === true) return open;
    const now = this.#streams.get(connection);
    // Somebody else who found the same may have opened one meanwhile.
    if (now !== before && now !== undefined) return now;
    open?.retire();
    const opening = HolderStream.open(deps, connection, this.#ending.signal);
    this.#streams.set(connection, opening);
    const forget = (): void => {
      this.#streams.delete(connection);
    };
    if (connection.closed.aborted) forget();
    else if (before === undefined)
      connection.closed.addEventListener("abort", forget, { once: true });
    return opening;
  }
}
