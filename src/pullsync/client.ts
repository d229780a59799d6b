import type { Clock, Crypto } from "../base/index.ts";
import { verifyChunk } from "../chunks/index.ts";
import { encodeBits } from "./bit-vector.ts";
import type { Budget } from "./budget.ts";
import type { OfferMessage, PullCursors } from "./codec.ts";
import type { PullCounters } from "./counters.ts";
import { entryKeyOf } from "./entry.ts";
import { PullSyncError, UnsolicitedChunkError } from "./errors.ts";
import { Exchange } from "./exchange.ts";
import { Intake } from "./intake.ts";
import { BINS, PAGE_ERRORS_KEPT_MAX, PULL_OPEN_TIMEOUT_MS } from "./limits.ts";
import { type PullProfile, protocolsOf } from "./profile.ts";
import { proximity } from "./proximity.ts";
import type {
  PeerName,
  PullChunk,
  PullEntry,
  PullOutcome,
  PullStorage,
  PullWants,
  SealWrite,
  Streamer,
} from "./ports.ts";

export interface ClientDeps {
  readonly streamer: Streamer;
  readonly storage: PullStorage;
  readonly profile: PullProfile;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly counters: PullCounters;
  readonly budget: Budget;
  readonly wants: PullWants | undefined;
  /** Told of each valid chunk once it is stored. */
  readonly unwrap: ((chunk: PullChunk) => void) | undefined;
  /** Whether a stamp is one for that chunk; default: what the profile accepts. */
  readonly validStamp: ((chunk: PullChunk) => boolean | Promise<boolean>) | undefined;
}

/** Why a chunk of a page is lacking still. `failed` covers what was invalid, and what the peer put something else in the place of. */
export type LackingCause = "awaited" | "vanished" | "failed";

export interface LackingEntry {
  readonly entry: PullEntry;
  readonly cause: LackingCause;
}

/** A page at its end, as it is sealed. */
export interface PulledPage {
  readonly start: bigint;
  readonly topmost: bigint;
  /** What was offered, is not here, and did not come. */
  readonly lacking: readonly LackingEntry[];
}

export interface SyncOptions {
  /** The last BinID of interest; the answer then waits for nothing. Default: it waits until there is something. */
  readonly to?: bigint | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called once with the store write that ends the page, if it ends as it should. */
  readonly seal?: ((write: SealWrite, page: PulledPage) => Promise<void>) | undefined;
}

export interface SyncResult {
  /** Up to here the interval is done; 0 when the page did not end as it should. */
  readonly topmost: bigint;
  readonly offered: number;
  readonly wanted: number;
  /** Deliveries that came and are what their addresses say. */
  readonly delivered: number;
  /** Of those, new here. */
  readonly stored: number;
  /** Offered, and lacking still. */
  readonly missing: readonly LackingEntry[];
  /** What went wrong, `PAGE_ERRORS_KEPT_MAX` of it at most; the first is why a page did not end, if it did not. */
  readonly errors: readonly Error[];
}

/** One page that is being pulled. */
interface Pull {
  readonly peer: PeerName;
  readonly bin: number;
  readonly start: bigint;
  readonly options: SyncOptions;
  readonly exchange: Exchange;
  readonly source: string;
}

/** The asking side. */
export class PullClient {
  readonly #deps: ClientDeps;
  #sources = 0;

  constructor(deps: ClientDeps) {
    this.#deps = deps;
  }

  /** The peer's cursors and epoch. [PS10] */
  async cursors(peer: PeerName, signal: AbortSignal): Promise<PullCursors> {
    const exchange = await this.#open(peer, protocolsOf(this.#deps.profile).cursors, signal);
    try {
      const { codec, binIdMax } = this.#deps.profile;
      await exchange.send(codec.encodeSyn());
      const answer = codec.decodeAck(await exchange.receive("cursors"));
      if (answer.cursors.some((cursor) => cursor > binIdMax))
        throw malformed("a cursor is too great");
      exchange.finish();
      return answer;
    } catch (error) {
      exchange.fail();
      throw error;
    }
  }

  /** Pulls one page. Rejects when there was no offer that can be; later failures are in the result. [PS11] */
  async sync(
    peer: PeerName,
    bin: number,
    start: bigint,
    options: SyncOptions,
    signal: AbortSignal,
  ): Promise<SyncResult> {
    const { codec } = this.#deps.profile;
    const exchange = await this.#open(peer, protocolsOf(this.#deps.profile).pull, signal);
    const source = `pullsync ${peer} ${++this.#sources}`;
    const pull: Pull = { peer, bin, start, options: { ...options, signal }, exchange, source };
    try {
      await exchange.send(codec.encodeGet({ bin, start, to: options.to }));
      const hasEnd = options.to !== undefined && codec.hasTo;
      const frame = await (hasEnd ? exchange.receive("offer") : exchange.receiveNews("offer"));
      const offer = codec.decodeOffer(frame);
      this.#check(pull, offer);
      this.#deps.counters.chunksOffered += offer.entries.length;
      return await this.#takeOffer(pull, offer);
    } catch (error) {
      this.#deps.counters.pullErrors += 1;
      exchange.fail();
      throw error;
    }
  }

