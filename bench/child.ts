/** One device of a bench, in a process of its own: takes one command a line on standard input, answers one line each. */

import { readFileSync } from "node:fs";
import { BlobRef, parseBlobRef } from "../src/base/index.ts";
import type { Collection } from "../src/db/index.ts";
import { openPeer, type Peer, type PeerDatabase } from "../src/peer/index.ts";
import { answerCommands } from "./commands.ts";
import { rowKeyOf, rowValueOf } from "./data.ts";

/** What the parent asks; see `handlers`. */
interface Command {
  readonly do: string;
  readonly path?: string;
  readonly ticket?: string;
  readonly rows?: number;
  readonly bytes?: number;
  readonly batch?: number;
  readonly round?: number;
  readonly first?: number;
  readonly target?: number;
  readonly rate?: number;
  readonly name?: string;
  readonly ref?: string;
}

const DATABASE = "bench";
const COLLECTION = "rows";
/** Milliseconds between looks: fine enough for what is measured. */
const LOOK_MS = 1;
/** Rows of a pull for each millisecond between looks at how far it is: each look takes of the time that is measured, and none makes an error over 1 %. */
const LOOK_ROWS = 10_000;

/** Milliseconds of a look at how much this process does by itself. */
const REST_LOOK_MS = 200;
/** Looks in a row that find it at rest: one that waits for its disk works on, and a store merges its levels after a second. */
const REST_LOOKS = 10;
/** Of a core: below it a process is at rest. A peer that nobody asks anything takes a hundredth. */
const REST_SHARE = 0.05;
/** Longest wait for that, in milliseconds: sorting a million rows takes a few thousand. */
const REST_MS_MAX = 60_000;

/** Milliseconds between looks at the memory that is not pages of files: the system keeps no maximum of it. */
const MEMORY_LOOK_MS = 100;

/** The most MiB of memory seen that is not pages of mapped files: LevelDB maps its tables, and what is read of them counts as resident. */
let anonymousMax = 0;
setInterval(() => {
  const status = readFileSync("/proc/self/status", "utf8");
  const kib = Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
  anonymousMax = Math.max(anonymousMax, kib / 1024);
}, MEMORY_LOOK_MS).unref();

let peer: Peer | undefined;
let database: PeerDatabase | undefined;

function opened(): { readonly peer: Peer; readonly database: PeerDatabase } {
  if (peer === undefined || database === undefined) throw new Error("The device is not open yet");
  return { peer, database };
}

function refOf(text = ""): BlobRef {
  const ref = parseBlobRef(text);
  if (ref === undefined) throw new Error("This is no BlobRef");
  return ref;
}

/** The blob that a row names; `undefined` while the row is not here. */
async function blobIn(name: string): Promise<BlobRef | undefined> {
  const value = await sharedRows().get(name);
  return value instanceof BlobRef ? value : undefined;
}

/** The collection that both devices share: the first one's. */
function sharedRows<T = BlobRef>(): Collection<T> {
  const { database: db } = opened();
  const [group] = db.syncgroups();
  if (group === undefined) throw new Error("Nothing is shared yet");
  return group.collection<T>(COLLECTION);
}

function rowsPulled(): number {
  return opened()
    .peer.peers()
    .reduce((sum, { pulls }) => sum + (pulls[DATABASE]?.rows ?? 0), 0);
}

