/** What the checks of one scope share. */

import type { AccessState } from "../access/index.ts";
import {
  type Crypto,
  type DeviceId,
  fromUtf8,
  type ScopeId,
  type Sum256,
  toHex,
} from "../base/index.ts";
import type { Interner, LogNumber, PartName, ScopeNumber } from "../records/index.ts";
import type { Store } from "../store/index.ts";
import type { Finding, Looked } from "./finding.ts";

export interface VerifyDeps {
  readonly store: Store;
  readonly crypto: Crypto;
  /** Told how much was gone through, once all was. */
  readonly onLooked?: ((looked: Looked) => void) | undefined;
}

/** How much has been gone through until now. */
export type Counts = { -readonly [what in keyof Looked]: number };

export interface ScopeView extends VerifyDeps {
  readonly interner: Interner;
  readonly id: ScopeId;
  readonly number: ScopeNumber;
  /** Which device this is, where the store says so. */
  readonly device: DeviceId | undefined;
  /** Commits of ours that may be without a signature, by what our log's record says. */
  readonly unsigned: readonly PartName[];
  /** Numbers of all scopes of the database. */
  readonly siblings: readonly ScopeNumber[];
  /** What the scope's record says. */
  readonly vector: ReadonlyMap<LogNumber, number>;
  readonly access: AccessState;
  /** Of the database's last change. */
  readonly sequence: number;
  /** Head digests as they are found. */
  readonly sum: Sum256;
  readonly counts: Counts;
}

/** The text of a scope, for people. */
export function scopeText({ kind, owner, name }: ScopeId): string {
  return `${kind} ${owner}/${name}`;
}

/** A finding about a key of a scope. */
export function findingIn(
  { id }: Pick<ScopeView, "id">,
  rule: string,
  key: Uint8Array,
  says: string,
  more: Pick<Finding, "row" | "fix"> = {},
): Finding {
  return { rule, says, key: toHex(key), database: id.database, scope: scopeText(id), ...more };
}

/** A row's key as text; one that is none in hexadecimal digits. */
export function rowText(key: Uint8Array): string {
  return fromUtf8(key) ?? toHex(key);
}

/** What a decoder reads, or `undefined` where the bytes make no sense. */
export function readOr<T>(decode: (bytes: Uint8Array) => T, bytes: Uint8Array): T | undefined {
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
}
