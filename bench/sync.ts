/** Two devices in two processes over loopback: encrypted, signed, durable on both sides. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { BenchDevice } from "./device.ts";
import { engineBatchRate } from "./engine-reference.ts";
import { benchFifty } from "./fifty.ts";
import { benchLatency } from "./latency.ts";
import { loopbackBytes, median, print, rounded } from "./measure.ts";

export const ROWS = 100_000;
const ROWS_1M = 1_000_000;
export const CHANGED = 1_000;
const VALUE_BYTES = 100;
const BATCH = 1_000;
const RUNS = 5;
/**
 * Rounds of changes that each pair pulls, one after the other: code that has seen new rows alone is compiled anew in the first ones,
 * and a peer runs for days. The first round, and the median of the first five, are printed by themselves.
 */
const ROUNDS = 15;
const FIRST_ROUNDS = 5;
/** Milliseconds after the rows were written: the sender's engine still sorts its tables, and rows that are copied have mostly been there. */
const REST_MS = 500;

interface Rest {
  readonly milliseconds: number;
}

/** What one run of a pair came to. */
interface PairRun {
  readonly initialMs: number;
  /** Between the first copy and the rounds, until neither side worked any more. */
  readonly restMs: number;
  /** One a round of changes. */
  readonly incrementalMs: readonly number[];
  readonly initialBytes: number | null;
  readonly incrementalBytes: number | null;
  readonly rss: { readonly a: number; readonly b: number };
  /** Without the pages of mapped files. */
  readonly anonymous: { readonly a: number; readonly b: number };
}

export const SYNC_BENCHES = [
  "sync.initial",
  "sync.incremental",
  "sync.initial.1m",
  "sync.incremental.1m",
  "sync.latency",
  "sync.fifty",
] as const;
export type SyncBench = (typeof SYNC_BENCHES)[number];

/** Measures and prints. Bytes are counted in the same runs: reading the counter costs nothing beside them. */
export async function benchSync(only: readonly SyncBench[]): Promise<void> {
  await benchPairs(only, ROWS, "sync.initial", "sync.incremental");
  await benchPairs(only, ROWS_1M, "sync.initial.1m", "sync.incremental.1m");
  if (only.includes("sync.latency")) await benchLatency(RUNS);
  if (only.includes("sync.fifty")) await benchFifty();
}

async function benchPairs(
  only: readonly SyncBench[],
  rows: number,
  initial: SyncBench,
  incremental: SyncBench,
): Promise<void> {
  if (!only.includes(initial) && !only.includes(incremental)) return;
  const references: number[] = [];
  const batches: number[] = [];
  const runs: PairRun[] = [];
  for (let run = 0; run < RUNS; run++) {
    references.push(await engineBatchRate(rows, VALUE_BYTES, BATCH));
    batches.push((1000 * CHANGED) / (await engineBatchRate(CHANGED, VALUE_BYTES, CHANGED)));
    runs.push(await runPair(rows));
    const last = runs.at(-1);
    const rounds = last?.incrementalMs.map(Math.round).join(", ");
    process.stderr.write(
      `${initial}: run ${run + 1} of ${RUNS}: ${Math.round(last?.initialMs ?? 0)} ms, ${Math.round(last?.restMs ?? 0)} ms of rest, then ${rounds} ms\n`,
    );
  }
  const counted = runs.at(-1);
  const rssMiB = {
    a: Math.round(Math.max(...runs.map(({ rss }) => rss.a))),
    b: Math.round(Math.max(...runs.map(({ rss }) => rss.b))),
  };
  const more = {
    anonymousMiBa: Math.round(Math.max(...runs.map(({ anonymous }) => anonymous.a))),
    anonymousMiBb: Math.round(Math.max(...runs.map(({ anonymous }) => anonymous.b))),
  };
  if (only.includes(initial)) {
    const rates = runs.map(({ initialMs }) => Math.round(rows / (initialMs / 1000)));
    const reference = Math.round(median(references));
    const value = median(rates);
    const seconds = rounded(median(runs.map(({ initialMs }) => initialMs)) / 1000);
    print({
      bench: initial,
      value,
      unit: "rows/s",
      seconds,
      wireBytes: counted?.initialBytes ?? null,
      rssMiB,
      reference,
      ratio: rounded(value / reference),
      runs: rates,
      more,
    });
  }
  if (only.includes(incremental)) {
    // What the engine takes for as many rows in one synced batch.
    const reference = rounded(median(batches));
    const times = runs.map(({ incrementalMs }) => rounded(median(incrementalMs)));
    const value = median(times);
    const firstMs = rounded(median(runs.map(({ incrementalMs }) => incrementalMs[0] ?? 0)));
    const early = runs.map(({ incrementalMs }) => median(incrementalMs.slice(0, FIRST_ROUNDS)));
    print({
      bench: incremental,
      value,
      unit: "ms",
      seconds: rounded(value / 1000),
      wireBytes: counted?.incrementalBytes ?? null,
      rssMiB,
      reference,
      ratio: rounded(value / reference),
      runs: times,
      more: { firstMs, firstFiveMs: rounded(median(early)) },
    });
  }
}

async function runPair(rows: number): Promise<PairRun> {
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
    await a.ask({ do: "write", rows, bytes: VALUE_BYTES, batch: BATCH });
    await setTimeout(REST_MS);
    const initial = await pull(b, rows);
    // Changes come to a store that has been there; what its engine still sorts of a first copy would be measured with the first of them.
    const rests = await Promise.all([a, b].map((one) => one.ask<Rest>({ do: "rest" })));
    const incremental = [];
    for (let round = 1; round <= ROUNDS; round++) {
      await b.ask({ do: "pause" });
      // Other rows each time: those of the round before are nearer at hand.
      const first = (round - 1) * CHANGED;
      const changed = { rows: CHANGED, bytes: VALUE_BYTES, batch: CHANGED };
      await a.ask({ do: "write", first, ...changed, round });
      incremental.push(await pull(b, CHANGED));
    }
    const [rssA, rssB] = await Promise.all([
      a.ask<{ mib: number; anonymousMib: number }>({ do: "rss" }),
      b.ask<{ mib: number; anonymousMib: number }>({ do: "rss" }),
    ]);
    await Promise.all([a.ask({ do: "close" }), b.ask({ do: "close" })]);
    return {
      initialMs: initial.milliseconds,
      restMs: Math.max(...rests.map(({ milliseconds }) => milliseconds)),
      incrementalMs: incremental.map(({ milliseconds }) => milliseconds),
      initialBytes: initial.bytes,
      incrementalBytes: incremental.at(-1)?.bytes ?? null,
      rss: { a: rssA.mib, b: rssB.mib },
      anonymous: { a: rssA.anonymousMib, b: rssB.anonymousMib },
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
