/**
 * What pull-sync keeps in the ordered store. A network is named by the number that this store has given it (4 bytes), a peer by its
 * overlay; integers in keys are big-endian.
 *
 *   0x40  network id (32)              -> its number, and the epoch of our reserve
 *   0x41  network, bin (1)             -> the last BinID given
 *   0x42  network, bin, BinID (8)      -> an entry of our reserve: address and size
 *   0x43  network, peer (32)           -> the epoch that we know the peer's numbers of
 *   0x44  network, peer, bin (1)       -> which of the peer's BinIDs are done
 *   0x45  network, address (32)        -> a missing chunk: who has offered it
 *   0x46  network, root (32)           -> nothing: all chunks of that blob were given BinIDs
 */

import { ADDRESS_SIZE, ByteReader, ByteWriter, equalBytes } from "../base/index.ts";
import type { KeyRange } from "../store/index.ts";
import { BIN_ID_MAX } from "./entry.ts";
import { PullSyncError } from "./errors.ts";
import { Intervals } from "./intervals.ts";
import { INTERVALS_MAX, MISSING_SOURCES_MAX } from "./limits.ts";

const SPACE_OF = {
  network: 0x40,
  bin: 0x41,
  entry: 0x42,
  peer: 0x43,
  intervals: 0x44,
  missing: 0x45,
  placed: 0x46,
} as const;

function keyOf(space: number, ...parts: readonly (Uint8Array | number)[]): Uint8Array {
  const out = new ByteWriter(48);
  out.u8(space);
  for (const part of parts) {
    if (typeof part === "number") out.u32(part);
    else out.bytes(part);
  }
  return out.finish();
}

export function networkKey(id: Uint8Array): Uint8Array {
  return keyOf(SPACE_OF.network, id);
}

/** All networks that this store has a number for. */
export const NETWORK_RANGE: KeyRange = {
  gte: Uint8Array.of(SPACE_OF.network),
  lt: Uint8Array.of(SPACE_OF.network + 1),
};

export function binKey(network: number, bin: number): Uint8Array {
  return keyOf(SPACE_OF.bin, network, Uint8Array.of(bin));
}

export function entryKey(network: number, bin: number, binId: bigint): Uint8Array {
  const out = new ByteWriter(14);
  out.u8(SPACE_OF.entry);
  out.u32(network);
  out.u8(bin);
  out.u64(binId);
  return out.finish();
}

/** Entries of a bin from `first` to `last`, both included. */
export function entryRange(network: number, bin: number, first: bigint, last: bigint): KeyRange {
  return { gte: entryKey(network, bin, first), lt: entryKey(network, bin, last + 1n) };
}

/** All entries of a bin. */
export function entryBinRange(network: number, bin: number): KeyRange {
  return entryRange(network, bin, 0n, BIN_ID_MAX);
}

/** The BinID of an entry's key. */
export function binIdOf(key: Uint8Array): bigint {
  return new ByteReader(key.subarray(6)).u64();
}

export function peerKey(network: number, peer: Uint8Array): Uint8Array {
  return keyOf(SPACE_OF.peer, network, peer);
}

export function intervalsKey(network: number, peer: Uint8Array, bin: number): Uint8Array {
  return keyOf(SPACE_OF.intervals, network, peer, Uint8Array.of(bin));
}

export function missingKey(network: number, address: Uint8Array): Uint8Array {
  return keyOf(SPACE_OF.missing, network, address);
}

/** All missing chunks of a network. */
export function missingRange(network: number): KeyRange {
  return networkRange(SPACE_OF.missing, network);
}

/** The address of a missing chunk's key. */
export function missingAddressOf(key: Uint8Array): Uint8Array {
  return key.slice(5);
}

export function placedKey(network: number, root: Uint8Array): Uint8Array {
  return keyOf(SPACE_OF.placed, network, root);
}

/** All blobs of a network that were placed. */
export function placedRange(network: number): KeyRange {
  return networkRange(SPACE_OF.placed, network);
}

/** All that is kept of a network under its number: for one whose reserve was made anew under another. */
export function rangesOf(network: number): readonly KeyRange[] {
  const { network: _, ...spaces } = SPACE_OF;
  return Object.values(spaces).map((space) => networkRange(space, network));
}

/** What is known of a network's peers and of chunks that are missing: the peers' epochs, which of their numbers are done, the missing. */
export function recordRanges(
  network: number,
): Readonly<Record<"peers" | "intervals" | "missing", KeyRange>> {
  return {
    peers: networkRange(SPACE_OF.peer, network),
    intervals: networkRange(SPACE_OF.intervals, network),
    missing: missingRange(network),
  };
}

function networkRange(space: number, network: number): KeyRange {
  return { gte: keyOf(space, network), lt: keyOf(space, network + 1) };
}

