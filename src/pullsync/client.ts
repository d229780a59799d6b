import type { Clock } from "../base/index.ts";
import { encodeBits } from "./codec-1-4-0.ts";
import {
  Contested,
  Deliveries,
  type DeliveriesDeps,
  type Pull,
  type SyncOptions,
  type SyncResult,
} from "./deliveries.ts";
import { PullSyncError } from "./errors.ts";
import { PullExchange } from "./pull-exchange.ts";
import { PULL_OPEN_TIMEOUT_MS } from "./limits.ts";
import type { OfferMessage, PeerName, PullCursors, Streamer } from "./ports.ts";
import { protocolsOf } from "./profile.ts";

export interface ClientDeps extends Omit<DeliveriesDeps, "contested"> {
  readonly streamer: Streamer;
  readonly clock: Clock;
}

/** The asking side. */
export class PullClient {
  readonly #deps: ClientDeps & DeliveriesDeps;

  constructor(deps: ClientDeps) {
    this.#deps = { ...deps, contested: new Contested(deps.clock) };
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
    const pull: Pull = { peer, bin, start, options: { ...options, signal }, exchange };
    try {
      await exchange.send(codec.encodeGet({ bin, start, to: options.to }));
      const hasEnd = options.to !== undefined && codec.hasTo;
      const frame = await (hasEnd
        ? exchange.receive("offer")
        : exchange.receiveNews("offer", options.waitSignal));
      const offer = codec.decodeOffer(frame);
      this.#check(pull, offer);
      this.#deps.counters.chunksOffered += offer.entries.length;
      return await this.#takeOffer(pull, offer);
    } catch (error) {
      const isGivenUp = signal.aborted || options.waitSignal?.aborted === true;
      if (!isGivenUp) this.#deps.counters.pullErrors += 1;
      exchange.fail();
      throw error;
    }
  }

  async #open(peer: PeerName, protocol: string, signal: AbortSignal): Promise<PullExchange> {
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
      return new PullExchange(clock, stream, signal);
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

function malformed(why: string): PullSyncError {
  return new PullSyncError("PULLSYNC_MALFORMED", `Cannot take answer: ${why}`);
}
