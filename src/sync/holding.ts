import {
  type Clock,
  codeOf,
  type Crypto,
  type DeviceId,
  type GenVector,
  type Logger,
  type ScopeId,
  type ScopeKey,
  scopeKeyOf,
} from "../base/index.ts";
import { Tags } from "../access/index.ts";
import type { History, ScopeState } from "../history/index.ts";
import {
  collectChanges,
  dropStable,
  emptyDestroyed,
  HOLDER_REST_MS,
  holderRow,
  type Holders,
  isOursToEmpty,
  Publications,
  readHolders,
  stableVector,
} from "../holders/index.ts";
import { Wakeup } from "../net/index.ts";
import type { Store } from "../store/index.ts";
import { type Groups, type Sharing } from "../groups/index.ts";

export interface HoldingDeps {
  readonly store: Store;
  readonly history: History;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly groups: Groups;
  readonly sharing: Sharing;
  /** Aborted when sync closes. */
  readonly ending: AbortSignal;
}

/**
 * Says what this device holds of the collections that it shares, and drops what all who hold them have left behind: when
 * nothing is being written. [HO3] [HO6]
 */
export class Holding {
  readonly #deps: HoldingDeps;
  readonly #publications: Publications;
  readonly #changed = new Wakeup();
  /** What was stable when a pass over a collection last ended. */
  readonly #passed = new Map<ScopeKey, string>();
  /** What we knew of destroyed collections when a pass over their rows last ended. */
  readonly #emptied = new Map<ScopeKey, string>();
  /** How far we are on the way round each database's changes. */
  readonly #collected = new Map<string, number>();
  /** Devices whose records were taken away, by collection. */
  readonly #dismissed = new Set<string>();
  #writes = 0;
  #run: Promise<void> | undefined;

  constructor(deps: HoldingDeps) {
    this.#deps = deps;
    this.#publications = new Publications(deps.history, deps.clock);
  }

  start(): void {
    this.#run ??= this.#runAll();
  }

  /** Something was written, or groups have changed. */
  wake(): void {
    this.#writes += 1;
    this.#changed.wake();
  }

  /** Resolves when nothing is under way any more, after `ending`. */
  async settled(): Promise<void> {
    this.#changed.wake();
    await this.#run;
  }

