/** One device by itself: durable and signed, beside the engine below with the same bytes in the same process, in turns. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BenchDevice } from "./device.ts";
import { median, print, rounded } from "./measure.ts";

const ASKED = {
  rows: 100_000,
  bytes: 100,
  batch: 1_000,
  gets: 100_000,
  puts: 2_000,
  /** More, since they are so much faster: 1 000 writes of 64. In the first 300 of them code is still compiled. */
  puts64: 64_000,
  atOnce: 64,
} as const;
const RUNS = 5;

export const LOCAL_BENCHES = ["local.batch", "local.get", "local.put", "local.put64"] as const;
export type LocalBench = (typeof LOCAL_BENCHES)[number];

/** A second. */
interface Rates {
  readonly ours: number;
  readonly engine: number;
}
type Run = Readonly<Record<"batch" | "get" | "put" | "put64", Rates>> & { readonly mib: number };

/** Measures and prints, each run on a fresh store in a process of its own. */
export async function benchLocal(only: readonly LocalBench[]): Promise<void> {
  const runs: Run[] = [];
  for (let run = 0; run < RUNS; run++) {
    const folder = await mkdtemp(join(tmpdir(), "rookery-bench-"));
    try {
      await using device = new BenchDevice(new URL("./local-child.ts", import.meta.url));
      runs.push(await device.ask<Run>({ do: "run", folder, ...ASKED }));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    process.stderr.write(`run ${run + 1} of ${RUNS}: ${JSON.stringify(runs[run])}\n`);
  }
  const tell = (bench: LocalBench, of: "batch" | "get" | "put" | "put64", count: number): void => {
    if (!only.includes(bench)) return;
    const value = median(runs.map((run) => run[of].ours));
    print({
      bench,
      value: Math.round(value),
      unit: "rows/s",
      seconds: rounded(count / value),
      wireBytes: null,
      rssMiB: { a: Math.round(Math.max(...runs.map(({ mib }) => mib))), b: null },
      reference: Math.round(median(runs.map((run) => run[of].engine))),
      // Each run's two sides met the same noise.
      ratio: rounded(median(runs.map((run) => run[of].ours / run[of].engine))),
      runs: runs.map((run) => Math.round(run[of].ours)),
    });
  };
  tell("local.batch", "batch", ASKED.rows);
  tell("local.get", "get", ASKED.gets);
  tell("local.put", "put", ASKED.puts);
  tell("local.put64", "put64", ASKED.puts64);
}
