import { expect, test } from "vitest";
import { exchange, grant, makeDevice, rowsOf, settleDevices } from "../testkit/device.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import type { Collection } from "./index.ts";

type Rows = Collection<unknown>;

/** Two devices of one user, who have a row `a` in common, and a way to bring each what the other has. */
async function pair(): Promise<{
  clocks: [FakeClock, FakeClock];
  rows: [Rows, Rows];
  meet: () => Promise<void>;
}> {
  const clocks: [FakeClock, FakeClock] = [new FakeClock(), new FakeClock()];
  const here = await makeDevice(1, { clock: clocks[0] });
  const there = await makeDevice(2, { user: 1, clock: clocks[1] });
  const rows: [Rows, Rows] = [
    (await here.db("app")).collection("rows"),
    (await there.db("app")).collection("rows"),
  ];
  const meet = (): Promise<void> => settleDevices([here, there], [rows[0].id]);
  await rows[0].put("a", "both");
  await meet();
  return { clocks, rows, meet };
}

test("[DB7] the later of two concurrent values is visible on both devices, and both are readable", async () => {
  const { clocks, rows, meet } = await pair();
  clocks[1].jump(1000);
  await rows[0].put("a", "earlier");
  await rows[1].put("a", "later");
  await meet();
  const timestampMs = clocks[1].now();
  for (const one of rows) {
    expect(await one.get("a")).toBe("later");
    expect(await rowsOf(one)).toEqual([["a", "later"]]);
    expect(await one.conflicts("a")).toMatchObject([
      { value: "later", winner: true, timestampMs },
      { value: "earlier", winner: false, timestampMs: timestampMs - 1000 },
    ]);
    expect(await one.row("a").conflicts()).toEqual(await one.conflicts("a"));
  }
  await rows[0].put("a", "settled");
  await meet();
  for (const one of rows)
    expect([await one.get("a"), await one.conflicts("a")]).toEqual(["settled", []]);
});

test("[DB7] who wrote what is told by device", async () => {
  await using ada = await makeDevice(1);
  await using ben = await makeDevice(2);
  const rows = (await ada.db("app")).collection<string>("rows");
  const theirs = (await ben.db("app")).collection<string>(rows.id);
  await grant(ada, rows.id, ben.user, "writer");
  await exchange(ada, ben, [rows.id]);
  await rows.put("a", "ada");
  await theirs.put("a", "ben");
  await settleDevices([ada, ben], [rows.id]);
  const values = await rows.conflicts("a");
  expect(new Map(values.map(({ value, device }) => [value, device]))).toEqual(
    new Map([
      ["ada", ada.device],
      ["ben", ben.device],
    ]),
  );
  expect(await theirs.conflicts("a")).toEqual(values);
  expect(await theirs.get("a")).toBe(values[0]?.value);
});

test("[DB7] a deletion contends like a value", async () => {
  const { clocks, rows, meet } = await pair();
  clocks[1].jump(1000);
  await rows[0].put("a", "kept");
  await rows[1].delete("a");
  await meet();
  for (const one of rows) {
    expect([await one.get("a"), await one.has("a"), await rowsOf(one)]).toEqual([
      undefined,
      false,
      [],
    ]);
    expect(await one.conflicts("a")).toMatchObject([
      { value: undefined, winner: true },
      { value: "kept", winner: false },
    ]);
  }
  clocks[0].jump(2000);
  await rows[0].put("a", "back");
  await rows[1].delete("a");
  await meet();
  for (const one of rows) {
    expect(await one.get("a")).toBe("back");
    expect(await one.conflicts("a")).toMatchObject([{ value: "back" }, { value: undefined }]);
  }
});

test("[DB7] equal values and equal deletions are no conflict", async () => {
  const { rows, meet } = await pair();
  for (const one of rows) await one.put("a", { text: "same", list: [1] });
  await meet();
  for (const one of rows) {
    expect(await one.get("a")).toEqual({ text: "same", list: [1] });
    expect(await one.conflicts("a")).toEqual([]);
  }
  for (const one of rows) await one.delete("a");
  await meet();
  for (const one of rows) {
    expect([await one.has("a"), await one.conflicts("a")]).toEqual([false, []]);
  }
  await rows[0].put("a", 1);
  await rows[1].put("a", 1n);
  await meet();
  for (const one of rows) expect(await one.conflicts("a")).toHaveLength(2);
});

test("[DB7] deleting what is only in a conflict's loser settles it", async () => {
  const { clocks, rows, meet } = await pair();
  clocks[1].jump(1000);
  await rows[0].put("a", "kept");
  await rows[1].delete("a");
  await meet();
  await rows[0].delete("a");
  await meet();
  for (const one of rows)
    expect([await one.get("a"), await one.conflicts("a")]).toEqual([undefined, []]);
});

test("[DB7] a row that nobody has written has no conflict", async () => {
  const { rows } = await pair();
  expect(await rows[0].conflicts("none")).toEqual([]);
});
