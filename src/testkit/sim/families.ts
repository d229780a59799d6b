import { SimError } from "../sim-oracle/index.ts";

/** Rows that are only ever written and deleted together: whoever sees one sees all. */
export const FAMILY_ROWS = ["a", "b", "c"] as const;

/** What this workload writes. */
export interface SimValue {
  /** Names the write. */
  readonly t: string;
  /** The write that its author had read. */
  readonly after?: string | undefined;
}

/** All rows of a family come from one batch, or none is there. @throws {SimError} `D2`. */
export function checkFamilies(rows: ReadonlyMap<string, string>, who: string): void {
  const families = new Map<string, string[]>();
  for (const [key, token] of rows) {
    const family = /^f\d+\//.exec(key)?.[0];
    if (family !== undefined) families.set(family, [...(families.get(family) ?? []), token]);
  }
  for (const [family, tokens] of families) {
    if (tokens.length === FAMILY_ROWS.length && new Set(tokens).size === 1) continue;
    throw new SimError("D2", `${who} sees part of a batch: ${family} ${tokens.join()}`);
  }
}
