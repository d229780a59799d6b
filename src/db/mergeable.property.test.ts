import fc from "fast-check";
import { expect, test } from "vitest";
import { exchange, makeDevice, settleDevices, type TestDevice } from "../testkit/device.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import type { Collection } from "./index.ts";

const DEVICES = 3;

type Step =
  | { readonly do: "add"; readonly on: number; readonly n: number }
  | { readonly do: "put" | "take"; readonly on: number; readonly name: string }
  | { readonly do: "set" | "unset"; readonly on: number; readonly name: string; readonly n: number }
  | { readonly do: "clear" | "replace"; readonly on: number; readonly name: string }
  | { readonly do: "exchange"; readonly on: number; readonly to: number; readonly limit: number }
  | { readonly do: "jump"; readonly on: number; readonly ms: number };

const on = fc.nat(DEVICES - 1);
const name = fc.constantFrom("a", "b");
const n = fc.integer({ min: -3, max: 5 });
const ms = fc.integer({ min: -3_600_000, max: 3_600_000 });
const limit = fc.constantFrom(1, 2, 100);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("add"), on, n }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom("put", "take"), on, name }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom("set", "unset"), on, name, n }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom("clear", "replace"),
      on,
      name: fc.constantFrom("set", "map"),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("exchange"), on, to: on, limit }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("jump"), on, ms }) },
);

interface Place {
  readonly device: TestDevice;
  readonly clock: FakeClock;
  readonly rows: Collection;
}

async function world(): Promise<Place[]> {
  const places: Place[] = [];
  for (let seed = 1; seed <= DEVICES; seed++) {
    const clock = new FakeClock();
    const device = await makeDevice(seed, { user: 1, clock });
    places.push({ device, clock, rows: (await device.db("app")).collection("rows") });
  }
  const [first] = places as [Place];
  for (const policy of ["counter", "set", "map"] as const)
    await first.rows.setPolicy(policy, policy);
  await settle(places);
  return places;
}

async function settle(places: readonly Place[]): Promise<void> {
  const [first] = places as [Place];
  await settleDevices(
    places.map(({ device }) => device),
    [first.rows.id],
  );
}

async function apply(places: readonly Place[], one: Step): Promise<void> {
  const { rows, clock, device } = places[one.on] as Place;
  switch (one.do) {
    case "add":
      return rows.counter("counter").add(one.n);
    case "put":
      return rows.set("set").add(one.name).catch(isMismatch);
    case "take":
      return rows.set("set").delete(one.name).catch(isMismatch);
    case "set":
      return rows.map("map").set(one.name, one.n).catch(isMismatch);
    case "unset":
      return rows.map("map").delete(one.name).catch(isMismatch);
    case "clear":
      return rows.delete(one.name);
    case "replace":
      return rows.put(one.name, "something else");
    case "exchange":
      await exchange(device, (places[one.to] as Place).device, [rows.id], { limit: one.limit });
      return;
    case "jump":
      clock.jump(one.ms);
  }
}

function isMismatch(error: unknown): void {
  expect(error).toMatchObject({ code: "CONFLICT_KIND_MISMATCH" });
}

test("[CO6] [CO7] [CO9] [CO14] devices that have met show the same, and every addition once, whatever came between", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const places = await world();
      let added = 0;
      for (const one of steps) {
        await apply(places, one);
        if (one.do === "add") added += one.n;
      }
      await settle(places);
      const shown = await Promise.all(
        places.map(({ rows }) =>
          Promise.all(["counter", "set", "map"].map((key) => rows.row(key).visible())),
        ),
      );
      expect(shown[0]?.[0]?.value ?? 0).toBe(added);
      for (const other of shown) expect(other).toEqual(shown[0]);
      // Whoever writes next brings all of it together, and changes nothing but what it says.
      const [first] = places as [Place];
      await first.rows.counter("counter").add(1);
      await settle(places);
      for (const { rows } of places) expect(await rows.counter("counter").value()).toBe(added + 1);
      for (const { device } of places) await device.close();
    }),
    { seed: 1407, numRuns: 60 },
  );
}, 60_000);
