import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { codeOf, compareBytes, Sum256, toHex } from "../base/index.ts";
import {
  changeKey,
  changeRange,
  commitKey,
  commitRange,
  controlKey,
  controlRange,
  internKey,
  internRange,
  isEmptyRange,
  oldKey,
  oldRange,
  ownKey,
  rowKey,
  rowRange,
  ROW_KEY_PREFIX,
  scopeStateKey,
  sequenceOf,
  successorOf,
} from "./keys.ts";
import { decodeHeld, encodeHeld, indexedContext } from "./part.ts";
import {
  decodeChange,
  decodeControlRecord,
  decodeOwnLog,
  decodeRow,
  decodeScopeRecord,
  decodeVersion,
  encodeChange,
  encodeControlRecord,
  encodeOwnLog,
  encodeRow,
  encodeScopeRecord,
  encodeVersion,
  readRecord,
} from "./records.ts";
import type { Row, Version } from "./version.ts";

const number = fc.integer({ min: 1, max: 2 ** 32 - 1 });
const generation = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const timestamp = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const bytesOf = (size: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: size, maxLength: size });
const context = fc.uniqueArray(fc.record({ log: number, generation }), {
  selector: ({ log }) => log,
  maxLength: 5,
});
const version: fc.Arbitrary<Version> = fc.record({
  log: number,
  generation,
  timestamp,
  salt: bytesOf(16),
  digest: bytesOf(32),
  context,
  value: fc.option(fc.uint8Array({ minLength: 1 }), { nil: undefined }),
});
const row: fc.Arbitrary<Row> = fc.oneof(
  fc.record({ heads: fc.array(version, { maxLength: 3 }), seen: context }),
  version.map((head) => ({ heads: [head], seen: head.context })),
);

