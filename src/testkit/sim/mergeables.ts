/** Counters, sets and maps: what people add to them, and that none of it is lost. */

import { utf8, toHex } from "../../base/index.ts";
import type { Collection } from "../../db/index.ts";
import { type CommitFact, type DeviceView, type Oracle, SimError } from "../sim-oracle/index.ts";
import type { SimDevice } from "./device.ts";
import type { SimValue } from "./families.ts";
import { at } from "./plan.ts";
import type { SimProcess } from "./process.ts";

export interface MergeablesDeps {
  readonly devices: readonly SimDevice[];
  readonly oracle: Oracle;
  readonly sometimes: (what: string) => void;
  readonly collection: (process: SimProcess, index: number) => Collection<SimValue>;
  /** The oracle's name of a collection. */
  readonly scopeOf: (index: number) => string;
}

export type MergeableKind = "counter" | "set" | "map";

/** Rows under these are of that kind. */
const PREFIXES: Readonly<Record<MergeableKind, string>> = { counter: "n/", set: "s/", map: "m/" };

/** A change that was acknowledged. */
interface Change {
  readonly kind: MergeableKind;
  readonly index: number;
  readonly key: string;
  /** By which device; it is the name of its field, too. */
  readonly device: number;
  /** An element, or what a field was set to. */
  readonly token: string;
  /** What was added to a counter. */
  readonly count: number;
  readonly commit: CommitFact;
}

/** Where a change goes. */
interface Target {
  readonly process: SimProcess;
  readonly device: number;
  readonly index: number;
  readonly row: number;
}

export class Mergeables {
  readonly #deps: MergeablesDeps;
  readonly #changes: Change[] = [];
  /** Rows that a device is changing: of several changes at once it could not be said which commit is whose. */
  readonly #busy = new Set<string>();
  /** What was added to each counter, acknowledged or not. */
  readonly #attempted = new Map<string, number>();
  /** What each device has set its field of a map to, acknowledged or not, in order. */
  readonly #set = new Map<string, string[]>();

  constructor(deps: MergeablesDeps) {
    this.#deps = deps;
  }

  /** Makes rows of a collection what they are. */
  async setPolicies(process: SimProcess, index: number): Promise<void> {
    const collection = this.#deps.collection(process, index);
    for (const [kind, prefix] of Object.entries(PREFIXES) as [MergeableKind, string][])
      await collection.setPolicy(prefix, kind);
  }

  /** Changes a row, and remembers that once it is durable. */
  async change(
    kind: MergeableKind,
    { process, device, index, row }: Target,
    token: string,
  ): Promise<void> {
    const { oracle, devices } = this.#deps;
    const key = `${PREFIXES[kind]}${row}`;
    const place = `${device} ${index} ${key}`;
    if (this.#busy.has(place)) return this.#deps.sometimes("skipped a change of a busy row");
    this.#busy.add(place);
    const { length } = oracle.ledger;
    const count = 1 + (length % 5);
    try {
      this.#note(kind, `${index} ${key}`, device, { token, count });
      await this.#write(kind, process, index, key, { device, token, count });
    } finally {
      this.#busy.delete(place);
    }
    const hexKey = toHex(utf8(key));
    const scope = this.#deps.scopeOf(index);
    const commit = oracle.acknowledge(
      at(devices, device).names,
      length,
      (one) => one.scope === scope && one.key === hexKey,
    );
    if (commit === undefined)
      throw new SimError("D1", `A change of ${key} was acknowledged that was never signed`);
    this.#changes.push({ kind, index, key, device, token, count, commit });
  }

  #note(
    kind: MergeableKind,
    row: string,
    device: number,
    { token, count }: Pick<Change, "token" | "count">,
  ): void {
    if (kind === "counter") this.#attempted.set(row, count + (this.#attempted.get(row) ?? 0));
    if (kind !== "map") return;
    const field = `${row} ${device}`;
    this.#set.set(field, [...(this.#set.get(field) ?? []), token]);
  }

  #write(
    kind: MergeableKind,
    process: SimProcess,
    index: number,
    key: string,
    { device, token, count }: Pick<Change, "device" | "token" | "count">,
  ): Promise<void> {
    const collection = this.#deps.collection(process, index);
    switch (kind) {
      case "counter":
        return collection.counter(key).add(count);
      case "set":
        return collection.set(key).add(token);
      case "map":
        return collection.map(key).set(`d${device}`, token);
    }
  }

  /** Nothing that was acknowledged is missing, wherever its author's right to it is known. @throws {SimError} `K5`. */
  async check(process: SimProcess, view: DeviceView, collection: number): Promise<void> {
    const { oracle, scopeOf } = this.#deps;
    const owed = this.#changes.filter(
      ({ index, commit }) => index === collection && oracle.isOwed(view, scopeOf(index), commit),
    );
    for (const changes of Map.groupBy(owed, ({ key }) => key).values())
      await this.#checkRow(process, view, changes);
  }

  async #checkRow(
    process: SimProcess,
    { name }: DeviceView,
    changes: readonly Change[],
  ): Promise<void> {
    const { kind, index, key } = changes[0] as Change;
    const row = `${index} ${key}`;
    const collection = this.#deps.collection(process, index);
    if (kind === "counter") {
      const value = await collection.counter(key).value();
      const least = changes.reduce((sum, { count }) => sum + count, 0);
      const most = this.#attempted.get(row) ?? 0;
      this.#judge(
        value >= least && value <= most,
        `${name} counts ${value} in ${key}: ${least} to ${most}`,
      );
    } else if (kind === "set") {
      const elements = new Set<unknown>(await collection.set(key).values());
      for (const { token } of changes)
        this.#judge(elements.has(token), `${name} lacks ${token}, which was added to ${key}`);
    } else {
      const fields = new Map<string, unknown>(await collection.map(key).entries());
      const last = new Map(changes.map(({ device, token }) => [device, token]));
      for (const [device, token] of last) {
        // Or what was set after it and not acknowledged.
        const set = this.#set.get(`${row} ${device}`) ?? [];
        const value = fields.get(`d${device}`);
        const isIt = set.indexOf(value as string) >= set.indexOf(token);
        this.#judge(isIt, `${name} has ${String(value)} in ${key}, where ${token} was set last`);
      }
    }
  }

  #judge(isRight: boolean, what: string): void {
    // What lies beyond a fork stays in quarantine, and which of two branches others hold is not known.
    if (!isRight && !this.#deps.oracle.ledger.hasForks) throw new SimError("K5", what);
    this.#deps.sometimes(isRight ? "added" : "add missing after a fork");
  }
}
