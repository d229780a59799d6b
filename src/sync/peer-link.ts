/**
 * All that goes on with one peer: keeping a connection to it, pulling from it, measuring its clock.
 */

import {
  CALLED_OFF,
  type Clock,
  type Crypto,
  type DeviceId,
  type Logger,
  type Random,
  type ScopeId,
  type UserId,
  codeOf,
  scopeKeyOf,
  spread,
} from "../base/index.ts";
import type { History } from "../history/index.ts";
import { type Connection, type Transport, Wakeup } from "../net/index.ts";
import { DeltaMode } from "../wire/index.ts";
import {
  type PageBudget,
  RefusalError,
  SyncError,
  isPeerFault,
  Initiator,
  type PullProgress,
  type ScopesOf,
  type PeerKnowledges,
  type Crowds,
  Reconciliations,
} from "../deltas/index.ts";
import { CallClient } from "./calls.ts";
import { CLOCK_INTERVAL_MS, CONNECT_TIMEOUT_MS, RETRY_MAX_MS, RETRY_MIN_MS } from "./limits.ts";
import type { TrueTime } from "../time/index.ts";
import { measureClock, type PeerTime } from "./peer-clock.ts";

export interface LinkDeps {
  readonly history: History;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly budget: PageBudget;
  readonly knowledge: PeerKnowledges;
  readonly crowds: Crowds;
  readonly transport: Transport;
  readonly time: TrueTime;
  /** Tells that the peer broke the protocol. */
  readonly onFault: (peer: DeviceId, error: unknown) => void;
  /** Asks the peer what was taken from us: when we have connected, and when it refuses to be pulled from or passes over a group. */
  readonly askRemovals: (peer: DeviceId) => void;
  /** Shows the peer, which refuses to be pulled from or passes over a group, that we have read what it shares with us. */
  readonly acquaint: (peer: DeviceId) => void;
  /** Tells that the peer was not reached, or that nobody knows where it is. */
  readonly onUnreached: (peer: DeviceId) => void;
}

/** What a link is for, asked again whenever it may have changed. */
export interface LinkNeeds {
  /** Where to reach the peer; empty: wait until it connects. */
  readonly addresses: () => readonly string[];
  /** Databases to pull. */
  readonly databases: () => readonly string[];
  readonly scopesOf: (database: string) => ScopesOf;
  /** Whether the peer is to learn nothing of what we know of a scope, and its word says nothing of our log. */
  readonly isAcquaintance: (scope: ScopeId) => boolean;
  /** Whose device the peer is, where that is known. */
  readonly user: () => UserId | undefined;
  /** Whether the peer is not to be talked to now. */
  readonly isBlocked: () => boolean;
}

/** A peer as its link sees it. */
export interface LinkStatus {
  readonly device: DeviceId;
  readonly isConnected: boolean;
  readonly address: string | undefined;
  /** Pulls by database. */
  readonly pulls: Readonly<Record<string, PullProgress>>;
  readonly time: PeerTime | undefined;
  /** Code and text of what went wrong last, until something has gone well. */
  readonly lastError: { readonly code: string; readonly message: string } | undefined;
}

/** A peer, for people. */
export interface PeerStatus extends LinkStatus {
  /** By its member record, where there is one. */
  readonly name: string | undefined;
  /** Times that it broke the protocol since this process began. */
  readonly faults: number;
  readonly isBlocked: boolean;
}

/** The pulling of one database over one connection. */
interface Pull {
  initiator: Initiator | undefined;
  /** Ends the stream that is open: the database is not to be pulled any more. */
  stop: AbortController;
  /** Try again without waiting for the end of the back-off. */
  isUrged: boolean;
  done: Promise<void>;
}

export class PeerLink {
  readonly device: DeviceId;
  readonly #deps: LinkDeps;
  readonly #needs: LinkNeeds;
  readonly #changed = new Wakeup();
  readonly #reconciliations: Reconciliations;
  readonly #ending = new AbortController();
  readonly #pulls = new Map<string, Pull>();
  readonly #run: Promise<void>;
  #connection: Connection | undefined;
  #calls: Promise<CallClient> | undefined;
  #time: PeerTime | undefined;
  #lastError: LinkStatus["lastError"];

  constructor(deps: LinkDeps, device: DeviceId, needs: LinkNeeds) {
    this.#deps = deps;
    this.device = device;
    this.#needs = needs;
    this.#reconciliations = new Reconciliations(deps.clock);
    this.#run = this.#runAll();
  }

  get status(): LinkStatus {
    const pulls: Record<string, PullProgress> = {};
    for (const [database, { initiator }] of this.#pulls) {
      if (initiator !== undefined) pulls[database] = initiator.progress;
    }
    const isConnected = this.#connection !== undefined && !this.#connection.closed.aborted;
    const address = isConnected ? this.#connection?.remoteAddress : undefined;
    return {
      device: this.device,
      isConnected,
      address,
      pulls,
      time: this.#time,
      lastError: this.#lastError,
    };
  }

