import { assert } from "./assert.ts";
import { concatBytes } from "./bytes.ts";
import { FrameError, type FrameErrorCode } from "./errors.ts";
import { LONGEST_VARINT_SIZE, varintSize, writeVarint } from "./varint.ts";

/** The length before a frame of `size` bytes: an unsigned protobuf varint, as libp2p's and Swarm's protocols have it. [BA5] */
export function frameHeader(size: number): Uint8Array {
  const header = new Uint8Array(varintSize(size));
  writeVarint(header, 0, size);
  return header;
}

/** One frame: its length, then its bytes. */
export function encodeFrame(payload: Uint8Array): Uint8Array {
  return concatBytes(frameHeader(payload.length), payload);
}

/**
 * Cuts a stream of bytes into frames, whatever pieces it comes in. Holds one frame at most: a length over the limit is
 * refused before anything of the frame is kept. [BA6]
 */
export class FrameDecoder {
  readonly #max: number;
  /** Why what follows is no frame any more. */
  #refusal: FrameError | undefined;
  /** The piece being read, and how far. */
  #piece: Uint8Array = new Uint8Array();
  #at = 0;
  /** Length of the frame under way, once known. */
  #size: number | undefined;
  #header = 0;
  #headerBytes = 0;
  /** The frame under way when it began in an earlier piece. */
  #partial: Uint8Array | undefined;
  #filled = 0;
  /** Bytes of memory that a frame begins with: as many as one that came before had, so that a stream of large ones is not copied over and over. */
  #room = FIRST_ROOM;

  /** `max`: bytes of a frame at most. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Whether a frame has begun and not ended. */
  get isWithinFrame(): boolean {
    return this.#headerBytes > 0 || this.#size !== undefined || this.#at < this.#piece.length;
  }

  /**
   * Gives the next piece, which is not changed until all frames in it are done with. What came before must have been
   * read with `next` until it answered `undefined`: so nothing queues up here.
   */
  push(piece: Uint8Array): void {
    assert(this.#at === this.#piece.length, "frames are taken before the next piece is given");
    this.#piece = piece;
    this.#at = 0;
  }

  /**
   * The next whole frame, or `undefined` when more has to come. A frame that lies within one piece is a view of it.
   *
   * @throws {FrameError} `FRAME_TOO_LARGE`, `FRAME_MALFORMED`; from then on at every call, since nothing after it can be
   *   told apart.
   */
  next(): Uint8Array | undefined {
    if (this.#refusal !== undefined) throw this.#refusal;
    const size = this.#size ?? this.#readHeader();
    if (size === undefined) return undefined;
    const left = this.#piece.length - this.#at;
    if (this.#partial === undefined && left >= size) {
      // Whole within one piece: no copy.
      const frame = this.#piece.subarray(this.#at, this.#at + size);
      this.#at += size;
      this.#size = undefined;
      return frame;
    }
    return this.#fill(size, left);
  }

  #fill(size: number, left: number): Uint8Array | undefined {
    this.#partial ??= new Uint8Array(Math.min(size, Math.max(left, this.#room)));
    const take = Math.min(left, size - this.#filled);
    if (this.#filled + take > this.#partial.length) {
      // Grows with what has come, not with what was announced.
      const grown = new Uint8Array(
        Math.min(size, Math.max(this.#filled + take, 2 * this.#partial.length)),
      );
      grown.set(this.#partial.subarray(0, this.#filled));
      this.#partial = grown;
    }
    this.#partial.set(this.#piece.subarray(this.#at, this.#at + take), this.#filled);
    this.#filled += take;
    this.#at += take;
    if (this.#filled < size) return undefined;
    const frame = this.#partial;
    this.#partial = undefined;
    this.#filled = 0;
    this.#size = undefined;
    this.#room = Math.max(this.#room, size);
    return frame;
  }

  #readHeader(): number | undefined {
    while (this.#at < this.#piece.length) {
      const byte = this.#piece[this.#at++] as number;
      this.#header += (byte & 0x7f) * 2 ** (7 * this.#headerBytes);
      this.#headerBytes += 1;
      const isLast = byte < 0x80;
      if (isLast ? byte === 0 && this.#headerBytes > 1 : this.#headerBytes === LONGEST_VARINT_SIZE)
        throw this.#refuse("FRAME_MALFORMED", "its length is no varint in its shortest form");
      if (!isLast) continue;
      if (this.#header > this.#max)
        throw this.#refuse(
          "FRAME_TOO_LARGE",
          `${this.#header} bytes are over the limit of ${this.#max}`,
        );
      this.#size = this.#header;
      this.#header = 0;
      this.#headerBytes = 0;
      return this.#size;
    }
    return undefined;
  }

  #refuse(code: FrameErrorCode, why: string): FrameError {
    this.#refusal = new FrameError(code, `Cannot read frame: ${why}`);
    return this.#refusal;
  }
}

/** Bytes of the first memory for a frame that comes in pieces, before a larger one has come. */
const FIRST_ROOM = 16 * 1024;
