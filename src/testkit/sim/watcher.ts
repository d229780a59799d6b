import type { Collection, WatchPage } from "../../db/index.ts";
import { SimError } from "../sim-oracle/index.ts";
import type { SeededRandom } from "../seeded-random.ts";
import { nameOfError, type SimProcess } from "./process.ts";
import { checkFamilies, type SimValue } from "./families.ts";

export interface WatcherDeps {
  /** Index of the device whose collection it watches. */
  readonly device: number;
  readonly collectionOf: (process: SimProcess) => Collection<SimValue>;
  /** How often the device's store was replaced by an older one so far: a marker from before that need not be known. */
  readonly timesSetBack: () => number;
  readonly random: SeededRandom;
  readonly sometimes: (what: string) => void;
  readonly fail: (error: unknown) => void;
}

/** Milliseconds for which it deals with a page at most. */
const PAGE_MS_MAX = 300;
/** Milliseconds after a restart until it goes on, at most: changes come in between. */
const RESUME_MS_MAX = 3000;

/** What it keeps for good: the rows up to a marker, and nothing behind it. */
interface Kept {
  readonly rows: ReadonlyMap<string, string>;
  readonly marker: string;
  readonly setBack: number;
  /** Whether the process that gave it had written down the epoch that it names. */
  readonly isSure: boolean;
}

/**
 * Somebody who watches a collection, keeps what was told together with its marker, and goes on behind that after each
 * restart. Deals slowly with some pages. [K8]
 */
export class Watcher {
  readonly #deps: WatcherDeps;
  #kept: Kept | undefined;
  #rows = new Map<string, string>();
  /** While there is one and the watch goes on. */
  #process: SimProcess | undefined;

  constructor(deps: WatcherDeps) {
    this.#deps = deps;
  }

  get device(): number {
    return this.#deps.device;
  }

  /** Watches in this process from now on, until that dies or the watch ends. */
  start(process: SimProcess): void {
    const { sometimes, fail } = this.#deps;
    this.#process = process;
    void this.#run(process).catch((error: unknown) => {
      if (this.#process === process) this.#process = undefined;
      if (error instanceof SimError || nameOfError(error) === "TypeError") fail(error);
      else sometimes(`watch ended ${nameOfError(error)}`);
    });
  }

  async #run(process: SimProcess): Promise<void> {
    const kept = this.#kept;
    const { random } = this.#deps;
    if (kept !== undefined && random.chance(0.5))
      await process.clock.sleep(random.below(RESUME_MS_MAX));
    this.#rows = new Map(kept?.rows);
    try {
      await this.#watch(process, kept?.marker);
    } catch (error) {
      if (nameOfError(error) !== "DB_RESUME_MARKER_UNKNOWN") throw error;
      if (kept?.isSure === true && this.#deps.timesSetBack() === kept.setBack)
        throw new SimError("K8", "A marker is unknown though its store was never set back");
      this.#deps.sometimes("watch begun anew");
      this.#kept = undefined;
      this.#rows = new Map();
      await this.#watch(process, undefined);
    }
    if (this.#process === process) this.#process = undefined;
  }

  async #watch(process: SimProcess, after: string | undefined): Promise<void> {
    const { sometimes, random, collectionOf } = this.#deps;
    const collection = collectionOf(process);
    const told = new Set<string>();
    let isCatchingUp = true;
    for await (const page of collection.watch(after === undefined ? {} : { after })) {
      if (process.isDead || this.#process !== process) return;
      if (isCatchingUp) checkOnce(page, told);
      this.#take(page, process);
      if (after !== undefined && isCatchingUp && page.caughtUp) sometimes("watch resumed");
      isCatchingUp &&= !page.caughtUp;
      sometimes(page.fromSync ? "watched sync" : "watched");
      if (random.chance(0.5)) await process.clock.sleep(random.below(PAGE_MS_MAX));
    }
  }

  #take({ changes, caughtUp, marker }: WatchPage<SimValue>, { hasLostEpoch }: SimProcess): void {
    for (const change of changes) {
      if (change.type === "put") this.#rows.set(change.key, change.value.t);
      else this.#rows.delete(change.key);
    }
    if (caughtUp && marker !== undefined) checkFamilies(this.#rows, "A watch");
    if (marker === undefined) return;
    const setBack = this.#deps.timesSetBack();
    this.#kept = { rows: new Map(this.#rows), marker, setBack, isSure: !hasLostEpoch };
  }

  /** At rest it was told everything. @throws {SimError} `K8`. */
  async checkAtRest(): Promise<void> {
    const process = this.#process;
    if (process === undefined || process.isDead) return;
    const rows = new Map<string, string>();
    for await (const { key, value } of this.#deps.collectionOf(process).scan())
      rows.set(key, value.t);
    const isSame =
      rows.size === this.#rows.size &&
      [...rows].every(([key, token]) => this.#rows.get(key) === token);
    if (isSame) return;
    throw new SimError("K8", `A watch was told ${textOf(this.#rows)} and there is ${textOf(rows)}`);
  }
}

/** Until it has caught up a watch tells each row once. */
function checkOnce({ changes }: WatchPage<SimValue>, told: Set<string>): void {
  for (const { key } of changes) {
    if (told.has(key))
      throw new SimError("K8", `A watch told row ${key} twice before it caught up`);
    told.add(key);
  }
}

function textOf(rows: ReadonlyMap<string, string>): string {
  return [...rows]
    .map(([key, token]) => `${key}=${token}`)
    .toSorted()
    .join(" ");
}
