/**
 * Who may do what, worked out from control ops alone, apart from the product's own way of doing so.
 */

import {
  type ControlFact,
  type LogName,
  type PartFact,
  readLog,
  readVector,
  type ScopeName,
} from "./facts.ts";
import { hex, type Message } from "./fields.ts";
import type { Ledger } from "./ledger.ts";

export const READ = 1;
export const WRITE = 2;
export const ADMIN = 4;

interface Grant {
  readonly fact: ControlFact;
  readonly tags: number;
}

interface Revoke {
  readonly fact: ControlFact;
  readonly by: "userKey" | "owner" | "admin";
  readonly freeze: ReadonlyMap<LogName, number>;
}

/** What devices say that they hold of a scope, by their keys: what they revoke is never frozen below that. */
export type Published = ReadonlyMap<string, ReadonlyMap<LogName, number>>;

/** Nothing has been published. */
const NOTHING: Published = new Map();
const ALL = READ | WRITE | ADMIN;

/** The rights in one scope by a set of control ops that holds every parent of its own. */
export class Rights {
  readonly #owner: string;
  readonly #ledger: Ledger;
  readonly #published: Published;
  readonly #users = new Map<string, string>();
  readonly #grants = new Map<string, Grant[]>();
  readonly #revokes = new Map<string, Revoke[]>();
  readonly #deviceRevokes = new Map<string, Revoke[]>();
  /** Users who were granted something by somebody who had no right to it, as it turned out. */
  readonly #deluded = new Set<string>();
  /** Logs that were shown to have forked, and the last generation before that. */
  readonly #forked = new Map<LogName, number>();
  /** The generations at which they were shown to fork. */
  readonly #forks = new Map<LogName, ReadonlySet<number>>();
  readonly #ancestors = new Map<string, ReadonlySet<string>>();
  readonly #ids: ReadonlySet<string>;

