/**
 * Who may do what, worked out from control ops alone, apart from the product's own way of doing so.
 */

import { type ControlFact, type LogName, type PartFact, readLog, type ScopeName } from "./facts.ts";
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
  readonly freeze: ReadonlyMap<LogName, number>;
}

/** The rights in one scope by a set of control ops that holds every parent of its own. */
export class Rights {
  readonly #owner: string;
  readonly #ledger: Ledger;
  readonly #users = new Map<string, string>();
  readonly #grants = new Map<string, Grant[]>();
  readonly #revokes = new Map<string, Revoke[]>();
  readonly #deviceRevokes = new Map<string, Revoke[]>();
  /** Logs that were shown to have forked, and the last generation before that. */
  readonly #forked = new Map<LogName, number>();
  readonly #ancestors = new Map<string, ReadonlySet<string>>();
  readonly #ids: ReadonlySet<string>;

  constructor(ledger: Ledger, scope: ScopeName, ids: ReadonlySet<string>) {
    this.#ledger = ledger;
    this.#owner = scope.split(":")[1] as string;
    this.#ids = ids;
    const facts = [...ids].flatMap((id) => ledger.control(id) ?? []);
    for (const fact of facts) this.#noteCertificate(fact.op);
    for (const fact of facts) this.#noteFork(fact.op);
    // What only the owner may say comes first: admins are made by it alone.
    for (const fact of facts) if (this.#userOfLog(fact.log) === this.#owner) this.#note(fact);
    for (const fact of facts) {
      if (this.#userOfLog(fact.log) !== this.#owner && this.#isByAdmin(fact)) this.#note(fact);
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
    if (user === this.#owner) return READ | WRITE | ADMIN;
    const revokes = this.#revokes.get(user) ?? [];
    let tags = 0;
    for (const grant of this.#grants.get(user) ?? []) {
      if (revokes.every((revoke) => this.#follows(grant.fact.id, revoke.fact.id)))
        tags |= grant.tags;
    }
    return tags;
  }

  /** By which tags what a part says counts. */
  tagsOfPart(part: PartFact): number {
    const { log, device, generation } = part.commit;
    const user = this.#users.get(device);
    if (user === undefined || generation > (this.#forked.get(log) ?? generation)) return 0;
    if (!this.#isWithin(this.#deviceRevokes.get(device) ?? [], log, generation, () => false))
      return 0;
    if (user === this.#owner) return READ | WRITE | ADMIN;
    let tags = 0;
    for (const grant of this.#grants.get(user) ?? []) {
      // A grant that follows a revoke helps those who have seen it.
      const isSeenAfter = (revoke: Revoke): boolean =>
        this.#follows(grant.fact.id, revoke.fact.id) &&
        part.heads.some((head) => head === grant.fact.id || this.#follows(head, grant.fact.id));
      if (this.#isWithin(this.#revokes.get(user) ?? [], log, generation, isSeenAfter))
        tags |= grant.tags;
    }
    return tags;
  }

  #isWithin(
    revokes: readonly Revoke[],
    log: LogName,
    generation: number,
    isExcused: (revoke: Revoke) => boolean,
  ): boolean {
    return revokes.every(
      (revoke) => generation <= (revoke.freeze.get(log) ?? 0) || isExcused(revoke),
    );
  }

  #noteCertificate(op: Message): void {
    if (!op.has(3)) return;
    const certificate = op.message(3).message(1);
    this.#users.set(hex(certificate.bytes(2)), hex(certificate.bytes(1)));
  }

  #noteFork(op: Message): void {
    if (!op.has(5)) return;
    const header = op.message(5).message(1);
    const log = readLog(header.message(1));
    const last = header.number(2) - 1;
    this.#forked.set(log, Math.min(last, this.#forked.get(log) ?? last));
  }

  #userOfLog(log: LogName): string | undefined {
    return this.#users.get(log.slice(0, 64));
  }

  #note(fact: ControlFact): void {
    const { op } = fact;
    if (op.has(1)) {
      const grant = op.message(1);
      push(this.#grants, hex(grant.bytes(1)), { fact, tags: grant.number(2) });
    }
    if (op.has(2)) {
      const revoke = op.message(2);
      push(this.#revokes, hex(revoke.bytes(1)), { fact, freeze: freezeOf(revoke) });
    }
    if (op.has(4)) {
      const revoke = op.message(4);
      push(this.#deviceRevokes, hex(revoke.bytes(1)), { fact, freeze: freezeOf(revoke) });
    }
  }

  /** An admin's op counts when what it had seen holds its grant, and within the freeze of every revoke of its author. */
  #isByAdmin(fact: ControlFact): boolean {
    const user = this.#userOfLog(fact.log);
    if (user === undefined) return false;
    const held = (this.#grants.get(user) ?? []).filter(
      ({ fact: grant, tags }) => (tags & ADMIN) !== 0 && this.#follows(fact.id, grant.id),
    );
    return held.some((grant) =>
      this.#isWithin(this.#revokes.get(user) ?? [], fact.log, fact.generation, (revoke) =>
        this.#follows(grant.fact.id, revoke.fact.id),
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

function freezeOf(revoke: Message): Map<LogName, number> {
  const freeze = new Map<LogName, number>();
  for (const entry of revoke.message(2).messages(1)) {
    const log = entry.message(1);
    const name = `${hex(log.bytes(1))}/${log.bigint(2).toString(16).padStart(16, "0")}`;
    freeze.set(name, entry.number(2));
  }
  return freeze;
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
