/**
 * All that goes on with one peer: keeping a connection to it, pulling from it, measuring its clock.
 */

import type { Clock, Crypto, DeviceId, Logger, Random } from "../base/index.ts";
import { codeOf } from "../base/index.ts";
import type { History } from "../history/index.ts";
import { type Connection, type Transport, Wakeup } from "../net/index.ts";
import type { PageBudget } from "./budget.ts";
import { CallClient } from "./calls.ts";
import { SyncError } from "./errors.ts";
import { isPeerFault } from "./fault.ts";
import { Initiator, type PullProgress, type ScopesOf } from "./initiator.ts";
import { CLOCK_INTERVAL_MS, CONNECT_TIMEOUT_MS, RETRY_MAX_MS, RETRY_MIN_MS } from "./limits.ts";
import { measureClock, type PeerTime } from "./peer-clock.ts";

export interface LinkDeps {
  readonly history: History;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly budget: PageBudget;
  readonly transport: Transport;
  /** Tells that the peer broke the protocol. */
  readonly onFault: (peer: DeviceId, error: unknown) => void;
}

/** What a link is for, asked again whenever it may have changed. */
export interface LinkNeeds {
  /** Where to reach the peer; empty: wait until it connects. */
  readonly addresses: () => readonly string[];
  /** Databases to pull. */
  readonly databases: () => readonly string[];
  readonly scopesOf: (database: string) => ScopesOf;
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

export class PeerLink {
  readonly device: DeviceId;
  readonly #deps: LinkDeps;
  readonly #needs: LinkNeeds;
  readonly #changed = new Wakeup();
  readonly #ending = new AbortController();
  readonly #pulls = new Map<
    string,
    { readonly initiator: { current: Initiator | undefined }; readonly done: Promise<void> }
  >();
  readonly #run: Promise<void>;
  #connection: Connection | undefined;
  #calls: Promise<CallClient> | undefined;
  #time: PeerTime | undefined;
  #lastError: LinkStatus["lastError"];

  constructor(deps: LinkDeps, device: DeviceId, needs: LinkNeeds) {
    this.#deps = deps;
    this.device = device;
    this.#needs = needs;
    this.#run = this.#runAll();
  }

