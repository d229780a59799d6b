import { expect, test } from "vitest";
import type { CommitPart, PartName, StoredRecord } from "../records/index.ts";
import { RECENT_PART_BYTES_MAX, RECENT_PARTS_BYTES_MAX } from "./limits.ts";
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

const name = (generation: number): PartName => ({ scope: 1, log: 1, generation });

test("[HI37] a part is put together once for many, as long as its record is the same", () => {
  const recent = new RecentParts();
  const first = part(1);
  recent.put(name(1), first);
  expect(recent.get(name(1), record(1))).toBe(first);
  expect(recent.get(name(2), record(1))).toBeUndefined();
  expect(recent.get({ ...name(1), log: 2 }, record(1))).toBeUndefined();
  expect(recent.get({ ...name(1), scope: 2 }, record(1))).toBeUndefined();
  // Another commit of that name, and one of which ops were dropped.
  expect(recent.get(name(1), record(2))).toBeUndefined();
  expect(recent.get(name(1), record(1, 0))).toBeUndefined();
});

test("[HI37] the oldest parts go first, and large ones are not kept", () => {
  const recent = new RecentParts();
  const bytes = RECENT_PART_BYTES_MAX / 2;
  const count = (2 * RECENT_PARTS_BYTES_MAX) / RECENT_PART_BYTES_MAX;
  for (let i = 1; i <= count; i++) recent.put({ ...name(i), scope: i }, part(i, bytes));
  expect(recent.get(name(1), record(1))).toBeUndefined();
  const last = { ...name(count), scope: count };
  expect(recent.get(last, record(count))).toBeDefined();
  recent.put(name(0), part(0, RECENT_PART_BYTES_MAX));
  expect(recent.get(name(0), record(0))).toBeUndefined();
  expect(recent.get(last, record(count))).toBeDefined();
});
