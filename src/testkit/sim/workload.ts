/** Does what a plan says people do, through the calls that people have, and tells the oracle what was promised for it. */

import { toHex, utf8, type ScopeId } from "../../base/index.ts";
import type { Collection } from "../../db/index.ts";
import type { CommitFact, Oracle, VersionFact } from "../sim-oracle/index.ts";
import { SimError } from "../sim-oracle/index.ts";
import type { SimDevice } from "./device.ts";
import { checkFamilies, FAMILY_ROWS, type SimValue } from "./families.ts";
import { Memberships } from "./memberships.ts";
import { Checkpoints } from "./checkpoints.ts";
import { Mergeables } from "./mergeables.ts";
import { at, type Operation, type Plan, type Step } from "./plan.ts";
import { nameOfError, nameOfScope, type SimProcess, SIM_DATABASE } from "./process.ts";
import { chanceOf } from "../sim-ports/index.ts";
import { Watcher } from "./watcher.ts";

export interface WorkloadDeps {
  readonly plan: Plan;
  readonly devices: readonly SimDevice[];
  readonly oracle: Oracle;
  readonly sometimes: (what: string) => void;
  readonly fail: (error: unknown) => void;
}

const MERGEABLE_KINDS = { add: "set", count: "counter", field: "map" } as const;

/** An operation under way, and the processes whose death leaves it without an end. */
interface Pending {
  readonly step: Step & Operation;
  readonly processes: readonly SimProcess[];
}

/** Refusals that nobody has to be asked about: the store, the network or the group may be in any state. */
const isCoded = (error: unknown): boolean =>
  typeof (error as { code?: unknown } | null)?.code === "string";

export class Workload {
  readonly #deps: WorkloadDeps;
  readonly #watchers = new Set<Watcher>();
  readonly #pending = new Set<Pending>();
  /** Where the ledger stood when a device deleted a row last. */
  readonly #deletions = new Map<string, number>();
  readonly mergeables: Mergeables;
  readonly memberships: Memberships;
  readonly checkpoints: Checkpoints;
  #tokens = 0;

  constructor(deps: WorkloadDeps) {
    this.#deps = deps;
    this.checkpoints = new Checkpoints(deps);
    this.memberships = new Memberships(deps, this.checkpoints);
    this.mergeables = new Mergeables({
      ...deps,
      collection: (process, index) => this.collection(process, index),
      scopeOf: (index) => nameOfScope(this.collectionId(index)),
    });
  }

