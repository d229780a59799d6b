/**
 * Who is an ancestor of whom in a control log, for entries numbered in the order they were added, parents first.
 */

/** Entries in one chunk of a past: 64 bytes, which V8 still takes from its own heap and not from the system. */
const CHUNK_ENTRIES = 512;
const CHUNK_WORDS = CHUNK_ENTRIES / 32;

type Chunk = Uint32Array;
const FULL: Chunk = new Uint32Array(CHUNK_WORDS).fill(0xffff_ffff);

/** A set of entries that with each holds all its ancestors. */
export type Past = readonly (Chunk | undefined)[];

/**
 * The pasts of all entries, as bit sets in chunks that they share: most logs are nearly a line, so most chunks are full
 * and take no memory of their own. Asking costs one look; adding costs a chunk and a pointer for each 512 entries.
 */
export class Ancestry {
  readonly #pasts: Past[] = [];
  readonly #heights: number[] = [];

  constructor(from?: Ancestry) {
    if (from === undefined) return;
    this.#pasts = [...from.#pasts];
    this.#heights = [...from.#heights];
  }

  /** Entries added so far, which is the number of the next. */
  get size(): number {
    return this.#pasts.length;
  }

  /** Longest way down to an entry without parents: an ancestor's is always less. Depends on nothing but the ancestors. */
  heightOf(entry: number): number {
    return this.#heights[entry] as number;
  }

  /** Adds an entry and answers its number. */
  add(parents: readonly number[], past: Past = this.pastOf(parents)): number {
    let height = 0;
    for (const parent of parents) height = Math.max(height, this.heightOf(parent) + 1);
    this.#heights.push(height);
    return this.#pasts.push(past) - 1;
  }

  /** `parents` and all their ancestors. */
  pastOf(parents: readonly number[]): Past {
    const union = new Union();
    // From the last on: it is likely to have most others among its ancestors already.
    for (const parent of parents.toSorted((a, b) => b - a)) {
      if (contains(union.chunks, parent)) continue;
      union.join(this.#pasts[parent] as Past);
      union.add(parent);
    }
    return union.finish();
  }

  /** The ancestors of an entry. */
  pastAt(entry: number): Past {
    return this.#pasts[entry] as Past;
  }

  /** `past` and all ancestors of `entry`, which itself is not added. */
  withAncestorsOf(past: Past, entry: number): Past {
    const union = new Union(past);
    union.join(this.#pasts[entry] as Past);
    return union.finish();
  }

  /** Whether `ancestor` is one of `entry`, which is not its own. */
  precedes(ancestor: number, entry: number): boolean {
    return contains(this.#pasts[entry] as Past, ancestor);
  }
}

/** Whether `entry` is in `past`. */
export function contains(past: Past, entry: number): boolean {
  const word = past[Math.floor(entry / CHUNK_ENTRIES)]?.[(entry % CHUNK_ENTRIES) >>> 5];
  return word !== undefined && (word & (1 << (entry & 31))) !== 0;
}

/** Pasts being joined: chunks are shared until they must differ. */
class Union {
  readonly chunks: (Chunk | undefined)[];
  readonly #own = new Set<number>();

  constructor(past: Past = []) {
    this.chunks = [...past];
  }

  join(past: Past): void {
    for (let at = 0; at < past.length; at++) {
      const ours = this.chunks[at];
      const theirs = past[at];
      if (theirs === undefined || ours === theirs || ours === FULL) continue;
      if (ours === undefined || theirs === FULL) {
        this.#own.delete(at);
        this.#set(at, theirs);
      } else {
        const own = this.#ownChunk(at);
        for (let word = 0; word < CHUNK_WORDS; word++) {
          own[word] = (own[word] as number) | (theirs[word] as number);
        }
      }
    }
  }

  add(entry: number): void {
    const own = this.#ownChunk(Math.floor(entry / CHUNK_ENTRIES));
    const word = (entry % CHUNK_ENTRIES) >>> 5;
    own[word] = (own[word] as number) | (1 << (entry & 31));
  }

  finish(): Past {
    for (const at of this.#own) {
      if (this.chunks[at]?.every((word) => word === 0xffff_ffff)) this.chunks[at] = FULL;
    }
    return this.chunks;
  }

  #ownChunk(at: number): Chunk {
    const chunk = this.chunks[at];
    if (chunk !== undefined && this.#own.has(at)) return chunk;
    const own = chunk === undefined ? new Uint32Array(CHUNK_WORDS) : chunk.slice();
    this.#own.add(at);
    this.#set(at, own);
    return own;
  }

  #set(at: number, chunk: Chunk): void {
    while (this.chunks.length < at) this.chunks.push(undefined);
    this.chunks[at] = chunk;
  }
}
