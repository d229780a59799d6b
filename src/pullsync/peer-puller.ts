import { type Clock, codeOf, type Crypto, type Logger, type Random } from "../base/index.ts";
import type { Store } from "../store/index.ts";
import type { LackingCause } from "./deliveries.ts";
import { entryKeyOf } from "./entry.ts";
import { Intervals } from "./intervals.ts";
import {
  BINS,
  BROKEN_PAGE_REST_MS,
  HISTORICAL_WORKERS_PER_PEER,
  IDLE_PAGE_REST_MS,
  MISSING_RETRY_MAX_MS,
  MISSING_RETRY_MIN_MS,
  PULL_RETRY_MAX_MS,
  PULL_RETRY_MIN_MS,
} from "./limits.ts";
import type { MissingList, MissingTask } from "./missing-list.ts";
import { Backoff, Rate, Rests, Turns, type WaitingPlaces } from "./pace.ts";
import type { PeerName, PullCursors, PullStorage } from "./ports.ts";
import {
  decodeIntervals,
  decodeNumber,
  encodeIntervals,
  encodeNumber,
  intervalsKey,
  peerKey,
} from "./records.ts";
import type { Syncer } from "./syncer.ts";

export interface PeerPullerDeps {
  readonly syncer: Syncer;
  readonly storage: PullStorage;
  readonly store: Store;
  readonly missing: MissingList;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly logger: Logger;
  /** The network's number in the store. */
  readonly network: number;
  /** Overlays of all who could have a chunk of ours. */
  readonly neighbours: () => readonly Uint8Array[];
  /** Told when the peer has not delivered what it was asked for: others may be asked now. */
  readonly onBroken: () => void;
  /** For requests that wait at the peer. */
  readonly places: WaitingPlaces;
}

/** One bin of a peer, as far as it is pulled. */
export interface BinProgress {
  readonly bin: number;
  /** The greatest number known of. */
  readonly cursor: bigint;
  /** How many numbers up to there are done. */
  readonly done: bigint;
  readonly lastError: PullFailure | undefined;
}

export interface PullFailure {
  readonly code: string;
  readonly message: string;
}

/**
 * `beginning`: cursors are asked for. `historical`: what was there at connecting is pulled. `live`: all of that is here, but for
 * what is missing, and what comes new is pulled. `unsupported`: the peer does not speak the protocol; tried again when it connects
 * anew.
 */
export type PeerPullState = "beginning" | "historical" | "live" | "unsupported";

export interface PeerProgress {
  readonly peer: PeerName;
  readonly state: PeerPullState;
  readonly epoch: bigint | undefined;
  readonly bins: readonly BinProgress[];
  /** Chunks that it has offered and that are missing here. */
  readonly missing: number;
  /** Chunks that came from it since it connected, and how many a second of late. */
  readonly stored: number;
  readonly rate: number;
  /** Seconds until the historical work is done at this rate; `undefined`: nobody knows. */
  readonly remainingSeconds: number | undefined;
  readonly lastError: PullFailure | undefined;
}

/** What is known and done of one of the peer's bins. Both workers share it. */
class PeerBin {
  readonly bin: number;
  readonly turns = new Turns();
  readonly backoff: Backoff;
  intervals: Intervals;
  /** Of when the peer connected: what lies below is historical. */
  cursor = 0n;
  /** Not to be tried before, by the monotonic clock. */
  notBefore = 0;
  /** How long it rests at least after a failure. */
  restMin = 0;
  isTaken = false;
  lastError: PullFailure | undefined;

  constructor(bin: number, random: Random) {
    this.bin = bin;
    this.intervals = Intervals.empty();
    this.backoff = new Backoff(random, PULL_RETRY_MIN_MS, PULL_RETRY_MAX_MS);
  }
}

/**
 * Pulls all bins of one connected peer: what it had when it connected, through the gaps that are left of earlier connections, and
 * beside that whatever comes new. [PS32] to [PS36]
 */
