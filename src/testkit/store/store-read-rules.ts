import { type Entry, type Snapshot, type Store, STORE_GET_HALVES_MIN } from "../../store/index.ts";
import { deepEqual, equal, holds, rejects, type Rule } from "../expect.ts";
import { del, entriesOf, key, keysOf, put, type StoreWorld } from "./store-world.ts";

const NO_SUCH_KEY = key("no such key");

/** Rules of reading: [ST1] to [ST7]. */
export const storeReadRules: readonly Rule<StoreWorld>[] = [
  {
    id: "ST1",
    says: "get answers what was last written, undefined for what is not there",
    async check(world) {
      await using store = await world.open();
      equal(await store.get(key("a")), undefined);
      await store.write([put("a", "1"), put("empty", "")]);
      deepEqual(await store.get(key("a")), key("1"));
      deepEqual(await store.get(key("empty")), new Uint8Array(0));
      await store.write([put("a", "2")]);
      deepEqual(await store.get(key("a")), key("2"));
      await store.write([del("a"), del("never there")]);
      equal(await store.get(key("a")), undefined);
    },
  },
  {
    id: "ST1",
    says: "answers are plain arrays of bytes, whose slice copies",
    async check(world) {
      await using store = await world.open();
      await store.write([put("a")]);
      const [entry] = await entriesOf(store);
      for (const bytes of [
        await store.get(key("a")),
        (await store.getMany([key("a")]))[0],
        entry?.key,
        entry?.value,
      ]) {
        equal(Object.getPrototypeOf(bytes), Uint8Array.prototype);
      }
    },
  },
  {
    id: "ST45",
    says: "getNow answers at once what get would, of a snapshot too, and leaves to get what has to be waited for",
    async check(world) {
      await using store = await world.open();
      await store.write([put("a", "1")]);
      const before = store.snapshot();
      await store.write([put("a", "2")]);
      const now = (snapshot?: Snapshot): Uint8Array | undefined | "wait" =>
        store.getNow(key("a"), { snapshot });
      for (const [found, asked] of [
        [now(), await store.get(key("a"))],
        [now(before), await store.get(key("a"), { snapshot: before })],
        [store.getNow(NO_SUCH_KEY), undefined],
      ] as const)
        if (found !== "wait") deepEqual(found, asked);
      await before.close();
      await store.close();
      await rejects((async () => store.getNow(key("a")))(), "STORE_CLOSED");
    },
  },
  {
    id: "ST2",
    says: "getMany gives one answer a key, in order, the same key twice too",
    async check(world) {
      await using store = await world.open();
      await store.write([put("a"), put("b")]);
      deepEqual(await store.getMany([key("b"), NO_SUCH_KEY, key("a"), key("b")]), [
        key("b"),
        undefined,
        key("a"),
        key("b"),
      ]);
      deepEqual(await store.getMany([]), []);
    },
  },
  {
    id: "ST2",
    says: "getMany of many keys is of one state, of a snapshot or of now",
    async check(world) {
      await using store = await world.open();
      const names = Array.from({ length: 2 * STORE_GET_HALVES_MIN + 1 }, (_, i) => `key ${i}`);
      const state = (value: string) => names.map((name) => put(name, value));
      await store.write(state("old"));
      const before = store.snapshot();
      const keys = [...names.map((name) => key(name)), NO_SUCH_KEY];
      const writing = store.write(state("new"));
      const found = await store.getMany(keys);
      await writing;
      const [first] = found;
      deepEqual(found, [...names.map(() => first), undefined]);
      deepEqual(await store.getMany(keys), [...names.map(() => key("new")), undefined]);
      const old = await store.getMany(keys, { snapshot: before });
      deepEqual(old, [...names.map(() => key("old")), undefined]);
      await before.close();
    },
  },
  {
    id: "ST3",
    says: "a scan goes by unsigned bytes, a prefix before what it begins, or the other way round",
    async check(world) {
      await using store = await world.open();
      const keys = [[1], [1, 0], [1, 0, 0], [1, 1], [0x7f], [0x80], [0xff], [0xff, 0xff]].map(
        (bytes) => Uint8Array.from(bytes),
      );
      const mixed = [5, 0, 7, 2, 4, 6, 1, 3].map((i) => keys[i] as Uint8Array);
      await store.write(mixed.map((name) => ({ type: "put", key: name, value: name })));
      const entries = keys.map((name): Entry => ({ key: name, value: name }));
      deepEqual(await entriesOf(store), entries);
      deepEqual(await entriesOf(store, {}, { reverse: true }), entries.toReversed());
    },
  },
  {
    id: "ST4",
    says: "a scan keeps to its bounds and its limit",
    async check(world) {
      await using store = await world.open();
      await store.write(["a", "b", "c", "d", "e"].map((name) => put(name)));
      deepEqual(await keysOf(store, { gte: key("b"), lt: key("d") }), ["b", "c"]);
      deepEqual(await keysOf(store, { gt: key("b") }), ["c", "d", "e"]);
      deepEqual(await keysOf(store, { gt: key("bb"), lt: key("dd") }), ["c", "d"]);
      deepEqual(await keysOf(store, { lt: key("c") }, { reverse: true }), ["b", "a"]);
      deepEqual(await keysOf(store, { gte: key("b") }, { limit: 2 }), ["b", "c"]);
      deepEqual(await keysOf(store, { gte: key("b") }, { limit: 2, reverse: true }), ["e", "d"]);
      deepEqual(await keysOf(store, {}, { limit: 0 }), []);
      deepEqual(await keysOf(store, { gte: key("d"), lt: key("b") }), []);
      deepEqual(await keysOf(store, { gte: key("c"), lt: key("c") }), []);
      deepEqual(await keysOf(store, { gte: new Uint8Array(0) }), ["a", "b", "c", "d", "e"]);
    },
  },
  {
    id: "ST5",
    says: "a scan sees the store as it was when its first entry was asked for",
    async check(world) {
      await using store = await world.open();
      await store.write(["a", "c"].map((name) => put(name)));
      const scan = store.scan({})[Symbol.asyncIterator]();
      equal((await scan.next()).done, false);
      await store.write([put("b"), del("c"), put("d")]);
      deepEqual(((await scan.next()).value as Entry).key, key("c"));
      equal((await scan.next()).done, true);
      deepEqual(await keysOf(store), ["a", "b", "d"]);
    },
  },
  {
    id: "ST6",
    says: "a scan of many pages misses nothing, of large values too, and may be left at any entry",
    async check(world) {
      await using store = await world.open();
      const count = 3_000;
      const names = Array.from({ length: count }, (_, i) => String(i).padStart(5, "0"));
      await store.write(names.map((name) => put(name)));
      deepEqual(await keysOf(store), names);
      deepEqual(await keysOf(store, {}, { reverse: true }), names.toReversed());
      await store.write(
        names
          .slice(0, 8)
          .map((name) => ({ type: "put", key: key(name), value: new Uint8Array(200_000) })),
      );
      deepEqual(await keysOf(store), names);
      let seen = 0;
      for await (const _ of store.scan({})) if (++seen === 700) break;
      equal(seen, 700);
      const thrown = new Error("out of the loop");
      await leaveByThrowing(store, thrown).catch((error: unknown) => equal(error, thrown));
    },
  },
  {
    id: "ST7",
    says: "a snapshot shows every read the store as it was, until closed",
    async check(world) {
      await using store = await world.open();
      await store.write([put("a", "1"), put("b", "1")]);
      const snapshot = store.snapshot();
      await store.write([put("a", "2"), del("b"), put("c", "2")]);
      deepEqual(await store.get(key("a"), { snapshot }), key("1"));
      deepEqual(await store.getMany([key("b"), key("c")], { snapshot }), [key("1"), undefined]);
      deepEqual(await keysOf(store, {}, { snapshot, reverse: true }), ["b", "a"]);
      deepEqual(await store.get(key("a")), key("2"));
      await snapshot.close();
      await snapshot.close();
      await rejects(store.get(key("a"), { snapshot }), "STORE_READ_FAILED");
      await rejects(keysOf(store, {}, { snapshot }), "STORE_READ_FAILED");
    },
  },
];

async function leaveByThrowing(store: Store, thrown: Error): Promise<void> {
  for await (const _ of store.scan({})) throw thrown;
  holds(false, "an entry to throw at");
}
