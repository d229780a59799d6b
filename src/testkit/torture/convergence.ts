import { deliver } from "./deliver.ts";
import { drawHistory } from "./drawn-history.ts";

/** What a check came to. */
export interface ConvergenceReport {
  readonly histories: number;
  readonly deliveries: number;
  /** Commits of all histories. */
  readonly commits: number;
  /** How often what happened while histories were drawn and delivered. */
  readonly tally: ReadonlyMap<string, number>;
  /** A history that comes to several states, or to none: its seed, its orders, and what differs. */
  readonly failures: readonly string[];
}

export interface ConvergenceOptions {
  /** Seed of the first history; the others follow. */
  readonly first: number;
  readonly histories: number;
  /** Orders in which each is delivered. */
  readonly orders: number;
  /** Told after each history of all so far. */
  readonly onHistory?: ((report: ConvergenceReport) => void) | undefined;
  readonly onFailure?: ((failure: string) => void) | undefined;
}

/** Delivers random histories to new devices, each in several orders: all have to come to the same state, byte by byte. */
export async function checkConvergence(options: ConvergenceOptions): Promise<ConvergenceReport> {
  const tally = new Map<string, number>();
  const failures: string[] = [];
  const report = { histories: 0, deliveries: 0, commits: 0, tally, failures };
  const note = (counts: ReadonlyMap<string, number>): void => {
    for (const [what, count] of counts) tally.set(what, (tally.get(what) ?? 0) + count);
  };
  for (let seed = options.first; seed < options.first + options.histories; seed++) {
    const history = await drawHistory(seed);
    note(history.tally);
    for (const commits of history.logs.values()) report.commits += commits.length;
    let expected: string | undefined;
    for (let order = 0; order < options.orders; order++) {
      let failure: string | undefined;
      try {
        const { state, tally: counts } = await deliver(history, seed * 1000 + order);
        note(counts);
        expected ??= state;
        if (state !== expected) failure = differenceOf(expected, state);
      } catch (error) {
        failure = String(error);
      }
      report.deliveries += 1;
      if (failure === undefined) continue;
      failures.push(`History ${seed} in order ${order}:\n${failure}`);
      options.onFailure?.(failures.at(-1) as string);
    }
    report.histories += 1;
    options.onHistory?.(report);
  }
  return report;
}

/** The lines that only one of two states has. */
function differenceOf(one: string, other: string): string {
  const [lines, others] = [one.split("\n"), other.split("\n")];
  const only = (from: readonly string[], without: readonly string[], mark: string): string[] =>
    from.filter((line) => !without.includes(line)).map((line) => `${mark} ${line}`);
  return [...only(lines, others, "-"), ...only(others, lines, "+")].join("\n");
}
