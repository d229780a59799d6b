/**
 * What a storage peer does by itself: it brings every blob that its groups name, for as long as a row names it, and gives
 * what is whole its place among what storage peers replicate. [EX15]
 */

import {
  type BlobRef,
  type Clock,
  codeOf,
  type Crypto,
  type Logger,
  type Random,
  type ScopeId,
  scopeKeyOf,
  spread,
} from "../base/index.ts";
import type { Blobs } from "../blobs/index.ts";
import { type ChunkName, type ChunkStore, referencedBlobs } from "../chunks/index.ts";
import type { History, SeenRef } from "../history/index.ts";
import { type Transport, Wakeup } from "../net/index.ts";
import type { Store } from "../store/index.ts";
import type { SyncService } from "../sync/index.ts";
import { ancestorsOf } from "./ancestors.ts";
import { type BlobAccess, blobKeyOf } from "./blob-access.ts";
import type { FetchProgress } from "./fetch.ts";
import {
  KEEPER_FETCHES_MAX,
  KEEPER_KEPT_MAX,
  KEEPER_LOOK_MS,
  KEEPER_PATIENCE_MS,
  KEEPER_RETRY_MAX_MS,
  KEEPER_RETRY_MIN_MS,
} from "./limits.ts";
import { isNearest } from "./nearest.ts";
import { isPossible, type Wanted, WantedBlobs } from "./wanted-blobs.ts";

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

