import {
  WRITTEN_ROWS_BITS_EACH,
  WRITTEN_ROWS_BYTES_MAX,
  WRITTEN_ROWS_BYTES_MIN,
} from "./limits.ts";
import type { RowName } from "./staged-row.ts";

/** Places that a row has among a level's bits: with 16 bits a row one in 400 absent ones is taken for written. */
const PLACES = 4;
/** Each level has so many times the bits of the one before. */
const GROWTH = 4;

interface Level {
  readonly bits: Uint32Array;
  /** Rows that it takes yet. */
  room: number;
}

/**
 * Which rows of a scope may have been written, from the scope's first write in this process on: a Bloom filter that grows.
 * What it does not know is not in the store, and need not be looked for. [HI76]
 */
export class WrittenRows {
  /** The newest, and largest, first. */
  #levels: readonly Level[] = [];
  #bytes = 0;
  #isFull = false;

  /** Whether the row may be in the store. */
  mayHave(name: RowName): boolean {
    if (this.#isFull) return true;
    const hash = hashOf(name);
    const step = stepOf(hash);
    // By index: asked for each row that is written, when a function made for it is an object more.
    for (let i = 0; i < this.#levels.length; i++)
      if (hasAll(this.#levels[i] as Level, hash, step)) return true;
    return false;
  }

  /** Notes that a write puts the row into the store: before it does. */
  add(name: RowName): void {
    if (this.#isFull) return;
    const level = this.#levelWithRoom();
    if (level === undefined) return;
    const { bits } = level;
    const hash = hashOf(name);
    const step = stepOf(hash);
    const mask = bits.length * 32 - 1;
    for (let i = 0, at = hash; i < PLACES; i++, at = (at + step) | 0) {
      const bit = at & mask;
      bits[bit >>> 5] = (bits[bit >>> 5] as number) | (1 << (bit & 31));
    }
    level.room -= 1;
  }

  #levelWithRoom(): Level | undefined {
    const newest = this.#levels[0];
    if (newest !== undefined && newest.room > 0) return newest;
    const bytes = newest === undefined ? WRITTEN_ROWS_BYTES_MIN : newest.bits.byteLength * GROWTH;
    this.#bytes += bytes;
    if (this.#bytes > WRITTEN_ROWS_BYTES_MAX) {
      this.#isFull = true;
      this.#levels = [];
      return undefined;
    }
    const level = {
      bits: new Uint32Array(bytes / 4),
      room: Math.floor((bytes * 8) / WRITTEN_ROWS_BITS_EACH),
    };
    this.#levels = [level, ...this.#levels];
    return level;
  }
}

function hasAll({ bits }: Level, hash: number, step: number): boolean {
  const mask = bits.length * 32 - 1;
  for (let i = 0, at = hash; i < PLACES; i++, at = (at + step) | 0) {
    const bit = at & mask;
    if (((bits[bit >>> 5] as number) & (1 << (bit & 31))) === 0) return false;
  }
  return true;
}

/** FNV-1a over space and key, mixed once more since only its lower bits choose a place. */
function hashOf({ space, key }: RowName): number {
  let hash = Math.imul(0x811c9dc5 ^ space, 0x01000193);
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ (key[i] as number), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return hash ^ (hash >>> 13);
}

/** From one place to the next: odd, so that all four differ. */
function stepOf(hash: number): number {
  return Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35) | 1;
}
