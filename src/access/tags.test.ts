import { expect, test } from "vitest";
import { type Role, roleOfTags, Tags, tagsOfKind, tagsOfRole } from "./tags.ts";

const { READ, WRITE, ADMIN, RELAY } = Tags;
const ROLES: readonly Role[] = ["reader", "writer", "admin"];

test("[AC11] what a role may do in a collection and in a syncgroup", () => {
  expect(ROLES.map((role) => tagsOfRole(role, "collection"))).toEqual([
    READ,
    READ | WRITE,
    READ | WRITE | ADMIN,
  ]);
  expect(ROLES.map((role) => tagsOfRole(role, "syncgroup"))).toEqual([READ, READ, READ | ADMIN]);
  expect(tagsOfKind("collection")).toBe(READ | WRITE | ADMIN);
  expect(tagsOfKind("syncgroup")).toBe(READ | ADMIN | RELAY);
});

test("[AC11] the role that tags amount to", () => {
  expect(ROLES.map((role) => roleOfTags(tagsOfRole(role, "collection")))).toEqual(ROLES);
  expect(roleOfTags(ADMIN)).toBe("admin");
  expect(roleOfTags(WRITE)).toBe("writer");
  expect(roleOfTags(RELAY)).toBeUndefined();
  expect(roleOfTags(0)).toBeUndefined();
});
