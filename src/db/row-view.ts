import { decodeValue, type LogKey, Mergeable, type ScopeId } from "../base/index.ts";
import { type Head, shownOf, type Visible, visibleOf } from "../conflicts/index.ts";
import type { Row, Version } from "../history/index.ts";
import { keyText } from "./names.ts";
import { policyOf } from "./policies.ts";
import type { DbWorld } from "./world.ts";

const ABSENT: Visible = { value: undefined, conflict: false };

/** What a row shows, by the policy of its key. The one place where heads become what an application sees. [CO14] */
export function visibleIn(
  world: DbWorld,
  scope: ScopeId,
  key: string | Uint8Array,
  row: Row,
): Visible {
  const [first, second] = row.heads;
  if (first === undefined) return ABSENT;
  if (second === undefined) return { value: valueOf(world, first), conflict: false };
  const policy = policyOf(world, scope, typeof key === "string" ? key : keyText(key));
  const visible = visibleOf(policy, headsOf(world, row), world.merges);
  if (visible.fallback === "kind") reportKind(world, scope);
  return visible;
}

/** What one version shows by itself. */
export function valueOf(world: DbWorld, version: Version): Visible["value"] {
  if (version.value === undefined) return undefined;
  const value = decodeValue(version.value);
  return value instanceof Mergeable ? shownOf(headOf(world, version)) : value;
}

/** A row's heads by names that all devices share, the one that last-write-wins shows first. */
export function headsOf(world: DbWorld, { heads }: Row): Head[] {
  return heads.map((version) => headOf(world, version));
}

/** A version by names that all devices share. */
export function headOf({ history }: DbWorld, version: Version): Head {
  const { generation, timestamp, value } = version;
  const context = new Map<LogKey, number>();
  for (const entry of version.context) context.set(history.logOf(entry.log), entry.generation);
  return { log: history.logOf(version.log), generation, timestamp, context, value };
}

/** Says once a collection that a row does not hold what its policy merges. */
function reportKind(world: DbWorld, scope: ScopeId): void {
  if (world.mismatched.has(scope.name)) return;
  world.mismatched.add(scope.name);
  world.logger("warn", "db.policy.kind", { database: world.name, collection: scope.name });
}