  /** The peer has connected, or needs have changed. */
  refresh(): void {
    const databases = new Set(this.#needs.databases());
    for (const [database, { initiator, stop }] of this.#pulls) {
      if (databases.has(database)) initiator?.refresh();
      else stop.abort(new SyncError("SYNC_CLOSED", "The database is paused"));
    }
    this.#changed.wake();
  }

  /** The peer pulls a database from us: it may serve it again, when it has refused before. */
  urge(database: string): void {
    const pull = this.#pulls.get(database);
    if (pull !== undefined) pull.isUrged = true;
    this.#changed.wake();
  }

  async close(): Promise<void> {
    this.#ending.abort(new SyncError("SYNC_CLOSED", "Sync is closing"));
    this.#changed.wake();
    await this.#run;
  }

  async #runAll(): Promise<void> {
    const { signal } = this.#ending;
    let wait = RETRY_MIN_MS;
    while (!signal.aborted) {
      const addresses = this.#needs.addresses().join();
      const began = this.#deps.clock.monotonic();
      const expected = this.#expectWords();
      const connection = await this.#connect();
      const stayed = connection === undefined ? undefined : this.#stay(connection);
      // From here on each pull expects for itself.
      for (const stop of expected) stop();
      await stayed;
      // A connection that ends at once counts as none: a peer that does not talk to us is not dialled in a circle.
      if (connection !== undefined && this.#deps.clock.monotonic() - began >= RETRY_MIN_MS) {
        wait = RETRY_MIN_MS;
        continue;
      }
      if (connection === undefined && !this.#needs.isBlocked()) this.#deps.onUnreached(this.device);
      // Nobody to reach, or not now: sleeps, and wakes early when the peer connects or is found elsewhere.
      await this.#rest(wait, signal, () => this.#mayConnectNow(addresses));
      wait = Math.min(2 * wait, RETRY_MAX_MS);
    }
  }

  /** While it is being reached, the peer may be about to say what it knows of our logs. */
  #expectWords(): (() => void)[] {
    if (this.#needs.isBlocked()) return [];
    const { history } = this.#deps;
    return this.#needs.databases().map((database) => history.expectWord(database));
  }

  async #connect(): Promise<Connection | undefined> {
    const { transport, logger } = this.#deps;
    if (this.#needs.isBlocked()) return undefined;
    const open = this.#openConnection();
    if (open !== undefined) return open;
    const addresses = this.#needs.addresses();
    if (addresses.length === 0) return undefined;
    const timer = new AbortController();
    const late = new SyncError("SYNC_TIMEOUT", "Cannot connect: the peer did not answer in time");
    const timeout = this.#deps.clock.sleep(CONNECT_TIMEOUT_MS, timer.signal);
    timeout.then(() => timer.abort(late)).catch(() => {});
    const signal = AbortSignal.any([timer.signal, this.#ending.signal]);
    const over = (): void => timer.abort(new SyncError("SYNC_CLOSED", "Connecting has ended"));
    try {
      const dialled = transport.connect(this.device, addresses, { signal });
      dialled.then(over, over);
      const connection = await Promise.race([dialled, this.#reachedBy(signal)]);
      // One of ours may be what this very dial has just made: called off, it would be cut.
      if (connection.direction === "inbound") over();
      return connection;
    } catch (error) {
      this.#note(error);
      logger("debug", "sync.connect.failed", { peer: this.device, code: codeOf(error) });
      return undefined;
    }
  }

  /** A connection that the peer makes. A dial to where nothing answers goes on for long, and it may reach us all the same. [SY113] */
  async #reachedBy(signal: AbortSignal): Promise<Connection> {
    signal.addEventListener("abort", () => this.#changed.wake(), { once: true });
    for (;;) {
      signal.throwIfAborted();
      const open = this.#openConnection();
      if (open !== undefined) return open;
      await this.#changed.wait();
    }
  }

  #openConnection(): Connection | undefined {
    return this.#deps.transport
      .connections()
      .find(({ peer, closed }) => peer === this.device && !closed.aborted);
  }

  /** Whether something has changed since the peer, at these addresses, was not reached. */
  #mayConnectNow(addresses: string): boolean {
    if (this.#needs.isBlocked()) return false;
    return this.#openConnection() !== undefined || this.#needs.addresses().join() !== addresses;
  }

  /**
   * Waits for `ms` milliseconds, or until `isOver` at a wake-up. Wake-ups as such end nothing: there is one at each
   * change of a group, and a peer that refuses or is away is not to be asked as often as others write.
   */
  async #rest(ms: number, signal: AbortSignal, isOver: () => boolean): Promise<void> {
    const timer = new AbortController();
    const ended = AbortSignal.any([signal, timer.signal]);
    const rested = this.#sleep(spread(this.#deps.random, ms), ended).then(() =>
      timer.abort(CALLED_OFF),
    );
    while (!ended.aborted && !isOver()) await Promise.race([rested, this.#changed.wait()]);
    timer.abort(CALLED_OFF);
  }

  /** Works on a connection until it closes. */
  async #stay(connection: Connection): Promise<void> {
    this.#connection = connection;
    this.#lastError = undefined;
    const ended = AbortSignal.any([connection.closed, this.#ending.signal]);
    ended.addEventListener("abort", () => this.#changed.wake(), { once: true });
    const clock = this.#measureClock(connection, ended);
    this.#deps.askRemovals(this.device);
    while (!ended.aborted) {
      const change = this.#changed.wait();
      for (const database of this.#needs.databases()) this.#startPull(connection, database, ended);
      await change;
    }
    await Promise.all([clock, ...Array.from(this.#pulls.values(), ({ done }) => done)]);
    this.#calls = undefined;
    this.#connection = undefined;
  }

  #startPull(connection: Connection, database: string, ended: AbortSignal): void {
    if (this.#pulls.has(database)) return;
    const pull: Pull = {
      initiator: undefined,
      stop: new AbortController(),
      isUrged: false,
      done: Promise.resolve(),
    };
    this.#pulls.set(database, pull);
    pull.done = this.#pull(connection, database, ended, pull).finally(() => {
      this.#pulls.delete(database);
      // Whoever wants it again meanwhile found it still here.
      this.#changed.wake();
    });
  }

  /** The peer refuses us, or passes over a group: we may be in it no more, or it may not have heard of us. */
  #turnedAway(): void {
    this.#deps.askRemovals(this.device);
    this.#deps.acquaint(this.device);
  }

  /** Pulls a database, again after each end of the stream, for as long as it is to be pulled. */
  async #pull(
    connection: Connection,
    database: string,
    ended: AbortSignal,
    pull: Pull,
  ): Promise<void> {
    let wait = RETRY_MIN_MS;
    while (!ended.aborted && !pull.stop.signal.aborted) {
      const scopesOf = this.#needs.scopesOf(database);
      const initiator = new Initiator(
        {
          ...this.#deps,
          reconciliations: this.#reconciliations,
          onPassedOver: () => this.#turnedAway(),
        },
        connection,
        database,
        scopesOf,
        this.#needs.isAcquaintance,
      );
      pull.initiator = initiator;
      pull.isUrged = false;
      const asked = scopesText(scopesOf);
      try {
        await initiator.run(AbortSignal.any([ended, pull.stop.signal]));
      } catch (error) {
        if (isPeerFault(error)) return this.#deps.onFault(this.device, error);
        if (ended.aborted || pull.stop.signal.aborted) return;
        this.#note(error);
        if (error instanceof RefusalError) this.#turnedAway();
      }
      if (initiator.progress.state === "live") wait = RETRY_MIN_MS;
      pull.initiator = undefined;
      // Once a while at the most, whoever urges.
      await this.#rest(RETRY_MIN_MS, ended, () => pull.stop.signal.aborted);
      await this.#rest(
        wait - RETRY_MIN_MS,
        ended,
        () => pull.stop.signal.aborted || pull.isUrged || scopesText(scopesOf) !== asked,
      );
      wait = Math.min(2 * wait, RETRY_MAX_MS);
    }
  }

  /** A stream for calls on the connection that is open. @throws {SyncError} `SYNC_OFFLINE` when there is none. */
  async calls(connection?: Connection): Promise<CallClient> {
    const on = connection ?? this.#connection;
    if (on === undefined)
      throw new SyncError("SYNC_OFFLINE", "Cannot call: the peer is not connected");
    const before = this.#calls;
    const open = await before?.catch(() => undefined);
    if (open?.isOpen === true) return open;
    // Somebody else who found the same may have opened one meanwhile.
    if (this.#calls === before || this.#calls === undefined)
      this.#calls = CallClient.open(this.#deps.clock, on, this.#ending.signal);
    return this.#calls;
  }

  async #measureClock(connection: Connection, ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      const user = this.#needs.user();
      try {
        const calls = await this.calls(connection);
        const time = await measureClock(this.#deps.time, calls, user);
        this.#time = time ?? this.#time;
      } catch (error) {
        if (isPeerFault(error)) return this.#deps.onFault(this.device, error);
        if (!ended.aborted)
          this.#deps.logger("debug", "sync.clock.failed", {
            peer: this.device,
            code: codeOf(error),
          });
      }
      // Its word counts from when we know whose device it is.
      const isKnownNow = (): boolean => user === undefined && this.#needs.user() !== undefined;
      await this.#rest(CLOCK_INTERVAL_MS, ended, isKnownNow);
    }
    const calls = await this.#calls?.catch(() => undefined);
    calls?.close();
  }

  #note(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#lastError = { code: codeOf(error) ?? "UNKNOWN", message };
  }

  #sleep(ms: number, signal: AbortSignal = this.#ending.signal): Promise<void> {
    return this.#deps.clock.sleep(ms, signal).catch(() => {});
  }
}

/** The scopes to be pulled, as one text: another text when there are others. */
function scopesText(scopesOf: ScopesOf): string {
  return [DeltaMode.SYNCGROUPS, DeltaMode.DATA]
    .flatMap((mode) => scopesOf(mode).map(scopeKeyOf))
    .join();
}