  constructor(
    ledger: Ledger,
    scope: ScopeName,
    ids: ReadonlySet<string>,
    published: Published = NOTHING,
  ) {
    this.#ledger = ledger;
    this.#published = published;
    this.#owner = scope.split(":")[1] as string;
    this.#ids = ids;
    const facts = [...ids].flatMap((id) => ledger.control(id) ?? []);
    for (const fact of facts) this.#noteCertificate(fact.op);
    for (const fact of facts) this.#noteWhatSpeaksForItself(fact);
    // What only the owner may say comes first: admins are made by it alone, and lose it by its word alone.
    const [owners, others] = [[], []] as [ControlFact[], ControlFact[]];
    for (const fact of facts)
      (this.#userOfLog(fact.log) === this.#owner ? owners : others).push(fact);
    for (const fact of owners) if (this.#isWithinOwn(fact)) this.#note(fact, "owner");
    for (const fact of others) {
      if (this.#isByAdmin(fact)) this.#note(fact, "admin");
      else if (fact.op.has(1)) this.#deluded.add(hex(fact.op.message(1).bytes(1)));
    }
  }

  /** The ids that were summed up. */
  get ids(): ReadonlySet<string> {
    return this.#ids;
  }

  /** The last generation of a log that may count, since it was shown to have forked behind it; Infinity: it was not. */
  forkOf(log: LogName): number {
    return this.#forked.get(log) ?? Number.POSITIVE_INFINITY;
  }

  userOf(device: string): string | undefined {
    return this.#users.get(device);
  }

  /** What a user holds now. */
  tagsOf(user: string): number {
    if (user === this.#owner) return ALL;
    const revokes = this.#revokes.get(user) ?? [];
    return tagsIn(this.#grants.get(user), (grant) =>
      revokes.every(
        (revoke) => !isBound(grant, revoke) || this.#follows(grant.fact.id, revoke.fact.id),
      ),
    );
  }

  /** What a user holds now by this device of theirs. */
  tagsOfDevice(device: string, user: string): number {
    const revokes = this.#revokesOf(device, user);
    if (revokes.length === 0) return this.tagsOf(user);
    const isOfAdmin = (this.tagsOf(user) & ADMIN) !== 0 && user !== this.#owner;
    // An admin has no say about the devices of another.
    const isLeft = isOfAdmin && revokes.every(({ by }) => by === "admin");
    return isLeft ? this.tagsOf(user) : 0;
  }

  /** By which tags what a part says counts. */
  tagsOfPart(part: PartFact): number {
    const { log, device, generation } = part.commit;
    const user = this.#users.get(device);
    if (user === undefined || generation > (this.#forked.get(log) ?? generation)) return 0;
    const ofDevice = this.#beyond(this.#revokesOf(device, user), log, generation);
    if (user === this.#owner) return ofDevice.length === 0 ? ALL : 0;
    const beyond = this.#beyond(this.#revokes.get(user) ?? [], log, generation);
    const heads = [...part.heads, ...part.controls.map(({ id }) => id)];
    return tagsIn(this.#grants.get(user), (grant) => {
      // A grant that follows a revoke helps those who have seen it.
      const isSeen = heads.some((id) => id === grant.fact.id || this.#follows(id, grant.fact.id));
      return (
        ofDevice.every((revoke) => !isBound(grant, revoke)) &&
        beyond.every(
          (revoke) =>
            !isBound(grant, revoke) || (isSeen && this.#follows(grant.fact.id, revoke.fact.id)),
        )
      );
    });
  }

  /** Whether nothing that was taken away can matter to what stands there. */
  isUntouched({ commit: { log, device, generation } }: PartFact): boolean {
    const user = this.#users.get(device);
    if (user === undefined || generation > (this.#forked.get(log) ?? generation)) return false;
    if (user !== this.#owner && this.#deluded.has(user)) return false;
    const revokes = [...(this.#revokes.get(user) ?? []), ...this.#revokesOf(device, user)];
    return this.#beyond(revokes, log, generation).length === 0;
  }

  /** Those of the revocations whose freeze lies before a place. */
  #beyond(revokes: readonly Revoke[], log: LogName, generation: number): Revoke[] {
    return revokes.filter(({ freeze, fact }) => {
      const published = this.#published.get(fact.log.slice(0, 64))?.get(log) ?? 0;
      return generation > Math.max(freeze.get(log) ?? 0, published);
    });
  }

  /** Those that are about a device as a user's. */
  #revokesOf(device: string, user: string): Revoke[] {
    return (this.#deviceRevokes.get(device) ?? []).filter(({ by, fact }) => {
      if (by === "userKey") return hex(fact.op.message(11).bytes(1)) === user;
      return user !== this.#owner && this.#userOfLog(fact.log) !== user;
    });
  }

  #noteCertificate(op: Message): void {
    if (!op.has(3)) return;
    const certificate = op.message(3).message(1);
    this.#users.set(hex(certificate.bytes(2)), hex(certificate.bytes(1)));
  }

  /** Forks, and what user keys say of their devices: whoever hands it in. */
  #noteWhatSpeaksForItself(fact: ControlFact): void {
    const { op } = fact;
    if (op.has(5)) {
      const header = op.message(5).message(1);
      const log = readLog(header.message(1));
      const all = new Set(this.#forks.get(log)).add(header.number(2));
      this.#forks.set(log, all);
      // Shown at more than four, it counts from nowhere.
      this.#forked.set(log, all.size > 4 ? 0 : Math.min(...all) - 1);
    }
    if (!op.has(11)) return;
    const revoke = op.message(11);
    const freeze = readVector(revoke.message(3));
    push(this.#deviceRevokes, hex(revoke.bytes(2)), { fact, by: "userKey", freeze });
  }

  #userOfLog(log: LogName): string | undefined {
    return this.#users.get(log.slice(0, 64));
  }

  #note(fact: ControlFact, by: "owner" | "admin"): void {
    const { op } = fact;
    if (op.has(1)) {
      const grant = op.message(1);
      push(this.#grants, hex(grant.bytes(1)), { fact, tags: grant.number(2) });
    }
    for (const [field, revokes] of [
      [2, this.#revokes],
      [4, this.#deviceRevokes],
    ] as const) {
      if (!op.has(field)) continue;
      const revoke = op.message(field);
      const freeze = readVector(revoke.message(2));
      push(revokes, hex(revoke.bytes(1)), { fact, by, freeze });
    }
  }

  /** Whether an op of the owner's has effect: no user key has frozen its device before. */
  #isWithinOwn({ log, generation }: ControlFact): boolean {
    const revokes = this.#revokesOf(log.slice(0, 64), this.#owner);
    return (
      generation <= (this.#forked.get(log) ?? generation) &&
      this.#beyond(revokes, log, generation).length === 0
    );
  }

  /** An admin's op counts when what it had seen holds its grant, and within the freeze of every revoke that binds that. */
  #isByAdmin({ id, log, generation }: ControlFact): boolean {
    const user = this.#userOfLog(log);
    if (user === undefined || generation > (this.#forked.get(log) ?? generation)) return false;
    const ofDevice = this.#beyond(this.#revokesOf(log.slice(0, 64), user), log, generation);
    const beyond = this.#beyond(this.#revokes.get(user) ?? [], log, generation);
    return (this.#grants.get(user) ?? []).some(
      (grant) =>
        (grant.tags & ADMIN) !== 0 &&
        this.#follows(id, grant.fact.id) &&
        ofDevice.every((revoke) => !isBound(grant, revoke)) &&
        beyond.every(
          (revoke) => !isBound(grant, revoke) || this.#follows(grant.fact.id, revoke.fact.id),
        ),
    );
  }

  /** Whether `later` was written by somebody who had seen `earlier`. */
  #follows(later: string, earlier: string): boolean {
    return later !== earlier && this.#before(later).has(earlier);
  }

  #before(id: string): ReadonlySet<string> {
    const known = this.#ancestors.get(id);
    if (known !== undefined) return known;
    const before = new Set<string>();
    const open = [...(this.#ledger.control(id)?.parents ?? [])];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (before.has(next)) continue;
      before.add(next);
      open.push(...(this.#ledger.control(next)?.parents ?? []));
    }
    this.#ancestors.set(id, before);
    return before;
  }
}

/** Rights worked out, by scope and heads, and what the ledger's control ops were then. */
const known = new WeakMap<Ledger, { at: number; readonly byHeads: Map<string, Rights> }>();

/** Rights by these heads and all that they follow, nothing having been published. Remembered: few are asked for again and again. */
export function rightsBy(ledger: Ledger, scope: ScopeName, heads: readonly string[]): Rights {
  let all = known.get(ledger);
  if (all?.at !== ledger.controlsReplaced)
    known.set(ledger, (all = { at: ledger.controlsReplaced, byHeads: new Map<string, Rights>() }));
  const name = `${scope} ${heads.join()}`;
  let rights = all.byHeads.get(name);
  if (rights === undefined)
    all.byHeads.set(name, (rights = new Rights(ledger, scope, closureOf(ledger, heads))));
  return rights;
}

/** All control ops that these heads follow, themselves included. */
export function closureOf(ledger: Ledger, heads: readonly string[]): Set<string> {
  const ids = new Set<string>();
  const open = [...heads];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (ids.has(next)) continue;
    ids.add(next);
    open.push(...(ledger.control(next)?.parents ?? []));
  }
  return ids;
}

/** Admins have no say about what the owner has given with Admin. */
function isBound({ tags }: Grant, { by }: Revoke): boolean {
  return by !== "admin" || (tags & ADMIN) === 0;
}

function tagsIn(grants: readonly Grant[] = [], counts: (grant: Grant) => boolean): number {
  return grants.filter(counts).reduce((sum, { tags }) => sum | tags, 0);
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
