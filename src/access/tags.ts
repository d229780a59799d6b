import type { ScopeKind } from "../base/index.ts";

/** What a user may do in a scope, as a sum of bits. */
export type Tags = number;

/** The bits of `Tags`. RELAY is reserved: it may be granted in a syncgroup and gives nothing yet. */
export const Tags = {
  READ: 1,
  WRITE: 2,
  ADMIN: 4,
  RELAY: 8,
} as const;

/** What people call a set of tags. */
export type Role = "reader" | "writer" | "admin";

/** The tags that mean something in a scope of `kind`; a grant of any other does not count. [AC15] */
export function tagsOfKind(kind: ScopeKind): Tags {
  return kind === "collection"
    ? Tags.READ | Tags.WRITE | Tags.ADMIN
    : Tags.READ | Tags.ADMIN | Tags.RELAY;
}

/** The tags that `role` stands for in a scope of `kind`. A syncgroup has no rows, so a writer reads it. @throws {TypeError} for no role. [AC11] */
export function tagsOfRole(role: Role, kind: ScopeKind): Tags {
  switch (role) {
    case "reader":
      return Tags.READ;
    case "writer":
      return kind === "collection" ? Tags.READ | Tags.WRITE : Tags.READ;
    case "admin":
      return kind === "collection" ? Tags.READ | Tags.WRITE | Tags.ADMIN : Tags.READ | Tags.ADMIN;
    default:
      // What a program without types may get wrong.
      throw new TypeError("A role is reader, writer or admin");
  }
}

/** The role that `tags` amount to in a collection, or `undefined` when they give nothing. What an invite offers. [AC11] */
export function roleOfTags(tags: Tags): Role | undefined {
  if ((tags & Tags.ADMIN) !== 0) return "admin";
  if ((tags & Tags.WRITE) !== 0) return "writer";
  return (tags & Tags.READ) !== 0 ? "reader" : undefined;
}
