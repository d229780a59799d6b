/**
 * What `bench/local.ts` measures, in a process of its own: our database and the engine below, in short turns, so that whatever
 * else the machine does slows both. The engine gets the very ops that ours gave its own, by the engine's own public calls.
 */

import { join } from "node:path";
import { ClassicLevel } from "classic-level";
import type { Collection } from "../src/db/index.ts";
import {
  LEVEL_BLOCK_BYTES,
  LEVEL_CACHE_BYTES,
  LEVEL_FILE_BYTES,
  LEVEL_FILES_OPEN_MAX,
  LEVEL_WRITE_BUFFER_BYTES,
} from "../src/node/limits.ts";
import type { EngineOp } from "../src/store/index.ts";
import { openPeer, type PeerDatabase } from "../src/peer/index.ts";
import { answerCommands } from "./commands.ts";
import { rowKeyOf, rowValueOf } from "./data.ts";
import { EngineNotes } from "./engine-notes.ts";

interface Command {
  readonly do: string;
  readonly folder: string;
  readonly rows: number;
  readonly bytes: number;
  readonly batch: number;
  readonly gets: number;
  readonly puts: number;
  readonly puts64: number;
  readonly atOnce: number;
}

type Put = Extract<EngineOp, { type: "put" }>;
type Level = ClassicLevel<Uint8Array, Uint8Array>;

/** Milliseconds that ours and the engine took over all of their turns. */
class Times {
  ours = 0;
  engine = 0;

  async add(who: "ours" | "engine", work: () => Promise<void> | void): Promise<void> {
    const began = performance.now();
    await work();
    this[who] += performance.now() - began;
  }

  /** Things a second. */
  rates(count: number): { ours: number; engine: number } {
    return { ours: (1000 * count) / this.ours, engine: (1000 * count) / this.engine };
  }
}

/** Turns that are not counted: code is compiled in them. */
const WARM_TURNS = 2;
/** The same for batches, of whose way more is compiled, and later: the first 20 000 rows take twice as long as those from 30 000 on. */
const WARM_BATCH_TURNS = 6;
/** Of each measurement, so that noise meets both sides alike. */
const TURNS = 20;

/** LevelDB as classic-level gives it, with the bounds of our store. */
async function openLevel(folder: string): Promise<Level> {
  const level: Level = new ClassicLevel(folder, {
    keyEncoding: "view",
    valueEncoding: "view",
    writeBufferSize: LEVEL_WRITE_BUFFER_BYTES,
    maxFileSize: LEVEL_FILE_BYTES,
    cacheSize: LEVEL_CACHE_BYTES,
    blockSize: LEVEL_BLOCK_BYTES,
    maxOpenFiles: LEVEL_FILES_OPEN_MAX,
  });
  await level.open();
  return level;
}

class Bench {
  readonly #command: Command;
  readonly #database: PeerDatabase;
  readonly #collection: Collection<string>;
  readonly #level: Level;
  /** Keys of the rows as the engine has them. */
  readonly #rowKeys: Uint8Array[] = [];
  readonly #notes = new EngineNotes();
  #row: Put | undefined;

  constructor(command: Command, database: PeerDatabase, level: Level) {
    this.#command = command;
    this.#database = database;
    this.#collection = database.collection<string>("rows");
    this.#level = level;
  }

  async batch(): Promise<object> {
    const { rows, batch: size } = this.#command;
    const times = new Times();
    const perTurn = Math.ceil(rows / TURNS / size) * size;
    let counted = 0;
    const end = rows + WARM_BATCH_TURNS * perTurn;
    // Before: what making them leaves behind is not for ours to collect.
    const given = this.#rows(0, end);
    for (let from = 0, turn = 0; from < end; from += perTurn, turn++) {
      const all = given.slice(from, from + perTurn);
      const own = turn < WARM_BATCH_TURNS ? new Times() : times;
      if (own === times) counted += all.length;
      const took = await this.#notes.noteWhile(() => own.add("ours", () => this.#putAll(all)));
      own.ours -= took;
      const batches = this.#notes.batches();
      await own.add("engine", async () => {
        for (const ops of batches) await this.#level.batch(ops, { sync: true });
      });
      for (const op of batches.flat()) {
        if (op.type !== "put" || op.key[0] !== ROW_SPACE) continue;
        this.#rowKeys.push(op.key.slice());
        this.#row = op;
      }
    }
    return times.rates(counted);
  }