  async #runAll(): Promise<void> {
    const { ending } = this.#deps;
    while (!ending.aborted) {
      const change = this.#changed.wait();
      await this.#rest();
      const next = ending.aborted ? undefined : await this.#lookAt();
      if (ending.aborted) return;
      // Again when there is news, or when what was published too lately may be published again.
      await (next === undefined ? change : Promise.race([change, this.#sleep(next)]));
    }
  }

  /** Until nothing has been written for a while. */
  async #rest(): Promise<void> {
    for (let before = -1; before !== this.#writes && !this.#deps.ending.aborted;) {
      before = this.#writes;
      await this.#sleep(HOLDER_REST_MS);
    }
  }

  /** Answers in how many milliseconds something can be published that could not yet. */
  async #lookAt(): Promise<number | undefined> {
    let next: number | undefined;
    for (const scope of this.#collections()) {
      if (this.#deps.ending.aborted) break;
      try {
        const wait = await this.#tend(scope);
        if (wait !== undefined) next = Math.min(wait, next ?? wait);
      } catch (error) {
        this.#deps.logger("warn", "sync.holding.failed", { code: codeOf(error) });
      }
    }
    for (const database of this.#deps.history.databases()) await this.#collect(database);
    return next;
  }

  /** One step on the way round a database's changes. [HO10] */
  async #collect(database: string): Promise<void> {
    if (this.#deps.ending.aborted) return;
    try {
      const after = this.#collected.get(database) ?? 0;
      const { next } = await collectChanges(this.#deps, database, after);
      this.#collected.set(database, next);
    } catch (error) {
      this.#deps.logger("warn", "sync.holding.failed", { code: codeOf(error) });
    }
  }

  /** Collections that this device shares and has all of, as far as it was promised. */
  #collections(): ScopeState[] {
    const { sharing, history, groups } = this.#deps;
    const scopes = new Map<ScopeKey, ScopeState>();
    for (const group of sharing.allGroups()) {
      if (!this.#isMember(group)) continue;
      for (const id of sharing.collections(group)) {
        const scope = history.scope(id);
        if (scope !== undefined && groups.readOnlyReason(id) === undefined)
          scopes.set(scopeKeyOf(id), scope);
      }
    }
    return [...scopes.values()];
  }

  #isMember(group: ScopeId): boolean {
    return this.#deps.sharing.isReader(this.#deps.history.identity.device, group);
  }

  async #tend(scope: ScopeState): Promise<number | undefined> {
    const { history } = this.#deps;
    if (isOursToEmpty(history, scope)) await this.#empty(scope);
    const wait = await this.#publications.wait(scope);
    if (wait === 0) await this.#publications.publish(scope);
    let holders = await readHolders(history, scope);
    if (await this.#dismiss(scope, holders)) holders = await readHolders(history, scope);
    const stable = this.#haveAllRecords(scope.id, holders)
      ? stableVector(scope.vector(), holders)
      : undefined;
    if (stable !== undefined) await this.#drop(scope, stable);
    return wait === 0 ? undefined : wait;
  }

  /**
   * Takes away the records of devices that have left, as an admin: they hold nothing back. Each once: who is in a group that we do
   * not know says again what it has. Answers whether there were any. [HO2]
   */
  async #dismiss(scope: ScopeState, holders: Holders): Promise<boolean> {
    const { history, sharing } = this.#deps;
    if (!scope.access.may(history.identity.device, Tags.ADMIN)) return false;
    const members = sharing.groupsOf(scope.id).flatMap((group) => sharing.members(group));
    const staying = new Set(members.filter(({ hasLeft }) => !hasLeft).map(({ device }) => device));
    const nameOf = (device: DeviceId): string => `${scope.key} ${device}`;
    const gone = new Set(
      members
        .map(({ device }) => device)
        .filter(
          (one) => !staying.has(one) && holders.has(one) && !this.#dismissed.has(nameOf(one)),
        ),
    );
    if (gone.size === 0) return false;
    const rows = Array.from(gone, (device) => holderRow(device, undefined));
    await history.write({ parts: [{ scope: scope.id, rows }] });
    // Only now: what could not be written is tried again.
    for (const device of gone) this.#dismissed.add(nameOf(device));
    return true;
  }

  /** Whether all members of the groups that share a collection are among its holders: one that is not needs everything. [HO5] */
  #haveAllRecords(collection: ScopeId, holders: Holders): boolean {
    const { sharing, history } = this.#deps;
    const access = history.scope(collection)?.access;
    const mayNot = (device: DeviceId): boolean =>
      access?.userOf(device) !== undefined && !access.may(device, Tags.READ);
    return sharing
      .groupsOf(collection)
      .flatMap((group) => sharing.members(group).filter(({ hasLeft }) => !hasLeft))
      .every(({ device }) => holders.has(device) || mayNot(device));
  }

  /** A pass over the rows of a collection that this device has destroyed, where anything has come since the last one. [HO12] */
  async #empty(scope: ScopeState): Promise<void> {
    const isDone = (): boolean => this.#emptied.get(scope.key) === textOf(scope.vector());
    if (isDone()) return;
    let next: Uint8Array | undefined;
    let deleted = 0;
    const before = textOf(scope.vector());
    do {
      const step = await emptyDestroyed(this.#deps.history, scope, next);
      deleted += step.deleted;
      next = step.next;
    } while (next !== undefined && !this.#deps.ending.aborted);
    // What came during the pass is looked at the next time, as is what the pass has written.
    if (next === undefined) this.#emptied.set(scope.key, before);
    if (deleted > 0) this.#deps.logger("debug", "sync.holding.emptied", { rows: deleted });
  }

  /** A pass over a collection's superseded versions, where more is stable than in the last one. */
  async #drop(scope: ScopeState, stable: GenVector): Promise<void> {
    const text = textOf(stable);
    if (this.#passed.get(scope.key) === text) return;
    let from: Uint8Array | undefined;
    let dropped = 0;
    do {
      const step = await dropStable(this.#deps, scope, stable, from);
      dropped += step.dropped;
      from = step.next;
    } while (from !== undefined && !this.#deps.ending.aborted);
    if (from === undefined) this.#passed.set(scope.key, text);
    if (dropped > 0) this.#deps.logger("debug", "sync.holding.dropped", { versions: dropped });
  }

  #sleep(ms: number): Promise<void> {
    return this.#deps.clock.sleep(ms, this.#deps.ending).catch(() => {});
  }
}

function textOf(vector: GenVector): string {
  return Array.from(vector, ([log, generation]) => `${log}=${generation}`)
    .toSorted()
    .join();
}
