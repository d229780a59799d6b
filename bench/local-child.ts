/** What `bench/local.ts` measures, in a process of its own: our database, and the engine below with the bytes that ours wrote. */

import { join } from "node:path";
import type { Collection } from "../src/db/index.ts";
import { openClassicLevel } from "../src/node/disk-store.ts";
import { openPeer, type Peer, type PeerDatabase } from "../src/peer/index.ts";
import { answerCommands } from "./commands.ts";
import { rowKeyOf, rowValueOf } from "./data.ts";

interface Command {
  readonly do: string;
  readonly folder?: string;
  readonly rows?: number;
  readonly bytes?: number;
  readonly batch?: number;
  readonly puts?: number;
  readonly gets?: number;
  readonly atOnce?: number;
}

interface Ours {
  readonly peer: Peer;
  readonly database: PeerDatabase;
  readonly collection: Collection<string>;
}

type Level = Awaited<ReturnType<typeof openClassicLevel>>;
interface Stored {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

let ours: Ours | undefined;
let level: Level | undefined;
/** What ours has stored, as the engine is to store it. */
let stored: Stored[] = [];

const opened = (): Ours => {
  if (ours === undefined) throw new Error("The database is not open");
  return ours;
};
const engine = (): Level => {
  if (level === undefined) throw new Error("The engine is not open");
  return level;
};
/** Things a second. */
async function rate(count: number, work: () => Promise<void>): Promise<{ rate: number }> {
  const began = performance.now();
  await work();
  return { rate: count / ((performance.now() - began) / 1000) };
}
const scattered = (i: number, of: number): number => (i * 7_919) % of;

const handlers: Readonly<Record<string, (command: Command) => Promise<object>>> = {
  async oursOpen({ folder = "" }) {
    const peer = await openPeer({ path: join(folder, "ours") });
    const database = await peer.openDatabase("bench");
    ours = { peer, database, collection: database.collection<string>("rows") };
    // The first write makes the log and introduces the device.
    await ours.collection.put("warm", "up");
    return {};
  },
  async oursBatch({ rows = 0, bytes = 0, batch: size = 1 }) {
    const { database, collection } = opened();
    const all = Array.from(
      { length: rows },
      (_, i) => [rowKeyOf(i), rowValueOf(bytes, i)] as const,
    );
    return rate(rows, async () => {
      for (let from = 0; from < rows; from += size) {
        await database.batch((batch) => {
          for (const [key, value] of all.slice(from, from + size))
            batch.put(collection, key, value);
        });
      }
    });
  },
  async oursGet({ rows = 1, gets = 0 }) {
    const { collection } = opened();
    const keys = Array.from({ length: gets }, (_, i) => rowKeyOf(scattered(i, rows)));
    return rate(gets, async () => {
      for (const key of keys) await collection.get(key);
    });
  },
  async oursPut({ puts = 0, bytes = 0 }) {
    const { collection } = opened();
    return rate(puts, async () => {
      for (let i = 0; i < puts; i++) await collection.put(`put-${i}`, rowValueOf(bytes, i));
    });
  },
  async oursPut64({ puts = 0, bytes = 0, atOnce = 1 }) {
    const { collection } = opened();
    let next = 0;
    return rate(puts, async () => {
      const writer = async (): Promise<void> => {
        while (next < puts) {
          const i = next++;
          await collection.put(`at-once-${i}`, rowValueOf(bytes, i));
        }
      };
      await Promise.all(Array.from({ length: atOnce }, writer));
    });
  },
  async oursClose() {
    await opened().peer.close();
    return {};
  },
  /** Reads what ours has stored, and opens an engine of its own. */
  async engineOpen({ folder = "" }) {
    const from = await openClassicLevel(join(folder, "ours", "store"), { create: false });
    const all = { reverse: false, limit: -1, highWaterMarkBytes: 1 << 20 };
    const iterator = from.iterator({ gte: new Uint8Array(), ...all });
    for (let page = await iterator.nextv(1000); page.length > 0; page = await iterator.nextv(1000))
      for (const [key, value] of page) stored.push({ key, value });
    await iterator.close();
    await from.close();
    level = await openClassicLevel(join(folder, "engine"), { create: true });
    return {};
  },
  /** The rows and whatever else the batches stored, in batches of as many rows and in an order as scattered as theirs. */
  async engineBatch({ rows = 0, batch: size = 1 }) {
    const isRow = ({ key, value }: Stored): boolean => key[0] === ROW_SPACE && value.length < 1000;
    const all = stored.filter(isRow).slice(0, rows);
    const order = all.map((_, i) => all[scattered(i, all.length)] as Stored);
    const others = stored.filter((one) => !isRow(one) && one.value.length >= 1000);
    const perBatch = Math.ceil((others.length * size) / rows);
    return rate(rows, async () => {
      for (let from = 0; from < rows; from += size) {
        const extra = others.splice(0, perBatch);
        const ops = [...order.slice(from, from + size), ...extra].map((one) => ({
          type: "put" as const,
          ...one,
        }));
        await engine().batch(ops, { sync: true });
      }
    });
  },
  async engineGet({ rows = 1, gets = 0 }) {
    const all = stored.filter(({ key }) => key[0] === ROW_SPACE).map(({ key }) => key);
    const keys = Array.from({ length: gets }, (_, i) => all[scattered(i, rows)] as Uint8Array);
    return rate(gets, () => {
      for (const key of keys) engine().getSync(key, {});
      return Promise.resolve();
    });
  },
  async enginePut({ puts = 0 }) {
    const [row] = stored.filter(({ key }) => key[0] === ROW_SPACE);
    if (row === undefined) throw new Error("Nothing is stored");
    return rate(puts, async () => {
      for (let i = 0; i < puts; i++) {
        const key = Uint8Array.from(row.key);
        new DataView(key.buffer).setUint32(key.length - 4, i);
        await engine().batch([{ type: "put", key, value: row.value }], { sync: true });
      }
    });
  },
  async engineClose() {
    stored = [];
    await engine().close();
    return {};
  },
  rss: () => Promise.resolve({ mib: process.resourceUsage().maxRSS / 1024 }),
};

/** First byte of a row's key (docs/spec/formats.md). */
const ROW_SPACE = 0x20;

await answerCommands(handlers);
