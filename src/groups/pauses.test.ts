import { expect, test, vi } from "vitest";
import { openMemoryStore } from "../store/index.ts";
import { Pauses } from "./pauses.ts";

test("[SY20] a pause or a resumption that the store refuses has no effect", async () => {
  const store = await openMemoryStore();
  const told: boolean[] = [];
  const pauses = await Pauses.open(store, () => told.push(pauses.has("notes")));
  const write = vi.spyOn(store, "write");
  const refuse = (): void => void write.mockRejectedValueOnce(new Error("refused"));
  refuse();
  await expect(pauses.set("notes", true)).rejects.toThrow("refused");
  expect(told).toEqual([true, false]);
  await pauses.set("notes", true);
  refuse();
  await expect(pauses.set("notes", false)).rejects.toThrow("refused");
  expect(told).toEqual([true, false, true, false, true]);
  // Of two at a time the later one counts.
  refuse();
  const both = [pauses.set("notes", true), pauses.set("notes", false)];
  expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual([
    "rejected",
    "fulfilled",
  ]);
  expect(pauses.has("notes")).toBe(false);
  await store.close();
});
