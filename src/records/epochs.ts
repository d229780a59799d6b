/**
 * Names of positions in a database's order of changes, as applications keep them.
 *
 * A position is a number, and numbers come again: in another store, in another database, and in this one when an older
 * state of it was put back and has gone on differently. So a marker names an epoch as well. One begins with the database
 * and with each opening that finds another store than the one that was closed here; what the older epochs have beyond
 * that moment elsewhere is not known here.
 */

import {
  ByteReader,
  ByteWriter,
  concatBytes,
  crc32,
  equalBytes,
  fromBase64Url,
  type Random,
  toBase64Url,
} from "../base/index.ts";
import { EPOCHS_MAX } from "./limits.ts";

/** Bytes of an epoch's name: drawn by chance, so it names store and database too. */
export const EPOCH_ID_SIZE = 16;

/** From one opening that found another store than was closed, to the next such. */
export interface Epoch {
  readonly id: Uint8Array;
  /** Position of the last change before it. */
  readonly from: number;
}

export function encodeEpochs(epochs: readonly Epoch[]): Uint8Array {
  const out = new ByteWriter(8 + epochs.length * (EPOCH_ID_SIZE + 8));
  out.varint(epochs.length);
  for (const { id, from } of epochs) {
    out.bytes(id);
    out.varint(from);
  }
  return out.finish();
}

/** The oldest first. */
export function decodeEpochs(bytes: Uint8Array): Epoch[] {
  const input = new ByteReader(bytes);
  return Array.from({ length: input.count(EPOCH_ID_SIZE + 1) }, () => ({
    id: input.bytes(EPOCH_ID_SIZE).slice(),
    from: input.varint(),
  }));
}

/** Where the order of changes of a database stands. */
export interface Positions {
  /** The oldest first. */
  readonly epochs: readonly Epoch[];
  /** Of the last change. */
  readonly sequence: number;
}

const VERSION = 1;
const CHECKSUM_SIZE = 4;

/** The epochs of a database once another has begun now; the oldest of too many is forgotten, and its markers with it. */
export function epochsWith(random: Random, { epochs, sequence }: Positions): Epoch[] {
  const id = random.bytes(EPOCH_ID_SIZE).slice();
  return [...epochs, { id, from: sequence }].slice(-EPOCHS_MAX);
}

/** The text that names a position. [HI60] */
export function markerOf({ epochs }: Pick<Positions, "epochs">, sequence: number): string {
  const epoch = epochs.findLast(({ from }) => from <= sequence) ?? { id: NO_EPOCH };
  const out = new ByteWriter(1 + EPOCH_ID_SIZE + 8);
  out.u8(VERSION);
  out.bytes(epoch.id);
  out.varint(sequence);
  const body = out.finish();
  const sum = new ByteWriter(CHECKSUM_SIZE);
  sum.u32(crc32(body));
  return toBase64Url(concatBytes(body, sum.finish()));
}

/** The position that a marker names; `undefined`: none that is known here. [HI60] */
export function positionOf(
  { epochs, sequence: last }: Positions,
  marker: string,
): number | undefined {
  const bytes = fromBase64Url(marker);
  if (bytes === undefined || bytes.length <= CHECKSUM_SIZE) return undefined;
  const body = bytes.subarray(0, bytes.length - CHECKSUM_SIZE);
  if (new ByteReader(bytes.subarray(body.length)).u32() !== crc32(body)) return undefined;
  const read = readBody(body);
  if (read === undefined) return undefined;
  const at = epochs.findIndex(({ id }) => equalBytes(id, read.id));
  const epoch = epochs[at];
  if (epoch === undefined) return undefined;
  const end = epochs[at + 1]?.from ?? last;
  return read.sequence >= epoch.from && read.sequence <= end ? read.sequence : undefined;
}

/** Before the first epoch that is remembered: a name that nothing has. */
const NO_EPOCH = new Uint8Array(EPOCH_ID_SIZE);

function readBody(body: Uint8Array): { id: Uint8Array; sequence: number } | undefined {
  try {
    const input = new ByteReader(body);
    if (input.u8() !== VERSION) return undefined;
    const read = { id: input.bytes(EPOCH_ID_SIZE), sequence: input.varint() };
    return input.remaining === 0 ? read : undefined;
  } catch {
    return undefined;
  }
}
