/**
 * A look through a store: does all that it holds keep to the rules? Reads one moment, in the order of keys, and holds what is
 * in memory of an open store anyway: names, knowledge, control logs.
 *
 *     names ──> databases: own log, epochs, changes
 *         └──> scopes: record, control log ──> parts ──> aside ──> rows, versions beside them ──> sum
 */

import { type ControlEntry, ControlLog, controlIdBytes as bytesOfId } from "../access/index.ts";
import { type DeviceId, equalBytes, logIdOf, type LogKey, Sum256, toHex } from "../base/index.ts";
import {
  changeRange,
  commitDigest,
  commitKey,
  controlIdBytes,
  controlKey,
  controlRange,
  decodeAside,
  asideKey,
  rivalsAt,
  type ControlRecord,
  decodeChange,
  decodeControlRecord,
  decodeEpochs,
  decodeOwnLog,
  decodeScopeRecord,
  encodeChange,
  digestOf,
  encodeScopeRecord,
  epochsKey,
  Interner,
  internKey,
  internRange,
  type LogNumber,
  type OwnLog,
  ownKey,
  type PartName,
  type ScopeNumber,
  scopeStateKey,
  sequenceOf,
  storedControl,
} from "../records/index.ts";
import type { Store } from "../store/index.ts";
import { CommitHeaderSchema, decode, decodeStoredCommit } from "../wire/index.ts";
import { verifyBlobs } from "./blob-checks.ts";
import type { Finding } from "./finding.ts";
import { FrozenStore } from "./frozen-store.ts";
import { verifyGroups } from "./group-checks.ts";
import { verifyHolder } from "./holder-check.ts";
import { verifyAside, verifyParts, verifyRivals } from "./parts.ts";
import { verifyReserves } from "./reserve-checks.ts";
import { verifyRows } from "./rows.ts";
import { type Counts, findingIn, readOr, type ScopeView, type VerifyDeps } from "./scope-view.ts";

/** All that is wrong with a store, as it is when the first finding is asked for. Writes nothing. [DR1] [DR2] */
export async function* verifyStore(deps: VerifyDeps): AsyncGenerator<Finding, void, undefined> {
  await using store = new FrozenStore(deps.store);
  yield* new StoreCheck({ ...deps, store }).run();
}

