/**
 * The control log of one scope: who may do what, and what a syncgroup is, as a function of a set of control ops.
 *
 * Each op is judged by its ancestors alone, so its verdict never changes, whatever arrives later and in whatever order:
 *
 *     device: ada's laptop <- grant: ben, Admin <- device: ben's phone <- by ben's phone, grant: cy, Read    counts
 *                         ^
 *                          `- device: ben's tablet <- by ben's tablet, grant: cy, Read      rejected for ever: its
 *                                                     author had not seen that ben is an admin
 */

import { assert, type DeviceId, type ScopeId } from "../base/index.ts";
import { AccessFacts } from "./access-facts.ts";
import { AccessState } from "./access-state.ts";
import { Ancestry } from "./ancestry.ts";
import type { ControlEntry, ControlId, Rejection } from "./control-entry.ts";
import { CONTROL_PARENTS_MAX } from "./limits.ts";
import { VersionedMap } from "./versioned.ts";

/**
 * The state of a set of entries that holds the parents of each. Independent of their order, and of how often one
 * occurs. [AC9]
 */
export function reduceControl(scope: ScopeId, entries: Iterable<ControlEntry>): AccessState {
  return ControlLog.of(scope, entries).state;
}

/**
 * The same, entry by entry as they come, parents first.
 *
 * Costs: an entry takes some hundred bytes, and a look at those it names; `state` is put together when it is asked for.
 */
export class ControlLog {
  readonly scope: ScopeId;
  readonly #ancestry = new Ancestry();
  readonly #facts: AccessFacts;
  readonly #numbers = new Map<ControlId, number>();
  readonly #heads = new Set<ControlId>();
  readonly #rejected = new VersionedMap<ControlId, Rejection>();
  #state: AccessState | undefined;

  /** An empty log, or a fork of another: see `fork`. */
  constructor(scope: ScopeId, from?: ControlLog) {
    this.scope = scope;
    if (from === undefined) {
      this.#facts = new AccessFacts(scope, this.#ancestry);
      return;
    }
    this.#ancestry = new Ancestry(from.#ancestry);
    this.#facts = new AccessFacts(scope, this.#ancestry, from.#facts);
    this.#numbers = new Map(from.#numbers);
    this.#heads = new Set(from.#heads);
    this.#rejected = new VersionedMap(from.#rejected);
  }

  /** The log of a set of entries in any order; it holds the parents of each. */
  static of(scope: ScopeId, entries: Iterable<ControlEntry>): ControlLog {
    const log = new ControlLog(scope);
    const entriesById = new Map<ControlId, ControlEntry>();
    for (const entry of entries) entriesById.set(entry.id, entry);
    for (const last of entriesById.values()) {
      // Depth first, with a stack of our own: histories are deeper than the call stack.
      const stack = [last];
      for (let entry = stack.at(-1); entry !== undefined; entry = stack.at(-1)) {
        const missing = entry.parents.find((parent) => !log.has(parent));
        if (missing === undefined) {
          log.add(entry);
          stack.pop();
          continue;
        }
        const parent = entriesById.get(missing);
        assert(parent !== undefined, "a set of control ops holds the parents of each");
        assert(stack.length < entriesById.size, "a control op is not its own ancestor");
        stack.push(parent);
      }
    }
    return log;
  }

  /**
   * A log of its own with the same entries, to which others can be added without changing this one. Far cheaper than
   * judging the entries again: what was found out about them is shared. [AC21]
   */
  fork(): ControlLog {
    return new ControlLog(this.scope, this);
  }

  /** Entries held. */
  get size(): number {
    return this.#numbers.size;
  }

  /** Whether the entry is held. */
  has(id: ControlId): boolean {
    return this.#numbers.has(id);
  }

  /**
   * Adds an entry whose parents have been added; one that is held already changes nothing. Answers why it has no
   * effect, or `undefined` when it counts. Either is for ever. [AC10]
   */
  add(entry: ControlEntry): Rejection | undefined {
    if (this.has(entry.id)) return this.#rejected.get(entry.id);
    const parents = this.#parentsOf(entry);
    const past = this.#ancestry.pastOf(parents);
    const author = this.#facts.authorIn(past, entry.device);
    const rejection = this.#facts.rejectionOf(entry, author, past);
    const index = this.#ancestry.add(parents, past);
    this.#numbers.set(entry.id, index);
    for (const parent of entry.parents) this.#heads.delete(parent);
    this.#heads.add(entry.id);
    if (rejection === undefined) this.#facts.apply(entry, index, author);
    else this.#rejected.set(entry.id, rejection, index);
    this.#state = undefined;
    return rejection;
  }

  /** What `add` would answer, without adding: so that what has no effect need not be kept. */
  judge(entry: ControlEntry): Rejection | undefined {
    const past = this.#ancestry.pastOf(this.#parentsOf(entry));
    return this.#facts.rejectionOf(entry, this.#facts.authorIn(past, entry.device), past);
  }

  /** The state of the entries added so far; the same object until another is added. */
  get state(): AccessState {
    this.#state ??= this.#makeState();
    return this.#state;
  }

  /**
   * The control heads that a commit of `device` names, ascending: all, or when they are more than `CONTROL_PARENTS_MAX`
   * that many, those among them that show the device's right. [AC20]
   */
  headsFor(device: DeviceId): readonly ControlId[] {
    const { heads } = this.state;
    if (heads.length <= CONTROL_PARENTS_MAX) return heads;
    const chosen = new Set<ControlId>();
    for (const proof of this.#facts.proofsOf(device)) {
      const head = heads.find((id) => this.#isAtOrBefore(proof, id));
      if (head !== undefined) chosen.add(head);
    }
    for (const head of heads) if (chosen.size < CONTROL_PARENTS_MAX) chosen.add(head);
    return [...chosen].sort();
  }

  #isAtOrBefore(proof: number, head: ControlId): boolean {
    const number = this.#numbers.get(head);
    return number !== undefined && (number === proof || this.#ancestry.precedes(proof, number));
  }

  #parentsOf(entry: ControlEntry): number[] {
    return entry.parents.map((parent) => {
      const number = this.#numbers.get(parent);
      assert(number !== undefined, "a control op is added after those it names");
      return number;
    });
  }

  #makeState(): AccessState {
    const source = {
      length: this.size,
      facts: this.#facts,
      numbers: this.#numbers,
      rejected: this.#rejected,
    };
    return new AccessState(this.scope, source, [...this.#heads]);
  }
}
