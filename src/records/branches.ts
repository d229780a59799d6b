/** Which of the commits that are held follow each other, where a log has forked: a generation says it no more. */

/** One scope's part of a commit, by what matters here. */
export interface BranchPart {
  /** Of its commit, in hex. */
  readonly digest: string;
  /** Of the commit before it in its log, in hex. */
  readonly previous: string;
  readonly generation: number;
  /** Names of the rows that it writes, told apart over all scopes. */
  readonly rows: readonly string[];
}

/** Parts of one log, and which writes to a row are followed by a later one of the same branch. */
export class Branches {
  readonly #previous = new Map<string, string>();
  readonly #next = new Map<string, Set<string>>();
  readonly #writers = new Map<string, { readonly digest: string; readonly generation: number }[]>();
  readonly #branches = new Map<string, string>();

  /** Adds a part: all of them before the first question. */
  add({ digest, previous, generation, rows }: BranchPart): void {
    this.#previous.set(digest, previous);
    const next = this.#next.get(previous) ?? new Set();
    this.#next.set(previous, next.add(digest));
    for (const row of rows) {
      const writers = this.#writers.get(row) ?? [];
      this.#writers.set(row, writers);
      writers.push({ digest, generation });
    }
  }

  /** Whether a later commit that follows on this one writes the row too, as far as the commits between are here. */
  isFollowed(digest: string, generation: number, row: string): boolean {
    const branch = this.#branchOf(digest);
    return (this.#writers.get(row) ?? []).some(
      (writer) => writer.generation > generation && this.#branchOf(writer.digest) === branch,
    );
  }

  /** The first commit from which on each had one successor, this one among them. */
  #branchOf(digest: string): string {
    const passed: string[] = [];
    let first = digest;
    for (;;) {
      const known = this.#branches.get(first);
      if (known !== undefined) {
        first = known;
        break;
      }
      passed.push(first);
      const before = this.#previous.get(first) ?? "";
      if (!this.#previous.has(before) || this.#next.get(before)?.size !== 1) break;
      first = before;
    }
    for (const one of passed) this.#branches.set(one, first);
    return first;
  }
}
