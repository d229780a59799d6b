import {
  equalVectors,
  type DeviceId,
  generationIn,
  type GenVector,
  type LogKey,
  type ScopeKey,
} from "../base/index.ts";
import { type History, type PartName, ROW_SPACE, type ScopeState } from "../history/index.ts";
import { holderRow, readHolders } from "./holders.ts";
import { ROUND_COMMITS_MAX } from "./limits.ts";

/** Of a log: the generation that was looked at, and the last up to it with more than holder records. */
interface Rounded {
  readonly upTo: number;
  readonly at: number;
}

/** Says what this device holds of collections, by its holder records. */
export class Publications {
  readonly #history: History;
  readonly #rounded = new Map<ScopeKey, Map<LogKey, Rounded>>();

  constructor(history: History) {
    this.#history = history;
  }

  /**
   * Writes our record in a collection where there is something new to say. `false`: there is not: holder records alone are no
   * news, or each would be answered with another. [HO3]
   */
  async publish(scope: ScopeState): Promise<boolean> {
    const { device } = this.#history.identity;
    const published = (await readHolders(this.#history, scope)).get(device);
    const next = withoutLoss(await this.#roundedVector(scope), published, scope.vector());
    if (published !== undefined && equalVectors(published, next)) return false;
    const rows = [holderRow(device, next)];
    await this.#history.write({ parts: [{ scope: scope.id, rows }] });
    return true;
  }

  /** Whether a device has a record in a collection. */
  async isHolder(scope: ScopeState, device: DeviceId): Promise<boolean> {
    return (await readHolders(this.#history, scope)).has(device);
  }

  async #roundedVector(scope: ScopeState): Promise<GenVector> {
    const rounded = this.#rounded.get(scope.key) ?? new Map<LogKey, Rounded>();
    this.#rounded.set(scope.key, rounded);
    const vector = new Map<LogKey, number>();
    for (const [log, upTo] of scope.numbers) {
      const key = this.#history.logOf(log);
      let known = rounded.get(key);
      if (known?.upTo !== upTo) {
        const at = await this.#lastOther(scope, log, upTo, known?.at ?? 0);
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

/** What is said next: of no log less than before, as long as that still counts here. */
function withoutLoss(
  rounded: GenVector,
  published: GenVector | undefined,
  known: GenVector,
): GenVector {
  const next = new Map(rounded);
  for (const [log, generation] of published ?? [])
    if (generation <= generationIn(known, log) && generation > generationIn(rounded, log))
      next.set(log, generation);
  return next;
}
