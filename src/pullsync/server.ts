import { Budget, type Clock } from "../base/index.ts";
import { decodeBits } from "./codec-1-4-0.ts";
import type { BinEntry, GetMessage, PeerName, PullStorage, PullStream } from "./ports.ts";
import { PullSyncError } from "./errors.ts";
import { PullExchange, type PullCounters } from "./pull-exchange.ts";
import { BINS, EXCHANGES_PER_PEER_MAX, SEND_BATCH_BYTES, SENDING_PER_PEER_MAX } from "./limits.ts";
import { type Page, SharedPages } from "./page.ts";
import type { PullProfile } from "./profile.ts";

export interface ServerDeps {
  readonly storage: PullStorage;
  readonly profile: PullProfile;
  readonly clock: Clock;
  readonly counters: PullCounters;
}

/** What one peer has open with us. */
interface PeerLoad {
  exchanges: number;
  readonly sending: Budget;
}

const NOTHING = new Uint8Array();

/** The answering side: cursors, and pages of a bin. */
export class PullServer {
  readonly #deps: ServerDeps;
  readonly #pages: SharedPages;
  readonly #loads = new Map<PeerName, PeerLoad>();

  constructor(deps: ServerDeps) {
    this.#deps = deps;
    this.#pages = new SharedPages(deps);
  }

  /** Pages that are being collected now, each for one peer or more. */
  get collections(): number {
    return this.#pages.size;
  }

  /** Serves one stream of cursors. [PS10] */
  serveCursors(stream: PullStream, peer: PeerName, signal: AbortSignal): Promise<void> {
    return this.#serve(stream, peer, signal, async (exchange) => {
      const { codec } = this.#deps.profile;
      codec.decodeSyn(await exchange.receive("request for cursors"));
      const { storage } = this.#deps;
      // The epoch first: one that is made anew in between has lower cursors, and the next epoch shows it.
      const epoch = await storage.epoch();
      await exchange.send(codec.encodeAck({ epoch, cursors: await storage.cursors() }));
    });
  }

  /** Serves one stream of a page. [PS11] */
  servePage(stream: PullStream, peer: PeerName, signal: AbortSignal): Promise<void> {
    return this.#serve(stream, peer, signal, async (exchange, load) => {
      const { codec } = this.#deps.profile;
      const get = this.#checked(codec.decodeGet(await exchange.receive("request for chunks")));
      const client = new ClientWatch(exchange.stream, signal);
      const page = await this.#pages.take(get, client.gone, () => {
        this.#deps.counters.pagesShared += 1;
      });
      client.isAwaitingWant = true;
      const entries = page.entries.map(({ entry }) => entry);
      await exchange.send(codec.encodeOffer({ topmost: page.topmost, entries }));
      this.#deps.counters.chunksSentOffered += entries.length;
      if (entries.length === 0) return;
      const frame = exchange.taken(await exchange.inTime(client.next, "want"), "want");
      await this.#deliver(exchange, load, this.#wanted(page, codec.decodeWant(frame)), signal);
    });
  }

  async #serve(
    stream: PullStream,
    peer: PeerName,
    signal: AbortSignal,
    work: (exchange: PullExchange, load: PeerLoad) => Promise<void>,
  ): Promise<void> {
    const { counters } = this.#deps;
    const load = this.#loads.get(peer) ?? {
      exchanges: 0,
      sending: new Budget(SENDING_PER_PEER_MAX),
    };
    if (load.exchanges >= EXCHANGES_PER_PEER_MAX) {
      counters.exchangesRefused += 1;
      throw new PullSyncError("PULLSYNC_REFUSED", "Cannot serve stream: the peer has too many");
    }
    this.#loads.set(peer, load);
    load.exchanges += 1;
    counters.exchangesServed += 1;
    const exchange = new PullExchange(this.#deps.clock, stream, signal);
    try {
      await work(exchange, load);
    } catch (error) {
      exchange.fail();
      throw error;
    } finally {
      counters.exchangesServed -= 1;
      load.exchanges -= 1;
      if (load.exchanges === 0) this.#loads.delete(peer);
    }
  }

  #checked(get: GetMessage): GetMessage {
    const { bin, start, to } = get;
    const { binIdMax } = this.#deps.profile;
    if (bin < 0 || bin >= BINS) throw malformed(`there is no bin ${bin}`);
    if (start > binIdMax || (to !== undefined && to > binIdMax))
      throw malformed("a BinID is too great");
    if (to !== undefined && to < start) throw malformed("it ends before it begins");
    return get;
  }

  #wanted(page: Page, bitVector: Uint8Array): BinEntry[] {
    const bits = decodeBits(bitVector, page.entries.length);
    if (bits === undefined) throw malformed("fewer entries are wanted or not than were offered");
    const wanted = page.entries.filter((_, i) => bits[i]);
    this.#deps.counters.chunksSentWanted += wanted.length;
    return wanted;
  }

  /** Sends what is wanted in the order of the offer; something empty in the place of what is there no longer. [PS16] */
  async #deliver(
    exchange: PullExchange,
    load: PeerLoad,
    wanted: readonly BinEntry[],
    signal: AbortSignal,
  ): Promise<void> {
    if (wanted.length === 0) return;
    await load.sending.take(1, AbortSignal.any([signal, exchange.stream.ended]));
    try {
      for (let at = 0; at < wanted.length;) {
        const batch = batchFrom(wanted, at);
        at += batch.length;
        await this.#deliverBatch(exchange, batch);
      }
    } finally {
      load.sending.give(1);
    }
  }

  async #deliverBatch(exchange: PullExchange, batch: readonly BinEntry[]): Promise<void> {
    const { storage, counters } = this.#deps;
    const { codec } = this.#deps.profile;
    const found = await storage.get(batch.map(({ entry }) => entry));
    const sent = batch.map(({ entry }, i) => {
      const { bytes: data = NOTHING, stamp = NOTHING } = found[i] ?? {};
      if (found[i] === undefined) counters.chunksSentEmpty += 1;
      else counters.chunksSent += 1;
      counters.bytesSent += data.length;
      const address = found[i] === undefined ? NOTHING : entry.address;
      return exchange.stream.send(codec.encodeDelivery({ address, data, stamp }));
    });
    await exchange.inTime(Promise.all(sent), "room to send");
  }
}

/** Entries from `at` on whose chunks are read together. */
function batchFrom(wanted: readonly BinEntry[], at: number): readonly BinEntry[] {
  let bytes = 0;
  let end = at;
  for (; end < wanted.length; end++) {
    bytes += (wanted[end] as BinEntry).size;
    if (bytes > SEND_BATCH_BYTES && end > at) break;
  }
  return wanted.slice(at, end);
}

/** Sees a client that goes while its page is being made: all it held is free at once. [PS18] */
class ClientWatch {
  /** The want, once the offer is sent. */
  readonly next: Promise<Uint8Array | undefined>;
  readonly gone: AbortSignal;
  isAwaitingWant = false;

  constructor(stream: PullStream, signal: AbortSignal) {
    const gone = new AbortController();
    this.gone = AbortSignal.any([gone.signal, signal]);
    this.next = stream.receive();
    this.next.then(
      (frame) => {
        if (this.isAwaitingWant) return;
        const why = frame === undefined ? "the client has gone" : "it is wanted before the offer";
        gone.abort(malformed(why));
      },
      (error: unknown) => gone.abort(error),
    );
  }
}

function malformed(why: string): PullSyncError {
  return new PullSyncError("PULLSYNC_MALFORMED", `Cannot serve request: ${why}`);
}
