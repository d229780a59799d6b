/**
 * Pull-sync 1.4.0 as Swarm's nodes speak it, and in Get a third field, `to`, that they pass over. Messages:
 * proto/rookery/pullsync.proto; their public source is pkg/pullsync/pb/pullsync.proto of ethersphere/bee.
 */

import { ByteWriter } from "../base/index.ts";
import {
  create,
  decode,
  encode,
  PullAckSchema,
  PullDeliverySchema,
  PullGetSchema,
  PullOfferSchema,
  PullSynSchema,
  PullWantSchema,
} from "../wire/index.ts";
import type { PullCodec } from "./ports.ts";
import { PullSyncError } from "./errors.ts";
import { BINS } from "./limits.ts";
import { isAddress } from "./entry.ts";

/** Tags of a delivery's fields: number and wire type 2. */
const TAG = { address: 0x0a, data: 0x12, stamp: 0x1a } as const;

export const CODEC_1_4_0: PullCodec = {
  version: "1.4.0",
  hasTo: true,
  encodeSyn: () => encode(PullSynSchema, create(PullSynSchema)),
  decodeSyn: (bytes) => void decode(PullSynSchema, bytes),
  encodeAck: ({ cursors, epoch }) =>
    encode(PullAckSchema, create(PullAckSchema, { cursors: [...cursors], epoch })),
  decodeAck(bytes) {
    const { cursors, epoch } = decode(PullAckSchema, bytes);
    if (cursors.length !== BINS)
      throw malformed(`cursors: there are ${cursors.length} of them, not ${BINS}`);
    return { cursors, epoch };
  },
  encodeGet: ({ bin, start, to = 0n }) =>
    encode(PullGetSchema, create(PullGetSchema, { bin, start, to })),
  decodeGet(bytes) {
    const { bin, start, to } = decode(PullGetSchema, bytes);
    return { bin, start, to: to === 0n ? undefined : to };
  },
  encodeOffer: ({ topmost, entries }) =>
    encode(
      PullOfferSchema,
      create(PullOfferSchema, {
        topmost,
        chunks: entries.map(({ address, batch, stampHash }) => ({
          address,
          batchId: batch,
          stampHash,
        })),
      }),
    ),
  decodeOffer(bytes) {
    const { topmost, chunks } = decode(PullOfferSchema, bytes);
    const entries = chunks.map(({ address, batchId, stampHash }) => {
      if (!isAddress(address)) throw malformed(`offer: an address has ${address.length} bytes`);
      return { address, batch: batchId, stampHash };
    });
    return { topmost, entries };
  },
  encodeWant: (bitVector) => encode(PullWantSchema, create(PullWantSchema, { bitVector })),
  decodeWant: (bytes) => decode(PullWantSchema, bytes).bitVector,
  encodeDelivery({ address, data, stamp }) {
    // By hand: the schema's way copies the chunk, twice. A test holds both to the same bytes.
    const head = new ByteWriter(address.length + 16);
    field(head, TAG.address, address.length);
    head.bytes(address);
    field(head, TAG.data, data.length);
    if (stamp.length === 0) return [head.finish(), data];
    const tail = new ByteWriter(stamp.length + 4);
    field(tail, TAG.stamp, stamp.length);
    tail.bytes(stamp);
    return [head.finish(), data, tail.finish()];
  },
  decodeDelivery: (bytes) => decode(PullDeliverySchema, bytes),
};

function field(out: ByteWriter, tag: number, size: number): void {
  if (size === 0) return;
  out.u8(tag);
  out.varint(size);
}

function malformed(what: string): PullSyncError {
  return new PullSyncError("PULLSYNC_MALFORMED", `Cannot read ${what}`);
}

/**
 * A want: entry i of the offer is bit i mod 8, of value 2^(i mod 8), of byte ⌊i / 8⌋. [PS12]
 *
 * The vector of `wanted.length` bits; at least one byte, one for each eight bits begun.
 */
export function encodeBits(wanted: readonly boolean[]): Uint8Array {
  const bytes = new Uint8Array(Math.max(1, Math.ceil(wanted.length / 8)));
  wanted.forEach((isWanted, i) => {
    if (isWanted) bytes[i >> 3] = (bytes[i >> 3] as number) | (1 << (i & 7));
  });
  return bytes;
}

/** The first `count` bits; `undefined` when there are fewer. Bits beyond them do not count. */
export function decodeBits(bytes: Uint8Array, count: number): boolean[] | undefined {
  if (8 * bytes.length < count) return undefined;
  return Array.from(
    { length: count },
    (_, i) => (((bytes[i >> 3] as number) >> (i & 7)) & 1) === 1,
  );
}
