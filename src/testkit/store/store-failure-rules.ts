import {
  STORE_REOPEN_DELAY_MS,
  STORE_REOPEN_DELAY_MS_MAX,
  STORE_REOPEN_READ_WAIT_MS,
  type Store,
  type StoreState,
} from "../../store/index.ts";
import { codeOf } from "../../base/index.ts";
import { deepEqual, equal, holds, rejects, type Rule } from "../expect.ts";
import { settle } from "../fake-clock.ts";
import { brokenDiskError, fullDiskError } from "./store-faults.ts";
import { key, keysOf, put, recovered, type StoreWorld } from "./store-world.ts";

/** Rules of failed writes: [ST16] to [ST23]. */
export const storeFailureRules: readonly Rule<StoreWorld>[] = [
  {
    id: "ST16",
    says: "a failed write is told by its cause, and turns the store read-only before anyone hears of it",
    async check(world) {
      await using store = await world.open();
      const told: [StoreState, string | undefined][] = [];
      store.onState((state, cause) => told.push([state, codeOf(cause)]));
      for (const [error, code] of [
        [fullDiskError(), "STORE_FULL"],
        [Object.assign(new Error("x"), { code: "EDQUOT" }), "STORE_FULL"],
        [new Error("wrapped", { cause: new Error("IO error: File too large") }), "STORE_FULL"],
        [brokenDiskError(), "STORE_WRITE_FAILED"],
        [new Error("anything"), "STORE_WRITE_FAILED"],
      ] as const) {
        world.medium.failWrite({ error });
        let stateWhenHeard: string | undefined;
        const writing = store.write([put("a")]).finally(() => (stateWhenHeard = store.state));
        equal((await rejects(writing, code)).cause, error);
        equal(stateWhenHeard, "readOnly");
        deepEqual(told.splice(0), [["readOnly", code]]);
        await recovered(store, world.clock);
        deepEqual(told.splice(0), [["open", undefined]]);
      }
      deepEqual(await keysOf(store), []);
    },
  },
  {
    id: "ST16",
    says: "all writes of a failed group hear the same",
    async check(world) {
      await using store = await world.open();
      world.medium.failWrite({ error: fullDiskError() });
      const writing = [store.write([put("a")]), store.write([put("b")])];
      await Promise.all(writing.map((write) => rejects(write, "STORE_FULL")));
    },
  },
  {
    id: "ST17",
    says: "writes that no engine has seen, and later ones, are refused and are not there",
    async check(world) {
      await using store = await world.open();
      world.medium.failWrite({ error: fullDiskError() });
      const release = world.medium.holdWrites();
      const failing = store.write([put("failing")]);
      await settle();
      const waiting = store.write([put("waiting")]);
      release();
      await rejects(failing, "STORE_FULL");
      equal(codeOf((await rejects(waiting, "STORE_READ_ONLY")).cause), "STORE_FULL");
      await rejects(store.write([put("later")]), "STORE_READ_ONLY");
      await rejects(store.write([]), "STORE_READ_ONLY");
      await recovered(store, world.clock);
      await store.write([put("after")]);
      deepEqual(await keysOf(store), ["after"]);
    },
  },
  {
    id: "ST18",
    says: "reads go on while the store is read-only",
    async check(world) {
      await using store = await world.open();
      await store.write([put("a"), put("b")]);
      world.medium.outage = { error: fullDiskError() };
      await rejects(store.write([put("c")]), "STORE_FULL");
      for (let step = 0; step < 20; step++) {
        deepEqual(await store.get(key("a")), key("a"));
        deepEqual(await store.getMany([key("b")]), [key("b")]);
        deepEqual(await keysOf(store), ["a", "b"]);
        const snapshot = store.snapshot();
        deepEqual(await store.get(key("a"), { snapshot }), key("a"));
        await snapshot.close();
        await world.clock.advance(20);
        await reopenedAtLeast(store, world);
      }
      equal(store.state, "readOnly");
      world.medium.outage = undefined;
      await recovered(store, world.clock);
    },
  },
  {
    id: "ST19",
    says: "writes are taken again only when a reopened engine has synced a probe, tried with growing delays",
    async check(world) {
      await using store = await world.open();
      const opened = world.medium.openCount;
      world.medium.outage = { error: fullDiskError() };
      await rejects(store.write([put("a")]), "STORE_FULL");
      const delays: number[] = [];
      for (let attempt = 1; attempt <= 8; attempt++) {
        const slept = world.clock.monotonic();
        while (world.medium.openCount < opened + attempt) await world.clock.advance(10);
        delays.push(world.clock.monotonic() - slept);
        equal(store.state, "readOnly");
        await untilAsleep(world);
      }
      for (const [i, delay] of delays.entries()) {
        const least = Math.min(STORE_REOPEN_DELAY_MS * 2 ** i, STORE_REOPEN_DELAY_MS_MAX);
        // The clock is moved in steps, and an engine takes a while to open.
        holds(delay > least - 20, `attempt ${i + 1} to wait about ${least} ms, not ${delay}`);
      }
      world.medium.outage = undefined;
      world.medium.failOpen(brokenDiskError());
      await recovered(store, world.clock);
      equal(world.medium.openCount, opened + 9);
      await store.write([put("b")]);
    },
  },
  {
    id: "ST20",
    says: "nothing that was acknowledged is lost, though the engine loses what it took after a failure",
    async check(world) {
      {
        await using store = await world.open();
        const acknowledged: string[] = [];
        for (let i = 0; i < 60; i++) {
          if (i % 7 === 3)
            world.medium.failWrite({ error: i % 2 ? fullDiskError() : brokenDiskError() });
          const name = `k${String(i).padStart(2, "0")}`;
          try {
            await store.write([put(name)]);
            acknowledged.push(name);
          } catch {
            await recovered(store, world.clock);
          }
        }
        holds(acknowledged.length > 40, "most writes to be acknowledged");
        deepEqual(await keysOf(store), acknowledged);
        await store.close();
        await world.medium.closeKept();
        await using again = await world.open();
        deepEqual(await keysOf(again), acknowledged);
      }
    },
  },
  {
    id: "ST21",
    says: "a failed batch is there whole or not at all afterwards, whichever the engine did",
    async check(world) {
      for (const isApplied of [false, true]) {
        await using store = await world.open();
        const names = [`a${String(isApplied)}`, `b${String(isApplied)}`];
        world.medium.failWrite({ error: brokenDiskError(), isApplied });
        await rejects(store.write(names.map((name) => put(name))), "STORE_WRITE_FAILED");
        await recovered(store, world.clock);
        deepEqual(
          await store.getMany(names.map((name) => key(name))),
          isApplied ? names.map((name) => key(name)) : [undefined, undefined],
        );
      }
    },
  },
  {
    id: "ST22",
    says: "snapshots and scans begun before the reopening fail, new ones do not",
    async check(world) {
      await using store = await world.open();
      await store.write(Array.from({ length: 2_000 }, (_, i) => put(`k${i}`)));
      const snapshot = store.snapshot();
      const scan = store.scan({})[Symbol.asyncIterator]();
      await scan.next();
      world.medium.failWrite({ error: fullDiskError() });
      await rejects(store.write([put("a")]), "STORE_FULL");
      await recovered(store, world.clock);
      await rejects(store.get(key("k1"), { snapshot }), "STORE_READ_FAILED");
      await rejects(keysOf(store, {}, { snapshot }), "STORE_READ_FAILED");
      await rejects(readToEnd(scan), "STORE_READ_FAILED");
      await snapshot.close();
      await using later = {
        snapshot: store.snapshot(),
        [Symbol.asyncDispose]: () => later.snapshot.close(),
      };
      deepEqual(await store.get(key("k1"), { snapshot: later.snapshot }), key("k1"));
    },
  },
  {
    id: "ST23",
    says: "reads wait for the engine that is being opened, within a limit, and end when the store is closed",
    async check(world) {
      const store = await world.open();
      await store.write([put("a")]);
      const release = await withoutEngine(store, world);
      const waiting = [store.get(key("a")), store.getMany([key("a")]), keysOf(store)];
      await rejects(
        thrownBy(() => store.snapshot()),
        "STORE_READ_FAILED",
      );
      release();
      deepEqual(await Promise.all(waiting), [key("a"), [key("a")], ["a"]]);
      await recovered(store, world.clock);

      const releaseLate = await withoutEngine(store, world);
      const late = rejects(store.get(key("a")), "STORE_READ_FAILED");
      await world.clock.advance(STORE_REOPEN_READ_WAIT_MS);
      await late;
      const closed = rejects(store.get(key("a")), "STORE_CLOSED");
      const closing = store.close();
      releaseLate();
      await Promise.all([closing, closed]);
      equal(world.clock.sleeperCount, 0, "sleepers");
    },
  },
  {
    id: "ST28",
    says: "close ends the attempts to reopen",
    async check(world) {
      const store = await world.open();
      await store.write([put("a")]);
      world.medium.outage = { error: fullDiskError() };
      await rejects(store.write([put("b")]), "STORE_FULL");
      await world.clock.advance(STORE_REOPEN_DELAY_MS / 2);
      await store.close();
      equal(world.clock.sleeperCount, 0, "sleepers");
      world.medium.outage = undefined;
      await using again = await world.open();
      deepEqual(await keysOf(again), ["a"]);
    },
  },
];

