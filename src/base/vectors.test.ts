import { describe, expect, test } from "vitest";
import { FORMAT_CHANGED, type GoldenCase, goldenPairs, twoWays } from "../testkit/golden.ts";
import { BlobRef, type BlobRefFields, formatBlobRef, parseBlobRef } from "./blob-ref.ts";
import {
  deviceIdOf,
  deviceKeyOf,
  type LogId,
  logIdOf,
  type LogKey,
  logKeyOf,
  type ScopeId,
  scopeKeyOf,
  type UserId,
  userIdOf,
  userKeyOf,
} from "./ids.ts";
import { encodeFrame } from "./framing.ts";
import { timestampMillis, timestampOf } from "./hlc.ts";
import type { DeviceId } from "./ids.ts";

const filled = (value: number, size = 32): Uint8Array => new Uint8Array(size).fill(value);
const counting = Uint8Array.from({ length: 32 }, (_, i) => i);
const owner = userIdOf(counting);
const device = deviceIdOf(counting);

const KEYS: readonly (readonly [string, Uint8Array])[] = [
  ["zeros", filled(0)],
  ["counting", counting],
  ["ones", filled(255)],
];
const LOGS: readonly LogId[] = [
  { device, incarnation: 0n },
  { device, incarnation: 2n ** 64n - 1n },
];
const SCOPES: readonly ScopeId[] = [
  { database: "notes", kind: "collection", owner, name: "trips" },
  { database: 'a"b', kind: "syncgroup", owner, name: "hütte\n:" },
];
const REFS: readonly BlobRefFields[] = [
  { root: filled(0), size: 0, depth: 0, chunker: 1 },
  { root: counting, size: 300, depth: 1, chunker: 1, mediaType: "image/png" },
  { root: filled(255), size: Number.MAX_SAFE_INTEGER, depth: 7, chunker: 255 },
];

function fieldsOf(text: string): BlobRefFields | undefined {
  const ref = parseBlobRef(text);
  if (ref === undefined) return undefined;
  const { root, size, depth, chunker, mediaType } = ref;
  return { root, size, depth, chunker, mediaType };
}

const CASES: readonly GoldenCase[] = [
  ...KEYS.map(([name, key]) =>
    twoWays("device", name, key, deviceIdOf, (text: DeviceId) => deviceKeyOf(text)),
  ),
  ...KEYS.map(([name, key]) =>
    twoWays("user", name, key, userIdOf, (text: UserId) => userKeyOf(text)),
  ),
  ...LOGS.map((log, i) =>
    twoWays("log", `log ${i}`, log, logKeyOf, (text: LogKey) => logIdOf(text)),
  ),
  ...SCOPES.map((scope, i) => ({
    record: "scope",
    name: `scope ${i}`,
    value: scope,
    output: scopeKeyOf(scope),
  })),
  ...REFS.map((fields, i) =>
    twoWays(
      "BlobRef",
      `ref ${i}`,
      fields,
      (it) => formatBlobRef(new BlobRef(it)),
      (text: string) => fieldsOf(text),
    ),
  ),
  ...[0, 1, 127, 128, 300].map((size) => ({
    record: "frame",
    name: `${size} bytes`,
    value: filled(7, size),
    output: encodeFrame(filled(7, size)),
  })),
  ...[0, 1_767_225_600_000, 2 ** 48 - 1].map((millis) => ({
    record: "timestamp",
    name: `${millis}`,
    value: millis,
    output: timestampOf(millis).toString(),
    read: (text: string): number => timestampMillis(BigInt(text)),
  })),
];

describe("texts and frames", () => {
  test.for(goldenPairs("base", CASES))("[FO3] $name", ({ written, committed, readAgain }) => {
    expect(written, FORMAT_CHANGED).toEqual(committed);
    expect(readAgain(), FORMAT_CHANGED).toEqual(committed);
  });
});
