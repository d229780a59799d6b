/** Fifty peers in one syncgroup, all of them writing: how long after the last commit all hold the same. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BenchDevice } from "./device.ts";
import { print, rounded } from "./measure.ts";

const PEERS = 50;
const PROCESSES = 2;
const COMMITS_EACH = 20;
const WITHIN_MS = 20_000;

/** One run: its time is that of the slowest of fifty already. */
export async function benchFifty(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "rookery-bench-"));
  const program = new URL("./fifty-child.ts", import.meta.url);
  await using devices = new AsyncDisposableStack();
  const children = Array.from({ length: PROCESSES }, () => devices.use(new BenchDevice(program)));
  const [first, ...others] = children as [BenchDevice, ...BenchDevice[]];
  try {
    const each = PEERS / PROCESSES;
    await Promise.all(
      children.map((child, i) =>
        child.ask({ do: "open", path: join(folder, `${i}`), peers: each }),
      ),
    );
    const { ticket } = await first.ask<{ ticket: string }>({ do: "share" });
    for (const child of [first, ...others]) await child.ask({ do: "join", ticket });
    process.stderr.write(`sync.fifty: ${PEERS} peers have joined\n`);
    const rows = PEERS * COMMITS_EACH;
    const awaited = children.map((child) =>
      child.ask<{ lastMs: number; allMs: number; cpuMs: number }>({
        do: "commitAndConverge",
        commits: COMMITS_EACH,
        withinMs: WITHIN_MS,
        rows,
      }),
    );
    const ends = await Promise.all(awaited);
    const last = Math.max(...ends.map(({ lastMs }) => lastMs));
    const seconds = rounded((Math.max(...ends.map(({ allMs }) => allMs)) - last) / 1000);
    const sizes = await Promise.all(
      children.map((child) => child.ask<{ mib: number }>({ do: "rss" })),
    );
    await Promise.all(children.map((child) => child.ask({ do: "close" })));
    print({
      bench: "sync.fifty",
      value: seconds,
      unit: "s",
      seconds,
      wireBytes: null,
      rssMiB: { a: Math.round(sizes[0]?.mib ?? 0), b: Math.round(sizes[1]?.mib ?? 0) },
      reference: null,
      ratio: null,
      runs: [seconds],
      more: {
        peers: PEERS,
        commits: rows,
        processorSeconds: rounded(ends.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / 1000),
      },
    });
  } finally {
    await devices.disposeAsync();
    await rm(folder, { recursive: true, force: true });
  }
}
