import {
  type DeviceId,
  type HybridClock,
  type LogId,
  type LogKey,
  logKeyOf,
  type GenVector,
  type ScopeId,
  type ScopeKey,
  scopeKeyOf,
  Sum256,
} from "../base/index.ts";
import { type AccessState, ControlLog } from "../access/index.ts";
import { AsideIndex } from "./aside.ts";
import { ControlPlaces } from "./control-places.ts";
import type { LateCommits } from "./late-commits.ts";
import { RivalIndex } from "./rivals.ts";
import { RecentChanges } from "./recent-changes.ts";
import type { WrittenRows } from "./written-rows.ts";
import type {
  Epoch,
  Interner,
  DatabaseNumber,
  ScopeNumber,
  OwnLog,
  LogNumber,
} from "../records/index.ts";

/**
 * Why our log of a database is given up. `rolledBack`: a peer holds more of it than this store. `copied`: this store is a copy of
 * the one that wrote it, or an older state of that. `unconfirmed`: nobody could say whether either is so. `clockAhead`: its clock had run ahead of the time. `grantedAgain`: a freeze ended it. `forked`: two
 * commits stand under one of its generations.
 */
export type IncarnationReason =
  | "rolledBack"
  | "copied"
  | "unconfirmed"
  | "clockAhead"
  | "grantedAgain"
  | "forked";

/**
 * What is in memory of one scope. Changed only when a store write has become durable, so whatever is read here may be
 * shown and sent. [HI1]
 */
export class ScopeState {
  readonly id: ScopeId;
  readonly key: ScopeKey;
  readonly number: ScopeNumber;
  control: ControlLog;
  readonly #interner: Interner;
  /** Knowledge: everything of the scope up to these generations is here and counts, or was superseded and dropped. */
  numbers: ReadonlyMap<LogNumber, number> = new Map();
  /** Over the live heads. */
  sum = Sum256.zero();
  /** Parts that are held and do not count. */
  aside = new AsideIndex();
  controlPlaces = new ControlPlaces();
  /** Commits whose places are those of others. */
  rivals = new RivalIndex();
  /** What may be in the store of its rows, where it began to be written in this process. */
  written: WrittenRows | undefined;

  constructor(id: ScopeId, number: ScopeNumber, interner: Interner) {
    this.id = id;
    this.key = scopeKeyOf(id);
    this.number = number;
    this.#interner = interner;
    this.control = new ControlLog(id);
  }

  get access(): AccessState {
    return this.control.state;
  }

  /** The generation of `log` known here; 0 when none. */
  generationOf(log: LogKey): number {
    return this.generationIn(this.numbers, log);
  }

  /** The generation of `log` in other knowledge of the scope, by number; 0 when none. */
  generationIn(numbers: ReadonlyMap<LogNumber, number>, log: LogKey): number {
    const number = this.#interner.knownLog(log);
    return number === undefined ? 0 : (numbers.get(number) ?? 0);
  }

  /** A copy of the knowledge, by log. */
  vector(): GenVector {
    const vector = new Map<LogKey, number>();
    for (const [log, generation] of this.numbers) vector.set(this.#interner.logOf(log), generation);
    return vector;
  }
}

/** What is in memory of one database: our log in it, its clock and the order of its changes. */
export class DatabaseState {
  readonly name: string;
  readonly number: DatabaseNumber;
  clock: HybridClock;
  readonly scopes = new Map<ScopeKey, ScopeState>();
  readonly recent = new RecentChanges();
  own: OwnLog;
  /**
   * Why nothing may be authored under our log as it is: the next commit of ours begins another. `undefined`: there is no
   * reason. [HI50]
   */
  doubt: IncarnationReason | undefined;
  /** Commits of ours whose signatures the next write brings. */
  late: LateCommits | undefined;
  /** Of the last change; 0 when there is none. */
  sequence = 0;
  /** What names positions among its changes, the oldest first. */
  epochs: readonly Epoch[] = [];

  constructor(name: string, number: DatabaseNumber, own: OwnLog, clock: HybridClock) {
    this.name = name;
    this.number = number;
    this.own = own;
    this.clock = clock;
  }
}

/** The log that was named last: a commit names its own several times, and each time the text would be made and hashed anew. */
let last: (LogId & { readonly key: LogKey }) | undefined;

/** The name of our own log, as it is in a database or as a turn goes on with it. */
export function ownLogKey(device: DeviceId, { incarnation }: OwnLog): LogKey {
  if (last?.incarnation === incarnation && last.device === device) return last.key;
  last = { device, incarnation, key: logKeyOf({ device, incarnation }) };
  return last.key;
}
