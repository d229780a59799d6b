import type { ScopeId, Value } from "../base/index.ts";
import type { Visible } from "../conflicts/index.ts";
import type { Row } from "../history/index.ts";
import type { CollectionName } from "./database.ts";
import { WATCH_PAGE_BYTES, WATCH_PAGE_ROWS } from "./limits.ts";
import { keyText } from "./names.ts";

/** A row as it is now. `conflict`: others have written it at the same time, see `conflicts`. */
export type Change<T = Value> =
  | {
      readonly type: "put";
      readonly key: string;
      readonly value: T;
      readonly conflict: boolean;
    }
  | { readonly type: "delete"; readonly key: string; readonly conflict: boolean };

/** A row of one of several collections as it is now, or a collection that its owner has destroyed with all its rows. */
export type DatabaseChange<T = Value> =
  | (Change<T> & { readonly collection: CollectionName })
  | { readonly type: "destroy"; readonly collection: CollectionName };

/** Changes that a consumer gets at once. */
export interface WatchPage<T = Value, C = Change<T>> {
  readonly changes: readonly C[];
  /** Whether the state at the beginning of the watch has been told, this page included. */
  readonly caughtUp: boolean;
  /** Whether a peer brought them, as against a write on this device. Before the watch has caught up: false. */
  readonly fromSync: boolean;
  /**
   * Where to go on by `after` once this page has been dealt with. Only a page with it ends a batch, and what is told
   * before `caughtUp` is one.
   */
  readonly marker?: string;
}

/** Of several collections. */
export type DatabaseWatchPage<T = Value> = WatchPage<T, DatabaseChange<T>>;

/** A row that is to be told. */
export interface ToldRow {
  readonly scope: ScopeId;
  readonly key: Uint8Array;
  readonly row: Row;
}

/** A page in the making, up to its limits. */
export class PageOf<C> {
  readonly #fromSync: boolean;
  /** Whether changes name their collections. */
  readonly #isNamed: boolean;
  readonly #changes: C[] = [];
  #bytes = 0;

  constructor(fromSync: boolean, isNamed: boolean) {
    this.#fromSync = fromSync;
    this.#isNamed = isNamed;
  }

  get isEmpty(): boolean {
    return this.#changes.length === 0;
  }

  /** Whether the row may be added: an empty page takes any. */
  fits(told: ToldRow): boolean {
    if (this.isEmpty) return true;
    return this.#changes.length < WATCH_PAGE_ROWS && this.#bytes + sizeOf(told) <= WATCH_PAGE_BYTES;
  }

  add(told: ToldRow, { value, conflict }: Visible): void {
    this.#bytes += sizeOf(told);
    const key = keyText(told.key);
    const change: Change =
      value === undefined
        ? { type: "delete", key, conflict }
        : { type: "put", key, value, conflict };
    this.#push(this.#isNamed ? { collection: collectionOf(told.scope), ...change } : change);
  }

  addDestroyed(scope: ScopeId): void {
    this.#push({ type: "destroy", collection: collectionOf(scope) });
  }

  /** `marker`: it ends a batch. */
  done<T>(caughtUp: boolean, marker?: string): WatchPage<T, C> {
    const page = { changes: this.#changes, caughtUp, fromSync: this.#fromSync };
    return marker === undefined ? page : { ...page, marker };
  }

  /** What stands in pages is what their consumer asked for: named changes or not. */
  #push(change: Change | DatabaseChange): void {
    this.#changes.push(change as C);
  }
}

function collectionOf({ owner, name }: ScopeId): CollectionName {
  return { owner, name };
}

function sizeOf({ key, row: { heads } }: ToldRow): number {
  // What is shown may hold what all heads hold.
  let size = key.length;
  for (const { value } of heads) size += value?.length ?? 0;
  return size;
}
