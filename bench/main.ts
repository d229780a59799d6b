/** `npm run -s bench -- SUITE`: JSON lines on standard output, talk on standard error. */

import process from "node:process";
import { runCommand, UsageError } from "../src/testkit/command-line.ts";
import { BLOB_BENCHES, benchBlob } from "./blob.ts";
import { benchLocal, LOCAL_BENCHES } from "./local.ts";
import { benchPullsync, PULLSYNC_BENCHES } from "./pullsync.ts";
import { benchPeers } from "./peers.ts";
import { benchSync, CHANGED as PEER_CHANGED, ROWS as PEER_ROWS, SYNC_BENCHES } from "./sync.ts";

interface Suite {
  readonly benches: readonly string[];
  run(only: readonly string[]): Promise<void>;
}

const suite = <Name extends string>(
  benches: readonly Name[],
  run: (only: readonly Name[]) => Promise<void>,
): Suite => ({ benches, run: (only) => run(benches.filter((name) => only.includes(name))) });

const SUITES: ReadonlyMap<string, Suite> = new Map([
  ["sync", suite(SYNC_BENCHES, benchSync)],
  ["local", suite(LOCAL_BENCHES, benchLocal)],
  ["blob", suite(BLOB_BENCHES, benchBlob)],
  ["pullsync", suite(PULLSYNC_BENCHES, benchPullsync)],
]);

const USAGE = `npm run -s bench -- SUITE [options]: JSON lines on standard output, talk on standard error

    --only NAME   this one, and others given so    --peers   other libraries beside it, with the suite sync

${Array.from(SUITES, ([name, { benches }]) => `    ${name.padEnd(9)} ${benches.join(", ")}`).join("\n")}`;

process.exitCode = await runCommand({
  usage: USAGE,
  options: { only: "texts", peers: "flag" },
  hasPositionals: true,
  async run({ values, positionals }) {
    const chosen = positionals.length === 1 ? SUITES.get(positionals[0] ?? "") : undefined;
    if (chosen === undefined) throw new UsageError(`Say which: ${[...SUITES.keys()].join(", ")}`);
    const only = values.only ?? chosen.benches;
    const unknown = only.find((name) => !chosen.benches.includes(name));
    if (unknown !== undefined) throw new UsageError(`There is no bench '${unknown}'`);
    await chosen.run(only);
    if (values.peers) await benchPeers(PEER_ROWS, PEER_CHANGED);
    return 0;
  },
});
