/**
 * Which rows in conflict belong together. A row is tied to another when heads of both were written by one commit; what the
 * application wrote together it resolves together.
 *
 *     commit A wrote  0 1 2 3          commit C wrote  6 7 8 9
 *     commit B wrote        3 4 5 6                               one conflict of rows 0 to 9
 */

import type { ScopeId } from "../base/index.ts";
import { formatPolicy, type Policy } from "../conflicts/index.ts";
import { type PartName, ROW_SPACE, type Row, type RowName } from "../history/index.ts";
import { RESOLVER_BYTES_MAX, RESOLVER_READ_ROWS, RESOLVER_ROWS_MAX } from "./limits.ts";
import { keyText, rowName } from "./names.ts";
import { ourRole, policyOf } from "./policies.ts";
import { visibleIn } from "./row-view.ts";
import { type DbWorld, isDestroyed } from "./world.ts";

/** A row of a conflict as it was read. */
export interface TiedRow {
  readonly name: RowName;
  readonly row: Row;
  readonly policy: Policy;
  readonly conflict: boolean;
}

/** Rows that are one conflict. */
export interface Tied {
  readonly rows: readonly TiedRow[];
  /** Names of the commits that tie them: see `commitsOf`. */
  readonly commits: ReadonlySet<string>;
  /** Whether others belong to it too, for which there was no room. */
  readonly partial: boolean;
}

/** Whether rows under this policy are offered to the resolver here at all: by `defer` to the named role and above. [CO24] */
export function mayResolve(world: DbWorld, scope: ScopeId, policy: Policy): boolean {
  if (isDestroyed(world, scope)) return false;
  const role = ourRole(world, scope);
  if (role !== "writer" && role !== "admin") return false;
  return policy.type !== "defer" || policy.role === "writer" || role === "admin";
}

/** Whether a row under this policy begins a conflict: others are offered only as tied to one that does. */
export function beginsConflict(world: DbWorld, scope: ScopeId, policy: Policy): boolean {
  const isResolved = policy.type === "appResolves" || policy.type === "defer";
  return isResolved && mayResolve(world, scope, policy);
}

/** The versions that a row shows now, as one text: equal as long as nobody writes it. */
export function headsText(row: Row): string {
  return commitsOf(row).join(" ");
}

/** Names of the commits that wrote a row's heads, within this store. */
export function commitsOf({ heads }: Row): string[] {
  return heads.map(({ log, generation }) => `${log}.${generation}`);
}

/**
 * The conflict that a row belongs to, that row first, or `undefined` when it begins none. Rows for which `isLeftOut` holds are
 * not part of it, and nothing is followed through them. Nor is anything through rows in no conflict. [CO19] [CO25]
 */
export async function tiedTo(
  world: DbWorld,
  scope: ScopeId,
  key: string,
  isLeftOut: (key: string, row: Row) => boolean,
): Promise<Tied | undefined> {
  const [first] = await readRows(world, scope, [rowName(key)]);
  if (first?.conflict !== true || !beginsConflict(world, scope, first.policy)) return undefined;
  const { history } = world;
  const number = history.scope(scope)?.number;
  if (number === undefined) return undefined;

  const rows = new Map<string, TiedRow>([[key, first]]);
  const commits = new Set<string>();
  let bytes = sizeOf(first);
  for (const { row, conflict } of rows.values()) {
    if (!conflict) continue;
    for (const { log, generation } of row.heads) {
      const part: PartName = { scope: number, log, generation };
      if (commits.has(`${log}.${generation}`)) continue;
      commits.add(`${log}.${generation}`);
      const names = (await history.changes.rowsOf(part))
        .filter(({ space }) => space === ROW_SPACE.rows)
        .map((name) => ({ ...name, text: keyText(name.key) }))
        .filter(({ text }) => !rows.has(text));
      for (let from = 0; from < names.length; from += RESOLVER_READ_ROWS) {
        const some = names.slice(from, from + RESOLVER_READ_ROWS);
        for (const one of await readRows(world, scope, some)) {
          if (!isTied(world, scope, one, part) || isLeftOut(one.name.text, one.row)) continue;
          bytes += sizeOf(one);
          if (rows.size >= RESOLVER_ROWS_MAX || bytes > RESOLVER_BYTES_MAX)
            return { rows: [...rows.values()], commits, partial: true };
          rows.set(one.name.text, one);
        }
      }
    }
  }
  return { rows: [...rows.values()], commits, partial: false };
}

/** Whether the row still shows what the part wrote, and may be resolved here. */
function isTied(world: DbWorld, scope: ScopeId, { row, policy }: TiedRow, part: PartName): boolean {
  return (
    mayResolve(world, scope, policy) &&
    row.heads.some(({ log, generation }) => log === part.log && generation === part.generation)
  );
}

async function readRows(
  world: DbWorld,
  scope: ScopeId,
  names: readonly RowName[],
): Promise<TiedRow[]> {
  const keys = names.map(({ key }) => key);
  const rows = await world.history.rows(scope, ROW_SPACE.rows, keys);
  return names.map((name, i) => {
    const row = rows[i] as Row;
    const { conflict } = visibleIn(world, scope, name.text, row);
    return { name, row, conflict, policy: policyOf(world, scope, name.text) };
  });
}

function sizeOf({ row }: TiedRow): number {
  let size = 0;
  for (const { value } of row.heads) size += value?.length ?? 0;
  return size;
}

/** The text of a row's policy. */
export function policyText({ policy }: TiedRow): string {
  return formatPolicy(policy);
}
