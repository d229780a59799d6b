import type { LogName, ScopeName, VersionFact } from "./facts.ts";

/** A head of a row as a device shows it. */
export interface HeadView {
  readonly log: LogName;
  readonly generation: number;
  /** Hexadecimal; `undefined`: deleted. */
  readonly value: string | undefined;
}

/** A row as a device shows it, the visible head first. */
export interface RowView {
  readonly space: number;
  /** Hexadecimal. */
  readonly key: string;
  readonly heads: readonly HeadView[];
}

/** What a device says that it holds of a scope. */
export interface ScopeView {
  readonly scope: ScopeName;
  readonly vector: ReadonlyMap<LogName, number>;
  readonly controlHeads: readonly string[];
  /** The head sum, as any text. */
  readonly sum: string;
  readonly rows: readonly RowView[];
}

/** A device as the oracle sees it: what its own calls answer. */
export interface DeviceView {
  readonly name: string;
  /** Hexadecimal key. */
  readonly device: string;
  /** Which store it has open: of some there are copies. */
  readonly store: string;
  readonly scopes: readonly ScopeView[];
}

/** Whether a value that was written to a row is one of those that a device has of it, whoever brought it there. */
export function isShown(
  { rows }: ScopeView,
  { space, key, value }: Pick<VersionFact, "space" | "key" | "value">,
): boolean {
  const row = rows.find((one) => one.space === space && one.key === key);
  return row?.heads.some((head) => head.value === value) === true;
}
