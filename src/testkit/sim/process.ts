/** One process of a simulated device: the real code, from the store upward, on ports of the simulation. */

import type { SimClock, SimDisk, SimTransport } from "../sim-ports/index.ts";
import {
  type Clock,
  codeOf,
  type Crypto,
  type DeviceId,
  deviceKeyOf,
  type Logger,
  type LogKey,
  logIdOf,
  remembered,
  type ScopeId,
  toHex,
  type UserId,
  userKeyOf,
} from "../../base/index.ts";
import { type Database, openDatabase } from "../../db/index.ts";
import { History, type Identity } from "../../history/index.ts";
import { openStore, type Store } from "../../store/index.ts";
import { SyncService } from "../../sync/index.ts";
import type { SeededRandom } from "../seeded-random.ts";
import {
  type DeviceView,
  hex,
  type LogName,
  type RowView,
  type ScopeName,
  scopeNameOf,
  type ScopeView,
} from "../sim-oracle/index.ts";

/** Names remembered of each kind: a run asks for few of them again and again. */
const NAMES_MAX = 10_000;

/** The database that all devices of a run share. */
export const SIM_DATABASE = "sim";

export interface ProcessDeps {
  readonly name: string;
  /** The copy of its store that is in its disk. */
  readonly storeName: string;
  readonly identity: Identity;
  readonly disk: SimDisk;
  readonly clock: SimClock;
  /** Milliseconds of the simulation, whatever its own clock says. */
  readonly simulatedNow: () => number;
  readonly crypto: Crypto;
  readonly random: SeededRandom;
  readonly logger: Logger;
  readonly transport: SimTransport;
}

export class SimProcess {
  readonly #deps: ProcessDeps;
  readonly clock: Clock;
  #store: Store | undefined;
  #history: History | undefined;
  #sync: SyncService | undefined;
  #database: Database | undefined;
  #isDead = false;
  #servesSince = Number.POSITIVE_INFINITY;
  /** Whether the disk refused the name of the epoch in which it gives markers: they are unknown after the next opening. */
  hasLostEpoch = false;

  constructor(deps: ProcessDeps) {
    this.#deps = deps;
    this.clock = deps.clock;
  }

  /** Opens everything, from the store up. What it throws is what the store refuses. */
  async open(): Promise<void> {
    const { disk, identity, transport, ...rest } = this.#deps;
    const ports = { ...rest, crypto: this.#mortal(rest.crypto) };
    const store = await openStore({ ...ports, openEngine: () => disk.openEngine() });
    this.#store = store;
    const history = await History.open({ ...ports, store, identity });
    this.#history = history;
    const sync = await SyncService.open({ ...ports, store, history, transport });
    this.#sync = sync;
    sync.onGroups(() => this.#notePause(sync.isPaused(SIM_DATABASE)));
    this.#notePause(sync.isPaused(SIM_DATABASE));
    this.#database = await openDatabase(
      {
        ...ports,
        history,
        readOnlyReason: (scope: ScopeId) => sync.readOnlyReason(scope),
        whyNotRevoke: (scope: ScopeId, incomplete: boolean) =>
          sync.sharing.whyNotRevoke(scope, incomplete),
      },
      SIM_DATABASE,
    );
  }

  /** What is killed signs nothing more, though the end of a connection may still wake something in it. [SI10] */
  #mortal(crypto: Crypto): Crypto {
    const sign: Crypto["sign"] = (seed, message) =>
      this.#isDead ? new Promise(() => {}) : crypto.sign(seed, message);
    return { ...crypto, sign };
  }

  /** Since when, in milliseconds of the simulation, it has served its database: who is paused tells nobody what it knows. */
  get servesSince(): number {
    return this.#servesSince;
  }

  #notePause(isPaused: boolean): void {
    if (isPaused) this.#servesSince = Number.POSITIVE_INFINITY;
    else this.#servesSince = Math.min(this.#servesSince, this.#deps.simulatedNow());
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Whether everything is open. */
  get isOpen(): boolean {
    return !this.#isDead && this.#database !== undefined;
  }