  get watchers(): readonly Watcher[] {
    return [...this.#watchers];
  }

  /** What was begun and has not ended, of processes that are there. */
  get pending(): string[] {
    return [...this.#pending]
      .filter(({ processes }) => processes.every((process) => !process.isDead))
      .map(({ step }) => `${step.op} at d${step.device}`);
  }

  /** Performs one operation. Never rejects: what may not be is told to `fail`. */
  async perform(step: Step & Operation): Promise<void> {
    const { sometimes, fail, devices } = this.#deps;
    const process = devices[step.device]?.running;
    if (process === undefined) return sometimes(`skipped ${step.op}`);
    const other = devices[otherOf(step) ?? -1]?.running;
    const pending = { step, processes: other === undefined ? [process] : [process, other] };
    this.#pending.add(pending);
    try {
      await this.#perform(process, step);
      sometimes(`done ${step.op}`);
    } catch (error) {
      if (!isCoded(error)) return fail(error);
      sometimes(`refused ${step.op} ${nameOfError(error)}`);
    } finally {
      this.#pending.delete(pending);
    }
  }

  async #perform(process: SimProcess, step: Step & Operation): Promise<void> {
    switch (step.op) {
      case "put":
        return this.#put(process, step.device, step.collection, step.row);
      case "delete":
        return this.#delete(process, step.device, step.collection, step.row);
      case "change":
        return this.#change(process, step.device, step.collection, step.row);
      case "family":
        return this.#family(process, step.device, step.collection, step.family);
      case "unfamily":
        return this.#unfamily(process, step.device, step.collection, step.family);
      case "scan":
        return this.#scan(process, step.collection);
      case "watch":
        return this.#watch(process, step.device, step.collection);
      case "create":
        return this.memberships.create(process, step.group);
      case "pair":
        return this.#pair(process, step.device, step.row);
      case "clear":
        return this.#clear(process, step.device, step.collection, step.family);
      case "add":
      case "count":
      case "field":
        return this.mergeables.change(
          MERGEABLE_KINDS[step.op],
          { process, device: step.device, index: step.collection, row: step.row },
          this.#token(),
        );
      case "policy":
        return this.mergeables.setPolicies(process, step.collection);
      case "pause":
        return process.sync.pause(SIM_DATABASE);
      case "resume":
        return process.sync.resume(SIM_DATABASE);
      case "leave":
        return this.memberships.leave(process, step.group);
      case "describe":
        await process.sync.edits.setSpec(this.groupId(step.group), { description: this.#token() });
        return;
      case "eject":
        return this.memberships.eject(process, step);
      case "grant":
        return this.memberships.grant(process, step.group, step.whom);
      case "publish":
        return this.memberships.publish(process, step);
      case "disown":
        return this.memberships.disown(process, step.device, step.whom);
      case "lie":
        return this.#lie(at(this.#deps.devices, step.device));
      case "admit":
        return this.memberships.admit(step.device, step.joiner, step.group, step.role);
    }
  }

  #watch(process: SimProcess, device: number, index: number): void {
    const { plan, oracle, devices } = this.#deps;
    const { key } = at(devices, device);
    const watcher = new Watcher({
      ...this.#deps,
      device,
      collectionOf: (one) => this.collection(one, index),
      timesSetBack: () => oracle.timesSetBack(key),
      random: chanceOf(plan.seed, `watcher ${this.#watchers.size}`),
    });
    this.#watchers.add(watcher);
    watcher.start(process);
  }

  /** A device is there again: who watched it goes on. */
  started(device: SimDevice): void {
    const { index, running } = device;
    if (running === undefined) return;
    this.checkpoints.started(device);
    for (const watcher of this.#watchers) if (watcher.device === index) watcher.start(running);
  }

  /** A collection of the plan as a device uses it. */
  collection(process: SimProcess, index: number): Collection<SimValue> {
    const { owner, name } = this.collectionId(index);
    return process.database.collection<SimValue>({ owner, name });
  }

  collectionId(index: number): ScopeId {
    return this.memberships.collectionId(index);
  }

  groupId(index: number): ScopeId {
    return this.memberships.groupId(index);
  }

  #token(): string {
    this.#tokens += 1;
    return `<${this.#tokens}>`;
  }

  async #put(process: SimProcess, device: number, index: number, row: number): Promise<void> {
    const token = this.#token();
    const { oracle } = this.#deps;
    const { length } = oracle.ledger;
    const key = `r${row}`;
    await this.collection(process, index).put(key, { t: token });
    // Of two writes of a row in one turn the later alone is signed; nothing is where it deletes what was not there.
    if (this.#deletions.has(`${device} ${index} ${key}`)) {
      oracle.acknowledge(
        at(this.#deps.devices, device).names,
        length,
        ({ value }) => value?.includes(toHex(utf8(token))) === true,
      );
      return;
    }
    this.#acknowledged(device, length, token, key);
  }

  async #delete(process: SimProcess, device: number, index: number, row: number): Promise<void> {
    const { oracle, devices } = this.#deps;
    const { length } = oracle.ledger;
    const key = `r${row}`;
    this.#deletions.set(`${device} ${index} ${key}`, length);
    await this.collection(process, index).delete(key);
    const scope = nameOfScope(this.collectionId(index));
    const hexKey = toHex(utf8(key));
    // One that was not there makes no commit.
    oracle.acknowledge(
      at(devices, device).names,
      length,
      (one) => one.scope === scope && one.key === hexKey && one.value === undefined,
    );
  }

  /** Reads a row and writes what follows from it. */
  async #change(process: SimProcess, device: number, index: number, row: number): Promise<void> {
    const token = this.#token();
    const { length } = this.#deps.oracle.ledger;
    const collection = this.collection(process, index);
    const key = `r${row}`;
    let read: string | undefined;
    await process.database.batch(async (batch) => {
      read = (await batch.get(collection, key))?.t;
      batch.put(collection, key, { t: token, ...(read !== undefined && { after: read }) });
    });
    const commit = this.#acknowledged(device, length, token);
    this.#sawWhatItRead(commit, index, key, read);
  }

