/** Peers as processes of their own, for the demo: started, asked and ended. */

import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type ApiConnection, connectToApi } from "../peer/index.ts";
import type { BlobPutLine, FetchLine } from "./blob-commands.ts";
import { ask, askBytes, askLines } from "./context.ts";

/** Milliseconds that a process has to start, and to end, before it is given up: a slow machine is not wrong. */
const PROCESS_TIMEOUT_MS = 60_000;

const ENTRY = fileURLToPath(new URL("../../bin/rookery.js", import.meta.url));

/** Running peers by name. */
export class Flock {
  readonly peers = new Map<string, FlockPeer>();
  readonly #folder: string;

  /** Each peer has a folder in `folder`. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  async start(name: string): Promise<FlockPeer> {
    const peer = await FlockPeer.start(name, join(this.#folder, name));
    this.peers.set(name, peer);
    return peer;
  }

  /** Starts those that were stopped. */
  async startAgain(): Promise<void> {
    const stopped = [...this.peers].filter(([, peer]) => peer.hasEnded);
    await Promise.all(stopped.map(([name]) => this.start(name)));
  }

  async stop(): Promise<void> {
    await Promise.all(Array.from(this.peers.values(), (peer) => peer.stop()));
  }
}

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

  /** Puts a blob. */
  async putBlob(bytes: Uint8Array, mediaType: string): Promise<BlobPutLine> {
    async function* body(): AsyncGenerator<Uint8Array> {
      yield bytes;
    }
    const options = { method: "POST", body: body(), headers: { "content-type": mediaType } };
    return (await ask(this.api, "/v1/blobs", options)) as BlobPutLine;
  }

  /** Fetches a blob, all of it. Answers how that ended. */
  async fetchBlob(ref: string): Promise<FetchLine> {
    let last: FetchLine | undefined;
    const target = `/v1/blobs/${encodeURIComponent(ref)}/fetch`;
    for await (const line of askLines(this.api, target, undefined, "POST"))
      last = line as FetchLine;
    if (last?.state !== "done") throw new Error(`${this.name} has not fetched all of it`);
    return last;
  }

  /** The SHA-256 of a blob's bytes as the peer gives them out, in hex. */
  async hashOfBlob(ref: string): Promise<string> {
    const hash = createHash("sha256");
    const bytes = askBytes(this.api, `/v1/blobs/${encodeURIComponent(ref)}`);
    for await (const piece of bytes) hash.update(piece);
    return hash.digest("hex");
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Ends the process as an operator would, and by force where that takes too long. */
  async stop(): Promise<void> {
    if (this.hasEnded) return;
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
