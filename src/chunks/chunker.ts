import { assert, concatBytes } from "../base/index.ts";
import { GEAR } from "./gear.ts";
import {
  CHUNK_BYTES_MAX,
  CHUNK_BYTES_MIN,
  CHUNK_BYTES_NORMAL,
  CHUNKER_WINDOW_BYTES,
} from "./limits.ts";

/** Version of this chunker, as a BlobRef names it: other cuts are another version. */
export const CHUNKER_VERSION = 1;

/** Low bits that a hash is rid of before it must be zero: 16 of 32 are left for a chunk below the normal size. */
const SHORT_SHIFT = 16;
/** 14 are left from there on. */
const LONG_SHIFT = 18;

/**
 * Cuts a stream of bytes where its content says so: FastCDC (Xia et al., USENIX ATC 2016) with a hash of 32 bits. Where a
 * chunk ends depends on its own bytes alone, so that equal stretches of two blobs come to equal chunks once a cut falls
 * on the same place in both. Rules: docs/spec/chunker.md.
 *
 * Holds the bytes of one chunk at most. A chunk within one `push` is a view of what was pushed; one that began before is a
 * copy.
 */
export class Chunker {
  /** Bytes of the chunk that is open; made when one is first left open. */
  #open: Uint8Array | undefined;
  #openLength = 0;
  /** Over the last bytes of the open chunk. */
  #hash = 0;
  #hasEnded = false;

  /** Takes the next bytes of the stream. Answers the chunks that end within them, in order. [CU5] */
  push(bytes: Uint8Array): Uint8Array[] {
    assert(!this.#hasEnded, "a stream goes on until its end");
    const chunks: Uint8Array[] = [];
    let at = 0;
    while (at < bytes.length) {
      const end = this.#scan(bytes, at);
      if (end < 0) break;
      chunks.push(this.#close(bytes.subarray(at, end)));
      at = end;
    }
    if (at < bytes.length) this.#keep(bytes.subarray(at));
    return chunks;
  }

  /** Ends the stream: answers what is left as the last chunk, nothing when there is nothing. */
  end(): Uint8Array[] {
    this.#hasEnded = true;
    return this.#openLength === 0 ? [] : [this.#close(new Uint8Array())];
  }

  /** Where the open chunk ends in `bytes`, which go on with it at `from`; -1 when beyond them. */
  #scan(bytes: Uint8Array, from: number): number {
    // A chunk of n bytes ends at begin + n.
    const begin = from - this.#openLength;
    const until = (length: number): number => Math.min(bytes.length, begin + length);
    let hash = this.#hash;
    let at = Math.max(from, begin + CHUNK_BYTES_MIN - CHUNKER_WINDOW_BYTES);
    for (const end = until(CHUNK_BYTES_MIN - 1); at < end; at++)
      hash = ((hash << 1) + (GEAR[bytes[at] as number] as number)) | 0;
    for (const end = until(CHUNK_BYTES_NORMAL - 1); at < end; at++) {
      hash = ((hash << 1) + (GEAR[bytes[at] as number] as number)) | 0;
      if (hash >>> SHORT_SHIFT === 0) return at + 1;
    }
    for (const end = until(CHUNK_BYTES_MAX - 1); at < end; at++) {
      hash = ((hash << 1) + (GEAR[bytes[at] as number] as number)) | 0;
      if (hash >>> LONG_SHIFT === 0) return at + 1;
    }
    this.#hash = hash;
    return at < bytes.length && at === begin + CHUNK_BYTES_MAX - 1 ? at + 1 : -1;
  }

  #keep(bytes: Uint8Array): void {
    this.#open ??= new Uint8Array(CHUNK_BYTES_MAX);
    this.#open.set(bytes, this.#openLength);
    this.#openLength += bytes.length;
  }

  #close(last: Uint8Array): Uint8Array {
    this.#hash = 0;
    if (this.#openLength === 0) return last;
    const chunk = concatBytes((this.#open as Uint8Array).subarray(0, this.#openLength), last);
    this.#openLength = 0;
    return chunk;
  }
}