describe("records", () => {
  test("[HI17] every record comes back as it was written", () => {
    const isSame = <T>(
      arbitrary: fc.Arbitrary<T>,
      encode: (record: T) => Uint8Array,
      decode: (bytes: Uint8Array) => T,
    ): void =>
      fc.assert(
        fc.property(arbitrary, (record) => {
          expect(decode(encode(record))).toEqual(record);
        }),
      );
    isSame(row, encodeRow, decodeRow);
    isSame(version, encodeVersion, decodeVersion);
    isSame(
      fc.oneof(
        fc.record({
          incarnation: timestamp,
          generation: fc.constant(0),
          digest: fc.constant(undefined),
          timestamp,
        }),
        fc.record(
          {
            incarnation: timestamp,
            generation: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
            digest: bytesOf(32),
            timestamp,
            unsigned: fc.array(fc.record({ scope: number, log: number, generation }), {
              minLength: 1,
            }),
          },
          { requiredKeys: ["incarnation", "generation", "digest", "timestamp"] },
        ),
      ),
      encodeOwnLog,
      decodeOwnLog,
    );
    isSame(
      fc.record({
        fromSync: fc.boolean(),
        parts: fc.array(fc.record({ scope: number, log: number, generation })),
      }),
      encodeChange,
      decodeChange,
    );
    isSame(
      fc.record({
        fromSync: fc.boolean(),
        parts: fc.array(fc.record({ scope: number, log: number, generation })),
        takenBack: fc.array(fc.record({ scope: number, log: number, generation }), {
          minLength: 1,
        }),
      }),
      encodeChange,
      decodeChange,
    );
    isSame(
      fc.record({
        log: number,
        generation,
        index: fc.nat(9999),
        timestamp,
        parents: fc.array(bytesOf(32)),
        op: fc.uint8Array(),
      }),
      encodeControlRecord,
      decodeControlRecord,
    );
    isSame(
      fc.oneof(
        fc.constant("control" as const),
        fc.record({ space: fc.nat(2), key: fc.uint8Array() }),
      ),
      encodeHeld,
      decodeHeld,
    );
  });

  test("[HI17] knowledge and head sum come back together", () => {
    fc.assert(
      fc.property(context, bytesOf(32), (entries, sum) => {
        const vector = new Map(entries.map(({ log, generation: at }) => [log, at]));
        const back = decodeScopeRecord(encodeScopeRecord({ vector, sum: Sum256.fromBytes(sum) }));
        expect(back.vector).toEqual(vector);
        expect(back.sum.toBytes()).toEqual(sum);
      }),
    );
  });

  test("[HI17] the bytes of records are known", () => {
    const head: Version = {
      log: 1,
      generation: 300,
      timestamp: 0x0102030405060708n,
      salt: Uint8Array.from({ length: 16 }, (_, i) => i),
      digest: new Uint8Array(32).fill(5),
      context: [{ log: 2, generation: 5 }],
      value: Uint8Array.of(0x18, 0x2a),
    };
    const digest = "05".repeat(32);
    const body =
      "01ac02" + "0102030405060708" + "000102030405060708090a0b0c0d0e0f" + `${digest}01020502182a`;
    expect(toHex(encodeVersion(head))).toBe(body);
    expect(toHex(encodeRow({ heads: [head], seen: head.context }))).toBe(`00${body}`);
    expect(toHex(encodeRow({ heads: [head], seen: [] }))).toBe(`010001${body}`);
    expect(toHex(encodeRow({ heads: [], seen: [{ log: 3, generation: 1 }] }))).toBe("0101030100");
    expect(toHex(encodeVersion({ ...head, context: [], value: undefined }))).toBe(
      `01ac020102030405060708000102030405060708090a0b0c0d0e0f${digest}0000`,
    );
    expect(
      toHex(encodeOwnLog({ incarnation: 1n, generation: 2, digest: undefined, timestamp: 3n })),
    ).toBe("0000000000000001" + "02" + "0000000000000003");
    expect(
      toHex(encodeChange({ fromSync: true, parts: [{ scope: 1, log: 2, generation: 128 }] })),
    ).toBe("0101" + "01028001");
    expect(toHex(encodeHeld("control"))).toBe("01");
    expect(toHex(encodeHeld({ space: 2, key: Uint8Array.of(0x61) }))).toBe("000261");
  });

  test("[HI17] bytes that make no sense are corruption, not a crash", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.nat(4), (bytes, kind) => {
        const decode = [decodeRow, decodeVersion, decodeScopeRecord, decodeOwnLog, decodeChange][
          kind
        ];
        try {
          readRecord("record", bytes, decode as (bytes: Uint8Array) => unknown);
        } catch (error) {
          expect(codeOf(error)).toBe("HISTORY_CORRUPT");
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("[HI17] a record cut anywhere is corruption", () => {
    const bytes = encodeRow({
      heads: [
        {
          log: 1,
          generation: 1,
          timestamp: 1n,
          salt: new Uint8Array(16),
          digest: new Uint8Array(32),
          context: [],
          value: Uint8Array.of(1),
        },
      ],
      seen: [{ log: 1, generation: 1 }],
    });
    for (let end = 0; end < bytes.length; end++)
      expect(() => readRecord("row", bytes.subarray(0, end), decodeRow)).toThrow(
        expect.objectContaining({ code: "HISTORY_CORRUPT" }) as Error,
      );
  });

  test("[HI17] a context is named by ascending index into its part's logs", () => {
    const dictionary = new Map([
      [7, 0],
      [3, 1],
      [5, 2],
    ]);
    const named = [
      { log: 5, generation: 9 },
      { log: 7, generation: 8 },
    ];
    expect(indexedContext(named, dictionary)).toEqual([0, 8, 2, 9]);
    expect(indexedContext([], dictionary)).toEqual([]);
  });
});

describe("keys", () => {
  const sorted = (keys: readonly Uint8Array[]): boolean =>
    keys.every((key, i) => i === 0 || compareBytes(keys[i - 1] as Uint8Array, key) < 0);

  test("[HI18] keys sort as their numbers do", () => {
    const numbers = [0, 1, 255, 256, 65_536, 2 ** 31, 2 ** 32 - 1];
    expect(sorted(numbers.map((scope) => scopeStateKey(scope)))).toBe(true);
    expect(sorted(numbers.map((log) => commitKey(1, log, 5)))).toBe(true);
    const large = [...numbers, 2 ** 32, 2 ** 40 + 1, Number.MAX_SAFE_INTEGER];
    expect(sorted(large.map((at) => commitKey(1, 1, at)))).toBe(true);
    expect(sorted(large.map((at) => changeKey(1, at)))).toBe(true);
    for (const at of large) expect(sequenceOf(changeKey(3, at))).toBe(at);
  });

  test("[HI18] rows sort by the bytes of their keys", () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
        const [left, right] = [rowKey(1, 0, a), rowKey(1, 0, b)];
        expect(Math.sign(compareBytes(left, right))).toBe(Math.sign(compareBytes(a, b)));
        expect(left.subarray(ROW_KEY_PREFIX)).toEqual(a);
      }),
    );
  });

  const isWithin = (key: Uint8Array, { gte, gt, lt }: ReturnType<typeof rowRange>): boolean =>
    (gte === undefined || compareBytes(key, gte) >= 0) &&
    (gt === undefined || compareBytes(key, gt) > 0) &&
    (lt === undefined || compareBytes(key, lt) < 0);

  test("[HI18] a range holds exactly what it is of", () => {
    const max = 2 ** 32 - 1;
    for (const scope of [1, max]) {
      for (const other of [0, 1, 2, max]) {
        const isIt = scope === other;
        expect(isWithin(controlKey(other, new Uint8Array(32).fill(255)), controlRange(scope))).toBe(
          isIt,
        );
        expect(isWithin(changeKey(other, 7), changeRange(scope, 6))).toBe(isIt);
        expect(isWithin(commitKey(other, scope, 7), commitRange(scope, scope, 6))).toBe(isIt);
        expect(isWithin(commitKey(scope, other, 7), commitRange(scope, scope, 6))).toBe(isIt);
        expect(isWithin(rowKey(other, 1, Uint8Array.of(255, 255)), rowRange(scope, 1))).toBe(isIt);
        expect(isWithin(rowKey(scope, isIt ? 1 : 0, new Uint8Array()), rowRange(scope, 1))).toBe(
          isIt,
        );
        const old = oldRange(scope, 1, Uint8Array.of(7));
        expect(isWithin(oldKey(other, 1, Uint8Array.of(7), max, 2 ** 53 - 1), old)).toBe(isIt);
        expect(isWithin(oldKey(scope, 1, Uint8Array.of(7, other & 255), 1, 1), old)).toBe(false);
        expect(isWithin(oldKey(scope, 1, Uint8Array.of(), 1, 1), old)).toBe(false);
        expect(isWithin(oldKey(scope, 0, Uint8Array.of(7), 1, 1), old)).toBe(false);
      }
      expect(isWithin(changeKey(scope, 6), changeRange(scope, 6))).toBe(false);
      expect(isWithin(commitKey(scope, 1, 6), commitRange(scope, 1, 6))).toBe(false);
      expect(isWithin(changeKey(scope, Number.MAX_SAFE_INTEGER), changeRange(scope, 6))).toBe(true);
    }
    expect(isWithin(internKey("log", 1), internRange("log"))).toBe(true);
    expect(isWithin(internKey("scope", 1), internRange("log"))).toBe(false);
    const range = rowRange(1, 0, Uint8Array.of(2), Uint8Array.of(4));
    expect([1, 2, 3, 4].map((key) => isWithin(rowKey(1, 0, Uint8Array.of(key)), range))).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect(isEmptyRange(rowRange(1, 0, Uint8Array.of(4), Uint8Array.of(2)))).toBe(true);
    expect(isEmptyRange(rowRange(1, 0))).toBe(false);
  });

  test("[HI18] the successor of a prefix follows all that begin with it", () => {
    expect(successorOf(Uint8Array.of(1, 255))).toEqual(Uint8Array.of(2));
    expect(successorOf(Uint8Array.of(255, 255))).toBeUndefined();
    expect(successorOf(Uint8Array.of(1, 2))).toEqual(Uint8Array.of(1, 3));
  });

  test("[HI18] keys of different kinds never collide", () => {
    const keys = [
      internKey("database", 1),
      internKey("scope", 1),
      internKey("log", 1),
      ownKey(1),
      scopeStateKey(1),
      rowKey(1, 0, Uint8Array.of(1)),
      oldKey(1, 0, Uint8Array.of(1), 1, 1),
      commitKey(1, 1, 1),
      controlKey(1, new Uint8Array(32)),
      changeKey(1, 1),
    ].map(toHex);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys).toEqual([
      "100100000001",
      "100200000001",
      "100300000001",
      "1100000001",
      "1200000001",
      "20000000010001",
      "21000000010000010100000001" + "0000000000000001",
      "2200000001000000010000000000000001",
      `2300000001${"00".repeat(32)}`,
      "24000000010000000000000001",
    ]);
  });
});
