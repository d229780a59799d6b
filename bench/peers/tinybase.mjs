/** TinyBase: a MergeableStore over its WebSocket synchronizer, through its server as always. In memory. */

import { createMergeableStore } from "tinybase";
import { createWsSynchronizer } from "tinybase/synchronizers/synchronizer-ws-client";
import { createWsServer } from "tinybase/synchronizers/synchronizer-ws-server";
import { WebSocket, WebSocketServer } from "ws";
import { CHANGED, keyOf, pair, ROWS, timed, until, valueOf } from "./pair.mjs";

const LARGE = { maxPayload: 2 ** 30 };
const TIMEOUT_S = 60;
const synchronizer = (store, port) =>
  createWsSynchronizer(store, new WebSocket(`ws://127.0.0.1:${port}`, LARGE), TIMEOUT_S);

await pair(import.meta.url, {
  peer: "tinybase",
  storage: "memory",
  async server() {
    let store;
    return {
      listen: () =>
        new Promise((resolve) => {
          const server = new WebSocketServer({ port: 0, host: "127.0.0.1", ...LARGE }, () => {
            createWsServer(server);
            resolve(server.address().port);
          });
        }),
      async write({ port, count }) {
        store = createMergeableStore("writer");
        store.transaction(() => {
          for (let i = 0; i < count; i++) store.setRow("rows", keyOf(i), { value: valueOf(i) });
        });
        await (await synchronizer(store, port)).startSync();
      },
      change({ count }) {
        store.transaction(() => {
          for (let i = 0; i < count; i++) store.setCell("rows", keyOf(i), "value", valueOf(i, 1));
        });
      },
    };
  },
  async client(call) {
    const port = await call("listen");
    await call("write", { port, count: ROWS });
    const store = createMergeableStore("reader");
    const initialMs = await timed(async () => {
      await (await synchronizer(store, port)).startSync();
      await until(() => store.getRowCount("rows") === ROWS, 5);
    });
    const incrementalMs = await timed(async () => {
      await call("change", { count: CHANGED });
      await until(
        () => store.getCell("rows", keyOf(CHANGED - 1), "value") === valueOf(CHANGED - 1, 1),
      );
    });
    return { initialMs, incrementalMs };
  },
});
