/** Hyperbee: a signed log on disk (RocksDB, not synced write by write), replicated over TCP with Noise inside. */

import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Corestore from "corestore";
import Hyperbee from "hyperbee";
import { CHANGED, keyOf, pair, ROWS, timed, until, valueOf } from "./pair.mjs";

const folder = mkdtempSync(join(tmpdir(), "rookery-bench-hyperbee-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const TEXT = { keyEncoding: "utf-8", valueEncoding: "utf-8" };

function replicate(store, socket, isInitiator) {
  const stream = store.replicate(isInitiator);
  for (const one of [stream, socket]) one.on("error", () => {});
  socket.pipe(stream).pipe(socket);
}

await pair(import.meta.url, {
  peer: "hyperbee",
  storage: "disk",
  async server() {
    const store = new Corestore(folder);
    const core = store.get({ name: "rows" });
    await core.ready();
    const bee = new Hyperbee(core, TEXT);
    return {
      async write({ count, round }) {
        const batch = bee.batch();
        for (let i = 0; i < count; i++) await batch.put(keyOf(i), valueOf(i, round));
        await batch.flush();
        return { key: core.key.toString("hex"), length: core.length };
      },
      listen: () =>
        new Promise((resolve) => {
          const server = createServer({ noDelay: true }, (socket) =>
            replicate(store, socket, false),
          );
          server.listen(0, "127.0.0.1", () => resolve(server.address().port));
        }),
    };
  },
  async client(call) {
    const { key, length } = await call("write", { count: ROWS, round: 0 });
    const port = await call("listen");
    const store = new Corestore(folder);
    const core = store.get({ key: Buffer.from(key, "hex") });
    await core.ready();
    const pull = async (from, to) => {
      await until(async () => {
        await core.update();
        return core.length >= to;
      });
      await core.download({ start: from, end: to }).done();
    };
    const initialMs = await timed(async () => {
      replicate(store, connect({ port, host: "127.0.0.1", noDelay: true }), true);
      await pull(0, length);
    });
    const changed = await call("write", { count: CHANGED, round: 1 });
    const incrementalMs = await timed(() => pull(length, changed.length));
    const bee = new Hyperbee(core, TEXT);
    if ((await bee.get(keyOf(CHANGED - 1)))?.value !== valueOf(CHANGED - 1, 1))
      throw new Error("A change is missing");
    return { initialMs, incrementalMs };
  },
});
