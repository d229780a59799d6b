/** One storage peer pulls all chunks of another, in two processes over loopback: encrypted, verified, sealed, durable on both sides. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BenchDevice } from "./device.ts";
import { loopbackBytes, median, print, rounded } from "./measure.ts";

const CHUNKS = 30_000;
const CHUNK_BYTES = 4096;
const RUNS = 5;
const CHILD = new URL("./pull-child.ts", import.meta.url);

export const PULLSYNC_BENCHES = ["pullsync.rookery"] as const;
export type PullsyncBench = (typeof PULLSYNC_BENCHES)[number];

interface Run {
  readonly ms: number;
  readonly wire: number | null;
  readonly rss: { readonly a: number; readonly b: number };
}

/** Measures and prints. */
export async function benchPullsync(only: readonly PullsyncBench[]): Promise<void> {
  if (!only.includes("pullsync.rookery")) return;
  const runs: Run[] = [];
  for (let run = 1; run <= RUNS; run++) {
    runs.push(await pullAll(run));
    process.stderr.write(
      `run ${run} of ${RUNS}: ${Math.round(rateOf(runs.at(-1) as Run))} chunks/s\n`,
    );
  }
  const rates = runs.map((run) => Math.round(rateOf(run)));
  const wires = runs.map(({ wire }) => wire).filter((wire) => wire !== null);
  print({
    bench: "pullsync.rookery",
    value: median(rates),
    unit: "chunks/s",
    seconds: rounded(median(runs.map(({ ms }) => ms)) / 1000),
    wireBytes: wires.length < runs.length ? null : median(wires),
    rssMiB: {
      a: Math.round(Math.max(...runs.map(({ rss }) => rss.a))),
      b: Math.round(Math.max(...runs.map(({ rss }) => rss.b))),
    },
    reference: null,
    ratio: null,
    runs: rates,
  });
}

function rateOf({ ms }: Run): number {
  return CHUNKS / (ms / 1000);
}

interface Summary {
  readonly chunks: number;
  readonly sum: string;
}

async function pullAll(seed: number): Promise<Run> {
  const folder = await mkdtemp(join(tmpdir(), "rookery-bench-"));
  try {
    await using a = new BenchDevice(CHILD);
    await using b = new BenchDevice(CHILD);
    const [at] = await Promise.all([
      a.ask<object>({ do: "open", path: join(folder, "a"), seed: 1, others: [2] }),
      b.ask<object>({ do: "open", path: join(folder, "b"), seed: 2, others: [1] }),
    ]);
    await a.ask({ do: "fill", seed, chunks: CHUNKS, bytes: CHUNK_BYTES });
    const before = await loopbackBytes();
    const { milliseconds } = await b.ask<{ milliseconds: number }>({
      do: "pull",
      ...at,
      chunks: CHUNKS,
    });
    const after = await loopbackBytes();
    const [there, here] = await Promise.all([
      a.ask<Summary>({ do: "summary" }),
      b.ask<Summary>({ do: "summary" }),
    ]);
    if (here.chunks !== CHUNKS || here.sum !== there.sum)
      throw new Error(`The reserves differ: ${there.chunks} chunks and ${here.chunks}`);
    const [rssA, rssB] = await Promise.all([
      a.ask<{ mib: number }>({ do: "rss" }),
      b.ask<{ mib: number }>({ do: "rss" }),
    ]);
    await Promise.all([a.ask({ do: "close" }), b.ask({ do: "close" })]);
    return {
      ms: milliseconds,
      wire: before === null || after === null ? null : after - before,
      rss: { a: rssA.mib, b: rssB.mib },
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
