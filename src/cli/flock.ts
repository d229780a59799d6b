/** Peers as processes of their own, for the demo: started, asked and ended. */

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type ApiConnection, connectToApi } from "../peer/index.ts";
import { ask, askLines } from "./context.ts";

/** Milliseconds that a process has to start, and to end, before it is given up. */
const PROCESS_TIMEOUT_MS = 20_000;

const ENTRY = fileURLToPath(new URL("../../bin/rookery.js", import.meta.url));

/** One running peer. */
export class FlockPeer {
  readonly name: string;
  readonly path: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly api: ApiConnection;

  private constructor(
    name: string,
    path: string,
    child: ChildProcess,
    exited: Promise<void>,
    api: ApiConnection,
  ) {
    this.name = name;
    this.path = path;
    this.#child = child;
    this.#exited = exited;
    this.api = api;
  }

  /** Starts `rookery serve` on a folder. It ends when this process does: its standard input ends then. */
  static async start(name: string, path: string): Promise<FlockPeer> {
    const flags = [
      "--path",
      path,
      "--json",
      "--stdin",
      "serve",
      "--name",
      name,
      "--listen",
      "/ip4/127.0.0.1/tcp/0",
    ];
    const child = spawn(process.execPath, [...process.execArgv, ENTRY, ...flags], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    const lines = createInterface({ input: child.stdout });
    const serving = new Promise<void>((resolve, reject) => {
      lines.once("line", () => resolve());
      child.once("exit", (code) =>
        reject(new Error(`${name} ended with code ${code} before it served`)),
      );
      child.once("error", reject);
    });
    await within(serving, `${name} did not start`);
    return new FlockPeer(name, path, child, exited, await connectToApi(path));
  }

  async ask(target: string, method = "GET", body?: unknown): Promise<unknown> {
    return ask(this.api, target, { method, body });
  }

  /** All rows of a collection. */
  async rows(target: string): Promise<Map<string, unknown>> {
    const rows = new Map<string, unknown>();
    for await (const line of askLines(this.api, target)) {
      const { key, value } = line as { readonly key: string; readonly value: unknown };
      rows.set(key, value);
    }
    return rows;
  }

  /** Ends the process as an operator would, and by force where that takes too long. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGTERM");
    try {
      await within(this.#exited, `${this.name} did not end`);
    } catch {
      this.#child.kill("SIGKILL");
      await this.#exited;
    }
  }
}

async function within<T>(work: Promise<T>, failure: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(failure)), PROCESS_TIMEOUT_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
