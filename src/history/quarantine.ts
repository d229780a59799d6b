/** What this device wrote and counts no more: kept on it, so that its user can hand it to somebody who may write. */

import {
  logIdOf,
  type DeviceId,
  type GenVector,
  type LogKey,
  type ScopeId,
  type UserId,
} from "../base/index.ts";
import { decodeAside, asideKey, readRecord } from "../records/index.ts";
import type { ScopeState, TurnDeps } from "../turns/index.ts";
import { CommitHeaderSchema, decode } from "../wire/index.ts";
import type { Identity } from "./author.ts";
import { preparePart } from "./prepare.ts";
import type { Written } from "./writer.ts";

interface QuarantineDeps extends TurnDeps {
  readonly identity: Identity;
}

/** One scope's part of a commit of this device that does not count. */
export interface QuarantinedPart {
  readonly log: LogKey;
  readonly generation: number;
  readonly timestamp: bigint;
  /** The application's word for the batch; empty: none. */
  readonly hint: string;
  /** `value`: CBOR, or `undefined` for a deletion. */
  readonly rows: readonly {
    readonly space: number;
    readonly key: Uint8Array;
    readonly value: Uint8Array | undefined;
  }[];
}

/** Told when something that this device wrote counts no more. */
export interface Quarantined {
  readonly scope: ScopeId;
  readonly log: LogKey;
  /** Generations, ascending. */
  readonly generations: readonly number[];
}

/** Parts of our logs that lie aside in a scope, each log by generation. Reads as it is asked. [HI45] */
export async function* quarantinedParts(
  { store, crypto, interner, identity }: QuarantineDeps,
  scope: ScopeState | undefined,
): AsyncGenerator<QuarantinedPart, void, undefined> {
  if (scope === undefined) return;
  for (const [number, { whole }] of [...scope.aside.logs()]) {
    const log = interner.logOf(number);
    if (logIdOf(log).device !== identity.device) continue;
    for (const generation of [...whole]) {
      const bytes = await store.get(asideKey(scope.number, number, generation));
      if (bytes === undefined) continue;
      const part = preparePart(crypto, readRecord("part aside", bytes, decodeAside).part);
      const { timestamp, hint } = decode(CommitHeaderSchema, part.raw.header);
      const rows = part.rows.map(({ name, value }) => ({
        space: name.space,
        key: name.key,
        value,
      }));
      yield { log, generation, timestamp, hint, rows };
    }
  }
}

/** What of a write was ours and counts no more. */
export function quarantinedBy(
  { interner, identity }: QuarantineDeps,
  scopes: () => readonly ScopeState[],
  { takenBack = [] }: Written,
): Quarantined[] {
  const isOurs = (log: LogKey): boolean => logIdOf(log).device === identity.device;
  const ours = takenBack.filter(({ log }) => isOurs(interner.logOf(log)));
  const byPlace = Map.groupBy(ours, ({ scope, log }) => `${scope} ${log}`);
  return [...byPlace.values()].flatMap((parts) => {
    const [first] = parts;
    const scope = scopes().find(({ number }) => number === first?.scope);
    if (first === undefined || scope === undefined) return [];
    const generations = parts.map(({ generation }) => generation).sort((a, b) => a - b);
    return [{ scope: scope.id, log: interner.logOf(first.log), generations }];
  });
}

/** Whose logs a freeze is of: all of a user, or those of one device. */
export type FreezeOf = { readonly user: UserId } | { readonly device: DeviceId };

/** The last generation that counts here of each log in the scope of a user or a device. [HI47] */
export function freezeIn(scope: ScopeState | undefined, of: FreezeOf): GenVector {
  if (scope === undefined) return new Map();
  const { access } = scope;
  const isOf = (device: DeviceId): boolean =>
    "device" in of
      ? device === of.device
      : access.userOf(device) === of.user || access.isRevoked(device, of.user);
  return new Map([...scope.vector()].filter(([log]) => isOf(logIdOf(log).device)));
}
