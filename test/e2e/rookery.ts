/** Runs the command line in a process of its own, from source. */

import { type ChildProcess, spawn } from "node:child_process";
import { open } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const ENTRY = fileURLToPath(new URL("../../bin/rookery.js", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs to its end. */
export function rookery(...args: readonly string[]): Promise<Ended> {
  return rookeryWith({}, ...args);
}

/** The same with environment variables beside our own. */
export function rookeryWith(
  env: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<Ended> {
  const child = start(args, env);
  let out = "";
  let err = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (err += text));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, out, err })));
}

/** Runs to its end with `input` on its standard input; its standard output as bytes. */
export function rookeryFed({
  args,
  input,
}: {
  readonly args: readonly string[];
  readonly input?: Uint8Array;
}): Promise<{ readonly code: number | null; readonly bytes: Buffer; readonly err: string }> {
  const child = start(args);
  const pieces: Buffer[] = [];
  let err = "";
  child.stdout?.on("data", (piece: Buffer) => pieces.push(piece));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (err += text));
  // One that refuses does not read.
  child.stdin?.on("error", () => {});
  child.stdin?.end(input);
  return new Promise((resolve) =>
    child.once("close", (code) => resolve({ code, bytes: Buffer.concat(pieces), err })),
  );
}

/** Runs to its end with its standard output going to a file or device; its standard error. */
export async function rookeryInto(
  path: string,
  ...args: readonly string[]
): Promise<{ readonly code: number | null; readonly err: string }> {
  await using file = await open(path, "w");
  const child = start(args, {}, file.fd);
  let err = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (err += text));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, err };
}

/** Runs to its end in a terminal of its own; all that it shows there. `undefined` where no terminal can be made. */
export async function rookeryInTerminal(
  env: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<string | undefined> {
  const words = [process.execPath, "--conditions=rookery-source", ENTRY, ...args];
  const command = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  // Of util-linux; that of BSD has other flags, and fails.
  const child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
    stdio: ["pipe", "pipe", "ignore"],
    env: { ...process.env, ...env },
  });
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  const code = await new Promise<number | null>((resolve) => {
    child.once("error", () => resolve(null));
    child.once("close", resolve);
  });
  return code === 0 ? out : undefined;
}

/** A running command; disposing of it kills it. */
export interface Running extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  /** What it has said on standard error by now. */
  said(): string;
  line(): Promise<string | undefined>;
}

export function runRookery(...args: readonly string[]): Running {
  const child = start(args);
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (said += text));
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[
    Symbol.asyncIterator
  ]();
  return {
    child,
    ended,
    said: () => said,
    line: async () => {
      const next = await lines.next();
      return next.done === true ? undefined : next.value;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** Serves a folder, and waits until it does. It ends with this process. */
export async function serve(
  path: string,
  name: string,
  ...flags: readonly string[]
): Promise<Running> {
  const running = runRookery(
    "--path",
    path,
    "--json",
    "--stdin",
    "serve",
    "--name",
    name,
    "--listen",
    "/ip4/127.0.0.1/tcp/0",
    ...flags,
  );
  if ((await running.line()) === undefined) throw new Error(`${name} ended before it served`);
  return running;
}

function start(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  stdout: "pipe" | number = "pipe",
): ChildProcess {
  return spawn(process.execPath, ["--conditions=rookery-source", ENTRY, ...args], {
    stdio: ["pipe", stdout, "pipe"],
    env: { ...process.env, ...env },
  });
}
