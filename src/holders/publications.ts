import {
  type Clock,
  coversVector,
  type GenVector,
  logIdOf,
  type LogKey,
  type ScopeKey,
  timestampMillis,
} from "../base/index.ts";
import {
  type History,
  type PartName,
  ROW_SPACE,
  type ScopeState,
  type Version,
} from "../history/index.ts";
import { holderRow, readHolders } from "./holders.ts";
import {
  HOLDER_INTERVAL_MAX_MS,
  HOLDER_INTERVAL_MS,
  HOLDER_OLDS_FREE,
  ROUND_COMMITS_MAX,
} from "./limits.ts";

/** Versions of our record that are counted: with so many kept the wait is the longest. */
const OLDS_COUNTED_MAX = 32;

/** Of a log: the generation that was looked at, and the last up to it with more than holder records. */
interface Rounded {
  readonly upTo: number;
  readonly at: number;
}

/** Says what this device holds of collections, by its holder records. */
export class Publications {
  readonly #history: History;
  readonly #clock: Clock;
  readonly #rounded = new Map<ScopeKey, Map<LogKey, Rounded>>();
  /** When our record was written last, by the monotonic clock. */
  readonly #last = new Map<ScopeKey, number>();

  constructor(history: History, clock: Clock) {
    this.#history = history;
    this.#clock = clock;
  }

  /**
   * In how many milliseconds our record in a collection may be written again; 0: now. Longer the more of those before it are
   * still kept, since that is for somebody who says nothing meanwhile. [HO4]
   */
  async wait(scope: ScopeState): Promise<number> {
    const { device } = this.#history.identity;
    const { space, key } = holderRow(device, undefined).name;
    const kept = await this.#history.versionsOf(scope.id, space, key, OLDS_COUNTED_MAX);
    const { heads } = await this.#history.row(scope.id, space, key);
    const tooMany = Math.max(0, kept.length - heads.length - HOLDER_OLDS_FREE);
    const interval = Math.min(HOLDER_INTERVAL_MS * 2 ** tooMany, HOLDER_INTERVAL_MAX_MS);
    const last = this.#last.get(scope.key) ?? this.#lastBefore(heads);
    this.#last.set(scope.key, last);
    return Math.max(0, last + interval - this.#clock.monotonic());
  }

  /** When our record was written in an earlier process, by the wall clock; where that makes no sense, long ago. */
  #lastBefore(heads: readonly Version[]): number {
    const { device } = this.#history.identity;
    const ages = heads
      .filter(({ log }) => logIdOf(this.#history.logOf(log)).device === device)
      .map(({ timestamp }) => this.#clock.now() - timestampMillis(timestamp))
      .filter((age) => age >= 0);
    return this.#clock.monotonic() - Math.min(HOLDER_INTERVAL_MAX_MS, ...ages);
  }

  /**
   * Writes our record in a collection where there is something new to say. `false`: there is not: holder records alone are no
   * news, or each would be answered with another. [HO3]
   */
  async publish(scope: ScopeState): Promise<boolean> {
    const { device } = this.#history.identity;
    const published = (await readHolders(this.#history, scope)).get(device);
    if (published !== undefined && !(await this.#isNews(scope, published))) return false;
    const rows = [holderRow(device, scope.vector())];
    await this.#history.write({ parts: [{ scope: scope.id, rows }] });
    this.#last.set(scope.key, this.#clock.monotonic());
    return true;
  }

  /** Whether there is more here than was said, other than holder records, or something of it counts no more. */
  async #isNews(scope: ScopeState, published: GenVector): Promise<boolean> {
    if (!coversVector(scope.vector(), published)) return true;
    return !coversVector(published, await this.#roundedVector(scope));
  }

  async #roundedVector(scope: ScopeState): Promise<GenVector> {
    const rounded = this.#rounded.get(scope.key) ?? new Map<LogKey, Rounded>();
    this.#rounded.set(scope.key, rounded);
    const vector = new Map<LogKey, number>();
    for (const [log, upTo] of scope.numbers) {
      const key = this.#history.logOf(log);
      let known = rounded.get(key);
      if (known?.upTo !== upTo) {
        // Less than before: the rest was taken back.
        const before = known === undefined || known.upTo > upTo ? 0 : known.at;
        const at = await this.#lastOther(scope, log, upTo, before);
        rounded.set(key, (known = { upTo, at }));
      }
      if (known.at > 0) vector.set(key, known.at);
    }
    return vector;
  }

  /** The last generation up to `upTo` with an op other than holder records; `otherwise` when none is found. */
  async #lastOther(
    scope: ScopeState,
    log: PartName["log"],
    upTo: number,
    otherwise: number,
  ): Promise<number> {
    let looked = 0;
    for await (const { generation, ops } of this.#history.partsBefore(scope, log, upTo)) {
      if (generation <= otherwise || looked >= ROUND_COMMITS_MAX) break;
      if (ops.some((op) => op === "control" || op.space !== ROW_SPACE.holders)) return generation;
      looked += 1;
    }
    return otherwise;
  }
}