  /** A batch that read a value has it in its past, and nothing that had seen it: nobody wrote in between. [D2] */
  #sawWhatItRead(commit: CommitFact, index: number, key: string, read: string | undefined): void {
    const { oracle } = this.#deps;
    // A context does not say which branch of a fork it has seen.
    if (read === undefined || oracle.ledger.hasForks) return;
    const scope = nameOfScope(this.collectionId(index));
    const hexToken = toHex(utf8(read));
    const seen = oracle.seenBy(scope, commit, toHex(utf8(key)));
    const one = seen.find(({ value }) => value?.includes(hexToken) === true);
    if (one !== undefined && seen.every((other) => !oracle.covers(other, one))) return;
    // Nor which of two commits that one who lies has signed under one generation.
    if (one === undefined && oracle.ledger.isOfLiar(hexToken)) return;
    throw new SimError("D2", `A batch read ${read} and wrote as if it had not`);
  }

  async #family(process: SimProcess, device: number, index: number, family: number): Promise<void> {
    const token = this.#token();
    const { length } = this.#deps.oracle.ledger;
    const collection = this.collection(process, index);
    await process.database.batch((batch) => {
      for (const row of FAMILY_ROWS) batch.put(collection, `f${family}/${row}`, { t: token });
    });
    this.#acknowledged(device, length, token);
  }

  async #unfamily(
    process: SimProcess,
    device: number,
    index: number,
    family: number,
  ): Promise<void> {
    const { oracle, devices } = this.#deps;
    const { length } = oracle.ledger;
    const collection = this.collection(process, index);
    await process.database.batch((batch) => {
      for (const row of FAMILY_ROWS) batch.delete(collection, `f${family}/${row}`);
    });
    const hexKey = toHex(utf8(`f${family}/${FAMILY_ROWS[0]}`));
    oracle.acknowledge(
      at(devices, device).names,
      length,
      (one) => one.key === hexKey && one.value === undefined,
    );
  }

  /** One row in every collection: the commit has a part in each. */
  async #pair(process: SimProcess, device: number, row: number): Promise<void> {
    const token = this.#token();
    const { length } = this.#deps.oracle.ledger;
    const collections = this.#deps.plan.collections.map((_, index) =>
      this.collection(process, index),
    );
    await process.database.batch((batch) => {
      for (const collection of collections) batch.put(collection, `p${row}`, { t: token });
    });
    this.#acknowledged(device, length, token);
  }

  async #clear(process: SimProcess, device: number, index: number, family: number): Promise<void> {
    const { oracle, devices, sometimes } = this.#deps;
    const { length } = oracle.ledger;
    const collection = this.collection(process, index);
    const prefix = `f${family}/`;
    let count = 0;
    await process.database.batch(async (batch) => {
      count = await batch.deleteRange(collection, { prefix });
    });
    if (count === 0) return;
    const [scope, hexPrefix] = [nameOfScope(this.collectionId(index)), toHex(utf8(prefix))];
    const isOfFamily = (one: VersionFact): boolean =>
      one.scope === scope && one.key.startsWith(hexPrefix);
    const author = at(devices, device).names;
    // Of two writes of a row in one turn the later alone is signed.
    const found =
      oracle.acknowledge(author, length, (one) => isOfFamily(one) && one.value === undefined) ??
      oracle.acknowledge(author, length, isOfFamily);
    if (found === undefined)
      throw new SimError("D1", `${count} rows were acknowledged as deleted that never were`);
    sometimes("cleared");
  }

  async #scan(process: SimProcess, index: number): Promise<void> {
    const rows = new Map<string, string>();
    for await (const { key, value } of this.collection(process, index).scan())
      rows.set(key, value.t);
    checkFamilies(rows, "A scan");
  }

  /** A device begins to lie: about all that there is, to all that are honest. */
  #lie(device: SimDevice): void {
    const { plan, devices, oracle, sometimes } = this.#deps;
    const ids = [
      ...plan.groups.map((_, index) => this.groupId(index)),
      ...plan.collections.map((_, index) => this.collectionId(index)),
    ];
    const scopes = ids.map((id) => ({
      id,
      heads: device.running?.controlHeads(nameOfScope(id)) ?? [],
    }));
    const others = devices.filter((other) => other !== device && !other.isLiar);
    oracle.ledger.liars.add(device.key);
    device.lie({
      scopes,
      victims: others.map(({ identity, place }) => ({
        device: identity.device,
        address: `${place}/p2p/${identity.device}`,
      })),
      users: others.map(({ identity }) => identity.certified.user),
      sometimes,
    });
  }

  /** Finds the commit with a token, or at least one of a row, and tells the oracle of it. */
  #acknowledged(device: number, since: number, token: string, key?: string): CommitFact {
    const { oracle, devices } = this.#deps;
    const [hexToken, hexKey] = [toHex(utf8(token)), key && toHex(utf8(key))];
    const author = at(devices, device).names;
    const found =
      oracle.acknowledge(author, since, (version) => version.value?.includes(hexToken) === true) ??
      oracle.acknowledge(author, since, (version) => version.key === hexKey);
    if (found === undefined)
      throw new SimError("D1", `A write was acknowledged that was never signed: ${token}`);
    return found;
  }
}

/** Another device at which an operation is done as well: where that one dies, it never ends. */
function otherOf(step: Operation): number | undefined {
  if (step.op === "admit") return step.joiner;
  return step.op === "publish" ? step.whom : undefined;
}
