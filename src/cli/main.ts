/** The command line's entry: reads arguments, hands out the context, ends with the command's exit code. */

import { CommanderError } from "@commander-js/extra-typings";
import { codeOf, connectToApi } from "../peer/index.ts";
import type { CommandContext } from "./context.ts";
import { createProgram, type GlobalFlags } from "./program.ts";
import { EXIT, UsageError } from "./usage.ts";

const ending = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => ending.abort());

function context({ path, json, stdin }: GlobalFlags): CommandContext {
  if (stdin === true) {
    process.stdin
      .on("end", () => ending.abort())
      .on("error", () => ending.abort())
      .resume();
  }
  return {
    print: (line) => void process.stdout.write(`${line}\n`),
    say: (line) => void process.stderr.write(`${line}\n`),
    json: json === true,
    signal: ending.signal,
    connect: () => connectToApi(path),
  };
}

/** What went wrong, in one line with its code. */
function report(error: unknown): number {
  // Commander has printed its own already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof UsageError) {
    process.stderr.write(`${message}\n`);
    return EXIT.usage;
  }
  const code = codeOf(error);
  process.stderr.write(`${code === undefined ? "" : `${code}: `}${message}\n`);
  if (code === undefined && error instanceof Error) process.stderr.write(`${error.stack ?? ""}\n`);
  return EXIT.failed;
}

let exitCode: number = EXIT.ok;
try {
  await createProgram({
    context,
    end: (code) => {
      exitCode = code;
    },
    defaultPath: process.env["ROOKERY_PATH"] ?? "./data",
  }).parseAsync(process.argv);
} catch (error) {
  exitCode = report(error);
}
// Not exit(): what was printed must get out first. Standard input may still be open.
process.exitCode = exitCode;
process.stdin.pause();
