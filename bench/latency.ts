/** From a commit being durable at one device to the other's watch telling it, at a steady rate. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BenchDevice } from "./device.ts";
import { median, percentile, print, rounded } from "./measure.ts";

const COMMITS_A_SECOND = 200;
const SECONDS = 10;

export async function benchLatency(runs: number): Promise<void> {
  const medians: number[] = [];
  const tails: number[] = [];
  const rss = { a: 0, b: 0 };
  for (let run = 0; run < runs; run++) {
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
      const commits = COMMITS_A_SECOND * SECONDS;
      const seen = b.ask<{ at: readonly string[] }>({ do: "watchCommits", rows: commits });
      const { at: durable } = await a.ask<{ at: readonly string[] }>({
        do: "commitSteadily",
        rows: commits,
        rate: COMMITS_A_SECOND,
      });
      const { at: told } = await seen;
      // Both ends read the machine's one monotonic clock, in nanoseconds.
      const ms = durable.map((from, i) => Number(BigInt(told[i] ?? from) - BigInt(from)) / 1e6);
      medians.push(percentile(ms, 0.5));
      tails.push(percentile(ms, 0.99));
      const [rssA, rssB] = await Promise.all([
        a.ask<{ mib: number }>({ do: "rss" }),
        b.ask<{ mib: number }>({ do: "rss" }),
      ]);
      rss.a = Math.max(rss.a, Math.round(rssA.mib));
      rss.b = Math.max(rss.b, Math.round(rssB.mib));
      await Promise.all([a.ask({ do: "close" }), b.ask({ do: "close" })]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    process.stderr.write(
      `sync.latency: run ${run + 1} of ${runs}: p50 ${rounded(medians.at(-1) ?? 0)} ms, p99 ${rounded(tails.at(-1) ?? 0)} ms\n`,
    );
  }
  const p50 = rounded(median(medians));
  print({
    bench: "sync.latency",
    value: p50,
    unit: "ms",
    seconds: SECONDS,
    wireBytes: null,
    rssMiB: rss,
    reference: null,
    ratio: null,
    runs: medians.map(rounded),
    more: { p50, p99: rounded(median(tails)) },
  });
}
