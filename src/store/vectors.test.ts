import { describe, expect, test } from "vitest";
import { fromHex } from "../base/index.ts";
import { FORMAT_CHANGED, type GoldenCase, goldenPairs } from "../testkit/golden.ts";
import { COPY_KEY, proveWritable, readOrBear, WITNESS_KEY } from "./born-mark.ts";
import type { Engine } from "./engine.ts";
import { createMemoryMedium } from "./memory.ts";

const ID = Uint8Array.from({ length: 16 }, (_, i) => 0x10 + i);
const random = { bytes: (length: number): Uint8Array => ID.slice(0, length) };

async function entriesOf(engine: Engine): Promise<[Uint8Array, Uint8Array][]> {
  const iterator = engine.iterator({ reverse: false, limit: -1, highWaterMarkBytes: 1000 });
  try {
    return await iterator.nextv(100);
  } finally {
    await iterator.close();
  }
}

/** All that a store writes for itself: when it is born, and when its engine was reopened twice. */
async function ownEntries(): Promise<readonly GoldenCase[]> {
  const engine = await createMemoryMedium().openEngine();
  try {
    const { id } = await readOrBear(engine, random);
    const born = await entriesOf(engine);
    await proveWritable(engine, id);
    await proveWritable(engine, id);
    const probed = await entriesOf(engine);
    const [[bornKey, mark]] = born as [[Uint8Array, Uint8Array]];
    const [, [probeKey, probe]] = probed as [unknown, [Uint8Array, Uint8Array]];
    expect([born.length, probed.length]).toEqual([1, 2]);
    return [
      { record: "born mark key", name: "only", value: "00 01", output: bornKey },
      { record: "born mark", name: "format 1", value: { format: 1, id: ID }, output: mark },
      { record: "probe key", name: "only", value: "00 02", output: probeKey },
      { record: "probe", name: "reopened twice", value: { times: 2 }, output: probe },
      { record: "witness key", name: "only", value: "00 03", output: WITNESS_KEY },
      { record: "copy key", name: "only", value: "00 04", output: COPY_KEY },
    ];
  } finally {
    await engine.close();
  }
}

const PAIRS = goldenPairs("store", await ownEntries());

describe("what a store writes for itself", () => {
  test.for(PAIRS)("[FO3] $name", ({ written, committed }) => {
    expect(written, FORMAT_CHANGED).toEqual(committed);
  });

  test("[FO3] the committed mark is read as that store's", async () => {
    const [key, mark] = PAIRS.map(({ committed }) => fromHex(committed?.hex ?? "") as Uint8Array);
    const engine = await createMemoryMedium().openEngine();
    try {
      const put = { type: "put", key: key as Uint8Array, value: mark as Uint8Array } as const;
      await engine.batch([put], { sync: true });
      const never = { bytes: (): Uint8Array => expect.fail("a store is there already") };
      expect((await readOrBear(engine, never)).id).toEqual(ID);
    } finally {
      await engine.close();
    }
  });
});