export class Keeper {
  readonly #deps: KeeperDeps;
  readonly #options: KeeperOptions;
  readonly #wanted = new WantedBlobs();
  /** Blobs that are whole and placed: the last `KEEPER_KEPT_MAX`. */
  readonly #kept = new Set<string>();
  readonly #changed = new Wakeup();
  readonly #stops: (() => void)[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #fetching = 0;
  #lastError: string | undefined;
  #running: Promise<void> = Promise.resolve();
  /** Chunks found damaged and taken out: what they are part of is to be brought again. */
  readonly #lost: ChunkName[] = [];
  /** Rows are to be looked through again, from then on by the monotonic clock, and after that root. */
  #isScanDue = true;
  #scanAt = Number.NEGATIVE_INFINITY;
  #scanned: Uint8Array | undefined;
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
        if (refs === undefined) this.#scanAnew();
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
    this.#scanAt = Math.min(this.#scanAt, soon);
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
    this.#scanAnew();
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
    return this.#deps.sync.sharing.storagePeers(group).includes(own);
  }

  #note({ scope, ref }: SeenRef): void {
    const groups = this.#deps.access.groupsOf(scope).filter((group) => this.#isServer(group));
    if (groups.length === 0 || !isPossible(this.#deps.crypto, ref)) return;
    // Another group may name it now: its place there is given as well.
    this.#kept.delete(blobKeyOf(ref));
    this.#wanted.add(ref, this.#deps.clock.monotonic());
  }

  #scanAnew(): void {
    this.#isScanDue = true;
    this.#scanAt = Number.NEGATIVE_INFINITY;
    this.#scanned = undefined;
  }

  async #run(): Promise<void> {
    while (!this.#deps.ending.aborted) {
      const change = this.#changed.wait();
      try {
        const isTime = this.#scanAt <= this.#deps.clock.monotonic();
        if (this.#isScanDue && isTime) await this.#scan();
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

  /** All blobs that rows name, as far as there is room: the rest when more have had their turn. */
  async #scan(): Promise<void> {
    const { store, access, ending, clock } = this.#deps;
    this.#isScanDue = false;
    for await (const { ref } of referencedBlobs(store, this.#scanned)) {
      if (ending.aborted) return;
      if (!this.#wanted.hasRoom) {
        this.#isScanDue = true;
        return;
      }
      for await (const seen of access.seen(ref.root)) this.#note(seen);
      // Somebody may have asked meanwhile for all to be looked through.
      if (this.#isScanDue) return;
      this.#scanned = ref.root;
      this.#startDue();
    }
    this.#scanned = undefined;
    if (!this.#wanted.isShort) return;
    this.#wanted.isShort = false;
    this.#isScanDue = true;
    this.#scanAt = clock.monotonic() + KEEPER_RETRY_MAX_MS;
  }

  /** Blobs of which a chunk or node is part. */
  async #noteAbove(chunk: ChunkName): Promise<void> {
    for (const root of await ancestorsOf(this.#deps.store, chunk))
      for await (const seen of this.#deps.access.seen(root)) this.#note(seen);
  }

  #startDue(): void {
    const now = this.#deps.clock.monotonic();
    for (const wanted of this.#wanted.values()) {
      if (this.#underWay.size >= KEEPER_FETCHES_MAX) return;
      if (wanted.isUnderWay || wanted.dueAt > now) continue;
      wanted.isUnderWay = true;
      const one = this.#keep(wanted).finally(() => {
        wanted.isUnderWay = false;
        this.#wanted.toEnd(wanted);
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
    const soon = clock.monotonic() + KEEPER_RETRY_MIN_MS;
    if (this.#isScanDue) dues.push(Math.max(soon, this.#scanAt));
    if (this.#lost.length > 0) dues.push(soon);
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
    wanted.isSeenAgain = false;
    try {
      const groups = await this.#groupsOf(ref);
      // No row names it any more, or none of a group that we serve.
      if (groups.length === 0) return this.#wanted.delete(wanted);
      if (!(await blobs.isWhole(ref)) && !(await this.#bring(wanted, groups))) {
        wanted.looks += 1;
        wanted.dueAt = Math.max(wanted.retryAt, clock.monotonic() + this.#wait(wanted));
        return;
      }
      for (const group of groups) await this.#options.place?.(group, ref);
      if (wanted.isSeenAgain) {
        wanted.dueAt = clock.monotonic();
        return;
      }
      this.#wanted.delete(wanted);
      this.#keptNow(blobKeyOf(ref));
      this.#lastError = undefined;
    } catch (error) {
      if (ending.aborted) return;
      this.#fail(error);
      this.#backOff(wanted);
      wanted.dueAt = wanted.retryAt;
    }
  }

  #keptNow(text: string): void {
    this.#kept.add(text);
    const [oldest] = this.#kept;
    if (this.#kept.size > KEEPER_KEPT_MAX && oldest !== undefined) this.#kept.delete(oldest);
  }

  /** Groups that we serve and of which a row names the blob as it is named here. */
  async #groupsOf(ref: BlobRef): Promise<ScopeId[]> {
    const groups = new Map<string, ScopeId>();
    for await (const scope of this.#deps.access.scopesNaming(ref))
      for (const group of this.#deps.access.groupsOf(scope))
        if (this.#isServer(group)) groups.set(scopeKeyOf(group), group);
    return [...groups.values()];
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
    const servers = this.#deps.sync.sharing.storagePeers(group);
    const connected = this.#deps.transport
      .connections()
      .map(({ peer }) => peer)
      .filter((peer) => servers.includes(peer));
    return isNearest(this.#deps.crypto, root, own, connected);
  }

  /** Milliseconds until the next look at a blob that others bring: the longer, the longer nothing has come, but patience ends in time. */
  #wait({ idleSince }: Wanted): number {
    const waited = this.#deps.clock.monotonic() - idleSince;
    const left = waited < KEEPER_PATIENCE_MS ? KEEPER_PATIENCE_MS - waited : KEEPER_PATIENCE_MS;
    return Math.min(left, Math.max(KEEPER_LOOK_MS, waited));
  }

  /** Not fetched again for a while, twice as long each time, give or take a quarter. */
  #backOff(wanted: Wanted): void {
    const doubled = KEEPER_RETRY_MIN_MS * 2 ** Math.min(wanted.attempts, 30);
    const ms = spread(this.#deps.random, Math.min(doubled, KEEPER_RETRY_MAX_MS));
    wanted.attempts += 1;
    wanted.retryAt = this.#deps.clock.monotonic() + ms;
  }

  #fail(error: unknown): void {
    this.#lastError = codeOf(error) ?? "UNKNOWN";
    this.#deps.logger("warn", "exchange.keep.failed", { code: this.#lastError });
  }
}