export class PeerPuller {
  readonly peer: PeerName;
  readonly overlay: Uint8Array;
  readonly #deps: PeerPullerDeps;
  readonly #bins: readonly PeerBin[];
  readonly #ending = new AbortController();
  readonly #rests: Rests;
  readonly #missingRests: Rests;
  readonly #missingBackoff: Backoff;
  readonly #rate: Rate;
  readonly #run: Promise<void>;
  #state: PeerPullState = "beginning";
  #epoch: bigint | undefined;
  #stored = 0;
  #askedAt = Number.NEGATIVE_INFINITY;
  #lastError: PullFailure | undefined;

  /** `before`: what is to be over before it begins. */
  constructor(deps: PeerPullerDeps, peer: PeerName, before?: Promise<void>) {
    this.peer = peer;
    this.overlay = deps.syncer.profile.overlay(deps.crypto, peer);
    this.#deps = deps;
    this.#rests = new Rests(deps.clock);
    this.#missingRests = new Rests(deps.clock);
    this.#missingBackoff = new Backoff(deps.random, MISSING_RETRY_MIN_MS, MISSING_RETRY_MAX_MS);
    this.#rate = new Rate(deps.clock);
    this.#bins = Array.from({ length: BINS }, (_, bin) => new PeerBin(bin, deps.random));
    this.#run = this.#runAll(before);
  }

  /** Something has changed: what rests after a failure is tried now. */
  urge(): void {
    for (const bin of this.#bins) bin.notBefore = 0;
    this.#rests.urge();
  }

  /** The peer asks us. While it has not answered us, it is tried again now: at most once in the shortest time between tries. */
  noteAsked(): void {
    const now = this.#deps.clock.monotonic();
    if (this.#state !== "beginning" || now < this.#askedAt + PULL_RETRY_MIN_MS) return;
    this.#askedAt = now;
    this.#rests.urge();
  }

  /** Something is missing that was not: it is asked for soon. */
  urgeMissing(): void {
    this.#missingBackoff.reset();
    this.#missingRests.urge();
  }

  /** Ends all work with the peer. What is sealed stays. */
  async close(): Promise<void> {
    this.#ending.abort(new Error("The peer is not pulled any more"));
    await this.#run;
  }

  progress(): PeerProgress {
    const rate = this.#rate.perSecond;
    let left = 0n;
    const bins = this.#bins.map(({ bin, cursor, intervals, lastError }): BinProgress => {
      left += cursor - intervals.countTo(cursor);
      const greatest = cursor > intervals.last ? cursor : intervals.last;
      return { bin, cursor: greatest, done: intervals.countTo(greatest), lastError };
    });
    const isKnown = this.#state === "live" || (this.#state === "historical" && rate > 0);
    return {
      peer: this.peer,
      state: this.#state,
      epoch: this.#epoch,
      bins,
      missing: this.#deps.missing.countOf(this.overlay),
      stored: this.#stored,
      rate,
      remainingSeconds: isKnown ? (left === 0n ? 0 : Number(left) / rate) : undefined,
      lastError: this.#lastError,
    };
  }

