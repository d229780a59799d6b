/** `npm run torture`: what is too long for every run of the tests. Ends with 1 when something does not hold. */

import process from "node:process";
import { type Asked, runCommand, UsageError } from "../command-line.ts";
import { checkConvergence, type ConvergenceReport } from "./convergence.ts";
import { type KillReport, killPeers } from "./kill.ts";
import { type CopyKillReport, killCopies } from "./kill-copies.ts";

/** Kills between two lines about how far a run is. */
const KILLS_TOLD_EACH = 25;
/** Histories between two lines about how far a run is. */
const TOLD_EACH = 100;

const USAGE = `npm run torture -- convergence | kill | copies [options]: what is too long for every run of the tests

    convergence   --histories N (2000)  --orders N (20)  --from N (1)    random histories in random orders
    kill          --kills N (1000)  --seed N (1)                         a peer that is killed at random moments
    copies        --kills N (200)   --seed N (1)                         backups and restores that are killed so`;

const OPTIONS = {
  histories: "number",
  orders: "number",
  from: "number",
  kills: "number",
  seed: "number",
} as const;

type Values = Asked<typeof OPTIONS>["values"];

const say = (line: string): void => console.log(line);

async function convergence({
  histories = 2000,
  orders = 20,
  from: first = 1,
}: Values): Promise<number> {
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

async function kill({ kills: most = 1000, seed = 1 }: Values): Promise<number> {
  const start = performance.now();
  const tell = ({ kills, during, acknowledged, received, parts }: KillReport): void => {
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    const moments = [...during].map(([what, count]) => `${count} ${what}`).join(", ");
    say(
      `${kills} kills (${moments}), ${acknowledged} batches acknowledged, ${received} by the other, ${parts} parts checked, ${seconds} s`,
    );
  };
  const report = await killPeers({
    kills: most,
    seed,
    onKill(now) {
      if (now.kills % KILLS_TOLD_EACH === 0) tell(now);
    },
  });
  tell(report);
  return 0;
}

async function copies({ kills: most = 200, seed = 1 }: Values): Promise<number> {
  const start = performance.now();
  const tell = ({ kills, outcomes }: CopyKillReport): void => {
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    const came = [...outcomes].map(([what, count]) => `${what} ${count}`).join(", ");
    say(`${kills} kills (${came}), ${seconds} s`);
  };
  let told = 0;
  const onKill = (now: CopyKillReport): void => {
    if (now.kills - told < KILLS_TOLD_EACH) return;
    told = now.kills;
    tell(now);
  };
  tell(await killCopies({ kills: most, seed, onKill }));
  return 0;
}

const TORTURES: Readonly<Record<string, (values: Values) => Promise<number>>> = {
  convergence,
  kill,
  copies,
};

process.exitCode = await runCommand({
  usage: USAGE,
  options: OPTIONS,
  hasPositionals: true,
  async run({ values, positionals }) {
    const torture = positionals.length === 1 ? TORTURES[positionals[0] ?? ""] : undefined;
    if (torture === undefined)
      throw new UsageError(`Say which: ${Object.keys(TORTURES).join(" or ")}`);
    return torture(values);
  },
});
