import type { Clock } from "../base/index.ts";
import type { BinEntry, GetMessage, PullStorage } from "./ports.ts";
import { PullSyncError } from "./errors.ts";
import type { PullProfile } from "./profile.ts";

/** What one offer is made of. */
export interface Page {
  /** Up to here the page is all there is. */
  readonly topmost: bigint;
  readonly entries: readonly BinEntry[];
}

export interface PageDeps {
  readonly storage: PullStorage;
  readonly profile: PullProfile;
  readonly clock: Clock;
}

/**
 * The next page of a bin. Where the reserve has numbers from `start` on, the page is made of them and answered at once, and reaches to
 * the last of them or to `to`. Where it has none yet, it waits for the first and a little for what comes with it. [PS13] [PS14]
 */
export async function collectPage(
  deps: PageDeps,
  { bin, start, to }: GetMessage,
  signal: AbortSignal,
): Promise<Page> {
  const { storage, profile } = deps;
  const page = new PageInMaking(profile);
  const cursor = (await storage.cursors())[bin] as bigint;
  const end = to === undefined || to > cursor ? cursor : to;
  if (start <= end) {
    for await (const entry of storage.subscribe(bin, start, { to: end, signal }))
      if (!page.add(entry)) break;
    signal.throwIfAborted();
    if (page.isFull) return page.upTo(page.last);
    if (page.entries.length > 0 || end === to) return page.upTo(end);
  }
  const linger = new AbortController();
  const ended = AbortSignal.any([signal, linger.signal]);
  const from = start > end ? start : end + 1n;
  for await (const entry of storage.subscribe(bin, from, { to, signal: ended })) {
    if (page.entries.length === 0)
      void deps.clock.sleep(profile.liveLingerMs, ended).then(
        () => linger.abort(),
        () => {},
      );
    if (!page.add(entry)) break;
  }
  linger.abort();
  signal.throwIfAborted();
  if (page.entries.length === 0)
    throw new PullSyncError("PULLSYNC_CLOSED", "Cannot offer chunks: the reserve is closed");
  return page.upTo(page.last);
}

class PageInMaking {
  readonly #profile: PullProfile;
  readonly entries: BinEntry[] = [];
  #bytes = 0;
  isFull = false;

  constructor(profile: PullProfile) {
    this.#profile = profile;
  }

  /** Answers whether there is room for another. One that does not fit is left for the next page. */
  add(entry: BinEntry): boolean {
    const { pageBytesMax, pageEntriesMax } = this.#profile;
    if (this.entries.length > 0 && this.#bytes + entry.size > pageBytesMax) {
      this.isFull = true;
      return false;
    }
    this.entries.push(entry);
    this.#bytes += entry.size;
    this.isFull = this.entries.length >= pageEntriesMax;
    return !this.isFull;
  }

  get last(): bigint {
    return this.entries.at(-1)?.binId ?? 0n;
  }

  upTo(topmost: bigint): Page {
    return { topmost, entries: this.entries };
  }
}

/** Pages that several wait for: identical requests share one collection, which ends when the last of them is gone. [PS15] */
export class SharedPages {
  readonly #deps: PageDeps;
  readonly #pages = new Map<
    string,
    { readonly page: Promise<Page>; readonly stop: AbortController; waiting: number }
  >();

  constructor(deps: PageDeps) {
    this.#deps = deps;
  }

  /** Collections under way. */
  get size(): number {
    return this.#pages.size;
  }

  /** The page of `get`; rejects with the signal's reason when that aborts first. `onShared` is told when another had asked before. */
  async take(get: GetMessage, signal: AbortSignal, onShared: () => void): Promise<Page> {
    signal.throwIfAborted();
    const key = `${get.bin} ${get.start} ${get.to}`;
    let shared = this.#pages.get(key);
    if (shared === undefined) {
      const stop = new AbortController();
      const page = collectPage(this.#deps, get, stop.signal).finally(() => {
        if (this.#pages.get(key)?.stop === stop) this.#pages.delete(key);
      });
      page.catch(() => {});
      shared = { page, stop, waiting: 0 };
      this.#pages.set(key, shared);
    } else onShared();
    const { page, stop } = shared;
    const mine = shared;
    mine.waiting += 1;
    return await new Promise<Page>((resolve, reject) => {
      const leave = (): void => {
        mine.waiting -= 1;
        if (mine.waiting === 0) {
          // The next one to ask begins anew.
          if (this.#pages.get(key) === mine) this.#pages.delete(key);
          stop.abort(signal.reason);
        }
        reject(signal.reason as Error);
      };
      signal.addEventListener("abort", leave, { once: true });
      page.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
    });
  }
}
