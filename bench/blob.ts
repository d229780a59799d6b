/** A file from one device's disk to another's, in two processes over loopback: encrypted, verified, durable on both sides. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { changeMiddle, hashOf, putByteInFront, writeNoise } from "./data.ts";
import { BenchDevice } from "./device.ts";
import { loopbackBytes, median, print, rounded } from "./measure.ts";
import { tlsCopyRate } from "./tls-reference.ts";

const BYTES = 256 * 1024 * 1024;
const MB = 1_000_000;
/** One a run. */
const SEEDS = [1, 2, 3, 4, 5] as const;

export const BLOB_BENCHES = ["blob.copy", "blob.middle", "blob.front"] as const;
export type BlobBench = (typeof BLOB_BENCHES)[number];

interface Fetched {
  readonly ms: number;
  readonly wire: number | null;
}

interface BlobRun {
  readonly copy: Fetched;
  readonly middle: Fetched;
  readonly front: Fetched;
  readonly rss: { readonly a: number; readonly b: number };
}

/** Measures and prints. Each run is another seed, on fresh devices, beside its own reference copy. */
export async function benchBlob(only: readonly BlobBench[]): Promise<void> {
  const references: number[] = [];
  const runs: BlobRun[] = [];
  for (const seed of SEEDS) {
    const folder = await mkdtemp(join(tmpdir(), "rookery-bench-"));
    try {
      const source = join(folder, "source");
      await writeNoise(source, seed, BYTES);
      references.push((await tlsCopyRate(source, join(folder, "reference"), BYTES)) / MB);
      const run = await runPair(folder, source, seed);
      runs.push(run);
      process.stderr.write(
        `seed ${seed}: copy ${Math.round(rateOf(run.copy))} MB/s (node:tls ${Math.round(references.at(-1) ?? 0)}), middle ${run.middle.wire} bytes, front ${run.front.wire} bytes\n`,
      );
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  const rssMiB = {
    a: Math.round(Math.max(...runs.map(({ rss }) => rss.a))),
    b: Math.round(Math.max(...runs.map(({ rss }) => rss.b))),
  };
  if (only.includes("blob.copy")) {
    const rates = runs.map(({ copy }) => rounded(rateOf(copy)));
    const value = median(rates);
    const reference = rounded(median(references));
    print({
      bench: "blob.copy",
      value,
      unit: "MB/s",
      seconds: rounded(median(runs.map(({ copy }) => copy.ms)) / 1000),
      wireBytes: medianBytes(runs.map(({ copy }) => copy.wire)),
      rssMiB,
      reference,
      ratio: rounded(value / reference),
      runs: rates,
    });
  }
  if (only.includes("blob.middle")) printBytes("blob.middle", runs, ({ middle }) => middle, rssMiB);
  if (only.includes("blob.front")) printBytes("blob.front", runs, ({ front }) => front, rssMiB);
}

function rateOf({ ms }: Fetched): number {
  return BYTES / MB / (ms / 1000);
}

function medianBytes(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length < values.length ? null : median(known);
}

/** What a change cost on the wire, in MB: both directions, the row and the recipe included. */
function printBytes(
  bench: BlobBench,
  runs: readonly BlobRun[],
  of: (run: BlobRun) => Fetched,
  rssMiB: BlobRun["rss"],
): void {
  const wires = runs.map((run) => of(run).wire);
  const wireBytes = medianBytes(wires);
  if (wireBytes === null) {
    process.stderr.write(`${bench}: this system does not tell what went over the wire\n`);
    return;
  }
  const values = wires.map((wire) => rounded((wire ?? 0) / MB));
  print({
    bench,
    value: median(values),
    unit: "MB",
    seconds: rounded(median(runs.map((run) => of(run).ms)) / 1000),
    wireBytes,
    rssMiB,
    reference: null,
    ratio: null,
    runs: values,
  });
}

async function runPair(folder: string, source: string, seed: number): Promise<BlobRun> {
  await using a = new BenchDevice();
  await using b = new BenchDevice();
  await Promise.all([
    a.ask({ do: "open", path: join(folder, "a") }),
    b.ask({ do: "open", path: join(folder, "b") }),
  ]);
  const { ticket } = await a.ask<{ ticket: string }>({ do: "share" });
  await b.ask({ do: "join", ticket });

  const middle = join(folder, "middle");
  const front = join(folder, "front");
  await changeMiddle(source, middle, 1000 + seed);
  await putByteInFront(middle, front);
  const fetched: Fetched[] = [];
  for (const [name, path] of [
    ["source", source],
    ["middle", middle],
    ["front", front],
  ] as const)
    fetched.push(await sendFile(a, b, name, path));
  await checkCopy(b, front, join(folder, "copy"));

  const [rssA, rssB] = await Promise.all([
    a.ask<{ mib: number }>({ do: "rss" }),
    b.ask<{ mib: number }>({ do: "rss" }),
  ]);
  await Promise.all([a.ask({ do: "close" }), b.ask({ do: "close" })]);
  const [copy, changed, inserted] = fetched as [Fetched, Fetched, Fetched];
  return { copy, middle: changed, front: inserted, rss: { a: rssA.mib, b: rssB.mib } };
}

/** A puts the file and a row that names it; B waits for the row and fetches. The bytes are those from the row's writing on. */
async function sendFile(
  a: BenchDevice,
  b: BenchDevice,
  name: string,
  path: string,
): Promise<Fetched> {
  const { ref } = await a.ask<{ ref: string }>({ do: "putBlob", path });
  const before = await loopbackBytes();
  await a.ask({ do: "putRef", name, ref });
  await b.ask({ do: "awaitRef", name, ref });
  const { milliseconds } = await b.ask<{ milliseconds: number }>({ do: "fetchBlob", ref });
  const after = await loopbackBytes();
  return { ms: milliseconds, wire: before === null || after === null ? null : after - before };
}

/** What B holds in the end is what A put: every byte of it read back through the recipe. */
async function checkCopy(b: BenchDevice, original: string, copy: string): Promise<void> {
  await b.ask({ do: "writeBlob", name: "front", path: copy });
  if ((await hashOf(copy)) !== (await hashOf(original)))
    throw new Error("The copy is not the original");
}
