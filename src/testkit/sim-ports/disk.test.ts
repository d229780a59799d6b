import { describe, expect, test } from "vitest";
import { openStore, type Store } from "../../store/index.ts";
import {
  entriesOf,
  FakeClock,
  FaultyMedium,
  key,
  keysOf,
  put,
  recovered,
  seededRandom,
  storeRules,
  type StoreWorld,
} from "../index.ts";
import { SimDisk } from "./disk.ts";
import { Image } from "./image.ts";

function simStoreWorld(): StoreWorld {
  const clock = new FakeClock();
  const below = new SimDisk();
  const medium = new FaultyMedium(() => below.openEngine());
  const random = seededRandom(1);
  return {
    clock,
    medium,
    open: () => openStore({ openEngine: () => medium.openEngine(), clock, random }),
    openEngine: () => below.openEngine(),
    async [Symbol.asyncDispose]() {},
  };
}

const open = (disk: SimDisk, clock = new FakeClock()): Promise<Store> =>
  openStore({ openEngine: () => disk.openEngine(), clock, random: seededRandom(1) });

describe("conformance", () => {
  test.for(storeRules)("[$id] simulated: $says", async (rule) => {
    await using world = simStoreWorld();
    await rule.check(world);
  });
});

describe("image", () => {
  test("[SI3] an image is an ordered map, and stays what it was", () => {
    const random = seededRandom(5);
    const model = new Map<string, string>();
    let image = Image.empty;
    const kept: [Image, string][] = [];
    const textOf = (one: Image): string =>
      Array.from(one.entries(), ([k, v]) => `${k[0]}:${v[0]}`).join();
    for (let step = 0; step < 3000; step++) {
      const name = random.below(60);
      const op = random.chance(0.6)
        ? ({ type: "put", key: Uint8Array.of(name), value: Uint8Array.of(step & 255) } as const)
        : ({ type: "del", key: Uint8Array.of(name) } as const);
      image = image.with([op]);
      if (op.type === "put") model.set(String(name), String(step & 255));
      else model.delete(String(name));
      if (step % 500 === 0) kept.push([image, textOf(image)]);
      const from = random.below(60);
      const to = random.below(60);
      const expected = [...model]
        .filter(([k]) => Number(k) >= from && Number(k) < to)
        .map(([k]) => Number(k))
        .sort((a, b) => a - b);
      const range = { gte: Uint8Array.of(from), lt: Uint8Array.of(to) };
      const keys = (reverse: boolean): (number | undefined)[] =>
        Array.from(image.entries({ ...range, reverse }), ([k]) => k[0]);
      expect(keys(false)).toEqual(expected);
      expect(keys(true)).toEqual(expected.toReversed());
    }
    for (const [one, text] of kept) expect(textOf(one)).toBe(text);
  });
});

describe("faults", () => {
  test("[SI3] a crash leaves what was synced, and of what was under way all or nothing", async () => {
    for (const survives of [true, false]) {
      let release = (): void => {};
      const disk = new SimDisk({
        wait: (work) =>
          work === "open" ? Promise.resolve() : new Promise((resolve) => (release = resolve)),
      });
      const opening = open(disk);
      while (disk.writes < 1) await Promise.resolve();
      release();
      const store = await opening;
      const first = store.write([put("a")]);
      while (disk.writes < 2) await Promise.resolve();
      release();
      await first;
      const second = store.write([put("b"), put("c")]).then(() => "acknowledged");
      while (disk.writes < 3) await Promise.resolve();
      disk.crash(true, () => survives);
      release();
      const third = Promise.resolve().then(() => "nothing");
      expect(await Promise.race([second, third])).toBe("nothing");
      const again = await open(disk);
      expect(await keysOf(again)).toEqual(survives ? ["a", "b", "c"] : ["a"]);
    }
  });

  test("[SI10] who is killed while its disk opens is told nothing, and spends no fault of who comes next", async () => {
    for (const [faults, expected] of [
      [0, "opened"],
      [1, "refused"],
    ] as const) {
      const opened = Promise.withResolvers<void>();
      const disk = new SimDisk({ wait: () => opened.promise });
      const opening = (): Promise<string> =>
        disk.openEngine().then(
          () => "opened",
          () => "refused",
        );
      const dead = opening();
      disk.crash(true, () => true);
      disk.failOpen(faults);
      const next = opening();
      opened.resolve();
      expect(await next).toBe(expected);
      const turn = new Promise((resolve) => void setImmediate(() => resolve("nothing")));
      expect(await Promise.race([dead, turn])).toBe("nothing");
    }
  });

  test("[SI3] unsynced writes are lost from the end at a power cut, and kept when only the process died", async () => {
    for (const [isPowerCut, kept] of [
      [true, ["a"]],
      [false, ["a", "b", "c"]],
    ] as const) {
      const disk = new SimDisk();
      const engine = await disk.openEngine();
      for (const name of ["a", "b", "c"])
        await engine.batch([{ type: "put", key: key(name), value: key(name) }], { sync: false });
      let left = 1;
      disk.crash(isPowerCut, () => left-- > 0);
      expect(Array.from(disk.image.entries(), ([k]) => String.fromCodePoint(...k))).toEqual(kept);
    }
  });

  test("[SI3] after a failed write the handle acknowledges what it will have lost", async () => {
    const disk = new SimDisk();
    const engine = await disk.openEngine();
    disk.failWrite(1, { kind: "eio", isApplied: false });
    await expect(engine.batch([], { sync: true })).rejects.toThrow("Input/output error");
    await engine.batch([{ type: "put", key: key("a"), value: key("a") }], { sync: true });
    expect(engine.getSync(key("a"), {})).toEqual(key("a"));
    await engine.close();
    expect((await disk.openEngine()).getSync(key("a"), {})).toBeUndefined();
  });

  test("[SI3] a store on it goes on after a full disk", async () => {
    const disk = new SimDisk();
    const clock = new FakeClock();
    await using store = await open(disk, clock);
    disk.outage = { kind: "full", isApplied: false };
    await expect(store.write([put("a")])).rejects.toThrow("full");
    disk.outage = undefined;
    await recovered(store, clock);
    await store.write([put("b")]);
    expect((await entriesOf(store)).map((entry) => String.fromCodePoint(...entry.key))).toEqual([
      "b",
    ]);
  });
});
