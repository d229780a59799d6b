/** Numbered puts that tell by themselves whether they are there whole: made before a kill and looked up after it. */

import { type ChunkStore, CONTENT, contentChunk, type VerifiedChunk } from "../../chunks/index.ts";
import type { Store } from "../../store/index.ts";
import { equal } from "../expect.ts";
import { key } from "../stores.ts";
import { holdsAll, testCrypto } from "./chunk-world.ts";

/** Bytes of a chunk that fills a disk: a few dozen fill a file of some megabytes. */
export const FILL_BYTES = 64 * 1024;
/** Chunks of the largest put. */
const CHUNKS_MAX = 6;
/** Bytes of the largest chunk but one. */
const BYTES_MAX = 120_000;

/** The chunks of put `number`: some of its own, and one that the puts around it have too. */
export function chunksOfPut(number: number): VerifiedChunk[] {
  const own = Array.from({ length: 1 + (number % CHUNKS_MAX) }, (_, i) => {
    const seed = 10 * number + i;
    return patterned(seed, 8 + ((seed * 7_919) % BYTES_MAX));
  });
  return [...own, patterned(2 ** 40 + Math.floor(number / 8), 1_000)];
}

/** Made at once, so that a process that is killed is writing and not making. */
function patterned(seed: number, size: number): VerifiedChunk {
  const bytes = new Uint8Array(size).fill(seed);
  new DataView(bytes.buffer).setFloat64(0, seed);
  return contentChunk(testCrypto, bytes);
}

export const rowOfPut = (number: number): string => `put/${String(number).padStart(8, "0")}`;

/** Numbers of the puts from `first` on whose row is there; demands that all their chunks are. */
export async function putsIn(store: Store, chunks: ChunkStore, first = 0): Promise<Set<number>> {
  const found = new Set<number>();
  for await (const entry of store.scan({ gte: key(rowOfPut(first)), lt: key("put0") })) {
    const number = Number(new TextDecoder().decode(entry.key).slice("put/".length));
    await holdsAll(chunks, chunksOfPut(number));
    found.add(number);
  }
  return found;
}

/** Demands that every chunk of the index can be read. Answers how many there are. */
export async function readAll(store: Store, chunks: ChunkStore): Promise<number> {
  // Keys of content chunks: docs/spec/chunks.md.
  const prefix = Uint8Array.of(0x30, CONTENT.code);
  const addresses: Uint8Array[] = [];
  for await (const entry of store.scan({ gte: prefix, lt: Uint8Array.of(0x30, CONTENT.code + 1) }))
    addresses.push(entry.key.slice(prefix.length));
  for (let at = 0; at < addresses.length; at += 100) {
    const page = addresses.slice(at, at + 100);
    const found = await chunks.getMany(CONTENT, page);
    equal(
      found.indexOf(undefined),
      -1,
      "place of a chunk that the index names and nobody can read",
    );
  }
  equal(chunks.status().chunks, addresses.length, "chunks of the status");
  return addresses.length;
}
