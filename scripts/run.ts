import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";
import process from "node:process";

export const ROOT = join(import.meta.dirname, "..");
const TOOLS = join(ROOT, "node_modules/.bin");

/** The tools of the project and its Node.js first, as npm scripts have it. */
export function projectEnvironment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${TOOLS}${delimiter}${process.env["PATH"] ?? ""}`, ...more };
}

/** Runs a program from the project's root with our own output; answers its exit code, 1 when a signal ended it. */
export async function run(
  command: readonly [string, ...string[]],
  more: Readonly<Record<string, string>> = {},
): Promise<number> {
  const [program, ...args] = command;
  const child = spawn(program, args, {
    cwd: ROOT,
    stdio: "inherit",
    env: projectEnvironment(more),
  });
  // Ctrl-C reaches the whole group by itself; a SIGTERM to us alone would leave the child behind.
  const forward = (): boolean => child.kill("SIGTERM");
  process.once("SIGTERM", forward);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code) => resolve(code ?? 1));
    });
  } finally {
    process.off("SIGTERM", forward);
  }
}
