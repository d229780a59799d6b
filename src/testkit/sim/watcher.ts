import type { Collection } from "../../db/index.ts";
import { SimError } from "../sim-oracle/index.ts";
import { nameOfError, type SimProcess } from "./process.ts";
import { checkFamilies, type SimValue } from "./families.ts";

export interface WatcherDeps {
  readonly sometimes: (what: string) => void;
  readonly fail: (error: unknown) => void;
}

/** Somebody who watches a collection until the process dies, and keeps what was told. */
export class Watcher {
  readonly #process: SimProcess;
  readonly #collection: Collection<SimValue>;
  readonly #rows = new Map<string, string>();
  #hasEnded = false;

  constructor(
    process: SimProcess,
    collection: Collection<SimValue>,
    { sometimes, fail }: WatcherDeps,
  ) {
    this.#process = process;
    this.#collection = collection;
    void this.#run(sometimes).catch((error: unknown) => {
      this.#hasEnded = true;
      if (error instanceof SimError || nameOfError(error) === "TypeError") fail(error);
      else sometimes(`watch ended ${nameOfError(error)}`);
    });
  }

  async #run(sometimes: (what: string) => void): Promise<void> {
    for await (const page of this.#collection.watch()) {
      for (const change of page.changes) {
        if (change.type === "put") this.#rows.set(change.key, change.value.t);
        else this.#rows.delete(change.key);
      }
      sometimes(page.fromSync ? "watched sync" : "watched");
      if (page.caughtUp) checkFamilies(this.#rows, "A watch");
    }
    this.#hasEnded = true;
  }

  /** At rest it was told everything. @throws {SimError} `K8`. */
  async checkAtRest(): Promise<void> {
    if (this.#hasEnded || this.#process.isDead) return;
    const rows = new Map<string, string>();
    for await (const { key, value } of this.#collection.scan()) rows.set(key, value.t);
    const isSame =
      rows.size === this.#rows.size &&
      [...rows].every(([key, token]) => this.#rows.get(key) === token);
    if (isSame) return;
    throw new SimError("K8", `A watch was told ${textOf(this.#rows)} and there is ${textOf(rows)}`);
  }
}

function textOf(rows: ReadonlyMap<string, string>): string {
  return [...rows]
    .map(([key, token]) => `${key}=${token}`)
    .toSorted()
    .join(" ");
}
