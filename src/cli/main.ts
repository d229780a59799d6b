/** The command line's entry: reads arguments, hands out the context, ends with the command's exit code. */

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { connectToApi } from "../peer/index.ts";
import type { CommandContext } from "./context.ts";
import { createProgram, type GlobalFlags } from "./program.ts";
import type { Terminal } from "./progress.ts";
import { EXIT, exitOf, patiently, UsageError } from "./usage.ts";

// Kinds of objects that outlive the first collections of a small young generation would be made among the old ones ever after, where
// each holds on to what it names until all of the heap is collected: docs/adr/0051-young-objects-stay-young.md.
setFlagsFromString("--no-allocation-site-pretenuring");

const ending = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => ending.abort());

function context({ path, json, stdin }: GlobalFlags): CommandContext {
  if (path === "") throw new UsageError("--path names a folder");
  if (stdin === true) {
    process.stdin
      .on("end", () => ending.abort())
      .on("error", () => ending.abort())
      .resume();
  }
  return {
    print: (line) => void process.stdout.write(`${shown(line)}\n`),
    say: (line) => void process.stderr.write(`${shown(line)}\n`),
    output: async (piece) => {
      if (!process.stdout.write(piece)) await once(process.stdout, "drain");
    },
    input: () => {
      if (stdin === true)
        throw new UsageError("--stdin ends the command: it cannot be read for data too");
      return process.stdin;
    },
    terminal: terminalOf(process.stderr),
    json: json === true,
    signal: ending.signal,
    path,
    connect: ({ creates } = { creates: false }) => patiently(() => connectToApi(path, { creates })),
  };
}

/** A terminal that can draw over a line; pipes and files get no bars. */
function terminalOf(stream: NodeJS.WriteStream): Terminal | undefined {
  if (!stream.isTTY || process.env["TERM"] === "dumb") return undefined;
  return {
    // A terminal that does not know has none.
    columns: stream.columns > 0 ? stream.columns : 80,
    // https://no-color.org: any text but an empty one.
    hasColour: (process.env["NO_COLOR"] ?? "") === "",
    write: (text) => void stream.write(text),
    now: () => performance.now(),
  };
}

/** Names and keys are other people's: nothing in them may steer the terminal or look like another line. Tabs are ours. */
function shown(line: string): string {
  let text = "";
  for (const char of line) {
    const code = char.charCodeAt(0);
    const isControl = code < 0x20 || (code >= 0x7f && code < 0xa0);
    text += isControl && char !== "\t" ? `\\u${code.toString(16).padStart(4, "0")}` : char;
  }
  return text;
}

/** That of the package: its package.json lies two folders up, from source and as built. */
function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // Whoever read our output has gone: there is nothing left to do, and nothing to complain of.
  if (error.code === "EPIPE") process.exit(EXIT.ok);
  const why = `the system refused (${error.code ?? "no code"})`;
  process.stderr.write(`FILE_NOT_WRITTEN: Cannot write to standard output: ${why}\n`);
  process.exit(EXIT.failed);
});
// A watch without a network waits for promises only, which keep no process alive.
const alive = setInterval(() => {}, 2 ** 30);

let exitCode: number = EXIT.ok;
try {
  await createProgram({
    context,
    end: (code) => {
      exitCode = code;
    },
    version: packageVersion(),
    defaultPath: process.env["ROOKERY_PATH"] ?? "./data",
  }).parseAsync(process.argv);
} catch (error) {
  exitCode = exitOf(error, (line) => void process.stderr.write(`${line}\n`), ending.signal);
}
// Not exit(): what was printed must get out first. Standard input may still be open.
clearInterval(alive);
process.exitCode = exitCode;
process.stdin.destroy();
