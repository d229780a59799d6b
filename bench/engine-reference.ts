import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClassicLevel } from "classic-level";

/** Bytes of a key as the bench's rows have them, with what the store puts before it. */
const KEY_BYTES = 20;

/**
 * What the engine below can do with the same rows and nothing else: synced batches, keys in the same scattered order.
 * Rows per second.
 */
export async function engineBatchRate(
  rows: number,
  valueBytes: number,
  batch: number,
): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "rookery-reference-"));
  const level = new ClassicLevel<Uint8Array, Uint8Array>(join(folder, "level"), {
    keyEncoding: "view",
    valueEncoding: "view",
  });
  try {
    await level.open();
    const began = performance.now();
    for (let from = 0; from < rows; from += batch) {
      const ops = [];
      for (let i = from; i < Math.min(from + batch, rows); i++) {
        const key = new Uint8Array(KEY_BYTES);
        new DataView(key.buffer).setUint32(KEY_BYTES - 4, (i * 7919) % 1_000_003);
        const value = new Uint8Array(valueBytes);
        for (let at = 0; at < valueBytes; at++) value[at] = (i * 31 + at * 17) & 0xff;
        ops.push({ type: "put" as const, key, value });
      }
      await level.batch(ops, { sync: true });
    }
    return rows / ((performance.now() - began) / 1000);
  } finally {
    await level.close();
    await rm(folder, { recursive: true, force: true });
  }
}
