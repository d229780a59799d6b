import type { Value } from "../base/index.ts";
import type { Visible } from "../conflicts/index.ts";
import type { Row } from "../history/index.ts";
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

/** Changes that a consumer gets at once. */
export interface WatchPage<T = Value> {
  readonly changes: readonly Change<T>[];
  /** Whether the present state has been told, this page included. */
  readonly caughtUp: boolean;
  /** Whether a peer brought them, as against a write on this device. The present state has no such origin: false. */
  readonly fromSync: boolean;
}

/** A page in the making, up to its limits. */
export class PageOf<T> {
  readonly #fromSync: boolean;
  readonly #changes: Change<T>[] = [];
  #bytes = 0;

  constructor(fromSync: boolean) {
    this.#fromSync = fromSync;
  }

  get isEmpty(): boolean {
    return this.#changes.length === 0;
  }

  /** Whether the row may be added: an empty page takes any. */
  fits(key: Uint8Array, row: Row): boolean {
    if (this.isEmpty) return true;
    return (
      this.#changes.length < WATCH_PAGE_ROWS && this.#bytes + sizeOf(key, row) <= WATCH_PAGE_BYTES
    );
  }

  add(key: Uint8Array, row: Row, { value, conflict }: Visible): void {
    this.#bytes += sizeOf(key, row);
    this.#changes.push(
      value === undefined
        ? { type: "delete", key: keyText(key), conflict }
        : { type: "put", key: keyText(key), value: value as T, conflict },
    );
  }

  done(caughtUp: boolean): WatchPage<T> {
    return { changes: this.#changes, caughtUp, fromSync: this.#fromSync };
  }
}

function sizeOf(key: Uint8Array, { heads }: Row): number {
  // What is shown may hold what all heads hold.
  let size = key.length;
  for (const { value } of heads) size += value?.length ?? 0;
  return size;
}
