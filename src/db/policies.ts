import { type AccessState, roleOfTags } from "../access/index.ts";
import { compareBytes, type ScopeId } from "../base/index.ts";
import { parsePolicy, type Policy, PolicyTable } from "../conflicts/index.ts";
import type { RowRange } from "../history/index.ts";
import { DbError } from "./errors.ts";
import { rangeOf } from "./key-range.ts";
import { POLICIES_MAX } from "./limits.ts";
import { boundBytes } from "./names.ts";
import { type DbWorld, refuseUnusable } from "./world.ts";
import { commit } from "./write.ts";

/** A conflict policy of a collection, as its admins have set it. */
export interface PolicyInfo {
  /** Of the keys that it holds for; empty: all. */
  readonly prefix: string;
  /** `lastWriteWins`, `keepAll`, `counter`, `set`, `map`, `appResolves`, `merge:NAME`, `defer:ROLE`; or one of a later version. */
  readonly policy: string;
}

const NO_POLICIES = new PolicyTable(new Map());
/** An access state does not change, so what is read from it is read once. */
const tables = new WeakMap<AccessState, PolicyTable>();

/** The policies of a collection as they are now. */
export function policyTable({ history }: DbWorld, scope: ScopeId): PolicyTable {
  const access = history.scope(scope)?.access;
  if (access === undefined) return NO_POLICIES;
  const known = tables.get(access);
  if (known !== undefined) return known;
  const table = access.policies.size === 0 ? NO_POLICIES : new PolicyTable(access.policies);
  tables.set(access, table);
  return table;
}

/** The policy of the row with this key. [CO2] */
export function policyOf(world: DbWorld, scope: ScopeId, key: string): Policy {
  return policyTable(world, scope).of(key);
}

/** What the collection's admins have set, by prefix. */
export function policiesOf({ history }: DbWorld, scope: ScopeId): PolicyInfo[] {
  const policies = history.scope(scope)?.access.policies ?? new Map<string, string>();
  return Array.from(policies, ([prefix, policy]) => ({ prefix, policy })).sort((a, b) =>
    a.prefix < b.prefix ? -1 : 1,
  );
}

/**
 * Sets the policy of all rows under a prefix, on every device that has the collection. [CO13]
 *
 * @throws {ConflictError} `CONFLICT_POLICY_INVALID`; {DbError} `DB_KEY_INVALID`, `DB_NO_ACCESS` unless our user is an admin,
 *   `DB_POLICIES_FULL`, and as `commit`.
 */
export async function setPolicy(
  world: DbWorld,
  scope: ScopeId,
  prefix: string,
  policy: string,
): Promise<void> {
  boundBytes(prefix);
  parsePolicy(policy);
  refuseUnusable(world, scope);
  const { history } = world;
  const access = history.scope(scope)?.access;
  if (ourRole(world, scope) !== "admin") {
    throw new DbError(
      "DB_NO_ACCESS",
      `Cannot set policy of collection "${scope.name}": our user is no admin of it`,
    );
  }
  const set = access?.policies;
  if (set?.get(prefix) === policy) return;
  if (set !== undefined && !set.has(prefix) && set.size >= POLICIES_MAX) {
    throw new DbError(
      "DB_POLICIES_FULL",
      `Cannot set policy of collection "${scope.name}": it has them for ${POLICIES_MAX} prefixes`,
    );
  }
  await commit(world, {
    parts: [{ scope, rows: [], controls: [{ type: "policy", prefix, policy }] }],
  });
}

/** What our user is in a collection; the owner is its admin before it is there. */
export function ourRole({ history }: DbWorld, scope: ScopeId): ReturnType<typeof roleOfTags> {
  const { user } = history.identity.certified;
  const access = history.scope(scope)?.access;
  if (access !== undefined) return roleOfTags(access.tagsOf(user));
  return user === scope.owner ? "admin" : undefined;
}

/**
 * What a watch has shown rows by: policies and merge functions. Where they change, rows with several heads may show something
 * else though nobody has written them. [CO17]
 */
export class Views {
  readonly #world: DbWorld;
  readonly #scope: ScopeId;
  #table: PolicyTable;
  readonly #registered = new Set<string>();
  readonly #listener: (name: string) => void;

  /** `wake` is called when there may be something to tell; policies come with a write, which wakes by itself. */
  constructor(world: DbWorld, scope: ScopeId, wake: () => void) {
    this.#world = world;
    this.#scope = scope;
    this.#table = policyTable(world, scope);
    this.#listener = (name) => {
      this.#registered.add(name);
      wake();
    };
    world.mergeListeners.add(this.#listener);
  }

  /** The ranges of rows, none within another, whose policy or function is another than when last asked. */
  changed(within: readonly RowRange[]): RowRange[] {
    const before = this.#table;
    const now = policyTable(this.#world, this.#scope);
    this.#table = now;
    const prefixes = before === now ? [] : before.differences(now);
    for (const [prefix, policy] of now.entries())
      if (policy.type === "merge" && this.#registered.has(policy.name)) prefixes.push(prefix);
    this.#registered.clear();
    return rangesUnder(prefixes, within);
  }

  stop(): void {
    this.#world.mergeListeners.delete(this.#listener);
  }
}

/** The rows under one of the prefixes that are within one of the ranges, which have none in common: each once. */
export function rangesUnder(prefixes: readonly string[], within: readonly RowRange[]): RowRange[] {
  const outer: string[] = [];
  for (const prefix of prefixes.toSorted())
    if (!outer.some((one) => prefix.startsWith(one))) outer.push(prefix);
  return outer
    .flatMap((prefix) => within.map((range) => common(range, rangeOf({ prefix }))))
    .filter(
      ({ start, end }) => start === undefined || end === undefined || compareBytes(start, end) < 0,
    );
}

/** The rows that are in both. */
function common(a: RowRange, b: RowRange): RowRange {
  return {
    start: pick(a.start, b.start, (order) => order > 0),
    end: pick(a.end, b.end, (order) => order < 0),
  };
}

function pick(
  a: Uint8Array | undefined,
  b: Uint8Array | undefined,
  isFirst: (order: number) => boolean,
): Uint8Array | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return isFirst(compareBytes(a, b)) ? a : b;
}
