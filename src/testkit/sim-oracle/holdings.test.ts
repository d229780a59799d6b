import { describe, expect, test } from "vitest";
import type { PartFact } from "./facts.ts";
import { copyOf, type Held, Holdings } from "./holdings.ts";

const SCOPE = "collection:owner:c";

function partOf(device: string, generation: number): PartFact {
  const [log, timestamp] = [`${device}/1`, 1n];
  const digest = `${log}#${generation}`;
  const commit = { log, device, generation, timestamp, digest, previous: "", hint: "", parts: [] };
  return { commit, scope: SCOPE, previous: 0, heads: [], versions: [], controls: [] };
}

function heldOf(device: string, generation: number): Held {
  return new Map([[SCOPE, new Map([[`${device}/1`, generation]])]]);
}

describe("[SI5] what is not asked for since a store was set back", () => {
  const part = partOf("out", 3);
  const holdings = (): Holdings => new Holdings((device) => device === "out");

  test("is what one who is taken out has said and nobody who stays holds", () => {
    const all = holdings();
    all.note("out", heldOf("out", 3));
    all.note(copyOf("out"), heldOf("out", 3));
    all.note("stays", heldOf("out", 2));
    expect(all.isLost(part)).toBe(false);
    all.noteLost([part]);
    expect(all.isLost(part)).toBe(true);
  });

  test("is not what somebody who stays holds, in either copy of a store", () => {
    for (const store of ["stays", copyOf("stays")]) {
      const all = holdings();
      all.note(store, heldOf("out", 3));
      all.noteLost([part]);
      expect(all.isLost(part)).toBe(false);
    }
  });

  test("is not what one has said who stays", () => {
    const all = holdings();
    const other = partOf("stays", 3);
    all.noteLost([other]);
    expect(all.isLost(other)).toBe(false);
  });

  test("is not what has come back since, until it is lost once more", () => {
    const all = holdings();
    all.noteLost([part]);
    all.note("out", heldOf("out", 3));
    expect(all.isLost(part)).toBe(true);
    all.note("stays", heldOf("out", 3));
    expect(all.isLost(part)).toBe(false);
    all.note("stays", new Map());
    expect(all.isLost(part)).toBe(false);
    all.noteLost([part]);
    expect(all.isLost(part)).toBe(true);
  });
});
