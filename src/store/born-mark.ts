/**
 * What a store says about itself, written when it is born and read whenever it is opened. A medium without it holds no
 * store; one of a later format is left alone.
 *
 *     00 01   format version (4 bytes), id (16 bytes), whatever later formats add
 *     00 02   how often the engine had to be reopened: written to prove that writing works again
 *     00 03   what the medium was named when the store was opened last (witness.ts)
 *     00 04   nothing: the store was found to be a copy, and those above it have not yet done what that asks (witness.ts)
 */

import { equalBytes, type Random } from "../base/index.ts";
import { openError } from "./causes.ts";
import type { Engine } from "./engine.ts";
import { StoreError } from "./errors.ts";

/** First byte of the keys that the store keeps to itself. */
export const RESERVED = 0x00;
/** The lowest key that is not reserved. */
export const FIRST_KEY = Uint8Array.of(RESERVED + 1);

/** Raised when an older program would misread what a newer one wrote. History in docs/spec/store.md. */
const FORMAT_VERSION = 1;
/** Size of a store's id in bytes: two stores never draw the same. */
const ID_SIZE = 16;

const BORN_KEY = Uint8Array.of(RESERVED, 0x01);
const PROBE_KEY = Uint8Array.of(RESERVED, 0x02);
export const WITNESS_KEY = Uint8Array.of(RESERVED, 0x03);
export const COPY_KEY = Uint8Array.of(RESERVED, 0x04);
const VERSION_SIZE = 4;

/** A store by its mark: its id, and whether it was born just now. */
export interface Born {
  readonly id: Uint8Array;
  readonly isNew: boolean;
}

/**
 * The store that `engine` holds; an engine that holds nothing becomes a new store first.
 *
 * @throws {StoreError} `STORE_UNSUPPORTED_FORMAT` and `STORE_CORRUPT`, having written nothing; `STORE_FULL`,
 *   `STORE_OPEN_FAILED`.
 */
export async function readOrBear(engine: Engine, random: Random): Promise<Born> {
  try {
    const mark = await engine.get(BORN_KEY, {});
    if (mark !== undefined) return { id: idIn(mark), isNew: false };
    if (!(await isEmpty(engine))) {
      throw new StoreError(
        "STORE_CORRUPT",
        "Cannot open store: it holds rows but not the mark that a store begins with",
      );
    }
    const id = random.bytes(ID_SIZE);
    const value = new Uint8Array(VERSION_SIZE + ID_SIZE);
    new DataView(value.buffer).setUint32(0, FORMAT_VERSION);
    value.set(id, VERSION_SIZE);
    await engine.batch([{ type: "put", key: BORN_KEY, value }], { sync: true });
    return { id, isNew: true };
  } catch (error) {
    throw openError(error);
  }
}

/**
 * Proves that a reopened engine holds the store of this id and takes synced writes.
 *
 * @throws what the engine throws, or {StoreError} `STORE_CORRUPT` when it holds another store.
 */
export async function proveWritable(engine: Engine, id: Uint8Array): Promise<void> {
  const mark = await engine.get(BORN_KEY, {});
  if (mark === undefined || !equalBytes(idIn(mark), id)) {
    throw new StoreError("STORE_CORRUPT", "Cannot reopen store: another one has taken its place");
  }
  const before = await engine.get(PROBE_KEY, {});
  const value = new Uint8Array(VERSION_SIZE);
  new DataView(value.buffer).setUint32(0, before?.length === VERSION_SIZE ? u32In(before) + 1 : 1);
  await engine.batch([{ type: "put", key: PROBE_KEY, value }], { sync: true });
}

function idIn(mark: Uint8Array): Uint8Array {
  if (mark.length < VERSION_SIZE)
    throw new StoreError("STORE_CORRUPT", "Cannot open store: the mark it begins with is cut");
  const version = u32In(mark);
  if (version > FORMAT_VERSION) {
    const message = `Cannot open store: its format is ${version}, this program knows formats up to ${FORMAT_VERSION}`;
    throw new StoreError("STORE_UNSUPPORTED_FORMAT", message);
  }
  if (version === 0 || mark.length < VERSION_SIZE + ID_SIZE) {
    throw new StoreError("STORE_CORRUPT", "Cannot open store: the mark it begins with is damaged");
  }
  return Uint8Array.from(mark.subarray(VERSION_SIZE, VERSION_SIZE + ID_SIZE));
}

function u32In(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(0);
}

async function isEmpty(engine: Engine): Promise<boolean> {
  const iterator = engine.iterator({ reverse: false, limit: 1, highWaterMarkBytes: 1 });
  try {
    return (await iterator.nextv(1)).length === 0;
  } finally {
    await iterator.close();
  }
}
