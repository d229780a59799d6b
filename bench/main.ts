/** `npm run -s bench -- SUITE [--only NAME]`: JSON lines on standard output, talk on standard error. */

import { parseArgs } from "node:util";
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

function refuse(why: string): void {
  process.stderr.write(`${why}\n`);
  process.exitCode = 2;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: "string", multiple: true }, peers: { type: "boolean" } },
});
const chosen = positionals.length === 1 ? SUITES.get(positionals[0] ?? "") : undefined;
if (chosen === undefined) {
  const usage = Array.from(
    SUITES,
    ([name, { benches }]) => `${name} [--only ${benches.join(" | ")}]`,
  );
  refuse(`Say which: ${usage.join(", ")}`);
} else {
  const only = values.only ?? chosen.benches;
  const unknown = only.find((name) => !chosen.benches.includes(name));
  if (unknown === undefined) {
    await chosen.run(only);
    if (values.peers === true) await benchPeers(PEER_ROWS, PEER_CHANGED);
  } else refuse(`No such bench: ${unknown}. There are ${chosen.benches.join(", ")}`);
}
