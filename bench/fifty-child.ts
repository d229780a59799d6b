/** Many peers of `bench/fifty.ts` in one process. Times are those of the machine's clock, in milliseconds since 1970. */

import { join } from "node:path";
import { openPeer, type Peer, type PeerDatabase } from "../src/peer/index.ts";
import { answerCommands } from "./commands.ts";

interface Command {
  readonly do: string;
  readonly path?: string;
  readonly peers?: number;
  readonly ticket?: string;
  readonly commits?: number;
  readonly withinMs?: number;
  readonly rows?: number;
}

interface One {
  readonly peer: Peer;
  readonly database: PeerDatabase;
}

const DATABASE = "bench";
const LOOK_MS = 100;
const ours: One[] = [];
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const collectionOf = ({ database }: One): ReturnType<PeerDatabase["collection"]> => {
  const [group] = database.syncgroups();
  if (group === undefined) throw new Error("Nothing is shared yet");
  return group.collection("rows");
};

async function countRows(one: One): Promise<number> {
  let count = 0;
  for await (const _ of collectionOf(one).scan()) count += 1;
  return count;
}

const handlers: Readonly<Record<string, (command: Command) => Promise<object>>> = {
  async open({ path = "", peers = 0 }) {
    for (let i = 0; i < peers; i++) {
      const peer = await openPeer({
        path: join(path, `${i}`),
        name: `device ${i}`,
        listen: ["/ip4/127.0.0.1/tcp/0"],
      });
      ours.push({ peer, database: await peer.openDatabase(DATABASE) });
    }
    return {};
  },
  async share() {
    const [first] = ours;
    if (first === undefined) throw new Error("No peer is open");
    const collections = [first.database.collection("rows")];
    const group = await first.database.createSyncgroup("bench", { collections });
    return { ticket: await group.invite({ role: "writer", uses: 0 }) };
  },
  async join({ ticket = "" }) {
    for (const { database } of ours) {
      if (database.syncgroups().length > 0) continue;
      await (await database.joinSyncgroup(ticket)).ready();
    }
    return {};
  },
  async commitAndConverge({ commits = 0, withinMs = 0, rows = 0 }) {
    let lastMs = 0;
    const began = process.cpuUsage();
    const write = async (one: One, at: number): Promise<void> => {
      for (let i = 0; i < commits; i++) {
        await wait(withinMs / commits);
        await collectionOf(one).put(`${one.peer.device} ${i}`, { from: at, i });
        lastMs = Math.max(lastMs, Date.now());
      }
    };
    await Promise.all(ours.map(write));
    // One after the other, since looking at all of them takes as long as what is measured.
    for (const one of ours) while ((await countRows(one)) < rows) await wait(LOOK_MS);
    const { user, system } = process.cpuUsage(began);
    return { lastMs, allMs: Date.now(), cpuMs: (user + system) / 1000 };
  },
  rss: () => Promise.resolve({ mib: process.resourceUsage().maxRSS / 1024 }),
  async close() {
    await Promise.all(ours.map(({ peer }) => peer.close()));
    return {};
  },
};

await answerCommands(handlers);
