/**
 * What a storage peer does by itself: it brings every blob that its groups name, for as long as a row names it, and gives
 * what is whole its place among what storage peers replicate. [EX15]
 */

import {
  type BlobRef,
  type Clock,
  codeOf,
  type Crypto,
  type DeviceId,
  type Logger,
  type Random,
  type ScopeId,
  scopeKeyOf,
  toHex,
} from "../base/index.ts";
import type { Blobs } from "../blobs/index.ts";
import { type ChunkName, type ChunkStore, referencedBlobs } from "../chunks/index.ts";
import type { History, SeenRef } from "../history/index.ts";
import { type Transport, Wakeup } from "../net/index.ts";
import type { Store } from "../store/index.ts";
import type { SyncService } from "../sync/index.ts";
import { ancestorsOf } from "./ancestors.ts";
import type { BlobAccess } from "./blob-access.ts";
import type { FetchProgress } from "./fetch.ts";
import {
  KEEPER_FETCHES_MAX,
  KEEPER_LOOK_MS,
  KEEPER_PATIENCE_MS,
  KEEPER_RETRY_MAX_MS,
  KEEPER_RETRY_MIN_MS,
} from "./limits.ts";
import { isNearest } from "./nearest.ts";

export interface KeeperDeps {
  readonly store: Store;
  readonly history: History;
  readonly blobs: Blobs;
  readonly chunks: Pick<ChunkStore, "onLost">;
  readonly sync: Pick<SyncService, "sharing" | "onGroups" | "isPaused">;
  readonly transport: Transport;
  readonly access: BlobAccess;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly logger: Logger;
  readonly fetch: (
    ref: BlobRef,
    signal: AbortSignal,
  ) => AsyncGenerator<FetchProgress, void, undefined>;
  /** Aborted when the exchange closes. */
  readonly ending: AbortSignal;
}

export interface KeeperOptions {
  readonly place?: ((group: ScopeId, ref: BlobRef) => Promise<void>) | undefined;
  readonly fetchesByItself?: boolean | undefined;
}

/** For people. */
export interface KeeperStatus {
  /** Blobs named in groups in which this device is a storage peer, and seen since it was opened. */
  readonly wanted: number;
  /** Of these, those that are here and have their place. */
  readonly whole: number;
  /** Of these, those being fetched now. */
  readonly fetching: number;
  /** Code of what went wrong last, until something has gone well. */
  readonly lastError: string | undefined;
}

/** A blob that is wanted and not yet here and placed. */
interface Wanted {
  readonly ref: BlobRef;
  /** When to look at it next, by the monotonic clock, and when to fetch it again at the earliest. */
  dueAt: number;
  retryAt: number;
  /** Times that it was tried in vain since there was news. */
  attempts: number;
  /** Times that it was looked at in vain since then. */
  looks: number;
  isUnderWay: boolean;
  /** Bytes that were here at the last look, and since when there are no more. */
  here: number;
  idleSince: number;
}

export class Keeper {
  readonly #deps: KeeperDeps;
  readonly #options: KeeperOptions;
  readonly #wanted = new Map<string, Wanted>();
  /** Roots that are whole and placed. */
  readonly #kept = new Set<string>();
  readonly #changed = new Wakeup();
  readonly #stops: (() => void)[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #fetching = 0;
  #lastError: string | undefined;
  #running: Promise<void> = Promise.resolve();
  /** Chunks found damaged and taken out: what they are part of is to be brought again. */
  readonly #lost: ChunkName[] = [];
  /** Rows are to be looked through again. */
  #isScanDue = true;
  /** The groups in which this device is a storage peer, as one text. */
  #serving = "";

