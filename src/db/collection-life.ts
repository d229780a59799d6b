/** Collections as a whole: making and destroying them, emptying them, and who may do what in them. */

import { type Role, roleOfTags, Tags, tagsOfRole, type VerifiedOp } from "../access/index.ts";
import { BATCH_OPS_MAX, codeOf, parseUserId, type ScopeId, type UserId } from "../base/index.ts";
import type { RowWrite } from "../history/index.ts";
import { DbError } from "./errors.ts";
import { rowName } from "./names.ts";
import { type DbWorld, refuseClosed, refuseUnusable } from "./world.ts";
import { commit } from "./write.ts";

/** Who may do what in a collection. */
export interface CollectionAccess {
  /** By user, the owner among them. */
  readonly users: readonly { readonly user: UserId; readonly role: Role }[];
  /** Names this state: another text when anything of it has changed. */
  readonly version: string;
}

export interface AccessOptions {
  /** Change it only while `access` answers this version. */
  readonly version?: string | undefined;
}

export interface RevokeOptions extends AccessOptions {
  /**
   * Also while not all is here that is to come. What they have written and is not here is taken back for everybody, and where others
   * have dropped what that superseded, nobody has it any more. Default false. [SY120]
   */
  readonly incomplete?: boolean | undefined;
}

/** Whether the collection is here, with or without rows. [DB24] */
export function exists({ history }: DbWorld, scope: ScopeId): boolean {
  const access = history.scope(scope)?.access;
  return access !== undefined && !access.destroyed;
}

/** Makes the collection of our own user. @throws as `Database.createCollection`. [DB24] */
export async function createCollection(world: DbWorld, scope: ScopeId): Promise<void> {
  const { identity } = world.history;
  const { certified } = identity;
  const first: VerifiedOp = { type: "device", certificate: certified.bytes, certified };
  const outcome = await commit(world, {
    parts: [{ scope, rows: [], controls: [first] }],
    access: [{ scope, heads: [] }],
  });
  if (outcome === "written") return;
  throw new DbError(
    "DB_COLLECTION_EXISTS",
    `Cannot create collection "${scope.name}": it is there already`,
  );
}

/** Destroys the collection for everybody. @throws as `Collection.destroy`. [DB26] */
export async function destroyCollection(world: DbWorld, scope: ScopeId): Promise<void> {
  refuseClosed(world);
  if (!exists(world, scope)) return;
  if (world.history.identity.certified.user !== scope.owner) {
    throw new DbError(
      "DB_NO_ACCESS",
      `Cannot destroy collection "${scope.name}": only its owner may`,
    );
  }
  await commit(world, { parts: [{ scope, rows: [], controls: [{ type: "destroy" }] }] });
}

/** Who may do what. @throws {DbError} `DB_CLOSED`, `DB_COLLECTION_DESTROYED`. [DB27] */
export function accessOf(world: DbWorld, scope: ScopeId): CollectionAccess {
  refuseUnusable(world, scope);
  const access = world.history.scope(scope)?.access;
  const tags = access?.users() ?? new Map([[scope.owner, tagsOfRole("admin", "collection")]]);
  const users = Array.from(tags, ([user, held]) => ({ user, role: roleOfTags(held) }))
    .filter((one): one is { user: UserId; role: Role } => one.role !== undefined)
    .sort((a, b) => (a.user < b.user ? -1 : 1));
  return { users, version: versionOf(access?.heads) };
}

/** Gives a user a role. @throws as `Collection.grant`. [DB27] */
export async function grantRole(
  world: DbWorld,
  scope: ScopeId,
  user: UserId,
  role: Role,
  { version }: AccessOptions,
): Promise<void> {
  refuseUnusable(world, scope);
  checkUser(user);
  const tags = tagsOfRole(role, "collection");
  const { history } = world;
  const access = history.scope(scope)?.access;
  const heads = access?.heads ?? [];
  if (version !== undefined && version !== versionOf(heads)) throw badVersion(scope);
  // By user: this device may not have said yet whose it is, and says so with its first write.
  const ours = history.identity.certified.user;
  const isAdmin = ((access?.tagsOf(ours) ?? 0) & Tags.ADMIN) !== 0;
  if (ours !== scope.owner && !(isAdmin && (tags & Tags.ADMIN) === 0)) {
    throw new DbError(
      "DB_NO_ACCESS",
      `Cannot grant in collection "${scope.name}": our user may not give the role ${role}`,
    );
  }
  if (access !== undefined && (access.tagsOf(user) & tags) === tags) return;
  const outcome = await commit(world, {
    parts: [{ scope, rows: [], controls: [{ type: "grant", user, tags }] }],
    access: version === undefined ? undefined : [{ scope, heads }],
  });
  if (outcome === "conflict") throw badVersion(scope);
}

