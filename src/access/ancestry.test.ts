import { expect, test } from "vitest";
import { seededRandom } from "../testkit/index.ts";
import { Ancestry, contains } from "./ancestry.ts";

test("[AC9] ancestors are those that an entry names and theirs, over many chunks and however they branch", () => {
  for (const seed of [1, 2, 3]) {
    const random = seededRandom(seed);
    const ancestry = new Ancestry();
    const ancestors: Set<number>[] = [];
    for (let entry = 0; entry < 2600; entry++) {
      // Mostly a line, some branches that live long.
      const parents = new Set<number>();
      if (entry > 0) parents.add(entry - 1 - (random.chance(0.1) ? random.below(entry) : 0));
      if (entry > 1 && random.chance(0.1)) parents.add(random.below(entry));
      if (random.chance(0.01)) parents.clear();
      const all = new Set<number>();
      for (const parent of parents) {
        all.add(parent);
        for (const further of ancestors[parent] as Set<number>) all.add(further);
      }
      ancestors.push(all);
      expect(ancestry.add([...parents])).toBe(entry);
    }
    const fork = new Ancestry(ancestry);
    fork.add([0]);
    expect([ancestry.size, fork.size]).toEqual([2600, 2601]);
    for (let entry = 0; entry < 2600; entry += entry > 2500 ? 1 : 37) {
      const expected = ancestors[entry] as Set<number>;
      const past = ancestry.pastOf([entry]);
      for (let other = 0; other < 2600; other++) {
        if (ancestry.precedes(other, entry) !== expected.has(other))
          expect.fail(`seed ${seed}: ${other} before ${entry}`);
        if (contains(past, other) !== (other === entry || expected.has(other)))
          expect.fail(`seed ${seed}: past of ${entry}`);
      }
    }
  }
});

test("[AC14] an ancestor's height is less", () => {
  const ancestry = new Ancestry();
  const root = ancestry.add([]);
  const left = ancestry.add([root]);
  const other = ancestry.add([]);
  const top = ancestry.add([left, other]);
  expect([root, left, other, top].map((entry) => ancestry.heightOf(entry))).toEqual([0, 1, 0, 2]);
  expect(ancestry.precedes(top, top)).toBe(false);
});
