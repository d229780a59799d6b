/**
 * Processes of tests, demos and benches: a TypeScript file run from source, which talks in lines and ends with its parent.
 *
 *     parent                                child
 *     await using child = spawnChild(url)   const told = endWithParent();
 *     await child.line()           <------  say("ready")
 *     child.send("go")             ------>  for await (const line of told) …
 *     await child.kill()
 *
 * What a child writes to standard error is kept, in part, for the message of a test that fails.
 */

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** Characters of standard error that are kept. */
const ERROR_TEXT_MAX = 16 * 1024;

/** How a process ended. */
export interface ChildEnd {
  /** Its exit code, or `null` when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A running child. Disposing of it kills it and waits for its end. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** Resolves when the process has ended. */
  readonly ended: Promise<ChildEnd>;
  /** The end of what it wrote to standard error so far. */
  readonly errorText: string;
  /** The next line of its standard output, or `undefined` when there will be none. One caller at a time. */
  line(): Promise<string | undefined>;
  /** The lines that it has written and nobody has read, until there will be none. */
  rest(): Promise<string[]>;
  /** Writes a line to its standard input. */
  send(line: string): void;
  /** Sends a signal and waits for the end. Harmless when it has ended. Default SIGKILL. */
  kill(signal?: NodeJS.Signals): Promise<ChildEnd>;
}

export interface ChildOptions {
  /** Flags of Node.js. */
  readonly flags?: readonly string[] | undefined;
  /** Arguments after the file. */
  readonly args?: readonly string[] | undefined;
  /** Shell commands run before, in the same process: `ulimit -f 8192`. Default: none, and no shell. */
  readonly prelude?: string | undefined;
  /** Environment variables beside our own. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** Runs a TypeScript file by this Node.js, from source. */
export function spawnChild(file: URL | string, options: ChildOptions = {}): Child {
  const { flags = [], args = [], prelude, env } = options;
  const path = typeof file === "string" ? file : fileURLToPath(file);
  const command = [process.execPath, "--conditions=rookery-source", ...flags, path, ...args];
  const [program = "", ...rest] =
    prelude === undefined ? command : ["/bin/sh", "-c", `${prelude}; exec "$0" "$@"`, ...command];
  const child = spawn(program, rest, {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  const ended = new Promise<ChildEnd>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  let errorText = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errorText = (errorText + text).slice(-ERROR_TEXT_MAX);
  });
  // One that is killed does not read what we send.
  child.stdin.on("error", () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string | undefined> => {
    const next = await lines.next();
    return next.done === true ? undefined : next.value;
  };
  const kill = async (signal: NodeJS.Signals = "SIGKILL"): Promise<ChildEnd> => {
    child.kill(signal);
    return await ended;
  };
  return {
    pid: child.pid ?? 0,
    ended,
    get errorText() {
      return errorText;
    },
    line,
    async rest() {
      const all: string[] = [];
      for (let next = await line(); next !== undefined; next = await line()) all.push(next);
      return all;
    },
    send: (text) => void child.stdin.write(`${text}\n`),
    kill,
    async [Symbol.asyncDispose]() {
      await kill();
    },
  };
}

/**
 * For the child: ends this process when the parent has ended or closed our standard input, however it went. Answers the
 * lines that the parent sends.
 */
export function endWithParent(): AsyncIterable<string> {
  process.stdin.once("close", () => process.exit());
  return createInterface({ input: process.stdin });
}

/** For the child: tells the parent a line. What was said before a kill has arrived: pipes are written synchronously. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