/** Makes a write fail and holds the opening of the next engine. Answers what lets it go on. */
async function withoutEngine(store: Store, world: StoreWorld): Promise<() => void> {
  world.medium.failWrite({ error: fullDiskError() });
  await rejects(store.write([put("b")]), "STORE_FULL");
  const release = world.medium.holdOpen();
  await world.clock.advance(STORE_REOPEN_DELAY_MS);
  await waitFor(() => world.medium.isOpening);
  return release;
}

/** While an engine is being opened there is none to read from; waits for the end of that. */
async function reopenedAtLeast(store: Store, world: StoreWorld): Promise<void> {
  await waitFor(
    () => !world.medium.isOpening && store.state === "readOnly" && world.clock.sleeperCount > 0,
  );
}

/** Waits until the store sleeps before its next attempt. */
async function untilAsleep(world: StoreWorld): Promise<void> {
  await waitFor(() => world.clock.sleeperCount > 0);
}

/** Turns of the event loop that something may take before a rule gives it up. */
const TURNS_MAX = 1_000_000;

async function waitFor(isSo: () => boolean): Promise<void> {
  for (let turn = 0; !isSo(); turn++) {
    holds(turn < TURNS_MAX, "the store to get on");
    await settle();
  }
}

async function readToEnd(scan: AsyncIterator<unknown>): Promise<void> {
  while ((await scan.next()).done !== true);
}

async function thrownBy(act: () => unknown): Promise<unknown> {
  return act();
}
