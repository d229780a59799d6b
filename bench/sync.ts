/** Two devices in two processes over loopback: encrypted, signed, durable on both sides. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BenchDevice } from "./device.ts";
import { engineBatchRate } from "./engine-reference.ts";
import { loopbackBytes, median, print, rounded } from "./measure.ts";

const ROWS = 100_000;
const CHANGED = 1_000;
const VALUE_BYTES = 100;
const BATCH = 1_000;
const RUNS = 5;

/** What one run of a pair came to. */
interface PairRun {
  readonly initialMs: number;
  readonly incrementalMs: number;
  readonly initialBytes: number | null;
  readonly incrementalBytes: number | null;
  readonly rss: { readonly a: number; readonly b: number };
}

export const SYNC_BENCHES = ["sync.initial", "sync.incremental"] as const;
export type SyncBench = (typeof SYNC_BENCHES)[number];

/** Measures and prints. Timing runs and the run that counts bytes are separate. */
export async function benchSync(only: readonly SyncBench[]): Promise<void> {
  const references: number[] = [];
  const batches: number[] = [];
  const runs: PairRun[] = [];
  for (let run = 0; run < RUNS; run++) {
    references.push(await engineBatchRate(ROWS, VALUE_BYTES, BATCH));
    batches.push((1000 * CHANGED) / (await engineBatchRate(CHANGED, VALUE_BYTES, CHANGED)));
    runs.push(await runPair());
    process.stderr.write(
      `run ${run + 1} of ${RUNS}: ${Math.round(runs.at(-1)?.initialMs ?? 0)} ms, ${Math.round(runs.at(-1)?.incrementalMs ?? 0)} ms\n`,
    );
  }
  const counted = await runPair();
  const rssMiB = {
    a: Math.round(Math.max(...runs.map(({ rss }) => rss.a))),
    b: Math.round(Math.max(...runs.map(({ rss }) => rss.b))),
  };
  if (only.includes("sync.initial")) {
    const rates = runs.map(({ initialMs }) => Math.round(ROWS / (initialMs / 1000)));
    const reference = Math.round(median(references));
    const value = median(rates);
    const seconds = rounded(median(runs.map(({ initialMs }) => initialMs)) / 1000);
    print({
      bench: "sync.initial",
      value,
      unit: "rows/s",
      seconds,
      wireBytes: counted.initialBytes,
      rssMiB,
      reference,
      ratio: rounded(value / reference),
      runs: rates,
    });
  }
  if (only.includes("sync.incremental")) {
    // What the engine takes for as many rows in one synced batch.
    const reference = rounded(median(batches));
    const times = runs.map(({ incrementalMs }) => rounded(incrementalMs));
    const value = median(times);
    print({
      bench: "sync.incremental",
      value,
      unit: "ms",
      seconds: rounded(value / 1000),
      wireBytes: counted.incrementalBytes,
      rssMiB,
      reference,
      ratio: rounded(value / reference),
      runs: times,
    });
  }
}

async function runPair(): Promise<PairRun> {
  const folder = await mkdtemp(join(tmpdir(), "rookery-bench-"));
  try {
    await using a = new BenchDevice();
    await using b = new BenchDevice();
    await Promise.all([
      a.ask({ do: "open", path: join(folder, "a") }),
      b.ask({ do: "open", path: join(folder, "b") }),
    ]);
    const { ticket } = await a.ask<{ ticket: string }>({ do: "share" });
    await b.ask({ do: "join", ticket });
    await b.ask({ do: "pause" });
    await a.ask({ do: "write", rows: ROWS, bytes: VALUE_BYTES, batch: BATCH });
    const initial = await pull(b, ROWS);
    await b.ask({ do: "pause" });
    await a.ask({ do: "write", rows: CHANGED, bytes: VALUE_BYTES, batch: CHANGED, round: 1 });
    const incremental = await pull(b, CHANGED);
    const [rssA, rssB] = await Promise.all([
      a.ask<{ mib: number }>({ do: "rss" }),
      b.ask<{ mib: number }>({ do: "rss" }),
    ]);
    await Promise.all([a.ask({ do: "close" }), b.ask({ do: "close" })]);
    return {
      initialMs: initial.milliseconds,
      incrementalMs: incremental.milliseconds,
      initialBytes: initial.bytes,
      incrementalBytes: incremental.bytes,
      rss: { a: rssA.mib, b: rssB.mib },
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function pull(
  b: BenchDevice,
  target: number,
): Promise<{ readonly milliseconds: number; readonly bytes: number | null }> {
  const before = await loopbackBytes();
  const { milliseconds } = await b.ask<{ milliseconds: number }>({ do: "pull", target });
  const after = await loopbackBytes();
  return { milliseconds, bytes: before === null || after === null ? null : after - before };
}
