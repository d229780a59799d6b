import { describe, expect, test } from "vitest";

import { BlobRef } from "../base/index.ts";
import { entries } from "../testkit/blobs/recipes.ts";
import { KEEPER_WANTED_MAX } from "./limits.ts";
import { WantedBlobs } from "./wanted-blobs.ts";

const refs = (count: number, first = 0): BlobRef[] =>
  entries(count, first).map(
    ({ address }) => new BlobRef({ root: address, size: 5, depth: 0, chunker: 1 }),
  );

const has = (wanted: WantedBlobs, ref: BlobRef): boolean =>
  [...wanted.values()].some((one) => one.ref.equals(ref));

describe("what a storage peer is after", () => {
  test("[EX15] is bounded; who has had a turn makes place for who has had none", () => {
    const wanted = new WantedBlobs();
    const first = refs(KEEPER_WANTED_MAX);
    for (const ref of first) wanted.add(ref, 0);
    expect([wanted.size, wanted.hasRoom, wanted.isShort]).toEqual([
      KEEPER_WANTED_MAX,
      false,
      false,
    ]);
    const [more, another] = refs(2, KEEPER_WANTED_MAX) as [BlobRef, BlobRef];
    wanted.add(more, 0);
    expect([has(wanted, more), wanted.isShort]).toEqual([false, true]);

    // All have their turn, in vain, but for one that is under way.
    for (const one of [...wanted.values()]) wanted.toEnd(one);
    const [busy] = wanted.values();
    busy!.isUnderWay = true;
    expect(wanted.hasRoom).toBe(true);
    for (const ref of [more, another]) wanted.add(ref, 0);
    expect(wanted.size).toBe(KEEPER_WANTED_MAX);
    expect(
      [busy!.ref, first[1]!, first[2]!, first[3]!, more, another].map((ref) => has(wanted, ref)),
    ).toEqual([true, false, false, true, true, true]);
  });

  test("[EX15] goes in turns, so that many that nobody has do not keep one from its own", () => {
    const wanted = new WantedBlobs();
    for (const ref of refs(100)) wanted.add(ref, 0);
    const [one] = refs(1, 100) as [BlobRef];
    const turns: BlobRef[] = [];
    const turn = (): void => {
      const [next] = wanted.values();
      turns.push(next!.ref);
      wanted.toEnd(next!);
    };
    for (let i = 0; i < 50; i++) turn();
    wanted.add(one, 0);
    for (let i = 0; i < 101; i++) turn();
    expect(turns.slice(50)).toContain(one);
    expect(new Set(turns.slice(50)).size).toBe(101);
  });

  test("[EX15] a root of which rows say different things is wanted as each of them says", () => {
    const wanted = new WantedBlobs();
    const [{ root }] = refs(1) as [BlobRef];
    for (const size of [5, 6, 5]) wanted.add(new BlobRef({ root, size, depth: 0, chunker: 1 }), 0);
    expect(wanted.size).toBe(2);
  });
});