  constructor(deps: KeeperDeps, options: KeeperOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  start(): void {
    const { history, sync, chunks } = this.#deps;
    this.#stops.push(
      history.onWritten(({ refs }) => {
        if (refs === undefined) this.#isScanDue = true;
        for (const seen of refs ?? []) this.#note(seen);
        if (refs?.length !== 0) this.#changed.wake();
      }),
      sync.onGroups(() => this.#onGroups()),
      chunks.onLost((chunk) => {
        this.#lost.push(chunk);
        this.#changed.wake();
      }),
    );
    this.#serving = this.#servingText();
    this.#running = this.#run();
  }

  status(): KeeperStatus {
    return {
      wanted: this.#wanted.size + this.#kept.size,
      whole: this.#kept.size,
      fetching: this.#fetching,
      lastError: this.#lastError,
    };
  }

  /** Chunks have come by another way: what is awaited may be whole. What is large is looked at less often. */
  noteStored(): void {
    const now = this.#deps.clock.monotonic();
    for (const wanted of this.#wanted.values()) {
      const ms = Math.min(KEEPER_LOOK_MS * 2 ** Math.min(wanted.looks, 30), KEEPER_PATIENCE_MS / 2);
      wanted.dueAt = Math.min(wanted.dueAt, now + ms);
    }
    this.#changed.wake();
  }

  /** Somebody has connected, or groups have changed: what failed may go now. */
  noteNews(): void {
    const soon = this.#deps.clock.monotonic() + KEEPER_LOOK_MS;
    for (const wanted of this.#wanted.values()) {
      wanted.attempts = 0;
      wanted.looks = 0;
      wanted.retryAt = soon;
      wanted.dueAt = Math.min(wanted.dueAt, soon);
    }
    this.#changed.wake();
  }

  async close(): Promise<void> {
    for (const stop of this.#stops) stop();
    this.#changed.wake();
    await this.#running;
    await Promise.all(this.#underWay);
  }

  /** Other groups to serve: what they name is looked for, and placed in those that are new. */
  #onGroups(): void {
    const serving = this.#servingText();
    if (serving === this.#serving) return;
    this.#serving = serving;
    this.#kept.clear();
    this.#isScanDue = true;
    this.#changed.wake();
  }

  #servingText(): string {
    const { sharing } = this.#deps.sync;
    return sharing
      .allGroups()
      .filter((group) => this.#isServer(group))
      .flatMap((group) => [scopeKeyOf(group), ...sharing.collections(group).map(scopeKeyOf)])
      .join();
  }

  #isServer(group: ScopeId): boolean {
    const own = this.#deps.history.identity.device;
    return serversOf(this.#deps.sync, group).has(own);
  }

  #note({ scope, ref }: SeenRef): void {
    const key = toHex(ref.root);
    const known = this.#wanted.has(key) || this.#kept.has(key);
    const groups = this.#deps.access.groupsOf(scope).filter((group) => this.#isServer(group));
    if (groups.length === 0) return;
    // Another group may name it now: its place there is given as well.
    if (known && !this.#kept.delete(key)) return;
    const now = this.#deps.clock.monotonic();
    this.#wanted.set(key, {
      ref,
      dueAt: now,
      retryAt: now,
      attempts: 0,
      looks: 0,
      isUnderWay: false,
      here: 0,
      idleSince: now,
    });
  }

  async #run(): Promise<void> {
    while (!this.#deps.ending.aborted) {
      const change = this.#changed.wait();
      try {
        if (this.#isScanDue) await this.#scan();
        for (let lost = this.#lost[0]; lost !== undefined; lost = this.#lost[0]) {
          await this.#noteAbove(lost);
          this.#lost.shift();
        }
      } catch (error) {
        this.#fail(error);
        this.#isScanDue = true;
      }
      this.#startDue();
      await this.#rest(change);
    }
  }

  /** All blobs that rows name. */
  async #scan(): Promise<void> {
    this.#isScanDue = false;
    for await (const { ref } of referencedBlobs(this.#deps.store)) {
      if (this.#deps.ending.aborted) return;
      for (const seen of await this.#deps.access.seen(ref.root)) this.#note(seen);
      this.#startDue();
    }
  }

  /** Blobs of which a chunk or node is part. */
  async #noteAbove(chunk: ChunkName): Promise<void> {
    for (const root of await ancestorsOf(this.#deps.store, chunk))
      for (const seen of await this.#deps.access.seen(root)) this.#note(seen);
  }

  #startDue(): void {
    const now = this.#deps.clock.monotonic();
    for (const wanted of this.#wanted.values()) {
      if (this.#underWay.size >= KEEPER_FETCHES_MAX) return;
      if (wanted.isUnderWay || wanted.dueAt > now) continue;
      wanted.isUnderWay = true;
      const one = this.#keep(wanted).finally(() => {
        wanted.isUnderWay = false;
        this.#underWay.delete(one);
        this.#changed.wake();
      });
      this.#underWay.add(one);
    }
  }

  /** Until something changes, or the next one is due. */
  async #rest(change: Promise<void>): Promise<void> {
    const { clock, ending } = this.#deps;
    const isFull = this.#underWay.size >= KEEPER_FETCHES_MAX;
    const dues = [...this.#wanted.values()]
      .filter(({ isUnderWay }) => !isUnderWay)
      .map(({ dueAt }) => dueAt);
    if (this.#isScanDue || this.#lost.length > 0)
      dues.push(clock.monotonic() + KEEPER_RETRY_MIN_MS);
    const next = dues.reduce((least, due) => Math.min(least, due), Number.POSITIVE_INFINITY);
    if (isFull || next === Number.POSITIVE_INFINITY) return change;
    const over = new AbortController();
    const slept = clock
      .sleep(Math.max(0, next - clock.monotonic()), AbortSignal.any([over.signal, ending]))
      .catch(() => {});
    await Promise.race([slept, change]);
    over.abort();
  }

  /** One look at a blob: places it when it is whole, else fetches it if it is our turn. Never rejects. */
  async #keep(wanted: Wanted): Promise<void> {
    const { ref } = wanted;
    const { clock, blobs, ending } = this.#deps;
    try {
      const seen = await this.#deps.access.seen(ref.root);
      const groups = this.#groupsOf(seen);
      // No row names it any more, or none of a group that we serve.
      if (groups.length === 0) return void this.#wanted.delete(toHex(ref.root));
      if (!(await blobs.isWhole(ref)) && !(await this.#bring(wanted, groups))) {
        wanted.looks += 1;
        wanted.dueAt = Math.max(wanted.retryAt, clock.monotonic() + this.#wait(wanted));
        return;
      }
      for (const group of groups) await this.#options.place?.(group, ref);
      this.#wanted.delete(toHex(ref.root));
      this.#kept.add(toHex(ref.root));
      this.#lastError = undefined;
    } catch (error) {
      if (ending.aborted) return;
      this.#fail(error);
      this.#backOff(wanted);
      wanted.dueAt = wanted.retryAt;
    }
  }

  #groupsOf(seen: readonly SeenRef[]): ScopeId[] {
    const groups = seen
      .flatMap(({ scope }) => this.#deps.access.groupsOf(scope))
      .filter((group) => this.#isServer(group));
    return [...new Map(groups.map((group) => [scopeKeyOf(group), group])).values()];
  }

  /** Whether the blob is whole now. */
  async #bring(wanted: Wanted, groups: readonly ScopeId[]): Promise<boolean> {
    if (!(await this.#mayFetchNow(wanted, groups))) return false;
    this.#fetching += 1;
    try {
      for await (const { state } of this.#deps.fetch(wanted.ref, this.#deps.ending)) {
        if (state === "done") return true;
        // Others may be had meanwhile: this one is tried again.
        if (state === "pending") break;
      }
    } finally {
      this.#fetching -= 1;
    }
    this.#backOff(wanted);
    return false;
  }

  /** Whether it is for us to fetch it, and time to: others bring it, as long as something comes. */
  async #mayFetchNow(wanted: Wanted, groups: readonly ScopeId[]): Promise<boolean> {
    const now = this.#deps.clock.monotonic();
    const isOurs = groups.some((group) => this.#isOurTurn(group, wanted.ref.root));
    const fetches = this.#options.fetchesByItself !== false;
    if (!fetches || !isOurs) {
      const { here } = await this.#deps.blobs.status(wanted.ref);
      if (here !== wanted.here) Object.assign(wanted, { here, idleSince: now });
      if (!fetches || now - wanted.idleSince < KEEPER_PATIENCE_MS) return false;
    }
    const isPaused = groups.every(({ database }) => this.#deps.sync.isPaused(database));
    return wanted.retryAt <= now && !isPaused;
  }

  /** Whether our overlay is nearest to the root among the group's storage peers that are connected. */
  #isOurTurn(group: ScopeId, root: Uint8Array): boolean {
    const own = this.#deps.history.identity.device;
    const servers = serversOf(this.#deps.sync, group);
    const connected = this.#deps.transport
      .connections()
      .map(({ peer }) => peer)
      .filter((peer) => servers.has(peer));
    return isNearest(this.#deps.crypto, root, own, connected);
  }

  /** Milliseconds until the next look at a blob that others bring: the longer, the longer nothing has come. */
  #wait({ idleSince }: Wanted): number {
    const waited = this.#deps.clock.monotonic() - idleSince;
    return Math.min(KEEPER_PATIENCE_MS, Math.max(KEEPER_LOOK_MS, waited));
  }

  /** Not fetched again for a while, twice as long each time, give or take a quarter. */
  #backOff(wanted: Wanted): void {
    const [byte] = this.#deps.random.bytes(1);
    const doubled = KEEPER_RETRY_MIN_MS * 2 ** Math.min(wanted.attempts, 30);
    const ms = Math.min(doubled, KEEPER_RETRY_MAX_MS) * (0.75 + (byte as number) / 512);
    wanted.attempts += 1;
    wanted.retryAt = this.#deps.clock.monotonic() + ms;
  }

  #fail(error: unknown): void {
    this.#lastError = codeOf(error) ?? "UNKNOWN";
    this.#deps.logger("warn", "exchange.keep.failed", { code: this.#lastError });
  }
}

/** Storage peers of a group. */
function serversOf({ sharing }: Pick<SyncService, "sharing">, group: ScopeId): Set<DeviceId> {
  return new Set(
    sharing
      .members(group)
      .filter(({ type, hasLeft }) => type === "server" && !hasLeft)
      .map(({ device }) => device),
  );
}
