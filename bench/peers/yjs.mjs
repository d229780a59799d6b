/** Yjs: one map of rows, the two steps of y-protocols over WebSocket. In memory, neither signed nor encrypted. */

import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";
import { WebSocket, WebSocketServer } from "ws";
import * as sync from "y-protocols/sync";
import * as Y from "yjs";
import { CHANGED, keyOf, pair, ROWS, timed, valueOf } from "./pair.mjs";

const LARGE = { maxPayload: 2 ** 30, perMessageDeflate: false };

function answer(socket, doc) {
  socket.on("message", (bytes) => {
    const reply = encoding.createEncoder();
    sync.readSyncMessage(decoding.createDecoder(new Uint8Array(bytes)), reply, doc, "network");
    if (encoding.length(reply) > 0) socket.send(encoding.toUint8Array(reply));
  });
}

await pair(import.meta.url, {
  peer: "yjs",
  storage: "memory",
  async server() {
    const doc = new Y.Doc();
    const rows = doc.getMap("rows");
    const write = (count, round) =>
      doc.transact(() => {
        for (let i = 0; i < count; i++) rows.set(keyOf(i), valueOf(i, round));
      });
    return {
      write: ({ count, round }) => write(count, round),
      listen: () =>
        new Promise((resolve) => {
          const server = new WebSocketServer({ port: 0, host: "127.0.0.1", ...LARGE }, () =>
            resolve(server.address().port),
          );
          server.on("connection", (socket) => answer(socket, doc));
        }),
    };
  },
  async client(call) {
    await call("write", { count: ROWS, round: 0 });
    const port = await call("listen");
    const doc = new Y.Doc();
    const rows = doc.getMap("rows");
    const pull = () =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`ws://127.0.0.1:${port}`, LARGE);
        answer(socket, doc);
        socket.on("error", reject);
        socket.on("open", () => {
          const first = encoding.createEncoder();
          sync.writeSyncStep1(first, doc);
          socket.send(encoding.toUint8Array(first));
        });
        doc.once("update", () => {
          socket.terminate();
          resolve();
        });
      });
    const initialMs = await timed(pull);
    if (rows.size !== ROWS) throw new Error(`${rows.size} rows arrived`);
    await call("write", { count: CHANGED, round: 1 });
    const incrementalMs = await timed(pull);
    if (rows.get(keyOf(CHANGED - 1)) !== valueOf(CHANGED - 1, 1))
      throw new Error("A change is missing");
    return { initialMs, incrementalMs };
  },
});