  #rows(from: number, end: number): (readonly [key: string, value: string])[] {
    return Array.from({ length: end - from }, (_, i) => {
      // Read once, so that the text is one piece.
      const value = rowValueOf(this.#command.bytes, from + i);
      return [rowKeyOf(from + i), value] as const;
    });
  }

  async #putAll(all: readonly (readonly [string, string])[]): Promise<void> {
    const size = this.#command.batch;
    for (let from = 0; from < all.length; from += size) {
      const end = Math.min(all.length, from + size);
      await this.#database.batch((batch) => {
        for (let i = from; i < end; i++) {
          const [key, value] = all[i] as readonly [string, string];
          batch.put(this.#collection, key, value);
        }
      });
    }
  }

  async get(): Promise<object> {
    const { gets, rows } = this.#command;
    const times = new Times();
    const perTurn = Math.ceil(gets / TURNS);
    for (let turn = -WARM_TURNS; turn < TURNS; turn++) {
      const own = turn < 0 ? new Times() : times;
      const picks = Array.from({ length: perTurn }, (_, i) => (turn * perTurn + i) * 7_919);
      const names = picks.map((i) => rowKeyOf(Math.abs(i) % rows));
      const keys = picks.map((i) => this.#rowKeys[Math.abs(i) % rows] as Uint8Array);
      await own.add("ours", async () => {
        for (const name of names) await this.#collection.get(name);
      });
      await own.add("engine", () => {
        for (const key of keys) this.#level.getSync(key);
      });
    }
    return times.rates(TURNS * perTurn);
  }

  /** One after the other; and many at once, for which the engine's one after the other are the measure, too. */
  async put(puts: number, atOnce: number): Promise<object> {
    const { bytes, puts: enginePuts } = this.#command;
    const times = new Times();
    const perTurn = Math.ceil(puts / TURNS);
    const engineTurn = Math.ceil(enginePuts / TURNS);
    for (let turn = -WARM_TURNS; turn < TURNS; turn++) {
      const own = turn < 0 ? new Times() : times;
      const values = Array.from({ length: perTurn }, (_, i) => rowValueOf(bytes, i));
      let next = 0;
      await own.add("ours", async () => {
        const writer = async (): Promise<void> => {
          while (next < perTurn) {
            const i = next++;
            await this.#collection.put(`put-${atOnce}-${turn}-${i}`, values[i] as string);
          }
        };
        await Promise.all(Array.from({ length: atOnce }, writer));
      });
      const { value, key } = this.#row as Put;
      const ops = Array.from({ length: engineTurn }, (_, i): Put => {
        const own = Uint8Array.from(key);
        const number = (atOnce * TURNS + turn) * engineTurn + i;
        new DataView(own.buffer).setUint32(own.length - 4, number);
        return { type: "put", key: own, value };
      });
      await own.add("engine", async () => {
        for (const op of ops) await this.#level.batch([op], { sync: true });
      });
    }
    return {
      ours: (1000 * TURNS * perTurn) / times.ours,
      engine: (1000 * TURNS * engineTurn) / times.engine,
    };
  }
}

/** First byte of a row's key (docs/spec/formats.md). */
const ROW_SPACE = 0x20;

await answerCommands<Command>({
  /** All of it on a fresh store. */
  async run(command) {
    const { folder, puts, puts64, atOnce } = command;
    const peer = await openPeer({ path: join(folder, "ours") });
    const level = await openLevel(join(folder, "engine"));
    try {
      const database = await peer.openDatabase("bench");
      // The first write makes the log and introduces the device.
      await database.collection<string>("rows").put("warm", "up");
      const bench = new Bench(command, database, level);
      const batch = await bench.batch();
      const get = await bench.get();
      const put = await bench.put(puts, 1);
      const put64 = await bench.put(puts64, atOnce);
      return { batch, get, put, put64, mib: process.resourceUsage().maxRSS / 1024 };
    } finally {
      await level.close();
      await peer.close();
    }
  },
});