/** A network's record. */
export interface NetworkRecord {
  /** From 1; never given to another network or another life of the reserve. */
  readonly number: number;
  readonly epoch: bigint;
}

export function encodeNetwork({ number, epoch }: NetworkRecord): Uint8Array {
  const out = new ByteWriter(12);
  out.u32(number);
  out.u64(epoch);
  return out.finish();
}

export function decodeNetwork(value: Uint8Array): NetworkRecord {
  return reading("network", value, (input) => ({ number: input.u32(), epoch: input.u64() }));
}

/** The value of a bin's last BinID, and of a peer's epoch. */
export function encodeNumber(number: bigint): Uint8Array {
  const out = new ByteWriter(8);
  out.u64(number);
  return out.finish();
}

export function decodeNumber(value: Uint8Array): bigint {
  return reading("number", value, (input) => input.u64());
}

export function encodeEntry(address: Uint8Array, size: number): Uint8Array {
  const out = new ByteWriter(ADDRESS_SIZE + 4);
  out.bytes(address);
  out.varint(size);
  return out.finish();
}

export function decodeEntry(value: Uint8Array): { address: Uint8Array; size: number } {
  return reading("entry", value, (input) => ({
    address: input.bytes(ADDRESS_SIZE),
    size: input.varint(),
  }));
}

/** For each interval the numbers between it and the one before, and its own but one: those before and within it are small. */
export function encodeIntervals({ ranges }: Intervals): Uint8Array {
  const out = new ByteWriter(2 + 8 * ranges.length);
  out.varint(ranges.length);
  let end = 0n;
  for (const { first, last } of ranges) {
    out.varint(Number(first - end));
    out.varint(Number(last - first));
    end = last;
  }
  return out.finish();
}

export function decodeIntervals(value: Uint8Array): Intervals {
  return reading("intervals", value, (input) => {
    const count = input.varint();
    if (count > INTERVALS_MAX) throw new RangeError("There are too many");
    let set = Intervals.empty();
    let end = 0n;
    for (let i = 0; i < count; i++) {
      const first = end + BigInt(input.varint());
      end = first + BigInt(input.varint());
      if (end > BIN_ID_MAX) throw new RangeError("A number is too great");
      set = set.with(first, end);
    }
    return set;
  });
}

/** Who has offered a missing chunk, and between which of its BinIDs. */
export interface MissingSource {
  /** Overlay, 32 bytes. */
  readonly peer: Uint8Array;
  readonly from: bigint;
  readonly to: bigint;
}

/** A chunk that is to be here and is not. */
export interface MissingRecord {
  /** It was here and was lost: every peer is asked for it, wherever it stands in its bins. */
  readonly isLost: boolean;
  readonly sources: readonly MissingSource[];
  /** Overlays of peers that have answered that they lack it, since it was lost. */
  readonly lackedBy: readonly Uint8Array[];
}

export function encodeMissing({ isLost, sources, lackedBy }: MissingRecord): Uint8Array {
  const out = new ByteWriter(8 + 48 * sources.length + 32 * lackedBy.length);
  out.u8(isLost ? 1 : 0);
  out.varint(sources.length);
  for (const { peer, from, to } of sources) {
    out.bytes(peer);
    out.varint(Number(from));
    out.varint(Number(to - from));
  }
  out.varint(lackedBy.length);
  for (const peer of lackedBy) out.bytes(peer);
  return out.finish();
}

export function decodeMissing(value: Uint8Array): MissingRecord {
  return reading("missing chunk", value, (input) => {
    const flag = input.u8();
    if (flag > 1) throw new RangeError("It is neither lost nor not");
    const sources = Array.from({ length: counted(input) }, () => {
      const peer = input.bytes(ADDRESS_SIZE).slice();
      const from = BigInt(input.varint());
      return { peer, from, to: from + BigInt(input.varint()) };
    });
    const lackedBy = Array.from({ length: counted(input) }, () =>
      input.bytes(ADDRESS_SIZE).slice(),
    );
    return { isLost: flag === 1, sources, lackedBy };
  });
}

function counted(input: ByteReader): number {
  const count = input.varint();
  if (count > MISSING_SOURCES_MAX) throw new RangeError("There are too many");
  return count;
}

function reading<T>(what: string, value: Uint8Array, read: (input: ByteReader) => T): T {
  try {
    const input = new ByteReader(value);
    const record = read(input);
    if (input.remaining > 0) throw new RangeError("There are bytes left");
    return record;
  } catch (cause) {
    const why = `Cannot read record of ${what}: its bytes make no sense`;
    throw new PullSyncError("PULLSYNC_CORRUPT", why, { cause });
  }
}

/** Whether an overlay is one of these. */
export function isAmong(peer: Uint8Array, peers: readonly Uint8Array[]): boolean {
  return peers.some((other) => equalBytes(other, peer));
}
