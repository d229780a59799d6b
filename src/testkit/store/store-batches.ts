/** Batches that tell by themselves whether they are there whole: what is written before a kill and looked up after it. */

import type { Store, WriteOp } from "../../store/index.ts";
import { key } from "./store-world.ts";

/** Rows of the largest batch. */
const ROWS_MAX = 40;
/** Bytes of the largest row: a batch fills several blocks of LevelDB's log. */
const ROW_BYTES_MAX = 4_000;

const prefixOf = (number: number): string => `batch/${String(number).padStart(8, "0")}/`;

function rowsIn(number: number): number {
  return 1 + ((number * 7) % ROWS_MAX);
}

/** Batch `number`: some rows, each of a size and content that follow from their names, or of `bytes` bytes. */
export function batchOf(number: number, bytes?: number): WriteOp[] {
  return Array.from({ length: bytes === undefined ? rowsIn(number) : 1 }, (_, row) => {
    const value = new Uint8Array(bytes ?? (number * 131 + row * 977) % ROW_BYTES_MAX);
    // Not to be compressed: what a disk is full of depends on it.
    let x = number * 64 + row + 1;
    for (let i = 0; i < value.length; i++) {
      x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
      value[i] = x >>> 24;
    }
    return { type: "put", key: key(`${prefixOf(number)}${row}`), value };
  });
}

/** Which of the batches from `first` on are there; `broken` those that are there in part or not as written. */
export async function batchesIn(
  store: Store,
  first = 0,
  bytes?: number,
): Promise<{ whole: Set<number>; broken: number[] }> {
  const rows = new Map<number, Map<string, Uint8Array>>();
  for await (const entry of store.scan({ gte: key(prefixOf(first)), lt: key("batch0") })) {
    const name = new TextDecoder().decode(entry.key);
    const number = Number(name.slice(6, 14));
    const batch = rows.get(number) ?? new Map<string, Uint8Array>();
    rows.set(number, batch.set(name, entry.value));
  }
  const whole = new Set<number>();
  const broken: number[] = [];
  for (const [number, batch] of rows) {
    const ops = batchOf(number, bytes);
    const isWhole =
      ops.length === batch.size && ops.every((op) => op.type === "put" && isAsWritten(op, batch));
    if (isWhole) whole.add(number);
    else broken.push(number);
  }
  return { whole, broken };
}

function isAsWritten(
  op: WriteOp & { type: "put" },
  batch: ReadonlyMap<string, Uint8Array>,
): boolean {
  const value = batch.get(new TextDecoder().decode(op.key));
  return value !== undefined && Buffer.compare(value, op.value) === 0;
}