  get store(): Store {
    return open(this.#store);
  }

  get history(): History {
    return open(this.#history);
  }

  get sync(): SyncService {
    return open(this.#sync);
  }

  get database(): Database {
    return open(this.#database);
  }

  get crypto(): Crypto {
    return this.#deps.crypto;
  }

  get transport(): SimTransport {
    return this.#deps.transport;
  }

  /** Gone at once: nothing is closed, nobody is told. */
  kill(noticeMs: () => number): void {
    this.#isDead = true;
    this.#deps.clock.kill();
    this.#deps.transport.kill(noticeMs);
  }

  /** Ids of the control heads that it holds of a scope. */
  controlHeads(scope: ScopeName): readonly string[] {
    for (const state of this.#history?.scopes(SIM_DATABASE) ?? [])
      if (nameOfScope(state.id) === scope) return state.access.heads;
    return [];
  }

  /** The generation of a log that it holds of a scope; 0: none. */
  generationIn(scope: ScopeName, log: LogName): number {
    const state = this.#history?.scopes(SIM_DATABASE).find(({ id }) => nameOfScope(id) === scope);
    for (const [key, generation] of state?.vector() ?? [])
      if (nameOfLog(key) === log) return generation;
    return 0;
  }

  /** Whether it holds a part that does not count. */
  hasAside(scope: ScopeName, log: LogName, generation: number): boolean {
    const state = this.#history?.scopes(SIM_DATABASE).find(({ id }) => nameOfScope(id) === scope);
    for (const [number, { whole }] of state?.aside.logs() ?? [])
      if (nameOfLog(this.history.logOf(number)) === log && whole.includes(generation)) return true;
    return false;
  }

  /** What it holds, without its rows. */
  knowledge(): Pick<DeviceView, "device" | "store"> & {
    readonly scopes: Omit<ScopeView, "rows">[];
  } {
    const scopes = this.history.scopes(SIM_DATABASE).map((state) => ({
      scope: nameOfScope(state.id),
      vector: new Map([...state.vector()].map(([log, at]) => [nameOfLog(log), at] as const)),
      controlHeads: state.access.heads,
      sum: hex(state.sum.toBytes()),
    }));
    return { device: this.#key, store: this.#deps.storeName, scopes };
  }

  /** All that it shows, by its own calls. */
  async view(): Promise<DeviceView> {
    const { scopes, ...names } = this.knowledge();
    const states = this.history.scopes(SIM_DATABASE);
    const views: ScopeView[] = [];
    for (const [i, scope] of scopes.entries()) {
      const id = states[i]?.id;
      if (id !== undefined) views.push({ ...scope, rows: await this.#rows(id) });
    }
    return { name: this.#deps.name, ...names, scopes: views };
  }

  async #rows(id: ScopeId): Promise<RowView[]> {
    const rows: RowView[] = [];
    const spaces = id.kind === "collection" ? [0, 2] : [1];
    for (const space of spaces) {
      for await (const { key, row } of this.history.scan(id, space)) {
        const heads = row.heads.map(({ log, generation, value }) => ({
          log: nameOfLog(this.history.logOf(log)),
          generation,
          value: value && hex(value),
        }));
        rows.push({ space, key: hex(key), heads });
      }
    }
    return rows;
  }

  get #key(): string {
    return hexOfDevice(this.#deps.identity.device);
  }
}

/** @throws an error with a code: what is being opened is not there yet. */
function open<T>(part: T | undefined): T {
  if (part === undefined) throw Object.assign(new Error("Not open"), { code: "SIM_NOT_OPEN" });
  return part;
}

const scopeNames = new WeakMap<ScopeId, ScopeName>();

/** The oracle's name of a scope. */
export function nameOfScope(id: ScopeId): ScopeName {
  let name = scopeNames.get(id);
  if (name === undefined)
    scopeNames.set(id, (name = scopeNameOf(id.kind, hexOfUser(id.owner), id.name)));
  return name;
}

/** The oracle's name of a log. */
export const nameOfLog: (log: LogKey) => string = remembered(NAMES_MAX, (log) => {
  const { device, incarnation } = logIdOf(log);
  return `${toHex(deviceKeyOf(device))}/${incarnation.toString(16).padStart(16, "0")}`;
});

const hexOfDevice = remembered(NAMES_MAX, (device: DeviceId) => toHex(deviceKeyOf(device)));

const hexOfUser = remembered(NAMES_MAX, (user: UserId) => toHex(userKeyOf(user)));

/** An error's code, or what kind of error it is. */
export function nameOfError(error: unknown): string {
  return codeOf(error) ?? (error instanceof Error ? error.name : typeof error);
}
