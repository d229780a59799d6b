/** One device of a bench, in a process of its own: takes one command a line on standard input, answers one line each. */

import { endWithParent, say } from "../src/testkit/child.ts";
import { openPeer, type Peer, type PeerDatabase } from "../src/peer/index.ts";

/** What the parent asks; see `handlers`. */
interface Command {
  readonly do: string;
  readonly path?: string;
  readonly ticket?: string;
  readonly rows?: number;
  readonly bytes?: number;
  readonly batch?: number;
  readonly round?: number;
  readonly target?: number;
}

const DATABASE = "bench";
const COLLECTION = "rows";
/** Milliseconds between looks at how far a pull is: fine enough for what is measured, and cheap. */
const LOOK_MS = 1;

let peer: Peer | undefined;
let database: PeerDatabase | undefined;

function opened(): { readonly peer: Peer; readonly database: PeerDatabase } {
  if (peer === undefined || database === undefined) throw new Error("The device is not open yet");
  return { peer, database };
}

/** A value of `bytes` bytes that no codec makes smaller. */
function valueOf(bytes: number, seed: number): string {
  let text = "";
  for (let state = (seed + 1) * 2_654_435_761; text.length < bytes;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text += state.toString(36).padStart(7, "0");
  }
  return text.slice(0, bytes);
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
  async write({ rows = 0, bytes = 100, batch: size = 1000, round = 0 }) {
    const { database: db } = opened();
    const collection = db.collection<string>(COLLECTION);
    for (let from = 0; from < rows; from += size) {
      await db.batch((batch) => {
        for (let i = from; i < Math.min(from + size, rows); i++) {
          // Scattered, so that changed rows lie all over the collection.
          const key = `row-${String((i * 7919) % 1_000_003).padStart(10, "0")}`;
          batch.put(collection, key, valueOf(bytes, i + round * 1_000_003));
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
    while (rowsPulled() < target) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    return { milliseconds: performance.now() - began };
  },
  rss: () => Promise.resolve({ mib: process.resourceUsage().maxRSS / 1024 }),
  async close() {
    await peer?.close();
    return {};
  },
};

for await (const line of endWithParent()) {
  const command = JSON.parse(line) as Command;
  try {
    const handler = handlers[command.do];
    if (handler === undefined) throw new Error(`No such command: ${command.do}`);
    say(JSON.stringify(await handler(command)));
  } catch (error) {
    say(
      JSON.stringify({
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      }),
    );
  }
}
