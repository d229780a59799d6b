import { describe, expect, test } from "vitest";
import { decodeValue, deviceIdOf, type GenVector, type LogKey, logKeyOf } from "../base/index.ts";
import { FORMAT_CHANGED, type GoldenCase, goldenPairs } from "../testkit/golden.ts";
import { decodeVector } from "../wire/index.ts";
import { holderRow } from "./index.ts";

const device = deviceIdOf(new Uint8Array(32).fill(0x62));
const other = deviceIdOf(new Uint8Array(32).fill(0x63));
const logOf = (of: typeof device, incarnation: bigint): LogKey =>
  logKeyOf({ device: of, incarnation });

const KNOWN: readonly GenVector[] = [
  new Map(),
  new Map([
    [logOf(other, 0x0102030405060708n), 300],
    [logOf(device, 2n), 1],
  ]),
  new Map([[logOf(device, 2n ** 64n - 1n), Number.MAX_SAFE_INTEGER]]),
];

describe("holder records", () => {
  const cases: readonly GoldenCase[] = KNOWN.flatMap((known, i) => {
    const { name, value } = holderRow(device, known);
    return [
      {
        record: "holder row key",
        name: `holder ${i}`,
        value: { space: name.space, device },
        output: name.key,
      },
      {
        record: "holder row",
        name: `holder ${i}`,
        value: [...known].map(([log, generation]) => ({ log, generation })).toSorted(byLog),
        output: value ?? new Uint8Array(),
        read: (bytes: Uint8Array): unknown =>
          Array.from(decodeVector(decodeValue(bytes) as Uint8Array), ([log, generation]) => ({
            log,
            generation,
          })).toSorted(byLog),
      },
    ];
  });

  test.for(goldenPairs("holders", cases))("[FO3] $name", ({ written, committed, readAgain }) => {
    expect(written, FORMAT_CHANGED).toEqual(committed);
    expect(readAgain(), FORMAT_CHANGED).toEqual(committed);
  });
});

function byLog(a: { readonly log: LogKey }, b: { readonly log: LogKey }): number {
  return a.log < b.log ? -1 : 1;
}