  get #signal(): AbortSignal {
    return this.#ending.signal;
  }

  async #runAll(before: Promise<void> | undefined): Promise<void> {
    await before;
    const backoff = new Backoff(this.#deps.random, PULL_RETRY_MIN_MS, PULL_RETRY_MAX_MS);
    while (!this.#signal.aborted && this.#state === "beginning") {
      try {
        await this.#begin();
      } catch (error) {
        if (!this.#note(error)) await this.#rests.rest(backoff.next(), this.#signal);
      }
    }
    if (this.#state !== "historical") return;
    await Promise.all([
      this.#runHistorical(),
      this.#askAgain(),
      ...this.#bins.map((bin) => this.#runLive(bin)),
    ]);
  }

  /** Learns the peer's numbers, and whether what we know of it still holds. [PS32] */
  async #begin(): Promise<void> {
    const { syncer, store, network } = this.#deps;
    const answer = await syncer.getCursors(this.peer, { signal: this.#signal });
    const keys = this.#bins.map(({ bin }) => intervalsKey(network, this.overlay, bin));
    const [epoch, ...stored] = await store.getMany([peerKey(network, this.overlay), ...keys]);
    const known = stored.map((value) => (value ? decodeIntervals(value) : Intervals.empty()));
    const isAnew =
      epoch === undefined ||
      decodeNumber(epoch) !== answer.epoch ||
      known.some((intervals, bin) => intervals.last > (answer.cursors[bin] as bigint));
    if (isAnew) await this.#startAnew(answer);
    for (const bin of this.#bins) {
      bin.cursor = answer.cursors[bin.bin] as bigint;
      bin.intervals = isAnew ? Intervals.empty() : (known[bin.bin] as Intervals);
    }
    this.#epoch = answer.epoch;
    this.#state = "historical";
    this.#lastError = undefined;
  }

  async #startAnew({ epoch }: PullCursors): Promise<void> {
    const { storage, missing, network } = this.#deps;
    await storage.put([], {
      seal: async (write) => {
        write.add({
          type: "put",
          key: peerKey(network, this.overlay),
          value: encodeNumber(epoch),
        });
        for (const { bin } of this.#bins)
          write.add({ type: "delete", key: intervalsKey(network, this.overlay, bin) });
        missing.forget(write, this.overlay);
      },
    });
  }

  /** Pulls through the gaps below the cursors, a few bins at a time. [PS33] */
  async #runHistorical(): Promise<void> {
    const worker = async (): Promise<void> => {
      for (let bin = this.#nextBin(); bin !== undefined; bin = this.#nextBin()) {
        bin.isTaken = true;
        const wait = bin.notBefore - this.#deps.clock.monotonic();
        if (wait > 0) await this.#rests.rest(wait, this.#signal);
        await this.#pullGap(bin);
        bin.isTaken = false;
      }
    };
    const workers = Array.from({ length: HISTORICAL_WORKERS_PER_PEER }, worker);
    await Promise.all(workers);
    if (!this.#signal.aborted) this.#state = "live";
  }

  /** The bin to go on with: of those with a gap that nobody works on, the one that may be tried first. */
  #nextBin(): PeerBin | undefined {
    if (this.#signal.aborted) return undefined;
    const open = this.#bins.filter((it) => !it.isTaken && it.intervals.gap(it.cursor));
    return open.toSorted((a, b) => a.notBefore - b.notBefore)[0];
  }

  /** Pulls a bin up to its cursor, or until a page fails. */
  async #pullGap(bin: PeerBin): Promise<void> {
    for (;;) {
      const gap = bin.intervals.gap(bin.cursor);
      if (gap === undefined || this.#signal.aborted) return;
      if ((await this.#pullPage(bin, gap.first, gap.last)) !== undefined) continue;
      const rest = Math.max(bin.backoff.next(), bin.restMin);
      bin.notBefore = this.#deps.clock.monotonic() + rest;
      return;
    }
  }

  /** Pulls what comes after the cursor, as it comes. [PS33] */
  async #runLive(bin: PeerBin): Promise<void> {
    const backoff = new Backoff(this.#deps.random, PULL_RETRY_MIN_MS, PULL_RETRY_MAX_MS);
    let next = bin.cursor + 1n;
    while (!this.#signal.aborted) {
      const place = await this.#deps.places.take(this.#signal).catch(() => undefined);
      if (place === undefined) return;
      const topmost = await this.#pullPage(bin, next, undefined, place.turn);
      place.free();
      if (topmost !== undefined) {
        next = topmost + 1n;
        backoff.reset();
      } else if (!place.turn.aborted) {
        await this.#rests.rest(Math.max(backoff.next(), bin.restMin), this.#signal);
      }
    }
  }

  /** One page: what it brings, its interval and what is missing of it are one write. Answers up to where it is sealed. [PS34] */
  async #pullPage(
    bin: PeerBin,
    start: bigint,
    to?: bigint,
    turn?: AbortSignal,
  ): Promise<bigint | undefined> {
    const { syncer, missing, network } = this.#deps;
    let after = bin.intervals;
    try {
      const result = await syncer.sync(this.peer, bin.bin, start, {
        to,
        signal: this.#signal,
        waitSignal: turn,
        around: (work) =>
          bin.turns.take(async () => {
            await work();
            bin.intervals = after;
          }),
        seal: async (write, page) => {
          after = bin.intervals.with(page.start, page.topmost);
          const key = intervalsKey(network, this.overlay, bin.bin);
          write.add({ type: "put", key, value: encodeIntervals(after) });
          await missing.note(write, this.overlay, page);
        },
      });
      this.#stored += result.stored;
      this.#rate.add(result.stored);
      const [error] = result.errors;
      if (error !== undefined) this.#note(error, bin);
      const isBroken = result.topmost < start && result.missing.length > 0;
      bin.restMin = isBroken ? BROKEN_PAGE_REST_MS : 0;
      if (isBroken) this.#deps.onBroken();
      if (result.topmost < start) return undefined;
      bin.backoff.reset();
      if (error === undefined) bin.lastError = undefined;
      if (result.offered > 0 && result.stored === 0)
        await this.#rests.rest(IDLE_PAGE_REST_MS, this.#signal);
      return result.topmost;
    } catch (error) {
      if (turn?.aborted !== true) this.#note(error, bin);
      return undefined;
    }
  }

  /** Asks for missing chunks that the peer has offered, or that were lost here. [PS35] */
  async #askAgain(): Promise<void> {
    const { missing, clock } = this.#deps;
    while (!this.#signal.aborted) {
      // However often something new is missing.
      await clock.sleep(MISSING_RETRY_MIN_MS, this.#signal).catch(() => {});
      await this.#missingRests.rest(this.#missingBackoff.next(), this.#signal);
      await missing.takeBack().catch((error: unknown) => this.#note(error));
      for (const task of missing.tasksOf(this.overlay)) {
        if (this.#signal.aborted) return;
        await this.#askFor(task);
      }
    }
  }

  async #askFor(task: MissingTask): Promise<void> {
    const { syncer, storage, missing, neighbours } = this.#deps;
    const bin = this.#bins[task.bin] as PeerBin;
    const { cursor, intervals } = bin;
    const to = task.to ?? (cursor > intervals.last ? cursor : intervals.last);
    const seen = new Map<string, LackingCause>();
    try {
      for (let start = task.from; start <= to;) {
        const result = await syncer.sync(this.peer, task.bin, start, { to, signal: this.#signal });
        this.#stored += result.stored;
        this.#rate.add(result.stored);
        // Of what else it offers nothing is kept, however much that is.
        for (const { entry, cause } of result.missing)
          if (task.keys.has(entryKeyOf(entry))) seen.set(entryKeyOf(entry), cause);
        if (result.topmost < start) throw result.errors[0] ?? new Error("The page has no end");
        start = result.topmost + 1n;
      }
      await storage.put([], {
        seal: (write) => missing.settle(write, this.overlay, task.keys, seen, neighbours()),
      });
    } catch (error) {
      this.#note(error, bin);
    }
  }

  /** Notes what went wrong. Answers whether nothing more is to be tried with this peer. */
  #note(error: unknown, bin?: PeerBin): boolean {
    if (this.#signal.aborted) return true;
    const code = codeOf(error) ?? "UNKNOWN";
    const failure = { code, message: error instanceof Error ? error.message : String(error) };
    this.#lastError = failure;
    if (bin !== undefined) bin.lastError = failure;
    const fields = { peer: this.peer, bin: bin?.bin, code };
    this.#deps.logger("debug", "pullsync.pull.failed", fields);
    if (code !== "NET_PROTOCOL_UNSUPPORTED") return false;
    this.#state = "unsupported";
    this.#ending.abort(error);
    return true;
  }
}