/** Takes from a user all that they may do. @throws as `Collection.revoke`. [DB33] */
export async function revokeAll(
  world: DbWorld,
  scope: ScopeId,
  user: UserId,
  { version, incomplete = false }: RevokeOptions,
): Promise<void> {
  refuseUnusable(world, scope);
  checkUser(user);
  const { history } = world;
  const access = history.scope(scope)?.access;
  const heads = access?.heads ?? [];
  if (version !== undefined && version !== versionOf(heads)) throw badVersion(scope);
  const ours = history.identity.certified.user;
  const tagsOf = (one: UserId): Tags => access?.tagsOf(one) ?? 0;
  const isTheirEqual = (tagsOf(user) & Tags.ADMIN) !== 0;
  const mayRevoke = ours === scope.owner || ((tagsOf(ours) & Tags.ADMIN) !== 0 && !isTheirEqual);
  if (user === scope.owner || !mayRevoke) {
    throw new DbError(
      "DB_NO_ACCESS",
      `Cannot revoke in collection "${scope.name}": our user may not take from them what they may do`,
    );
  }
  if (tagsOf(user) === 0) return;
  const why = world.whyNotRevoke(scope, incomplete);
  if (why !== undefined)
    throw new DbError("DB_READ_ONLY", `Cannot revoke in collection "${scope.name}": ${why}`);
  const freeze = history.freezeOf(scope, { user });
  const outcome = await commit(world, {
    parts: [{ scope, rows: [], controls: [{ type: "revoke", user, freeze }] }],
    access: version === undefined ? undefined : [{ scope, heads }],
  });
  if (outcome === "conflict") throw badVersion(scope);
}

function checkUser(user: unknown): void {
  if (typeof user !== "string" || parseUserId(user) === undefined)
    throw new TypeError("Roles are given to users by their ids, and taken from them");
}

function versionOf(heads: readonly string[] = []): string {
  return heads.toSorted().join(" ");
}

function badVersion({ name }: ScopeId): DbError {
  return new DbError(
    "DB_BAD_VERSION",
    `Cannot change collection "${name}": its access has changed meanwhile`,
  );
}

/**
 * Deletes rows in as few commits as their number and their history allow: one, and so all or nothing, up to what one batch
 * may hold. Answers how many rows it deleted. [DB25]
 */
export async function deleteRows(
  world: DbWorld,
  scope: ScopeId,
  keys: AsyncIterable<{ readonly key: string }>,
): Promise<number> {
  let deleted = 0;
  let rows: RowWrite[] = [];
  for await (const { key } of keys) {
    if (rows.length === BATCH_OPS_MAX) {
      await deleteTogether(world, scope, rows);
      deleted += rows.length;
      rows = [];
    }
    rows.push({ name: rowName(key), value: undefined });
  }
  if (rows.length > 0) await deleteTogether(world, scope, rows);
  return deleted + rows.length;
}

/** What the rows have seen, and what they hold now, may be more than one batch may come to. */
async function deleteTogether(
  world: DbWorld,
  scope: ScopeId,
  rows: readonly RowWrite[],
): Promise<void> {
  try {
    await commit(world, { parts: [{ scope, rows }] });
  } catch (error) {
    if (codeOf(error) !== "DB_BATCH_TOO_LARGE" || rows.length < 2) throw error;
    const middle = rows.length >> 1;
    await deleteTogether(world, scope, rows.slice(0, middle));
    await deleteTogether(world, scope, rows.slice(middle));
  }
}