  async #open(peer: PeerName, protocol: string, signal: AbortSignal): Promise<Exchange> {
    const { clock, streamer } = this.#deps;
    signal.throwIfAborted();
    const timer = new AbortController();
    clock.sleep(PULL_OPEN_TIMEOUT_MS, timer.signal).then(
      () =>
        timer.abort(
          new PullSyncError("PULLSYNC_TIMEOUT", "Cannot open stream: the peer does not answer"),
        ),
      () => {},
    );
    try {
      const opened = AbortSignal.any([timer.signal, signal]);
      const stream = await streamer.open(peer, protocol, { signal: opened });
      return new Exchange(clock, stream, signal);
    } finally {
      timer.abort();
    }
  }

  /** Holds an offer against what was asked. [PS20] */
  #check({ start, options: { to } }: Pull, { topmost, entries }: OfferMessage): void {
    const { codec, binIdMax, pageEntriesMax } = this.#deps.profile;
    if (entries.length > pageEntriesMax) throw malformed("it has too many entries");
    if (topmost > binIdMax) throw malformed("its topmost is too great");
    const hasEnd = codec.hasTo && to !== undefined;
    if (hasEnd && topmost > to) throw malformed("it goes on behind the end that was asked for");
    if (entries.length === 0) {
      if (topmost !== 0n && topmost !== to) throw malformed("it says topmost and has no entry");
      return;
    }
    const first = start > 0n ? start : 1n;
    if (topmost < first + BigInt(entries.length) - 1n)
      throw malformed("it has more entries than there are numbers");
  }

  async #takeOffer(pull: Pull, offer: OfferMessage): Promise<SyncResult> {
    const deliveries = new Deliveries(this.#deps, pull);
    try {
      if (offer.entries.length > 0) {
        const bits = await deliveries.choose(offer.entries);
        await pull.exchange.send(this.#deps.profile.codec.encodeWant(encodeBits(bits)));
        pull.exchange.endSending();
        await deliveries.take();
      }
      pull.exchange.finish();
      await deliveries.seal(offer.topmost);
      return deliveries.result(offer);
    } catch (error) {
      pull.exchange.fail();
      this.#deps.counters.pullErrors += 1;
      await deliveries.keep();
      return deliveries.result(offer, error);
    } finally {
      deliveries.release();
    }
  }
}

/** What one offer brings: chosen, received, verified, stored. */
class Deliveries {
  readonly #deps: ClientDeps;
  readonly #pull: Pull;
  readonly #intake: Intake;
  /** Wanted and not come yet. */
  readonly #wanted = new Map<string, PullEntry>();
  readonly #lacking: LackingEntry[] = [];
  readonly #errors: Error[] = [];
  #claimed: Uint8Array[] = [];
  #count = 0;
  #empty = 0;
  #delivered = 0;
  #stored = 0;

  constructor(deps: ClientDeps, pull: Pull) {
    this.#deps = deps;
    this.#pull = pull;
    this.#intake = new Intake(deps, (chunk, outcome) => this.#onStored(chunk, outcome));
  }

