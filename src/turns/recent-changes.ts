/**
 * Which rows have changed since a batch began to read, so that what it read as a range can be checked at its commit without
 * reading the range again: a range of a million rows costs the commit no more than an empty one.
 *
 * Names of changed rows are kept in memory, and only while somebody reads: from the oldest open view on. Where more change
 * than may be kept, or the store was opened again after a failed write, the views that began before are called changed
 * altogether. That is safe: the batch is run again on a new view.
 */

import { compareBytes, type ScopeKey } from "../base/index.ts";
import type { Snapshot } from "../store/index.ts";
import { RECENT_CHANGES_BYTES_MAX } from "./limits.ts";

/** Rows of one space of a scope, by key bytes; a bound left out is open. */
export interface KeySpan {
  readonly space: number;
  readonly start?: Uint8Array | undefined;
  readonly end?: Uint8Array | undefined;
}

interface ChangedRow {
  readonly scope: ScopeKey;
  readonly space: number;
  readonly key: Uint8Array;
}

/** The rows of a database as they were at one moment, until closed. */
export class View {
  readonly snapshot: Snapshot;
  /** How many changes there had been. */
  readonly since: number;
  readonly #closed: (view: View) => void;

  constructor(snapshot: Snapshot, since: number, closed: (view: View) => void) {
    this.snapshot = snapshot;
    this.since = since;
    this.#closed = closed;
  }

  /** Gives up the snapshot and what is kept for it. Calling it twice is harmless. */
  async close(): Promise<void> {
    this.#closed(this);
    await this.snapshot.close();
  }
}

/** Memory that one changed row takes beside its key. */
const ENTRY_BYTES = 64;

/** The rows of one database that have changed since its oldest open view. */
export class RecentChanges {
  readonly #views = new Set<View>();
  #entries: ChangedRow[] = [];
  /** Changes before the first of the entries. */
  #before = 0;
  #bytes = 0;

  /** Names of changed rows that are kept now. */
  get size(): number {
    return this.#entries.length;
  }

  /** Whether anybody reads: else nothing needs to be noted. */
  get isRead(): boolean {
    return this.#views.size > 0;
  }

  /**
   * Begins to read. `snapshot` is taken in the same step, from a store that holds at least all that has been noted; what it
   * holds beyond that counts as changed since.
   */
  open(snapshot: Snapshot): View {
    const view = new View(snapshot, this.#count, (closed) => {
      this.#views.delete(closed);
      this.#trim();
    });
    this.#views.add(view);
    return view;
  }

  /** Rows that a durable write has changed. */
  note(rows: readonly ChangedRow[]): void {
    if (this.#views.size === 0) {
      this.#before += rows.length;
      return;
    }
    for (const { scope, space, key } of rows) {
      // A copy: a key lies in the frame that brought it, of which it would keep all.
      this.#entries.push({ scope, space, key: key.slice() });
      this.#bytes += key.length + ENTRY_BYTES;
    }
    if (this.#bytes > RECENT_CHANGES_BYTES_MAX) this.forget();
  }

  /** All views that are open count as changed from now on. */
  forget(): void {
    // One more than there were: a view of this very moment is behind it, too.
    this.#before = this.#count + 1;
    this.#entries = [];
    this.#bytes = 0;
    this.#views.clear();
  }

  /** Whether a row within any of `spans` of a scope has changed since `view`, or nobody knows. */
  hasChanged(view: View, scope: ScopeKey, spans: readonly KeySpan[]): boolean {
    if (view.since < this.#before) return true;
    for (let i = view.since - this.#before; i < this.#entries.length; i++) {
      const row = this.#entries[i] as ChangedRow;
      if (row.scope === scope && spans.some((span) => isWithin(row, span))) return true;
    }
    return false;
  }

  get #count(): number {
    return this.#before + this.#entries.length;
  }

  #trim(): void {
    let oldest = this.#count;
    for (const { since } of this.#views) oldest = Math.min(oldest, since);
    const done = oldest - this.#before;
    if (done <= 0) return;
    for (const { key } of this.#entries.splice(0, done)) this.#bytes -= key.length + ENTRY_BYTES;
    this.#before = oldest;
  }
}

/** Whether a row lies within a span. */
export function isWithin(
  { space, key }: { readonly space: number; readonly key: Uint8Array },
  span: KeySpan,
): boolean {
  return (
    space === span.space &&
    (span.start === undefined || compareBytes(key, span.start) >= 0) &&
    (span.end === undefined || compareBytes(key, span.end) < 0)
  );
}
