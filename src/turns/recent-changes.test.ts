import { expect, test } from "vitest";
import { type ScopeKey, utf8 } from "../base/index.ts";
import { RecentChanges } from "./recent-changes.ts";

const SCOPE = "scope" as ScopeKey;
const SNAPSHOT = { close: async (): Promise<void> => {} };
const ALL = [{ space: 0 }];
const row = (key: string, scope = SCOPE) => ({ scope, space: 0, key: utf8(key) });
const span = (start: string, end: string) => [{ space: 0, start: utf8(start), end: utf8(end) }];

test("[HI38] names are kept while a view needs them, and no longer", async () => {
  const recent = new RecentChanges();
  recent.note([row("before")]);
  expect(recent.size).toBe(0);
  const first = recent.open(SNAPSHOT);
  recent.note([row("a"), row("b")]);
  const second = recent.open(SNAPSHOT);
  recent.note([row("c")]);
  expect(recent.size).toBe(3);
  expect(recent.hasChanged(first, SCOPE, span("a", "b"))).toBe(true);
  expect(recent.hasChanged(second, SCOPE, span("a", "c"))).toBe(false);
  expect(recent.hasChanged(second, SCOPE, span("c", "d"))).toBe(true);
  expect(recent.hasChanged(first, "other" as ScopeKey, ALL)).toBe(false);
  expect(recent.hasChanged(first, SCOPE, [{ space: 1 }])).toBe(false);
  await first.close();
  await first.close();
  expect(recent.size).toBe(1);
  expect(recent.hasChanged(second, SCOPE, span("c", "d"))).toBe(true);
  await second.close();
  expect(recent.size).toBe(0);
  const third = recent.open(SNAPSHOT);
  expect(recent.hasChanged(third, SCOPE, ALL)).toBe(false);
});

test("[HI38] what is kept keeps nothing of what its keys lay in", async () => {
  const recent = new RecentChanges();
  const view = recent.open(SNAPSHOT);
  const frame = utf8("a frame with row and more");
  recent.note([{ scope: SCOPE, space: 0, key: frame.subarray(13, 16) }]);
  frame.fill(0);
  expect(recent.hasChanged(view, SCOPE, span("row", "rox"))).toBe(true);
  await view.close();
});

test("[HI38] where too much changes, all views of before have changed, and those after have not", () => {
  const recent = new RecentChanges();
  const before = recent.open(SNAPSHOT);
  const many = Array.from({ length: 10_000 }, (_, i) => row(`${i}`.padStart(1000, "x")));
  recent.note(many);
  expect(recent.size).toBe(0);
  expect(recent.hasChanged(before, SCOPE, span("a", "b"))).toBe(true);
  const after = recent.open(SNAPSHOT);
  expect(recent.hasChanged(after, SCOPE, ALL)).toBe(false);
  recent.forget();
  expect(recent.hasChanged(after, SCOPE, span("a", "b"))).toBe(true);
  expect(recent.hasChanged(recent.open(SNAPSHOT), SCOPE, ALL)).toBe(false);
});
