import { expect, test } from "vitest";
import type { CommitPart, StoredRecord } from "../records/index.ts";
import { RECENT_PARTS_BYTES_MAX } from "./limits.ts";
import { RecentParts } from "./recent-parts.ts";

const part = (commit: number, bytes = 100): CommitPart => ({
  header: new Uint8Array(10).fill(commit),
  signature: new Uint8Array(64),
  part: new Uint8Array(10),
  partIndex: 0,
  ops: [new Uint8Array(bytes)],
  elided: [],
});
const record = (commit: number, held = 1): StoredRecord => ({
  ...part(commit),
  sequence: 1,
  held: Array.from({ length: held }, () => new Uint8Array(3)),
});

test("[HI37] a part is put together once for many, as long as its record is the same", () => {
  const recent = new RecentParts();
  const first = part(1);
  recent.put(1, 1, first);
  expect(recent.get(1, 1, record(1))).toBe(first);
  expect(recent.get(1, 2, record(1))).toBeUndefined();
  expect(recent.get(2, 1, record(1))).toBeUndefined();
  // Another commit of that name, and one of which ops were dropped.
  expect(recent.get(1, 1, record(2))).toBeUndefined();
  expect(recent.get(1, 1, record(1, 0))).toBeUndefined();
});

test("[HI37] the oldest parts go first, and large ones are not kept", () => {
  const recent = new RecentParts();
  const bytes = RECENT_PARTS_BYTES_MAX / 8;
  for (let i = 1; i <= 9; i++) recent.put(1, i, part(i, bytes));
  expect(recent.get(1, 1, record(1))).toBeUndefined();
  expect(recent.get(1, 9, record(9))).toBeDefined();
  recent.put(1, 10, part(10, RECENT_PARTS_BYTES_MAX));
  expect(recent.get(1, 10, record(10))).toBeUndefined();
  expect(recent.get(1, 9, record(9))).toBeDefined();
});
