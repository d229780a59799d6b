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

interface Both {
  readonly a: number;
  readonly b: number;
}

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
  readonly rss: Both;
  /** Without the pages of mapped files. */
  readonly anonymous: Both;
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

/** What is measured of a pair with so many rows. */
interface Size {
  readonly rows: number;
  readonly initial: SyncBench;
  readonly incremental: SyncBench;
}

const SIZES: readonly Size[] = [
  { rows: ROWS, initial: "sync.initial", incremental: "sync.incremental" },
  { rows: ROWS_1M, initial: "sync.initial.1m", incremental: "sync.incremental.1m" },
];

/** A size's runs, and beside each what the engine by itself came to. */
interface SizeRuns {
  readonly size: Size;
  readonly runs: PairRun[];
  /** Rows a second in batches. */
  readonly engineRates: number[];
  /** Milliseconds for as many rows as change in a round, in one batch. */
  readonly engineMs: number[];
}

/** Measures and prints. Bytes are counted in the same runs: reading the counter costs nothing beside them. */
export async function benchSync(only: readonly SyncBench[]): Promise<void> {
  const asked = SIZES.filter(
    (size) => only.includes(size.initial) || only.includes(size.incremental),
  );
  const all = asked.map((size): SizeRuns => ({ size, runs: [], engineRates: [], engineMs: [] }));
  // In turns, since what the machine gives changes within minutes and one size is compared with the other.
  for (let run = 1; run <= RUNS; run++) for (const one of all) await runSize(one, run);
  for (const { size, runs, engineRates, engineMs } of all) {
    if (only.includes(size.initial)) tellInitial(size, runs, engineRates);
    const small = all[0]?.size.rows === ROWS && size.rows !== ROWS ? all[0].runs : undefined;
    if (only.includes(size.incremental)) tellIncremental(size, runs, engineMs, small);
  }
  if (only.includes("sync.latency")) await benchLatency(RUNS);
  if (only.includes("sync.fifty")) await benchFifty();
}

async function runSize(
  { size, runs, engineRates, engineMs }: SizeRuns,
  run: number,
): Promise<void> {
  engineRates.push(await engineBatchRate(size.rows, VALUE_BYTES, BATCH));
  engineMs.push((1000 * CHANGED) / (await engineBatchRate(CHANGED, VALUE_BYTES, CHANGED)));
  const pair = await runPair(size.rows);
  runs.push(pair);
  const rounds = pair.incrementalMs.map(Math.round).join(", ");
  process.stderr.write(
    `${size.initial}: run ${run} of ${RUNS}: ${Math.round(pair.initialMs)} ms, ${Math.round(pair.restMs)} ms of rest, then ${rounds} ms\n`,
  );
}

function tellInitial(
  { rows, initial }: Size,
  runs: readonly PairRun[],
  engineRates: readonly number[],
): void {
  const rates = runs.map(({ initialMs }) => Math.round(rows / (initialMs / 1000)));
  const reference = Math.round(median(engineRates));
  const value = median(rates);
  print({
    bench: initial,
    value,
    unit: "rows/s",
    seconds: rounded(median(runs.map(({ initialMs }) => initialMs)) / 1000),
    wireBytes: runs.at(-1)?.initialBytes ?? null,
    rssMiB: most(runs, ({ rss }) => rss),
    reference,
    ratio: rounded(value / reference),
    runs: rates,
    more: anonymousOf(runs),
  });
}

/** `small`: the runs beside them with `ROWS`, where there are some. */
function tellIncremental(
  { incremental }: Size,
  runs: readonly PairRun[],
  engineMs: readonly number[],
  small: readonly PairRun[] | undefined,
): void {
  const reference = rounded(median(engineMs));
  const times = runs.map(({ incrementalMs }) => median(incrementalMs));
  const value = rounded(median(times));
  const firstMs = rounded(median(runs.map(({ incrementalMs }) => incrementalMs[0] ?? 0)));
  const early = runs.map(({ incrementalMs }) => median(incrementalMs.slice(0, FIRST_ROUNDS)));
  const timesSmall = small?.map(
    ({ incrementalMs }, run) => (times[run] ?? 0) / median(incrementalMs),
  );
  print({
    bench: incremental,
    value,
    unit: "ms",
    seconds: rounded(value / 1000),
    wireBytes: runs.at(-1)?.incrementalBytes ?? null,
    rssMiB: most(runs, ({ rss }) => rss),
    reference,
    ratio: rounded(value / reference),
    runs: times.map(rounded),
    more: {
      firstMs,
      firstFiveMs: rounded(median(early)),
      ...(timesSmall && { timesSmall: rounded(median(timesSmall)) }),
    },
  });
}

/** The largest of all runs, at either side. */
function most(runs: readonly PairRun[], of: (run: PairRun) => Both): Both {
  const all = runs.map(of);
  return {
    a: Math.round(Math.max(...all.map(({ a }) => a))),
    b: Math.round(Math.max(...all.map(({ b }) => b))),
  };
}

function anonymousOf(runs: readonly PairRun[]): Record<string, number> {
  const { a, b } = most(runs, ({ anonymous }) => anonymous);
  return { anonymousMiBa: a, anonymousMiBb: b };
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
