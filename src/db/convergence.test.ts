import fc from "fast-check";
import { expect, test } from "vitest";
import {
  exchange,
  grant,
  makeDevice,
  rowsOf,
  settleDevices,
  type TestDevice,
} from "../testkit/device.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import type { Change, Collection, Database } from "./index.ts";

const KEYS = ["a", "b", "c", "d", "e"] as const;
const DEVICES = 3;
/** Slow is not wrong: many runs, on a machine that others use too. */
const TIMEOUT = { timeout: 60_000 };

type Step =
  | { readonly do: "put"; readonly on: number; readonly key: string; readonly value: number }
  | { readonly do: "delete"; readonly on: number; readonly key: string }
  | {
      readonly do: "batch";
      readonly on: number;
      readonly rows: readonly (readonly [key: string, value: number | undefined])[];
    }
  | { readonly do: "move"; readonly on: number; readonly from: string; readonly to: string }
  | { readonly do: "exchange"; readonly on: number; readonly to: number; readonly limit: number }
  | { readonly do: "jump"; readonly on: number; readonly ms: number };

const device = fc.nat(DEVICES - 1);
const key = fc.constantFrom(...KEYS);
const value = fc.nat(3);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant("put"), on: device, key, value }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("delete"), on: device, key }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("batch"),
      on: device,
      rows: fc.array(fc.tuple(key, fc.option(value, { nil: undefined })), { maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("move"), on: device, from: key, to: key }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("exchange"),
      on: device,
      to: device,
      limit: fc.constantFrom(1, 2, 1000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("jump"),
      on: device,
      ms: fc.integer({ min: -3_600_000, max: 3_600_000 }),
    }),
  },
);

interface Place {
  readonly device: TestDevice;
  readonly clock: FakeClock;
  readonly db: Database;
  readonly rows: Collection<number>;
  /** What a watcher holds that has applied all it was told. */
  readonly followed: Map<string, string>;
  readonly following: Promise<void>;
}

/** Two devices of the owner and one of a writer, each with a watcher. */
async function world(): Promise<Place[]> {
  const places: Place[] = [];
  for (const [seed, user] of [
    [1, 1],
    [2, 1],
    [3, 3],
  ] as const) {
    const clock = new FakeClock();
    const one = await makeDevice(seed, { user, clock });
    const db = await one.db("app");
    const owner = places[0]?.device ?? one;
    const rows = db.collection<number>({ owner: owner.user, name: "rows" });
    if (places.length > 0) {
      await grant(owner, rows.id, one.user, "writer");
      await exchange(owner, one, [rows.id]);
    }
    const followed = new Map<string, string>();
    places.push({ device: one, clock, db, rows, followed, following: follow(rows, followed) });
  }
  return places;
}

async function follow(rows: Collection<number>, followed: Map<string, string>): Promise<void> {
  for await (const { changes } of rows.watch()) for (const one of changes) apply(followed, one);
}

function apply(followed: Map<string, string>, change: Change<number>): void {
  const conflict = change.conflict ? "!" : "";
  if (change.type === "put") followed.set(change.key, `${change.value}${conflict}`);
  else if (change.conflict) followed.set(change.key, `-${conflict}`);
  else followed.delete(change.key);
}

async function run(places: readonly Place[], one: Step): Promise<void> {
  const { device: here, clock, db, rows } = places[one.on] as Place;
  switch (one.do) {
    case "put":
      return rows.put(one.key, one.value);
    case "delete":
      return rows.delete(one.key);
    case "batch":
      return db.batch((batch) => {
        for (const [name, content] of one.rows) {
          if (content === undefined) batch.delete(rows, name);
          else batch.put(rows, name, content);
        }
      });
    case "move":
      return db.batch(async (batch) => {
        const content = await batch.get(rows, one.from);
        batch.delete(rows, one.from);
        if (content !== undefined) batch.put(rows, one.to, content);
      });
    case "exchange":
      if (one.on !== one.to)
        await exchange(here, (places[one.to] as Place).device, [rows.id], { limit: one.limit });
      return;
    case "jump":
      clock.jump(one.ms);
  }
}

/** What a row shows, conflict included, for all rows that show anything. */
async function shown({ rows }: Place): Promise<Map<string, string>> {
  const state = new Map<string, string>();
  for (const name of KEYS) {
    const visible = await rows.get(name);
    const isContended = (await rows.conflicts(name)).length > 0;
    if (visible !== undefined || isContended)
      state.set(name, `${visible ?? "-"}${isContended ? "!" : ""}`);
  }
  return state;
}

test(
  "[DB18] devices that hold the same commits show the same, in whatever order they came; so do their watches",
  TIMEOUT,
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const places = await world();
        const [first, ...others] = places as [Place, ...Place[]];
        // Some steps overlap, as they do on a device.
        for (let i = 0; i < steps.length; i += 2)
          await Promise.all(steps.slice(i, i + 2).map((one) => run(places, one)));
        await settleDevices(
          places.map((place) => place.device),
          [first.rows.id],
        );
        const state = await shown(first);
        for (const other of others) {
          expect(await rowsOf(other.rows)).toEqual(await rowsOf(first.rows));
          expect(await shown(other)).toEqual(state);
          for (const name of KEYS)
            expect(await other.rows.conflicts(name)).toEqual(await first.rows.conflicts(name));
        }
        for (const { rows, followed, db, following } of places) {
          await rows.put("end", 0);
          while (!followed.has("end")) await new Promise((resolve) => setImmediate(resolve));
          followed.delete("end");
          expect(followed).toEqual(state);
          await db.close();
          await following;
        }
      }),
      { numRuns: 100, seed: 20_261_124 },
    );
  },
);

test(
  "[DB9] whoever applies all changes holds what a scan gives, however many writes overlap",
  TIMEOUT,
  async () => {
    const writes = fc.array(fc.tuple(key, fc.option(value, { nil: undefined }), fc.boolean()), {
      maxLength: 40,
    });
    await fc.assert(
      fc.asyncProperty(writes, async (list) => {
        const db = await (await makeDevice(1)).db("app");
        const rows = db.collection<number>("rows");
        const followed = new Map<string, string>();
        const following = follow(rows, followed);
        for (const [name, content, isAwaited] of list) {
          const writing = content === undefined ? rows.delete(name) : rows.put(name, content);
          if (isAwaited) await writing;
        }
        await rows.put("end", 1);
        while (!followed.has("end")) await new Promise((resolve) => setImmediate(resolve));
        const scan = (await rowsOf(rows)).map(([name, content]) => [name, `${content}`] as const);
        expect(followed).toEqual(new Map(scan));
        await db.close();
        await following;
      }),
      { numRuns: 60, seed: 7 },
    );
  },
);
