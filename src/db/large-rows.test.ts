import { expect, test, vi } from "vitest";
import { exchange, makeDevice } from "../testkit/device.ts";

/** What a store takes as one value, where it is 32 MiB: as many concurrent values take a while. */
vi.mock("../store/index.ts", async (original) => ({
  ...(await original<object>()),
  STORE_VALUE_BYTES_MAX: 1024 * 1024,
}));

test("[HI31] more concurrent values of a row than the store takes are refused with a code, and what stands before them is kept", async () => {
  const ada = await makeDevice(1);
  const rows = (await ada.db("app")).collection<unknown>("rows");
  await rows.put("first", 1);
  const others = [];
  for (let seed = 2; seed < 8; seed++) {
    const other = await makeDevice(seed, { user: 1 });
    await exchange(ada, other, [rows.id]);
    others.push(other);
  }
  let held = 0;
  for (const [i, other] of others.entries()) {
    const theirs = (await other.db("app")).collection<unknown>("rows");
    await theirs.put(`before ${i}`, i);
    await theirs.put("large", new Uint8Array(300_000).fill(i));
    const taken = exchange(other, ada, [rows.id]);
    if (i < 3) await taken;
    else await expect(taken).rejects.toMatchObject({ code: "HISTORY_TOO_LARGE" });
    expect(await rows.get(`before ${i}`)).toBe(i);
    held = (await rows.conflicts("large")).length;
  }
  expect(held).toBe(3);
  // Who writes over them makes room.
  await rows.put("large", "small");
  for (const other of others.slice(3)) {
    await exchange(other, ada, [rows.id]);
    await rows.put("large", "small");
  }
  expect(await rows.get("large")).toBe("small");
});