class StoreCheck {
  readonly #deps: VerifyDeps;
  readonly #store: Store;
  readonly #counts: Counts = {
    databases: 0,
    collections: 0,
    syncgroups: 0,
    rows: 0,
    parts: 0,
    chunks: 0,
  };
  #interner = new Interner();

  constructor(deps: VerifyDeps) {
    this.#deps = deps;
    this.#store = deps.store;
  }

  async *run(): AsyncGenerator<Finding, void, undefined> {
    yield* this.#verifyAll();
    this.#deps.onLooked?.({ ...this.#counts });
  }

  async *#verifyAll(): AsyncGenerator<Finding, void, undefined> {
    yield* this.#verifyNames();
    try {
      this.#interner = await Interner.load(this.#store);
    } catch {
      const says = "Names cannot be read, and so nothing else";
      yield { rule: "HI17", says, key: toHex(internKey("scope", 0).subarray(0, 2)) };
      return;
    }
    for (const name of this.#interner.databases()) yield* this.#verifyDatabase(name);
    yield* verifyGroups(this.#store);
    yield* verifyBlobs(this.#store, this.#interner, this.#counts);
    yield* verifyReserves(this.#store);
  }

  /** Each name has one number. */
  async *#verifyNames(): AsyncGenerator<Finding, void, undefined> {
    for (const kind of ["database", "scope", "log"] as const) {
      const seen = new Set<string>();
      for await (const { key, value } of this.#store.scan(internRange(kind))) {
        const name = toHex(value);
        if (seen.has(name))
          yield { rule: "HI18", says: `A ${kind} has two numbers`, key: toHex(key) };
        seen.add(name);
      }
    }
  }

  async *#verifyDatabase(database: string): AsyncGenerator<Finding, void, undefined> {
    const number = this.#interner.database(database);
    const key = ownKey(number);
    const bytes = await this.#store.get(key);
    // A name without a log of ours was given for a write that never became durable.
    if (bytes === undefined) return;
    this.#counts.databases += 1;
    const scopes = [...this.#interner.scopes()].filter((id) => id.database === database);
    const numbers = scopes.map((id) => this.#interner.scope(id));
    const own = readOr(decodeOwnLog, bytes);
    if (own === undefined)
      yield { rule: "HI17", says: "Our log cannot be read", key: toHex(key), database };
    else yield* this.#verifyOwnLog(database, key, own, numbers);
    const epochs = await this.#store.get(epochsKey(number));
    if (epochs !== undefined && readOr(decodeEpochs, epochs) === undefined) {
      const fix = { type: "remove", key: epochsKey(number) } as const;
      const says = "What names positions cannot be read";
      yield { rule: "HI60", says, key: toHex(fix.key), database, fix };
    }
    let last = 0;
    for await (const one of this.#store.scan(changeRange(number, 0), { reverse: true, limit: 1 }))
      last = sequenceOf(one.key);
    yield* this.#verifyChanges(database, number, new Set(numbers));
    for (const id of scopes) {
      const scope = this.#interner.scope(id);
      const view = { ...this.#deps, interner: this.#interner, id, number: scope };
      const device = own === undefined ? undefined : this.#deviceOf(own);
      const unsigned = own?.unsigned ?? [];
      const more = {
        device,
        unsigned,
        siblings: numbers,
        sequence: last,
        sum: Sum256.zero(),
        counts: this.#counts,
      };
      yield* this.#verifyScope({ ...view, ...more });
    }
  }

  /** The last commit of ours is what our log says, so that no generation is given out twice. */
  async *#verifyOwnLog(
    database: string,
    key: Uint8Array,
    own: OwnLog,
    scopes: readonly ScopeNumber[],
  ): AsyncGenerator<Finding, void, undefined> {
    const say = (says: string): Finding => ({ rule: "HI27", says, key: toHex(key), database });
    if (own.generation === 0) return;
    const log = this.#logOf(own);
    if (log === undefined) {
      yield say("Our log has commits, and none is here");
      return;
    }
    const number = this.#interner.log(log);
    const names = scopes.map((scope) => ({ scope, log: number, generation: own.generation }));
    const headers = await Promise.all(names.map((name) => this.#headerOf(name)));
    const [header] = headers.filter((one) => one !== undefined);
    const digest = header && commitDigest(this.#deps.crypto, header);
    if (digest === undefined) yield say("The last commit of our log is not here");
    else if (own.digest === undefined || !equalBytes(own.digest, digest))
      yield say("Our log ends with another commit than is here");
    const next = names.map((name) => ({ ...name, generation: own.generation + 1 }));
    if ((await Promise.all(next.map((name) => this.#headerOf(name)))).some(Boolean))
      yield say("A commit of our log is here that it does not know");
  }

  /** The log that ours is, where anything of it is here. */
  #logOf({ incarnation }: OwnLog): LogKey | undefined {
    return [...this.#interner.logs()].find((log) => logIdOf(log).incarnation === incarnation);
  }

  /** This device, as far as the store says which that is. */
  #deviceOf(own: OwnLog): DeviceId | undefined {
    const log = this.#logOf(own);
    return log === undefined ? undefined : logIdOf(log).device;
  }

  /** The header of the commit that a part is of, counting or aside. */
  async #headerOf({ scope, log, generation }: PartName): Promise<Uint8Array | undefined> {
    const [commit, aside] = await this.#store.getMany([
      commitKey(scope, log, generation),
      asideKey(scope, log, generation),
    ]);
    if (commit !== undefined) return readOr(decodeStoredCommit, commit)?.header;
    return aside && readOr(decodeAside, aside)?.part.header;
  }

  async *#verifyChanges(
    database: string,
    number: number,
    scopes: ReadonlySet<ScopeNumber>,
  ): AsyncGenerator<Finding, void, undefined> {
    for await (const { key, value } of this.#store.scan(changeRange(number, 0))) {
      const change = readOr(decodeChange, value);
      if (change === undefined) {
        // Its place stays: the last change says how far they are numbered.
        const nothing = encodeChange({ fromSync: false, parts: [] });
        const fix = { type: "replace", key, value: nothing } as const;
        yield { rule: "HI17", says: "A change cannot be read", key: toHex(key), database, fix };
        continue;
      }
      const isHere = async (part: PartName): Promise<boolean> =>
        scopes.has(part.scope) && (await this.#headerOf(part)) !== undefined;
      const { fromSync, parts, takenBack = [] } = change;
      const [brought, gone] = [await only(parts, isHere), await only(takenBack, isHere)];
      if (brought.length === parts.length && gone.length === takenBack.length) continue;
      const left = encodeChange({ fromSync, parts: brought, takenBack: gone });
      const fix = { type: "replace", key, value: left } as const;
      const says = "A change names a part that is not here";
      yield { rule: "HI26", says, key: toHex(key), database, fix };
    }
  }

  async *#verifyScope(
    given: Omit<ScopeView, "vector" | "access">,
  ): AsyncGenerator<Finding, void, undefined> {
    const key = scopeStateKey(given.number);
    const bytes = await this.#store.get(key);
    const record = bytes && readOr(decodeScopeRecord, bytes);
    // A name without a record was given for a write that never became durable.
    if (bytes === undefined) return;
    if (given.id.kind === "collection") this.#counts.collections += 1;
    else this.#counts.syncgroups += 1;
    if (record === undefined) {
      yield findingIn(given, "HI17", key, "What is known of a scope cannot be read");
      return;
    }
    const vector = record.vector as ReadonlyMap<LogNumber, number>;
    const { log, findings } = await this.#controlLog(given);
    yield* findings;
    const view: ScopeView = { ...given, vector, access: log.state };
    yield* verifyParts(view);
    yield* verifyAside(view);
    yield* verifyRivals(view);
    yield* verifyRows(view);
    if (view.device !== undefined) yield* verifyHolder(view, view.device);
    if (equalBytes(view.sum.toBytes(), record.sum.toBytes())) return;
    const value = encodeScopeRecord({ vector, sum: view.sum });
    yield findingIn(view, "HI13", key, "The head sum is not that of the rows", {
      fix: { type: "write", ops: [{ type: "put", key, value }] },
    });
  }

  /** The control log that can be made of what is there, and what cannot. */
  async #controlLog(
    view: Omit<ScopeView, "vector" | "access">,
  ): Promise<{ readonly log: ControlLog; readonly findings: readonly Finding[] }> {
    const findings: Finding[] = [];
    const entries = new Map<string, ControlEntry>();
    for await (const { key, value } of this.#store.scan(controlRange(view.number))) {
      const id = key.subarray(5);
      const record = readOr(decodeControlRecord, value);
      const entry = record && readOr(() => storedControl(this.#interner, id, record), value);
      if (record === undefined || entry === undefined) {
        const fix = { type: "remove", key } as const;
        findings.push(findingIn(view, "HI17", key, "A control op cannot be read", { fix }));
        continue;
      }
      if (!(await this.#isItsId(view.number, id, record)))
        findings.push(
          findingIn(view, "HI15", key, "A control op is not the one that its id names", {
            fix: { type: "remove", key },
          }),
        );
      entries.set(entry.id, entry);
    }
    // One that names what is not here waits for it, and so does what names it in turn.
    for (let isDone = false; !isDone;) {
      isDone = true;
      for (const { id, parents } of entries.values()) {
        if (parents.every((parent) => entries.has(parent))) continue;
        entries.delete(id);
        isDone = false;
        const says = "A control op names one that is not here";
        const key = controlKey(view.number, bytesOfId(id));
        // With it the store cannot be opened. Its part is taken out with the next pass, and comes from peers again.
        findings.push(findingIn(view, "HI43", key, says, { fix: { type: "remove", key } }));
      }
    }
    return { log: ControlLog.of(view.id, entries.values()), findings };
  }

  /** Whether the id is made of the digest of the op's part and its place there. */
  async #isItsId(scope: ScopeNumber, id: Uint8Array, record: ControlRecord): Promise<boolean> {
    const { log, generation, index } = record;
    const commit = await this.#store.get(commitKey(scope, log, generation));
    const stored = commit && readOr(decodeStoredCommit, commit);
    const { crypto } = this.#deps;
    const isItsDigest = (digest: Uint8Array | undefined): boolean =>
      digest !== undefined && equalBytes(controlIdBytes(crypto, digest, index), id);
    if (stored !== undefined && isItsDigest(readOr(() => digestOf(stored), id))) return true;
    const isIn = (bytes: Uint8Array | undefined): boolean => {
      const part = (bytes && readOr(decodeAside, bytes))?.part;
      const header = part && readOr((one) => decode(CommitHeaderSchema, one), part.header);
      return isItsDigest(header?.parts[part?.partIndex ?? 0]);
    };
    const aside = await this.#store.get(asideKey(scope, log, generation));
    if (isIn(aside)) return true;
    // Of another commit of that place.
    for await (const { value } of this.#store.scan(rivalsAt(scope, log, generation)))
      if (isIn(value)) return true;
    return false;
  }
}

async function only<T>(all: readonly T[], is: (one: T) => Promise<boolean>): Promise<T[]> {
  const kept: T[] = [];
  for (const one of all) if (await is(one)) kept.push(one);
  return kept;
}
