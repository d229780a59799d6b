/** What is said of runs. */

import process from "node:process";
import { nameOfStep, type Plan } from "./plan.ts";
import type { RunReport } from "./run.ts";

/** Sums over many runs. */
export class Tally {
  readonly seen = new Map<string, number>();
  readonly #began = performance.now();
  readonly #cpu = process.cpuUsage();
  readonly #thread = process.threadCpuUsage();
  seeds = 0;
  failures = 0;
  events = 0;
  acknowledged = 0;
  simulatedMs = 0;

  add(report: RunReport): void {
    this.seeds += 1;
    this.failures += Number(report.error !== undefined);
    this.events += report.events;
    this.acknowledged += report.acknowledged;
    this.simulatedMs += report.simulatedMs;
    for (const [what, times] of report.seen)
      this.seen.set(what, (this.seen.get(what) ?? 0) + times);
  }

  get seconds(): number {
    return (performance.now() - this.#began) / 1000;
  }

  /** Seconds of this process on a processor. */
  get cpuSeconds(): number {
    const { user, system } = process.cpuUsage(this.#cpu);
    return (user + system) / 1e6;
  }

  /** Of these, seconds of the thread that runs the seeds. The others compile and collect. */
  get threadSeconds(): number {
    const { user, system } = process.threadCpuUsage(this.#thread);
    return (user + system) / 1e6;
  }

  text(): string {
    const { seconds, cpuSeconds, threadSeconds } = this;
    const hours = this.simulatedMs / 3_600_000;
    const lines = [
      `${this.seeds} seeds, ${this.failures} failures, ${this.events} events, ${this.acknowledged} acknowledged writes`,
      `${seconds.toFixed(1)} s (${cpuSeconds.toFixed(1)} s of processor, ${threadSeconds.toFixed(1)} s of the thread): ${Math.round(this.events / seconds)} events/s, ${Math.round(this.events / cpuSeconds)} a second of processor, ${Math.round(this.events / threadSeconds)} of the thread; ${hours.toFixed(1)} simulated hours`,
    ];
    for (const [title, prefix] of [
      ["faults", "fault "],
      ["operations done", "done "],
      ["sometimes", ""],
    ] as const) {
      const chosen = [...this.seen]
        .filter(([what]) => what.startsWith(prefix))
        .filter(([what]) => prefix !== "" || !/^(?:fault|done) /.test(what))
        .toSorted(([a], [b]) => (a < b ? -1 : 1));
      lines.push(
        `${title}: ${chosen.map(([what, n]) => `${what.slice(prefix.length)} ${n}`).join(", ")}`,
      );
    }
    return lines.join("\n");
  }
}

/** What failed, and the one command that shows it again. */
export function failureText({ plan, error }: RunReport, command: string): string {
  return [
    error?.message ?? "Nothing failed",
    `${plan.steps.length} steps, ${plan.devices.length} devices, profile ${plan.profile}, Node.js ${process.version}`,
    `Again: ${command}`,
  ].join("\n");
}

/** A plan as lines for people. */
export function planText(plan: Plan): string {
  return plan.steps
    .map((step) => {
      const { at, device, ...rest } = step;
      return `${String(at).padStart(7)} d${device} ${nameOfStep(step)} ${JSON.stringify(rest)}`;
    })
    .join("\n");
}
