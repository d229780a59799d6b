/** The reserves of storage networks: numbers that were given, and the chunks that have them. */

import { equalBytes, toHex } from "../base/index.ts";
import {
  CHUNK_RANGE,
  chunkOf,
  chunkKey,
  CONTENT,
  decodeIndexEntry,
  encodeIndexEntry,
  type IndexEntry,
} from "../chunks/index.ts";
import {
  BINS,
  binIdOf,
  binKey,
  decodeEntry,
  decodeIntervals,
  decodeMissing,
  decodeNetwork,
  decodeNumber,
  encodeNumber,
  entryBinRange,
  entryKey,
  NETWORK_RANGE,
  recordRanges,
} from "../pullsync/index.ts";
import type { Store } from "../store/index.ts";
import type { Finding, Fix } from "./finding.ts";
import { readOr } from "./scope-view.ts";

/** Looks at the reserves of all networks. What a reserve has left that was made anew is swept by itself, and passed over. */
export async function* verifyReserves(store: Store): AsyncGenerator<Finding, void, undefined> {
  const numbers = new Set<number>();
  const numbered = { entries: 0 };
  for await (const { key, value } of store.scan(NETWORK_RANGE)) {
    const record = readOr(decodeNetwork, value);
    // Without it the reserve is made anew, under another epoch.
    if (record === undefined || numbers.has(record.number)) {
      const fix = { type: "remove", key } as const;
      yield finding("PS44", key, "A storage network has no number of its own", fix);
      continue;
    }
    numbers.add(record.number);
    for (let bin = 0; bin < BINS; bin++) yield* verifyBin(store, record.number, bin, numbered);
    yield* verifyRecords(store, record.number);
  }
  yield* verifyPlaces(store, numbers, numbered.entries);
}

/** Each entry has a number that was given, and a chunk that is here and knows it. */
async function* verifyBin(
  store: Store,
  network: number,
  bin: number,
  numbered: { entries: number },
): AsyncGenerator<Finding, void, undefined> {
  const key = binKey(network, bin);
  const bytes = await store.get(key);
  const last = bytes === undefined ? 0n : readOr(decodeNumber, bytes);
  let greatest = 0n;
  for await (const entry of store.scan(entryBinRange(network, bin))) {
    greatest = binIdOf(entry.key);
    const read = readOr(decodeEntry, entry.value);
    const fix = { type: "remove", key: entry.key } as const;
    if (read === undefined) {
      yield finding("PS2", entry.key, "An entry of a reserve cannot be read", fix);
      continue;
    }
    const chunk = await store.get(chunkKey({ kind: CONTENT, address: read.address }));
    const places = (chunk && readOr(decodeIndexEntry, chunk))?.places ?? [];
    const id = Number(greatest);
    if (places.some((place) => place.network === network && place.binId === id))
      numbered.entries += 1;
    else yield finding("PS41", entry.key, "A reserve has a chunk that is not here", fix);
  }
  if (last !== undefined && last >= greatest) return;
  const says = "A number was given that is beyond the last one";
  const value = encodeNumber(greatest);
  // Where it is too small it would be given again.
  const fix = { type: "replace", key, value } as const;
  yield finding(
    "PS2",
    key,
    last === undefined ? "The last number of a bin cannot be read" : says,
    fix,
  );
}

/** What is known of peers, and what is missing: what cannot be read is asked for again. */
async function* verifyRecords(
  store: Store,
  network: number,
): AsyncGenerator<Finding, void, undefined> {
  const { peers, intervals, missing } = recordRanges(network);
  for (const [rule, range, decode] of [
    ["PS32", peers, decodeNumber],
    ["PS31", intervals, decodeIntervals],
    ["PS35", missing, decodeMissing],
  ] as const)
    for await (const { key, value } of store.scan(range)) {
      if (readOr<unknown>(decode, value) !== undefined) continue;
      const fix = { type: "remove", key } as const;
      yield finding(rule, key, "What is known of a peer's chunks cannot be read", fix);
    }
}

/** A chunk's place is that of an entry in the reserve: else it is in none, and is placed again when its blob is looked at. */
async function* verifyPlaces(
  store: Store,
  numbers: ReadonlySet<number>,
  entries: number,
): AsyncGenerator<Finding, void, undefined> {
  let places = 0;
  for await (const { places: own } of placed(store))
    places += own.filter(({ network }) => numbers.has(network)).length;
  // As many as there are entries that have one: none is over, and nothing need be looked for.
  if (places === entries) return;
  for await (const { key, address, entry, places: own } of placed(store)) {
    const found = await Promise.all(own.map((place) => isPlaced(store, address, place, numbers)));
    if (found.every(Boolean)) continue;
    const left = own.filter((_, i) => found[i] === true);
    const fix = {
      type: "replace",
      key,
      value: encodeIndexEntry({ ...entry, places: left }),
    } as const;
    yield finding("PS41", key, "A chunk has a number that is not its own", fix);
  }
}

/** Index entries of content chunks that have places. */
async function* placed(store: Store): AsyncGenerator<
  {
    readonly key: Uint8Array;
    readonly address: Uint8Array;
    readonly entry: IndexEntry;
    readonly places: IndexEntry["places"];
  },
  void,
  undefined
> {
  for await (const { key, value } of store.scan(CHUNK_RANGE)) {
    const entry = readOr(decodeIndexEntry, value);
    const chunk = readOr(chunkOf, key);
    if (entry === undefined || chunk?.kind !== CONTENT.code || entry.places.length === 0) continue;
    yield { key, address: chunk.address, entry, places: entry.places };
  }
}

async function isPlaced(
  store: Store,
  address: Uint8Array,
  { network, binId }: { readonly network: number; readonly binId: number },
  numbers: ReadonlySet<number>,
): Promise<boolean> {
  // Of a reserve that was made anew under another number.
  if (!numbers.has(network)) return true;
  // Its bin follows from the device's key, which is not in the store.
  const keys = Array.from({ length: BINS }, (_, bin) => entryKey(network, bin, BigInt(binId)));
  return (await store.getMany(keys)).some((bytes) => {
    const entry = bytes && readOr(decodeEntry, bytes);
    return entry !== undefined && equalBytes(entry.address, address);
  });
}

function finding(rule: string, key: Uint8Array, says: string, fix: Fix): Finding {
  return { rule, says, key: toHex(key), fix };
}
