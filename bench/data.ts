import { createCipheriv, createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

const PIECE_BYTES = 1024 * 1024;

/** Bytes that no codec makes smaller, the same for the same seed: the key stream of AES-256-CTR. */
export function* noise(seed: number, bytes: number): Generator<Uint8Array> {
  const key = createHash("sha256").update(`rookery bench ${seed}`).digest();
  const cipher = createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
  const zeros = Buffer.alloc(PIECE_BYTES);
  for (let left = bytes; left > 0; left -= PIECE_BYTES)
    yield cipher.update(left < PIECE_BYTES ? zeros.subarray(0, left) : zeros);
}

/** Writes a file of noise. */
export async function writeNoise(path: string, seed: number, bytes: number): Promise<void> {
  await pipeline(Readable.from(noise(seed, bytes)), createWriteStream(path));
}

/** A copy of `from` in which the middle hundredth is other noise. */
export async function changeMiddle(from: string, to: string, seed: number): Promise<void> {
  const { size } = await stat(from);
  const changed = Math.floor(size / 100);
  const start = Math.floor((size - changed) / 2);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield* createReadStream(from, { end: start - 1 });
    yield* noise(seed, changed);
    yield* createReadStream(from, { start: start + changed });
  }
  await pipeline(Readable.from(pieces()), createWriteStream(to));
}

/** A copy of `from` with one byte before it. */
export async function putByteInFront(from: string, to: string): Promise<void> {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield Uint8Array.of(0x52);
    yield* createReadStream(from);
  }
  await pipeline(Readable.from(pieces()), createWriteStream(to));
}

/** SHA-256 of a file, in hexadecimal digits. */
export async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece as Uint8Array);
  return hash.digest("hex");
}

/** A value of `bytes` bytes that no codec makes smaller. */
export function rowValueOf(bytes: number, seed: number): string {
  let text = "";
  for (let state = (seed + 1) * 2_654_435_761; text.length < bytes;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text += state.toString(36).padStart(7, "0");
  }
  return text.slice(0, bytes);
}

/** The key of row `i`. Scattered, so that rows written or changed together lie all over the collection. */
export function rowKeyOf(i: number): string {
  return `row-${String((i * 7919) % 1_000_003).padStart(10, "0")}`;
}
