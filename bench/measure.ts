import { readFile } from "node:fs/promises";

/** One measurement, as it is printed. */
export interface Measurement {
  readonly bench: string;
  readonly value: number;
  readonly unit: string;
  readonly seconds: number;
  /** Both directions, with the headers of TCP and IP and with acknowledgements; `null` where the system does not tell. */
  readonly wireBytes: number | null;
  /** The processes' maximum resident size. */
  /** `b`: `null` where there is one process only. */
  readonly rssMiB: { readonly a: number; readonly b: number | null };
  /** The raw engine's rate in the same run and the same unit, or `null` where a rate has no such measure. */
  readonly reference: number | null;
  /** `value` over `reference`. */
  readonly ratio: number | null;
  /** The value of each run. */
  readonly runs: readonly number[];
  /** What else belongs to it: percentiles, peers. */
  readonly more?: Readonly<Record<string, number>>;
}

export function print(measurement: Measurement): void {
  process.stdout.write(`${JSON.stringify(measurement)}\n`);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[middle - 1] ?? 0, sorted[middle] ?? 0];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}

/** The value that `share` (0 to 1) of all are not above. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

/** Three digits after the point: more would claim what no run repeats. */
export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** Bytes that the loopback interface has carried, headers included; `null` where the system does not tell. */
export async function loopbackBytes(): Promise<number | null> {
  try {
    const line = (await readFile("/proc/net/dev", "utf8"))
      .split("\n")
      .find((one) => one.trimStart().startsWith("lo:"));
    const received = Number(line?.split(":")[1]?.trim().split(/\s+/)[0]);
    return Number.isFinite(received) ? received : null;
  } catch {
    return null;
  }
}
