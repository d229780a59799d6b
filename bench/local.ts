/** One device by itself: durable and signed, beside the engine below with the same bytes in the same run. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BenchDevice } from "./device.ts";
import { median, print, rounded } from "./measure.ts";

const ROWS = 100_000;
const VALUE_BYTES = 100;
const BATCH = 1_000;
const GETS = 100_000;
const PUTS = 500;
const PUTS_AT_ONCE = 64;
/** More, since they are so much faster. */
const PUTS_64 = 16_000;
const RUNS = 5;

export const LOCAL_BENCHES = ["local.batch", "local.get", "local.put", "local.put64"] as const;
export type LocalBench = (typeof LOCAL_BENCHES)[number];

interface Rates {
  readonly batch: number;
  readonly get: number;
  readonly put: number;
  readonly put64: number;
  readonly mib: number;
}

/** Measures and prints. Ours and the engine's run in turns, each in a process of its own. */
export async function benchLocal(only: readonly LocalBench[]): Promise<void> {
  const ours: Rates[] = [];
  const engine: Rates[] = [];
  for (let run = 0; run < RUNS; run++) {
    const folder = await mkdtemp(join(tmpdir(), "rookery-bench-"));
    try {
      ours.push(await measure("ours", folder));
      engine.push(await measure("engine", folder));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    process.stderr.write(
      `run ${run + 1} of ${RUNS}: ${JSON.stringify([ours[run], engine[run]])}\n`,
    );
  }
  const mib = (rates: readonly Rates[]): number =>
    Math.round(Math.max(...rates.map((one) => one.mib)));
  const tell = (bench: LocalBench, of: "batch" | "get" | "put" | "put64", count: number): void => {
    if (!only.includes(bench)) return;
    const value = median(ours.map((one) => one[of]));
    // Each put at once is measured against the engine's puts one after another: that is what waiting together is for.
    const reference = median(engine.map((one) => one[of === "put64" ? "put" : of]));
    print({
      bench,
      value: Math.round(value),
      unit: "rows/s",
      seconds: rounded(count / value),
      wireBytes: null,
      rssMiB: { a: mib(ours), b: mib(engine) },
      reference: Math.round(reference),
      ratio: rounded(value / reference),
      runs: ours.map((one) => Math.round(one[of])),
    });
  };
  tell("local.batch", "batch", ROWS);
  tell("local.get", "get", GETS);
  tell("local.put", "put", PUTS);
  tell("local.put64", "put64", PUTS_64);
}

async function measure(who: "ours" | "engine", folder: string): Promise<Rates> {
  await using device = new BenchDevice(new URL("./local-child.ts", import.meta.url));
  await device.ask({ do: `${who}Open`, folder });
  const asked = { rows: ROWS, bytes: VALUE_BYTES, batch: BATCH, puts: PUTS, gets: GETS };
  const rate = async (what: string, more: object = {}): Promise<number> =>
    (await device.ask<{ rate: number }>({ do: `${who}${what}`, ...asked, ...more })).rate;
  const batch = await rate("Batch");
  const get = await rate("Get");
  const put = await rate("Put");
  const put64 = who === "ours" ? await rate("Put64", { puts: PUTS_64, atOnce: PUTS_AT_ONCE }) : 0;
  const { mib } = await device.ask<{ mib: number }>({ do: "rss" });
  await device.ask({ do: `${who}Close` });
  return { batch, get, put, put64, mib };
}
