/** `npm run -s bench -- sync [--only NAME]`: JSON lines on standard output, talk on standard error. */

import { parseArgs } from "node:util";
import { benchSync, SYNC_BENCHES, type SyncBench } from "./sync.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: "string", multiple: true } },
});
const [suite] = positionals;
if (suite !== "sync" || positionals.length !== 1) {
  process.stderr.write(`Say which: sync [--only ${SYNC_BENCHES.join(" | ")}]\n`);
  process.exitCode = 2;
} else {
  const only = values.only ?? SYNC_BENCHES;
  const unknown = only.find((name) => !SYNC_BENCHES.includes(name as SyncBench));
  if (unknown === undefined) {
    await benchSync(only as readonly SyncBench[]);
  } else {
    process.stderr.write(`No such bench: ${unknown}. There are ${SYNC_BENCHES.join(", ")}\n`);
    process.exitCode = 2;
  }
}
