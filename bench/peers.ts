/** Other libraries' sync beside ours, in the same run. They are installed on demand in `bench/peers`, from its lock file. */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { NODE_FLAGS } from "./device.ts";

const run = promisify(execFile);
const FOLDER = join(import.meta.dirname, "peers");
const PROGRAMS = ["yjs", "tinybase", "rxdb", "hyperbee", "pouchdb"] as const;
const TIMEOUT_MS = 240_000;

/** Prints one line for each, as `bench/peers/pair.mjs` says. */
export async function benchPeers(rows: number, changed: number): Promise<void> {
  if (!existsSync(join(FOLDER, "node_modules"))) {
    process.stderr.write("peers: installing what is measured beside us\n");
    await run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: FOLDER });
  }
  const env = { ...process.env, ROWS: String(rows), CHANGED: String(changed) };
  for (const peer of PROGRAMS) {
    const program = join(FOLDER, `${peer}.mjs`);
    try {
      const options = { env, timeout: TIMEOUT_MS, killSignal: "SIGKILL" as const };
      const { stdout } = await run(
        process.execPath,
        [...NODE_FLAGS, "--no-warnings", program],
        options,
      );
      process.stdout.write(stdout);
    } catch (error) {
      const why = error instanceof Error ? error.message.split("\n")[0] : String(error);
      process.stdout.write(`${JSON.stringify({ peer, error: why })}\n`);
    }
  }
}
