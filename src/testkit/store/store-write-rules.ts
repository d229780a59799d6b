import {
  STORE_GROUP_BYTES_MAX,
  STORE_GROUP_OPS_MAX,
  STORE_KEY_BYTES_MAX,
  STORE_VALUE_BYTES_MAX,
  STORE_WRITE_BYTES_MAX,
  STORE_WRITE_OPS_MAX,
  type WriteOp,
} from "../../store/index.ts";
import { deepEqual, equal, holds, rejects, rejectsNamed, type Rule } from "../expect.ts";
import { settle } from "../fake-clock.ts";
import { contentOf, del, key, keysOf, put, type StoreWorld } from "./store-world.ts";

/** Rules of writing, opening and closing: [ST8] to [ST15], [ST24] to [ST29]. */
export const storeWriteRules: readonly Rule<StoreWorld>[] = [
  {
    id: "ST8",
    says: "a batch takes effect as one, of two ops on a key the later",
    async check(world) {
      await using store = await world.open();
      await store.write([put("a", "1"), put("b"), put("a", "2"), del("b"), del("c"), put("c")]);
      deepEqual(await store.get(key("a")), key("2"));
      deepEqual(await keysOf(store), ["a", "c"]);
      await store.write([]);
      deepEqual(await keysOf(store), ["a", "c"]);
    },
  },
  {
    id: "ST9",
    says: "what was acknowledged is there when the store is opened again",
    async check(world) {
      {
        await using store = await world.open();
        await store.write([put("a"), put("b")]);
        await store.write([del("a")]);
      }
      await using store = await world.open();
      deepEqual(await keysOf(store), ["b"]);
    },
  },
  {
    id: "ST10",
    says: "writes take effect and are acknowledged in call order",
    async check(world) {
      await using store = await world.open();
      const done: number[] = [];
      const writing = Array.from({ length: 50 }, async (_, i) => {
        await store.write([put("a", String(i)), put(`k${i}`)]);
        done.push(i);
      });
      await Promise.all(writing);
      deepEqual(
        done,
        writing.map((_, i) => i),
      );
      deepEqual(await store.get(key("a")), key("49"));
    },
  },
  {
    id: "ST11",
    says: "writes called in one turn share one engine write, those called meanwhile the next, without any timer",
    async check(world) {
      await using store = await world.open();
      const before = world.medium.batches.length;
      const release = world.medium.holdWrites();
      const first = [store.write([put("a")]), store.write([put("b")])];
      await settle();
      const second = [store.write([put("c")]), store.write([put("d")]), store.write([put("e")])];
      await settle();
      equal(world.clock.sleeperCount, 0, "sleepers");
      equal(await store.get(key("a")), undefined);
      release();
      await Promise.all([...first, ...second]);
      deepEqual(
        world.medium.batches.slice(before).map((ops) => ops.length),
        [2, 3],
      );
      await store.write([put("f")]);
      equal(world.medium.batches.length, before + 3);
    },
  },
  {
    id: "ST12",
    says: "a group keeps below its limits, a larger write goes alone",
    async check(world) {
      await using store = await world.open();
      const before = world.medium.batches.length;
      const third = (name: string): WriteOp => ({
        type: "put",
        key: key(name),
        value: new Uint8Array(Math.ceil(STORE_GROUP_BYTES_MAX / 3)),
      });
      const alone = {
        type: "put",
        key: key("alone"),
        value: new Uint8Array(STORE_GROUP_BYTES_MAX + 1),
      } as const;
      await Promise.all([
        ...["a", "b", "c"].map((name) => store.write([third(name)])),
        store.write([alone]),
        store.write([put("d")]),
      ]);
      const many = Array.from({ length: STORE_GROUP_OPS_MAX - 1 }, () => del("many"));
      await Promise.all([store.write(many), store.write([del("a")]), store.write([del("b")])]);
      const sizes = world.medium.batches.slice(before).map((ops) => ops.length);
      deepEqual(sizes, [2, 1, 1, 1, STORE_GROUP_OPS_MAX, 1]);
    },
  },
  {
    id: "ST13",
    says: "arrays are their caller's again once the write is acknowledged",
    async check(world) {
      await using store = await world.open();
      const op = { type: "put", key: key("a"), value: key("1") } as const;
      await store.write([op]);
      op.key.fill(0x7a);
      op.value.fill(0x7a);
      deepEqual(await store.get(key("a")), key("1"));
      deepEqual(await keysOf(store), ["a"]);
    },
  },
  {
    id: "ST14",
    says: "what is beyond the limits or of the wrong type is refused whole, at the limit it is taken",
    async check(world) {
      await using store = await world.open();
      const longest = new Uint8Array(STORE_KEY_BYTES_MAX).fill(0x61);
      await store.write([{ type: "put", key: longest, value: new Uint8Array(0) }]);
      deepEqual(await store.get(longest), new Uint8Array(0));
      await store.write([del("b"), { type: "delete", key: longest }]);

      const tooLong = new Uint8Array(STORE_KEY_BYTES_MAX + 1).fill(0x61);
      for (const bad of [tooLong, new Uint8Array(0), Uint8Array.of(0), Uint8Array.of(0, 1)]) {
        await rejectsNamed(store.get(bad), "RangeError");
        await rejectsNamed(store.getMany([key("a"), bad]), "RangeError");
        await rejectsNamed(
          store.write([put("a"), { type: "put", key: bad, value: bad }]),
          "RangeError",
        );
        await rejectsNamed(store.write([put("a"), { type: "delete", key: bad }]), "RangeError");
      }
      const value = new Uint8Array(STORE_VALUE_BYTES_MAX + 1);
      await rejectsNamed(
        store.write([put("a"), { type: "put", key: key("b"), value }]),
        "RangeError",
      );
      const many = Array.from({ length: STORE_WRITE_OPS_MAX + 1 }, () => put("a"));
      await rejectsNamed(store.write(many), "RangeError");
      const half = {
        type: "put",
        key: key("a"),
        value: new Uint8Array(STORE_WRITE_BYTES_MAX / 3),
      } as const;
      await rejectsNamed(store.write([half, half, half]), "RangeError");
      for (const bad of ["text", undefined, [1], new ArrayBuffer(1)]) {
        const bytes = bad as unknown as Uint8Array;
        await rejectsNamed(store.get(bytes), "TypeError");
        await rejectsNamed(
          store.write([put("a"), { type: "put", key: bytes, value: key("") }]),
          "TypeError",
        );
        await rejectsNamed(
          store.write([put("a"), { type: "put", key: key("b"), value: bytes }]),
          "TypeError",
        );
      }
      await rejectsNamed(
        store.write([put("a"), { type: "move" } as unknown as WriteOp]),
        "TypeError",
      );
      for (const limit of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        await rejectsNamed(
          thrownBy(() => store.scan({}, { limit })),
          "RangeError",
        );
      }
      await rejectsNamed(
        thrownBy(() => store.scan({ gte: key("a"), gt: key("a") })),
        "TypeError",
      );
      equal(store.state, "open");
      deepEqual(await keysOf(store), []);
    },
  },
  {
    id: "ST15",
    says: "the store's own keys are in no scan",
    async check(world) {
      await using store = await world.open();
      await store.write([put("a")]);
      for (const gte of [undefined, new Uint8Array(0), Uint8Array.of(0), Uint8Array.of(0, 1)]) {
        deepEqual(await keysOf(store, { gte }), ["a"]);
        deepEqual(await keysOf(store, { gt: gte }, { reverse: true }), ["a"]);
      }
      deepEqual(await keysOf(store, { lt: Uint8Array.of(0, 0xff) }), []);
    },
  },
  {
    id: "ST24",
    says: "a store keeps the id that it was born with",
    async check(world) {
      let id: Uint8Array;
      {
        await using store = await world.open();
        id = store.id;
        equal(id.length, 16);
      }
      await using store = await world.open();
      deepEqual(store.id, id);
    },
  },
  {
    id: "ST25",
    says: "a store of a later format is refused and left as it is",
    async check(world) {
      const engine = await world.openEngine();
      const mark = new Uint8Array(30);
      mark[3] = 2;
      await engine.batch([{ type: "put", key: BORN_KEY, value: mark }], { sync: true });
      await engine.close();
      await rejects(world.open(), "STORE_UNSUPPORTED_FORMAT");
      const again = await world.openEngine();
      deepEqual(await contentOf(again), [[BORN_KEY, mark]]);
      await again.close();
    },
  },
  {
    id: "ST26",
    says: "rows without a born mark, or with a damaged one, are refused and left as they are",
    async check(world) {
      const marks = [undefined, Uint8Array.of(), Uint8Array.of(0, 0, 0, 1), new Uint8Array(20)];
      for (const mark of marks) {
        const engine = await world.openEngine();
        const row = { type: "put", key: key("a"), value: key("1") } as const;
        const born = mark ? ({ type: "put", key: BORN_KEY, value: mark } as const) : undefined;
        await engine.batch([row, ...(born ? [born] : [])], { sync: true });
        await engine.close();
        await rejects(world.open(), "STORE_CORRUPT");
        const again = await world.openEngine();
        deepEqual(await contentOf(again), [
          ...(mark ? [[BORN_KEY, mark]] : []),
          [key("a"), key("1")],
        ]);
        await again.close();
      }
    },
  },
  {
    id: "ST27",
    says: "a store is open once at a time, and can be opened again when closed",
    async check(world) {
      const first = await world.open();
      await rejects(world.open(), "STORE_LOCKED");
      await first.write([put("a")]);
      await first.close();
      await using second = await world.open();
      deepEqual(await keysOf(second), ["a"]);
    },
  },
  {
    id: "ST28",
    says: "close waits for the writes accepted before, tells its listeners, and may be called twice",
    async check(world) {
      const store = await world.open();
      const states: string[] = [];
      const end = store.onState((state) => states.push(state));
      store.onState((state) => states.push(`${state} too`));
      const release = world.medium.holdWrites();
      const writing = store.write([put("a")]);
      const closing = [store.close(), store.close()];
      let isClosed = false;
      void closing[0]?.then(() => (isClosed = true));
      await settle();
      holds(!isClosed, "close to wait for the write");
      release();
      await Promise.all([writing, ...closing]);
      end();
      await store.close();
      deepEqual(states, ["closed", "closed too"]);
      await using again = await world.open();
      deepEqual(await keysOf(again), ["a"]);
    },
  },
  {
    id: "ST29",
    says: "a closed store refuses every call, and ends scans and snapshots",
    async check(world) {
      const store = await world.open();
      await store.write([put("a"), put("b")]);
      const snapshot = store.snapshot();
      const scan = store.scan({}, { limit: 1_000 })[Symbol.asyncIterator]();
      await scan.next();
      await store.close();
      equal(store.state, "closed");
      await rejects(store.get(key("a")), "STORE_CLOSED");
      await rejects(store.getMany([key("a")]), "STORE_CLOSED");
      await rejects(store.get(key("a"), { snapshot }), "STORE_CLOSED");
      await rejects(keysOf(store), "STORE_CLOSED");
      await rejects(store.write([put("a")]), "STORE_CLOSED");
      await rejects(store.write([]), "STORE_CLOSED");
      await rejects(
        thrownBy(() => store.snapshot()),
        "STORE_CLOSED",
      );
      // What the page held may still be read, what lies behind it not.
      await scan.next();
      await rejects(Promise.resolve(scan.next()), "STORE_CLOSED");
      await snapshot.close();
    },
  },
];

/** Where a store keeps the mark that it was born. */
const BORN_KEY = Uint8Array.of(0, 1);

async function thrownBy(act: () => unknown): Promise<unknown> {
  return act();
}
