import process from "node:process";
import { describe, expect, test } from "vitest";
import { utf8 } from "../../base/index.ts";
import { ROW_SPACE } from "../../history/index.ts";
import { makeDevice } from "../device.ts";
import { checkConvergence } from "./convergence.ts";
import { deliver } from "./deliver.ts";
import { DRAWN_DATABASE, drawHistory } from "./drawn-history.ts";
import { stateDigest } from "./state-digest.ts";

/** Blocks of histories, each a test of its own; `npm run torture -- convergence` runs 2 000 histories. */
const BLOCKS = 5;
const HISTORIES = Math.ceil(Number(process.env["ROOKERY_HISTORIES"] ?? 20) / BLOCKS);
const ORDERS = 20;
/** Where the seeds begin: printed, and `ROOKERY_SEED` sets it. */
const SEED = Number(process.env["ROOKERY_SEED"] ?? 1);

describe("random histories of several devices", () => {
  const seeds = Array.from({ length: BLOCKS }, (_, i) => SEED + i * HISTORIES);
  const tally = new Map<string, number>();

  test.for(seeds)(
    `[TO1] ${HISTORIES} from seed %i come to the same state, byte by byte, in ${ORDERS} orders each`,
    { timeout: 120_000 },
    async (first) => {
      const report = await checkConvergence({ first, histories: HISTORIES, orders: ORDERS });
      expect(report.failures).toEqual([]);
      expect(report.deliveries).toBe(HISTORIES * ORDERS);
      for (const [what, count] of report.tally) tally.set(what, (tally.get(what) ?? 0) + count);
    },
  );

  test("[TO1] hold all that makes an order matter", () => {
    const drawn = ["commits", "commits over two collections", "deletes", "grant", "revoke"];
    const lives = ["revokeDevice", "policy", "restores", "restarts", "refusals"];
    const delivered = ["aside", "duplicates", "waiting", "loose"];
    for (const what of [...drawn, ...lives, ...delivered])
      expect([what, tally.get(what) ?? 0]).not.toEqual([what, 0]);
    // None writes what does not stand by what it knows, so none is at fault for what it has not heard.
    expect(tally.get("refused")).toBeUndefined();
  });
});

describe("a state", () => {
  test("[TO1] is the same text again for the same history and order", async () => {
    const [one, other] = [await drawHistory(7), await drawHistory(7)];
    expect((await deliver(one, 1)).state).toBe((await deliver(other, 1)).state);
    expect((await deliver(one, 1)).state).not.toBe((await deliver(await drawHistory(8), 1)).state);
  });

  test("[TO2] differs with a value, a version that is kept, and a control op", async () => {
    const digests = new Set<string>();
    await using device = await makeDevice(1);
    await device.history.createDatabase(DRAWN_DATABASE);
    const scope = {
      database: DRAWN_DATABASE,
      kind: "collection",
      owner: device.user,
      name: "list",
    } as const;
    const name = { space: ROW_SPACE.rows, key: utf8("a"), text: "a" };
    const note = async (): Promise<void> =>
      void digests.add(await stateDigest(device.history, DRAWN_DATABASE));
    await note();
    for (const value of [0x61, 0x62]) {
      const rows = [{ name, value: Uint8Array.of(0x61, value) }];
      await device.history.write({ parts: [{ scope, rows }] });
      await note();
    }
    const policy = { type: "policy", prefix: "", policy: "keepAll" } as const;
    await device.history.write({ parts: [{ scope, rows: [], controls: [policy] }] });
    await note();
    expect(digests.size).toBe(4);
  });
});
