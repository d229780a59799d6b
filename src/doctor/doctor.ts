/**
 * What is safe to do about what a look through a store finds: never to make anything up, never to lose what can still be read.
 * What is taken out lies aside in the same store (key `8f`), and what peers have comes from them again.
 */

import { logIdOf, type Random } from "../base/index.ts";
import {
  ABSENT_ROW,
  commitRange,
  decodeOwnLog,
  decodeRow,
  decodeScopeRecord,
  decodeVersion,
  encodeOwnLog,
  encodeRow,
  encodeScopeRecord,
  epochsKey,
  Interner,
  keysUnder,
  type LogNumber,
  mergeVersion,
  oldKey,
  oldRange,
  ownKey,
  readRecord,
  type Row,
  ROW_KEY_PREFIX,
  rowKey,
  type ScopeNumber,
  scopeStateKey,
  type Version,
} from "../records/index.ts";
import type { Store, WriteOp } from "../store/index.ts";
import type { Finding, Fix } from "./finding.ts";
import {
  FIX_PASSES_MAX,
  FIX_WRITE_BYTES_MAX,
  FIX_WRITE_OPS_MAX,
  FIXES_PER_PASS_MAX,
} from "./limits.ts";
import { readOr, type VerifyDeps } from "./scope-view.ts";
import { verifyStore } from "./verify.ts";

/** First byte of a key under which what was taken out lies: its own key follows. */
const ASIDE = 0x8f;

export interface DoctorDeps extends VerifyDeps {
  readonly random: Random;
}

/** A finding, and whether its fix has been made. */
export interface Treated extends Finding {
  readonly isFixed: boolean;
}

/**
 * Fixes what is safe to fix, pass by pass, since a fix may lay bare what it hid, and tells each finding once it is dealt with.
 * Nobody else may write to the store meanwhile. Run again after a crash it goes on. [DR4] [DR5]
 */
export async function* treatStore(deps: DoctorDeps): AsyncGenerator<Treated, void, undefined> {
  const told = new Set<string>();
  for (let pass = 0; pass < FIX_PASSES_MAX; pass++) {
    const fixes: Fix[] = [];
    for await (const finding of verifyStore(deps)) {
      const { fix } = finding;
      const isFixed = fix !== undefined && fixes.length < FIXES_PER_PASS_MAX;
      if (isFixed) fixes.push(fix);
      const text = `${finding.rule} ${finding.key} ${finding.says}`;
      if (told.has(text) || (fix !== undefined && !isFixed)) continue;
      if (told.size < FIXES_PER_PASS_MAX) told.add(text);
      yield { ...finding, isFixed };
    }
    if (fixes.length === 0) return;
    await new Treatment(deps).apply(fixes);
  }
}

class Treatment {
  readonly #deps: DoctorDeps;
  readonly #store: Store;
  #batch: WriteOp[] = [];
  #bytes = 0;

  constructor(deps: DoctorDeps) {
    this.#deps = deps;
    this.#store = deps.store;
  }

  async apply(fixes: readonly Fix[]): Promise<void> {
    const cuts = new Map<ScopeNumber, Map<LogNumber, number>>();
    for (const fix of fixes) {
      if (fix.type === "write") for (const op of fix.ops) await this.#add(op);
      else if (fix.type === "remove") await this.#layAside(fix.key);
      else if (fix.type === "replace") await this.#replace(fix.key, fix.value);
      else {
        const keeps = cuts.get(fix.scope) ?? new Map<LogNumber, number>();
        keeps.set(fix.log, Math.min(fix.keep, keeps.get(fix.log) ?? fix.keep));
        cuts.set(fix.scope, keeps);
      }
    }
    for (const [scope, keeps] of cuts) await this.#cut(scope, keeps);
    await this.#flush();
  }

  /** Takes what lies beyond these generations out of what is known, of the parts, and of the rows: in this order. */
  async #cut(scope: ScopeNumber, keeps: ReadonlyMap<LogNumber, number>): Promise<void> {
    await this.#endOwnLogs([...keeps.keys()]);
    const key = scopeStateKey(scope);
    const bytes = await this.#store.get(key);
    if (bytes === undefined) return;
    const { vector, sum } = readRecord("scope", bytes, decodeScopeRecord);
    for (const [log, keep] of keeps) {
      if (keep === 0) vector.delete(log);
      else if (vector.has(log)) vector.set(log, Math.min(keep, vector.get(log) ?? 0));
    }
    await this.#add({ type: "put", key, value: encodeScopeRecord({ vector, sum }) });
    await this.#flush();
    for (const [log, keep] of keeps)
      for await (const part of this.#store.scan(commitRange(scope, log, keep)))
        await this.#layAside(part.key);
    await this.#cutRows(scope, keeps);
  }