  get status(): LinkStatus {
    const pulls: Record<string, PullProgress> = {};
    for (const [database, { initiator }] of this.#pulls) {
      if (initiator.current !== undefined) pulls[database] = initiator.current.progress;
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
    for (const { initiator } of this.#pulls.values()) initiator.current?.refresh();
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
      const change = this.#changed.wait();
      const connection = await this.#connect();
      if (connection === undefined) {
        // Nobody to reach, or not now: sleeps, and wakes early when the peer connects or addresses change.
        await Promise.race([change, this.#sleep(this.#jittered(wait))]);
        wait = Math.min(2 * wait, RETRY_MAX_MS);
        continue;
      }
      wait = RETRY_MIN_MS;
      await this.#stay(connection);
    }
  }

  async #connect(): Promise<Connection | undefined> {
    const { transport, logger } = this.#deps;
    if (this.#needs.isBlocked()) return undefined;
    const open = transport
      .connections()
      .find(({ peer, closed }) => peer === this.device && !closed.aborted);
    if (open !== undefined) return open;
    const addresses = this.#needs.addresses();
    if (addresses.length === 0) return undefined;
    const timer = new AbortController();
    this.#deps.clock.sleep(CONNECT_TIMEOUT_MS, timer.signal).then(
      () =>
        timer.abort(
          new SyncError("SYNC_TIMEOUT", "Cannot connect: the peer did not answer in time"),
        ),
      () => {},
    );
    try {
      return await transport.connect(this.device, addresses, {
        signal: AbortSignal.any([timer.signal, this.#ending.signal]),
      });
    } catch (error) {
      this.#note(error);
      logger("debug", "sync.connect.failed", { peer: this.device, code: codeOf(error) });
      return undefined;
    } finally {
      timer.abort(new SyncError("SYNC_CLOSED", "Connecting has ended"));
    }
  }

  /** Works on a connection until it closes. */
  async #stay(connection: Connection): Promise<void> {
    this.#connection = connection;
    this.#lastError = undefined;
    const ended = AbortSignal.any([connection.closed, this.#ending.signal]);
    const closed = new Promise<void>((resolve) => {
      if (ended.aborted) resolve();
      else ended.addEventListener("abort", () => resolve(), { once: true });
    });
    const clock = this.#measureClock(connection, ended);
    while (!ended.aborted) {
      const change = this.#changed.wait();
      for (const database of this.#needs.databases()) this.#startPull(connection, database, ended);
      await Promise.race([change, closed]);
    }
    await Promise.all([clock, ...Array.from(this.#pulls.values(), ({ done }) => done)]);
    this.#calls = undefined;
    this.#connection = undefined;
  }

  #startPull(connection: Connection, database: string, ended: AbortSignal): void {
    if (this.#pulls.has(database)) return;
    const initiator: { current: Initiator | undefined } = { current: undefined };
    const done = this.#pull(connection, database, ended, initiator).finally(() =>
      this.#pulls.delete(database),
    );
    this.#pulls.set(database, { initiator, done });
  }

  /** Pulls a database, again after each end of the stream, for as long as it is to be pulled. */
  async #pull(
    connection: Connection,
    database: string,
    ended: AbortSignal,
    slot: { current: Initiator | undefined },
  ): Promise<void> {
    let wait = RETRY_MIN_MS;
    while (!ended.aborted && this.#needs.databases().includes(database)) {
      const initiator = new Initiator(
        this.#deps,
        connection,
        database,
        this.#needs.scopesOf(database),
      );
      slot.current = initiator;
      const stop = new AbortController();
      const unwatch = this.#watchNeeds(database, stop);
      try {
        await initiator.run(AbortSignal.any([ended, stop.signal]));
      } catch (error) {
        if (ended.aborted) return;
        if (!stop.signal.aborted) this.#note(error);
        if (isPeerFault(error)) return this.#deps.onFault(this.device, error);
      } finally {
        unwatch();
      }
      if (initiator.progress.state === "live") wait = RETRY_MIN_MS;
      slot.current = undefined;
      const change = this.#changed.wait();
      await Promise.race([change, this.#sleep(this.#jittered(wait), ended)]);
      wait = Math.min(2 * wait, RETRY_MAX_MS);
    }
  }

  /** Ends a pull when its database is not to be pulled any more. */
  #watchNeeds(database: string, stop: AbortController): () => void {
    let isWatching = true;
    const watch = async (): Promise<void> => {
      while (isWatching) {
        await this.#changed.wait();
        if (isWatching && !this.#needs.databases().includes(database)) {
          stop.abort(new SyncError("SYNC_CLOSED", "The database is paused"));
          return;
        }
      }
    };
    void watch();
    return () => {
      isWatching = false;
    };
  }

  /** A stream for calls on the connection that is open. @throws {SyncError} `SYNC_OFFLINE` when there is none. */
  async calls(connection?: Connection): Promise<CallClient> {
    const on = connection ?? this.#connection;
    if (on === undefined)
      throw new SyncError("SYNC_OFFLINE", "Cannot call: the peer is not connected");
    const open = await this.#calls?.catch(() => undefined);
    if (open?.isOpen === true) return open;
    this.#calls = CallClient.open(this.#deps.clock, on, this.#ending.signal);
    return this.#calls;
  }

  async #measureClock(connection: Connection, ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      try {
        this.#time = await measureClock(this.#deps.clock, await this.calls(connection));
      } catch (error) {
        if (isPeerFault(error)) return this.#deps.onFault(this.device, error);
        if (!ended.aborted)
          this.#deps.logger("debug", "sync.clock.failed", {
            peer: this.device,
            code: codeOf(error),
          });
      }
      await this.#sleep(CLOCK_INTERVAL_MS, ended);
    }
    const calls = await this.#calls?.catch(() => undefined);
    calls?.close();
  }

  #note(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#lastError = { code: codeOf(error) ?? "UNKNOWN", message };
  }

  /** Spreads retries of many devices over half of the time. */
  #jittered(ms: number): number {
    const [byte] = this.#deps.random.bytes(1);
    return ms * (0.75 + (byte as number) / 512);
  }

  #sleep(ms: number, signal: AbortSignal = this.#ending.signal): Promise<void> {
    return this.#deps.clock.sleep(ms, signal).catch(() => {});
  }
}
