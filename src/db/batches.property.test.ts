/** Batches side by side, against plain maps. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { utf8 } from "../base/index.ts";
import { makeDevice, rowsOf } from "../testkit/device.ts";
import type { Batch, Collection, KeyValue, ScanOptions } from "./index.ts";

/** One step of a batch of the property below. */
type Step =
  | { readonly do: "get"; readonly list: number; readonly key: string }
  | { readonly do: "delete"; readonly list: number; readonly key: string }
  | { readonly do: "put"; readonly list: number; readonly key: string; readonly value: number }
  | { readonly do: "scan"; readonly list: number; readonly bounds: ScanOptions }
  | { readonly do: "deleteRange"; readonly list: number; readonly bounds: ScanOptions };

const KEYS = ["a", "b", "c", "d"];
const list = fc.integer({ min: 0, max: 1 });
const key = fc.constantFrom(...KEYS);
const bounds = fc.record(
  { start: key, end: key, limit: fc.integer({ min: 0, max: 3 }), reverse: fc.boolean() },
  { requiredKeys: [] },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("get" as const), list, key }),
  fc.record({ do: fc.constant("delete" as const), list, key }),
  fc.record({ do: fc.constant("put" as const), list, key, value: fc.nat(99) }),
  fc.record({ do: fc.constant("scan" as const), list, bounds }),
  fc.record({ do: fc.constant("deleteRange" as const), list, bounds }),
);

/** The same steps on plain maps: what each answers. */
function replay(maps: readonly Map<string, number>[], steps: readonly Step[]): unknown[] {
  return steps.map((one) => {
    const map = maps[one.list] as Map<string, number>;
    switch (one.do) {
      case "get":
        return map.get(one.key);
      case "put":
        return void map.set(one.key, one.value);
      case "delete":
        return void map.delete(one.key);
      case "scan": {
        const { reverse = false, limit = 99 } = one.bounds;
        const found = keysWithin(map, one.bounds).map((at) => [at, map.get(at)]);
        return (reverse ? found.toReversed() : found).slice(0, limit);
      }
      case "deleteRange": {
        const within = keysWithin(map, one.bounds);
        for (const at of within) map.delete(at);
        return within.length;
      }
    }
  });
}

function keysWithin(
  map: ReadonlyMap<string, number>,
  { start = "", end = "~" }: ScanOptions,
): string[] {
  return KEYS.filter((at) => map.has(at) && at >= start && at < end);
}

async function all<T>(scan: AsyncIterable<KeyValue<T>>): Promise<[string, T][]> {
  const found: [string, T][] = [];
  for await (const { key, value } of scan) found.push([key, value]);
  return found;
}

async function run(
  batch: Batch,
  lists: readonly Collection<number>[],
  one: Step,
): Promise<unknown> {
  const of = lists[one.list] as Collection<number>;
  switch (one.do) {
    case "get":
      return batch.get(of, one.key);
    case "put":
      return batch.put(of, one.key, one.value);
    case "delete":
      return batch.delete(of, one.key);
    case "scan":
      return all(batch.scan(of, one.bounds));
    case "deleteRange": {
      const { start, end } = one.bounds;
      return batch.deleteRange(of, { start, end });
    }
  }
}

test("[DB20] batches side by side come to what they come to one after the other", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { minLength: 2, maxLength: 5 }),
      async (batches) => {
        const ada = await makeDevice(1);
        const db = await ada.db("app");
        const lists = [db.collection<number>("one"), db.collection<number>("two")];
        const marks = db.collection("marks");
        const answers = await Promise.all(
          batches.map(async (steps, i) => {
            let given: unknown[] | undefined;
            const running = db.batch(async (batch) => {
              given = [];
              for (const one of steps) given.push(await run(batch, lists, one));
              batch.put(marks, `${i}`, null);
            });
            const outcome = await running.then(
              () => "written",
              (error: unknown) => error,
            );
            if (outcome === "written") return given;
            expect(outcome).toMatchObject({ code: "DB_CONCURRENT_BATCH" });
            return undefined;
          }),
        );
        // One after the other: in the order of their commits.
        const places = await Promise.all(
          batches.map(async (_, i) => {
            const { heads } = await ada.history.row(marks.id, 0, utf8(`${i}`));
            return { i, generation: heads[0]?.generation ?? 0 };
          }),
        );
        const maps = [new Map<string, number>(), new Map<string, number>()];
        for (const { i, generation } of places.toSorted((a, b) => a.generation - b.generation)) {
          if (generation === 0) expect(answers[i]).toBeUndefined();
          else expect(answers[i]).toEqual(replay(maps, batches[i] ?? []));
        }
        for (const [i, rows] of lists.entries())
          expect(await rowsOf(rows)).toEqual(
            keysWithin(maps[i] ?? new Map(), {}).map((at) => [at, maps[i]?.get(at)]),
          );
      },
    ),
    { numRuns: 150 },
  );
});