  /**
   * What was lost of our own log may have been sent: it goes on under another name. [HI14] And no change tells watchers of what
   * is taken out: their markers are unknown from now on. [HI60]
   */
  async #endOwnLogs(logs: readonly LogNumber[]): Promise<void> {
    const interner = await Interner.load(this.#store);
    for (const name of interner.databases())
      await this.#add({ type: "delete", key: epochsKey(interner.database(name)) });
    const cut = new Set(logs.map((log) => logIdOf(interner.logOf(log)).incarnation));
    for (const name of interner.databases()) {
      const key = ownKey(interner.database(name));
      const bytes = await this.#store.get(key);
      const own = bytes && readOr(decodeOwnLog, bytes);
      if (own === undefined || !cut.has(own.incarnation)) continue;
      const incarnation = new DataView(this.#deps.random.bytes(8).slice().buffer).getBigUint64(0);
      const value = encodeOwnLog({ ...own, incarnation, generation: 0, digest: undefined });
      await this.#add({ type: "put", key, value });
    }
  }

  async #cutRows(scope: ScopeNumber, keeps: ReadonlyMap<LogNumber, number>): Promise<void> {
    const interner = await Interner.load(this.#store);
    const isCut = ({ log, generation }: Version): boolean =>
      generation > (keeps.get(log) ?? Number.POSITIVE_INFINITY);
    const prefix = rowKey(scope, 0, new Uint8Array()).subarray(0, 5);
    for await (const { key: at, value } of this.#store.scan(keysUnder(prefix))) {
      const space = at[ROW_KEY_PREFIX - 1] as number;
      const name = at.subarray(ROW_KEY_PREFIX);
      const row = readOr(decodeRow, value);
      if (row === undefined) continue;
      const beside: Version[] = [];
      for await (const one of this.#store.scan(oldRange(scope, space, name))) {
        const version = readOr(decodeVersion, one.value);
        if (version !== undefined) beside.push(version);
      }
      if (![...row.heads, ...beside].some(isCut)) continue;
      let merged: Row = ABSENT_ROW;
      for (const version of [...row.heads, ...beside])
        if (!isCut(version))
          merged = mergeVersion(merged, version, (a, b) => interner.compareLogs(a, b)).row;
      for (const version of beside) {
        const isHead = merged.heads.some(
          ({ log, generation }) => log === version.log && generation === version.generation,
        );
        const key = oldKey(scope, space, name, version.log, version.generation);
        if (isCut(version)) await this.#layAside(key);
        else if (isHead) await this.#add({ type: "delete", key });
      }
      await this.#add(asideOf(at, value));
      await this.#add(
        merged.heads.length === 0
          ? { type: "delete", key: at }
          : { type: "put", key: at, value: encodeRow(merged) },
      );
    }
  }

  /** Takes an entry out and keeps it where nothing looks. */
  async #layAside(key: Uint8Array): Promise<void> {
    const value = await this.#store.get(key);
    if (value === undefined) return;
    await this.#add(asideOf(key, value));
    await this.#add({ type: "delete", key });
  }

  async #replace(key: Uint8Array, value: Uint8Array): Promise<void> {
    const before = await this.#store.get(key);
    if (before !== undefined) await this.#add(asideOf(key, before));
    await this.#add({ type: "put", key, value });
  }

  async #add(op: WriteOp): Promise<void> {
    this.#batch.push(op);
    this.#bytes += op.key.length + (op.type === "put" ? op.value.length : 0);
    // An entry goes in the write that keeps it aside.
    const isWhole = op.type === "delete" || op.key[0] !== ASIDE;
    const isFull = this.#batch.length >= FIX_WRITE_OPS_MAX || this.#bytes >= FIX_WRITE_BYTES_MAX;
    if (isWhole && isFull) await this.#flush();
  }

  async #flush(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    this.#bytes = 0;
    if (batch.length > 0) await this.#store.write(batch);
  }
}

/** Where what was taken out lies. */
export function asideOf(key: Uint8Array, value: Uint8Array): WriteOp {
  const aside = new Uint8Array(1 + key.length);
  aside[0] = ASIDE;
  aside.set(key, 1);
  return { type: "put", key: aside, value };
}