const handlers: Readonly<Record<string, (command: Command) => Promise<object>>> = {
  async open({ path }) {
    peer = await openPeer({
      ...(path !== undefined && { path }),
      listen: ["/ip4/127.0.0.1/tcp/0"],
    });
    database = await peer.openDatabase(DATABASE);
    return {};
  },
  async share() {
    const { database: db } = opened();
    const group = await db.createSyncgroup("bench", { collections: [db.collection(COLLECTION)] });
    return { ticket: await group.invite({ role: "writer", uses: 0 }) };
  },
  async join({ ticket = "" }) {
    const group = await opened().database.joinSyncgroup(ticket);
    await group.ready();
    return {};
  },
  /** Rows `first` and those after it, with values of this round. */
  async write({ first = 0, rows = 0, bytes = 100, batch: size = 1000, round = 0 }) {
    const { database: db } = opened();
    const collection = db.collection<string>(COLLECTION);
    const end = first + rows;
    for (let from = first; from < end; from += size) {
      await db.batch((batch) => {
        for (let i = from; i < Math.min(from + size, end); i++) {
          batch.put(collection, rowKeyOf(i), rowValueOf(bytes, i + round * 1_000_003));
        }
      });
    }
    return {};
  },
  async pause() {
    await opened().peer.pause(DATABASE);
    // The pull under way ends; its count starts anew with the next one.
    while (
      opened()
        .peer.peers()
        .some(({ pulls }) => DATABASE in pulls)
    )
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    return {};
  },
  /** Resumes and waits until `target` row ops have become durable here. */
  async pull({ target = 0 }) {
    const began = performance.now();
    await opened().peer.resume(DATABASE);
    const lookMs = Math.max(LOOK_MS, target / LOOK_ROWS);
    while (rowsPulled() < target) await new Promise((resolve) => setTimeout(resolve, lookMs));
    return { milliseconds: performance.now() - began };
  },
  /** Waits until the engine has sorted what was written before. Answers how long that took. */
  async rest() {
    const began = performance.now();
    let atRest = 0;
    for (let before = process.cpuUsage(); ; before = process.cpuUsage()) {
      const looked = performance.now();
      await new Promise((resolve) => setTimeout(resolve, REST_LOOK_MS));
      const { user, system } = process.cpuUsage(before);
      const isAtRest = user + system < REST_SHARE * 1000 * (performance.now() - looked);
      const milliseconds = performance.now() - began;
      atRest = isAtRest ? atRest + 1 : 0;
      if (atRest === REST_LOOKS) return { milliseconds };
      if (milliseconds > REST_MS_MAX) throw new Error("The device does not come to rest");
    }
  },
  async putBlob({ path = "" }) {
    const { ref } = await opened().peer.blobs.put(path);
    return { ref: ref.toString() };
  },
  async putRef({ name = "", ref }) {
    await sharedRows().put(name, refOf(ref));
    return {};
  },
  async awaitRef({ name = "", ref }) {
    while ((await blobIn(name))?.equals(refOf(ref)) !== true)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    return {};
  },
  async fetchBlob({ ref }) {
    const began = performance.now();
    let state = "";
    for await (const progress of opened().peer.blobs.fetch(refOf(ref))) state = progress.state;
    if (state !== "done") throw new Error(`The fetch ended while it was ${state}`);
    return { milliseconds: performance.now() - began };
  },
  async writeBlob({ name = "", path = "" }) {
    const ref = await blobIn(name);
    if (ref === undefined) throw new Error(`No row ${name} names a blob`);
    await opened().peer.blobs.get(ref).file(path);
    return {};
  },
  /** Commits `rows` times, `rate` a second, and answers when each was durable: nanoseconds of the monotonic clock. */
  async commitSteadily({ rows = 0, rate = 1 }) {
    const collection = sharedRows<string>();
    const at: string[] = [];
    const began = performance.now();
    for (let i = 0; i < rows; i++) {
      const early = began + (1000 * i) / rate - performance.now();
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
      await collection.put(`commit-${String(i).padStart(6, "0")}`, rowValueOf(100, i));
      at.push(process.hrtime.bigint().toString());
    }
    return { at };
  },
  /** Watches until `rows` commits have been told, and answers when each was. */
  async watchCommits({ rows = 0 }) {
    const at: string[] = [];
    let count = 0;
    for await (const { changes } of sharedRows().watch({ prefix: "commit-" })) {
      const now = process.hrtime.bigint().toString();
      for (const { key } of changes) {
        at[Number(key.slice("commit-".length))] = now;
        count += 1;
      }
      if (count >= rows) break;
    }
    return { at };
  },
  rss: () =>
    Promise.resolve({ mib: process.resourceUsage().maxRSS / 1024, anonymousMib: anonymousMax }),
  async close() {
    await peer?.close();
    return {};
  },
};

await answerCommands(handlers);