  /** Which entries to ask for: those that lie in our area, are not here and are not claimed from another source. [PS21] */
  async choose(entries: readonly PullEntry[]): Promise<boolean[]> {
    const { storage, counters, profile, crypto, wants } = this.#deps;
    const overlay = profile.overlay(crypto, this.#pull.peer);
    const isHere = await storage.has(entries);
    const bits = entries.map(() => false);
    const lacking: number[] = [];
    const seen = new Set<string>();
    entries.forEach((entry, i) => {
      const inBin = Math.min(proximity(overlay, entry.address), BINS - 1) === this.#pull.bin;
      if (!inBin) counters.wrongBinChunks += 1;
      const key = entryKeyOf(entry);
      const isNew = !seen.has(key) && isHere[i] === false;
      seen.add(key);
      if (inBin && isNew && storage.within(entry.address)) lacking.push(i);
    });
    const addresses = lacking.map((i) => (entries[i] as PullEntry).address);
    const kind = profile.kinds[0];
    const claims = kind && wants?.claim(kind, addresses, this.#pull.source);
    lacking.forEach((i, n) => {
      const entry = entries[i] as PullEntry;
      if (claims?.[n] === false) {
        counters.awaitedChunks += 1;
        this.#lacking.push({ entry, cause: "awaited" });
        return;
      }
      bits[i] = true;
      this.#claimed.push(entry.address);
      this.#wanted.set(entryKeyOf(entry), entry);
    });
    this.#count = this.#wanted.size;
    counters.chunksWanted += this.#count;
    return bits;
  }

  /** Receives as many deliveries as were wanted. */
  async take(): Promise<void> {
    const { counters, profile } = this.#deps;
    for (let n = 0; n < this.#count; n++) {
      const frame = await this.#pull.exchange.receive("delivery");
      const { address, data, stamp } = profile.codec.decodeDelivery(frame);
      if (address.length === 0 && data.length === 0 && stamp.length === 0) {
        counters.receivedZeroAddress += 1;
        this.#empty += 1;
        continue;
      }
      const chunk = await this.#verified(address, data, stamp);
      if (chunk === undefined) continue;
      this.#delivered += 1;
      await this.#intake.add(chunk, this.#pull.options.signal);
    }
    const left = [...this.#wanted.values()];
    const cause = this.#empty >= left.length ? "vanished" : "failed";
    for (const entry of left) this.#lacking.push({ entry, cause });
    this.#wanted.clear();
  }

  /** A delivery that was wanted and is what its address says; `undefined`, and noted, when it is not. [PS17] */
  async #verified(
    address: Uint8Array,
    bytes: Uint8Array,
    stamp: Uint8Array,
  ): Promise<PullChunk | undefined> {
    const { crypto, profile, counters, validStamp } = this.#deps;
    const named = profile.entryOf(crypto, address, stamp);
    const key = named && entryKeyOf(named);
    const entry = key === undefined ? undefined : this.#wanted.get(key);
    if (key === undefined || entry === undefined) {
      counters.unsolicitedChunks += 1;
      this.#note(new UnsolicitedChunkError());
      return undefined;
    }
    this.#wanted.delete(key);
    for (const kind of profile.kinds) {
      const chunk = verifyChunk(crypto, { kind, address: entry.address }, bytes);
      if (chunk === undefined) continue;
      const pulled: PullChunk = { entry, chunk, stamp };
      if (validStamp !== undefined && !(await validStamp(pulled))) break;
      return pulled;
    }
    this.#isInvalid(entry);
    return undefined;
  }

  #isInvalid(entry: PullEntry): void {
    this.#deps.counters.receivedInvalidChunks += 1;
    this.#lacking.push({ entry, cause: "failed" });
    this.#note(
      new PullSyncError("PULLSYNC_INVALID_CHUNK", "Cannot take chunk: it is not what it says"),
    );
  }

  #onStored(pulled: PullChunk, outcome: PullOutcome): void {
    const { counters, unwrap } = this.#deps;
    if (outcome === "stored") {
      this.#stored += 1;
      counters.chunksDelivered += 1;
      counters.bytesDelivered += pulled.chunk.bytes.length;
      unwrap?.(pulled);
    } else if (outcome === "invalid") this.#isInvalid(pulled.entry);
    else counters.duplicateChunks += 1;
  }

  /** Stores what is left together with the seal. */
  async seal(topmost: bigint): Promise<void> {
    const { seal } = this.#pull.options;
    const { start } = this.#pull;
    if (topmost === 0n || seal === undefined) await this.#intake.end();
    else
      await this.#intake.end(async (write, outcomes, batch) => {
        const refused = batch.filter((_, i) => outcomes[i] === "invalid");
        const lacking = refused.map(({ entry }) => ({ entry, cause: "failed" as const }));
        await seal(write, { start, topmost, lacking: [...this.#lacking, ...lacking] });
      });
    this.#deps.counters.pagesPulled += 1;
  }

  /** Stores what is left of a page that breaks off: it was verified. */
  async keep(): Promise<void> {
    try {
      await this.#intake.end();
    } catch (error) {
      this.#note(error);
    }
  }

  release(): void {
    const kind = this.#deps.profile.kinds[0];
    if (kind !== undefined && this.#claimed.length > 0)
      this.#deps.wants?.release(kind, this.#claimed, this.#pull.source);
    this.#claimed = [];
  }

  result(offer: OfferMessage, failure?: unknown): SyncResult {
    const undelivered = [...this.#wanted.values()].map((entry) => ({
      entry,
      cause: "failed" as const,
    }));
    const missing = [...this.#lacking, ...undelivered];
    this.#deps.counters.missingChunks += missing.length;
    const errors = this.#errors.slice(0, PAGE_ERRORS_KEPT_MAX);
    return {
      topmost: failure === undefined ? offer.topmost : 0n,
      offered: offer.entries.length,
      wanted: this.#count,
      delivered: this.#delivered,
      stored: this.#stored,
      missing,
      errors: failure === undefined ? errors : [asError(failure), ...errors],
    };
  }

  #note(error: unknown): void {
    if (this.#errors.length < PAGE_ERRORS_KEPT_MAX) this.#errors.push(asError(error));
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function malformed(why: string): PullSyncError {
  return new PullSyncError("PULLSYNC_MALFORMED", `Cannot take answer: ${why}`);
}
