import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareBytes, concatBytes } from "../base/index.ts";
import { encodeOp } from "../wire/index.ts";
import { LoneRow, LoneRows } from "./lone-rows.ts";
import { rowKey, rowKeyOfHeld } from "./keys.ts";
import { nearOrder } from "./near-order.ts";
import { encodeHeld, indexedContext } from "./part.ts";
import { encodeRow, encodeVersion } from "./records.ts";
import { opOfRecord } from "./row-op.ts";
import { mergeVersion, type Version } from "./version.ts";

const bytesOf = (size: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: size, maxLength: size });
const log = fc.integer({ min: 1, max: 2 ** 32 - 1 });
const generation = fc.oneof(
  fc.integer({ min: 1, max: 2 ** 40 }),
  fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
);
const version: fc.Arbitrary<Version> = fc.record({
  log,
  generation,
  timestamp: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  salt: bytesOf(16),
  digest: bytesOf(32),
  context: fc.uniqueArray(fc.record({ log, generation }), {
    selector: (entry) => entry.log,
    maxLength: 2,
  }),
  value: fc.option(fc.uint8Array({ minLength: 1, maxLength: 300 }), { nil: undefined }),
});
const key = fc.uint8Array({ minLength: 1, maxLength: 30 });
const space = fc.integer({ min: 0, max: 2 });

describe("ops copied from the records of rows", () => {
  test("[HI19] what is copied is what the version comes to, or it is left to that", () => {
    fc.assert(
      fc.property(version, space, key, (only, inSpace, name) => {
        const dictionary = new Map(only.context.map((entry, i) => [entry.log, 7 + i]));
        const record = encodeRow({ heads: [only], seen: only.context });
        const held = encodeHeld({ space: inSpace, key: name });
        const copied = opOfRecord(record, held, only.log, only.generation, dictionary);
        const { salt, value } = only;
        const context = indexedContext(only.context, dictionary);
        const op = { salt, space: inSpace, key: name, value, context, control: undefined };
        const isShort = [only, ...only.context].every((dot) => dot.generation < 2 ** 49);
        const isCopied = isShort && only.context.length <= 1;
        expect(copied).toEqual(isCopied ? encodeOp(op) : undefined);
      }),
    );
  });

  test("[HI19] another version, several of them, and a record that ends too early are not copied", () => {
    fc.assert(
      fc.property(version, version, key, (one, other, name) => {
        const held = encodeHeld({ space: 0, key: name });
        const dictionary = new Map(one.context.map((entry, i) => [entry.log, i]));
        const record = encodeRow({ heads: [one], seen: one.context });
        const both = encodeRow({ heads: [one, other], seen: one.context });
        expect(opOfRecord(record, held, one.log, one.generation + 1, dictionary)).toBeUndefined();
        expect(opOfRecord(both, held, one.log, one.generation, dictionary)).toBeUndefined();
        const cut = record.subarray(0, -1);
        expect(opOfRecord(cut, held, one.log, one.generation, dictionary)).toBeUndefined();
      }),
    );
  });

  test("[HI19] the record of a row's only version is what that version comes to", () => {
    fc.assert(
      fc.property(version, fc.nat(40), fc.nat(40), (made, before, after) => {
        const only = { ...made, context: made.context.slice(0, 1) };
        const among = (bytes: Uint8Array): Uint8Array =>
          concatBytes(new Uint8Array(before).fill(1), bytes, new Uint8Array(after).fill(2));
        const { salt, digest, context, value = new Uint8Array() } = only;
        const record = new LoneRows(only, among(digest)).record(
          before,
          among(salt),
          before,
          among(value),
          before,
          before + value.length,
          context[0],
        );
        expect(record).toEqual(encodeRow({ heads: [only], seen: context }));
      }),
    );
  });

  test("[HI6] what follows a row's only version by their records does so when it is merged", () => {
    const near = fc.integer({ min: 1, max: 3 });
    const dot = fc.record({ log: near, generation: near });
    let followed = 0;
    fc.assert(
      fc.property(version, version, dot, dot, fc.option(dot), dot, (a, b, one, two, had, saw) => {
        const earlier = { ...a, ...one, context: had === null ? [] : [had] };
        const later = { ...b, ...two, context: [saw] };
        const row = { heads: [earlier], seen: earlier.context };
        const lone = new LoneRow();
        expect(lone.read(encodeRow(row))).toBe(true);
        if (!lone.isFollowedBy(two, saw)) return;
        followed += 1;
        const { row: merged, superseded } = mergeVersion(row, later, (x, y) => x - y);
        expect(merged).toEqual({ heads: [later], seen: [saw] });
        expect(superseded).toEqual([earlier]);
        expect(encodeRow(row).subarray(1)).toEqual(encodeVersion(earlier));
      }),
      { numRuns: 1000 },
    );
    expect(followed).toBeGreaterThan(20);
  });

  test("a row's place is the same from what a stored commit says of it", () => {
    fc.assert(
      fc.property(log, space, key, (scope, inSpace, name) => {
        const held = encodeHeld({ space: inSpace, key: name });
        expect(rowKeyOfHeld(scope, held)).toEqual(rowKey(scope, inSpace, name));
      }),
    );
  });

  test("keys are read once each, those with other beginnings in their order", () => {
    fc.assert(
      fc.property(bytesOf(5), fc.array(key, { maxLength: 50 }), (start, ends) => {
        const keys = ends.map((end) => Uint8Array.of(...start, ...end));
        const order = nearOrder(keys);
        expect(order.toSorted((a, b) => a - b)).toEqual([...keys.keys()]);
        const begins = order.map((index) => (keys[index] as Uint8Array).subarray(0, 9));
        for (let i = 1; i < begins.length; i++)
          expect(
            compareBytes(begins[i - 1] as Uint8Array, begins[i] as Uint8Array),
          ).toBeLessThanOrEqual(0);
      }),
    );
  });
});
