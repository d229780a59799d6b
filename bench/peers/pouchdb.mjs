/** PouchDB: its memory adapter on both sides, pulled over HTTP from express-pouchdb. */

import { createRequire } from "node:module";
import express from "express";
import http from "pouchdb-adapter-http";
import memory from "pouchdb-adapter-memory";
import Core from "pouchdb-core";
import replication from "pouchdb-replication";
import { CHANGED, keyOf, pair, ROWS, timed, valueOf } from "./pair.mjs";

const plugin = (module) => module.default ?? module;
const PouchDB = Core.plugin(plugin(memory)).plugin(plugin(replication)).plugin(plugin(http));
const BATCH = 1_000;
const OPTIONS = { batch_size: BATCH, batches_limit: 10 };

await pair(import.meta.url, {
  peer: "pouchdb",
  storage: "memory",
  async server() {
    const InMemory = PouchDB.defaults({ adapter: "memory" });
    const database = new InMemory("rows");
    const write = async (from, to, round) => {
      const keys = Array.from({ length: to - from }, (_, i) => keyOf(from + i));
      const { rows } = await database.allDocs({ keys });
      await database.bulkDocs(
        keys.map((_id, i) => {
          const rev = rows[i]?.value?.rev;
          return { _id, value: valueOf(from + i, round), ...(rev && { _rev: rev }) };
        }),
      );
    };
    return {
      async write({ count, round }) {
        for (let i = 0; i < count; i += BATCH) await write(i, Math.min(i + BATCH, count), round);
      },
      listen: () =>
        new Promise((resolve) => {
          const app = express();
          const routes = createRequire(import.meta.url)("express-pouchdb");
          const quiet = { inMemoryConfig: true, mode: "minimumForPouchDB", logPath: "/dev/null" };
          app.use("/", routes(InMemory, quiet));
          const server = app.listen(0, "127.0.0.1", () => resolve(server.address().port));
        }),
    };
  },
  async client(call) {
    await call("write", { count: ROWS, round: 0 });
    const port = await call("listen");
    const here = new PouchDB("reader", { adapter: "memory" });
    const pull = () => here.replicate.from(new PouchDB(`http://127.0.0.1:${port}/rows`), OPTIONS);
    const initialMs = await timed(pull);
    await call("write", { count: CHANGED, round: 1 });
    const incrementalMs = await timed(pull);
    const last = await here.get(keyOf(CHANGED - 1));
    if (last.value !== valueOf(CHANGED - 1, 1)) throw new Error("A change is missing");
    return { initialMs, incrementalMs };
  },
});
