import type { Budget, Clock, Crypto } from "../base/index.ts";
import { verifyChunk } from "../chunks/index.ts";
import { entryKeyOf, proximity } from "./entry.ts";
import { PullSyncError, UnsolicitedChunkError } from "./errors.ts";
import type { PullExchange, PullCounters } from "./pull-exchange.ts";
import { DeliveryIntake, type SealBatch } from "./intake.ts";
import { CONTESTED_MAX, CONTESTED_REST_MS, PAGE_ERRORS_KEPT_MAX, WANT_LATE_MS } from "./limits.ts";
import type {
  OfferMessage,
  PeerName,
  PullChunk,
  PullEntry,
  PullOutcome,
  PullStorage,
  PullWants,
  SealWrite,
} from "./ports.ts";
import type { PullProfile } from "./profile.ts";

export interface DeliveriesDeps {
  readonly storage: PullStorage;
  readonly profile: PullProfile;
  readonly crypto: Crypto;
  readonly counters: PullCounters;
  readonly budget: Budget;
  readonly wants: PullWants | undefined;
  readonly contested: Contested;
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
  /** Ends the wait for an offer, and nothing that comes after one. */
  readonly waitSignal?: AbortSignal | undefined;
  /** Called with what seals the page, which it is to run once: for who must not seal two pages at the same time. */
  readonly around?: ((work: () => Promise<void>) => Promise<void>) | undefined;
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
export interface Pull {
  readonly peer: PeerName;
  readonly bin: number;
  readonly start: bigint;
  readonly options: SyncOptions;
  readonly exchange: PullExchange;
}

/**
 * Chunks that one peer offered while another was asked for them. Who does not bring such a chunk lets others go first for a while,
 * so that peers which offer and never deliver do not hold it for ever, however many they are. [PS21]
 */
export class Contested {
  readonly #clock: Clock;
  /** By entry: who has not brought it, and until when they are not asked again. */
  readonly #entries = new Map<string, { readonly failed: Set<PeerName>; until: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Another peer is asked for it: this one could have been. */
  note(key: string): void {
    if (this.#entries.has(key)) return;
    this.#entries.set(key, { failed: new Set(), until: 0 });
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > CONTESTED_MAX && oldest !== undefined) this.#entries.delete(oldest);
  }

  /** The peer was asked for it, and it has not come. */
  failed(key: string, peer: PeerName): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    entry.failed.add(peer);
    entry.until = this.#clock.monotonic() + CONTESTED_REST_MS;
  }

  /** Whether others go first. */
  isResting(key: string, peer: PeerName): boolean {
    const entry = this.#entries.get(key);
    return entry?.failed.has(peer) === true && this.#clock.monotonic() < entry.until;
  }

  /** It is here. */
  stored(key: string): void {
    this.#entries.delete(key);
  }
}

/** What one offer brings: chosen, received, verified, stored. */
export class Deliveries {
  readonly #deps: DeliveriesDeps;
  readonly #pull: Pull;
  readonly #intake: DeliveryIntake;
  /** Wanted and not come yet. */
  readonly #wanted = new Map<string, PullEntry>();
  readonly #lacking: LackingEntry[] = [];
  readonly #errors: Error[] = [];
  #count = 0;
  #empty = 0;
  #delivered = 0;
  #stored = 0;

  constructor(deps: DeliveriesDeps, pull: Pull) {
    this.#deps = deps;
    this.#pull = pull;
    this.#intake = new DeliveryIntake(deps, (chunk, outcome) => this.#onStored(chunk, outcome));
  }

  /** Which entries to ask for: those that lie in our area, are not here and are not claimed from another source. [PS21] */
  async choose(entries: readonly PullEntry[]): Promise<boolean[]> {
    const { storage, counters, profile, crypto } = this.#deps;
    const overlay = profile.overlay(crypto, this.#pull.peer);
    const isHere = await storage.has(entries);
    const bits = entries.map(() => false);
    const lacking: number[] = [];
    const seen = new Set<string>();
    entries.forEach((entry, i) => {
      const inBin = proximity(overlay, entry.address) === this.#pull.bin;
      if (!inBin) counters.wrongBinChunks += 1;
      const key = entryKeyOf(entry);
      const isNew = !seen.has(key) && isHere[i] === false;
      seen.add(key);
      if (inBin && isNew && storage.within(entry.address)) lacking.push(i);
    });
    for (const i of lacking) {
      const entry = entries[i] as PullEntry;
      if (!this.#claims(entry)) {
        counters.awaitedChunks += 1;
        this.#lacking.push({ entry, cause: "awaited" });
        continue;
      }
      bits[i] = true;
      this.#wanted.set(entryKeyOf(entry), entry);
    }
    this.#count = this.#wanted.size;
    counters.chunksWanted += this.#count;
    return bits;
  }

  /** Whether nobody else asks for the chunk, or is to go first: then we do. */
  #claims(entry: PullEntry): boolean {
    const { wants, profile, contested } = this.#deps;
    if (wants === undefined) return true;
    const key = entryKeyOf(entry);
    if (contested.isResting(key, this.#pull.peer)) return false;
    const { address } = entry;
    if (profile.kinds.some((kind) => wants.claim({ kind, address }, this, WANT_LATE_MS)))
      return true;
    contested.note(key);
    return false;
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
    const { counters, unwrap, wants, contested } = this.#deps;
    if (outcome !== "invalid") {
      wants?.stored(pulled.chunk);
      contested.stored(entryKeyOf(pulled.entry));
    }
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
    const { seal, around = (work) => work() } = this.#pull.options;
    const { start } = this.#pull;
    if (topmost === 0n || seal === undefined) await this.#intake.end();
    else {
      const sealed: SealBatch = async (write, outcomes, batch) => {
        const refused = batch.filter((_, i) => outcomes[i] === "invalid");
        const lacking = refused.map(({ entry }) => ({ entry, cause: "failed" as const }));
        await seal(write, { start, topmost, lacking: [...this.#lacking, ...lacking] });
      };
      await around(() => this.#intake.end(sealed));
    }
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

  /** Gives up what is claimed still. */
  release(): void {
    const lacking = this.#lacking.filter(({ cause }) => cause !== "awaited");
    for (const entry of [...this.#wanted.values(), ...lacking.map((it) => it.entry)])
      this.#deps.contested.failed(entryKeyOf(entry), this.#pull.peer);
    this.#deps.wants?.release(this);
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
