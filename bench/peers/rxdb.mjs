/** RxDB: its free memory storage and its WebSocket replication. */

import { createServer } from "node:net";
import { createRxDatabase } from "rxdb/plugins/core";
import {
  replicateWithWebsocketServer,
  startWebsocketServer,
} from "rxdb/plugins/replication-websocket";
import { getRxStorageMemory } from "rxdb/plugins/storage-memory";
import { WebSocket } from "ws";
import { CHANGED, keyOf, pair, ROWS, timed, until, valueOf } from "./pair.mjs";

globalThis.WebSocket ??= WebSocket;
const BATCH = 1_000;

async function open(name) {
  const database = await createRxDatabase({
    name,
    storage: getRxStorageMemory(),
    multiInstance: false,
  });
  const properties = { id: { type: "string", maxLength: 20 }, value: { type: "string" } };
  await database.addCollections({
    rows: {
      schema: { version: 0, primaryKey: "id", type: "object", properties },
      conflictHandler: {
        isEqual: (a, b) => a.value === b.value,
        resolve: (one) => one.realMasterState,
      },
    },
  });
  return database;
}
const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
const documents = (from, to, round) =>
  Array.from({ length: to - from }, (_, i) => ({
    id: keyOf(from + i),
    value: valueOf(from + i, round),
  }));

await pair(import.meta.url, {
  peer: "rxdb",
  storage: "memory",
  async server() {
    const database = await open("writer");
    return {
      async write() {
        for (let i = 0; i < ROWS; i += BATCH)
          await database.rows.bulkInsert(documents(i, Math.min(i + BATCH, ROWS), 0));
      },
      async listen() {
        const port = await freePort();
        await startWebsocketServer({ database, port, host: "127.0.0.1" });
        return port;
      },
      async change() {
        await database.rows.bulkUpsert(documents(0, CHANGED, 1));
      },
    };
  },
  async client(call) {
    await call("write");
    const port = await call("listen");
    const { rows } = await open("reader");
    const initialMs = await timed(async () => {
      const replication = await replicateWithWebsocketServer({
        collection: rows,
        url: `ws://127.0.0.1:${port}`,
        replicationIdentifier: "bench",
        live: true,
        batchSize: BATCH,
      });
      await replication.awaitInitialReplication();
      await until(async () => (await rows.count().exec()) === ROWS, 20);
    });
    const incrementalMs = await timed(async () => {
      await call("change");
      const last = keyOf(CHANGED - 1);
      await until(async () => (await rows.findOne(last).exec())?.value === valueOf(CHANGED - 1, 1));
    });
    return { initialMs, incrementalMs };
  },
});
