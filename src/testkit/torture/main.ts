/**
 * `npm run torture`: what is too long for every run of the tests. Ends with 1 when something does not hold.
 *
 *     convergence   [--histories 2000] [--orders 20] [--from 1]    random histories in random orders
 *     kill          [--kills 1000] [--seed 1]                      a peer that is killed at random moments
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { checkConvergence, type ConvergenceReport } from "./convergence.ts";
import { type KillReport, killPeers } from "./kill.ts";

/** Kills between two lines about how far a run is. */
const KILLS_TOLD_EACH = 25;
/** Histories between two lines about how far a run is. */
const TOLD_EACH = 100;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    histories: { type: "string", default: "2000" },
    orders: { type: "string", default: "20" },
    from: { type: "string", default: "1" },
    kills: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
  },
});

const say = (line: string): void => console.log(line);

async function convergence(): Promise<number> {
  const histories = Number(values.histories);
  const orders = Number(values.orders);
  const first = Number(values.from);
  const start = performance.now();
  const tell = (report: ConvergenceReport): void => {
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    const { deliveries, commits, failures } = report;
    say(
      `${report.histories} histories of ${commits} commits, ${deliveries} deliveries, ${failures.length} failures, ${seconds} s`,
    );
  };
  const report = await checkConvergence({
    first,
    histories,
    orders,
    onHistory(now) {
      if (now.histories % TOLD_EACH === 0) tell(now);
    },
    onFailure: say,
  });
  tell(report);
  say([...report.tally].map(([what, count]) => `${what} ${count}`).join(", "));
  return report.failures.length === 0 ? 0 : 1;
}

async function kill(): Promise<number> {
  const start = performance.now();
  const tell = ({ kills, during, acknowledged, received, parts }: KillReport): void => {
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    const moments = [...during].map(([what, count]) => `${count} ${what}`).join(", ");
    say(
      `${kills} kills (${moments}), ${acknowledged} batches acknowledged, ${received} by the other, ${parts} parts checked, ${seconds} s`,
    );
  };
  const report = await killPeers({
    kills: Number(values.kills),
    seed: Number(values.seed),
    onKill(now) {
      if (now.kills % KILLS_TOLD_EACH === 0) tell(now);
    },
  });
  tell(report);
  return 0;
}

const TORTURES: Readonly<Record<string, () => Promise<number>>> = { convergence, kill };

const torture = TORTURES[positionals[0] ?? ""];
if (torture === undefined) {
  say(`One of: ${Object.keys(TORTURES).join(", ")}`);
  process.exitCode = 2;
} else process.exitCode = await torture();
