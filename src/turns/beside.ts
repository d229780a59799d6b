import { isSameDot, type LogNumber, type Version } from "../records/index.ts";

/** A version that lies beside its row from now on, or (`undefined`) does not any more. */
export interface BesideChange {
  readonly log: LogNumber;
  readonly generation: number;
  readonly version: Version | undefined;
}

type Dot = Pick<BesideChange, "log" | "generation">;

/** What a turn changes beside one row, by dot. Mostly that is one version, for which no map is made. */
export class Beside {
  #first: BesideChange | undefined;
  #all: Map<string, BesideChange> | undefined;

  set({ log, generation }: Dot, version: Version | undefined): void {
    const change = { log, generation, version };
    const first = this.#first;
    if (this.#all !== undefined) this.#all.set(dotText(change), change);
    else if (first === undefined || isSameDot(first, change)) this.#first = change;
    else
      this.#all = new Map([
        [dotText(first), first],
        [dotText(change), change],
      ]);
  }

  get changes(): Iterable<BesideChange> {
    if (this.#all !== undefined) return this.#all.values();
    return this.#first === undefined ? [] : [this.#first];
  }
}

/** A dot as one text. */
export function dotText({ log, generation }: Dot): string {
  return `${log} ${generation}`;
}
