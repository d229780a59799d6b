import { STREAM_WINDOW_BYTES, STREAM_WRITE_BUFFER_BYTES } from "./limits.ts";
import type { NetError } from "./errors.ts";
import { Wakeup } from "./wakeup.ts";

/** What a pipe needs from the connection that it runs through. */
export interface MemoryCarrier {
  /** Calls `deliver` when it has crossed to the other side, in the order of the calls; never, once the connection is cut. */
  carry(deliver: () => void): void;
  /** How many of `length` bytes travel in one piece, at least 1. */
  pieceOf(length: number): number;
}

/**
 * One direction of a memory stream:
 *
 *     write -> unsent -> under way -> arrived -> read
 *              at most    at most STREAM_WINDOW_BYTES
 *              STREAM_WRITE_BUFFER_BYTES
 */
export class MemoryPipe {
  readonly #carrier: MemoryCarrier;
  readonly #readable = new Wakeup();
  readonly #writable = new Wakeup();
  #unsent: Uint8Array[] = [];
  #unsentBytes = 0;
  /** Bytes under way, arrived, or read and not yet given back: what the window is spent on. */
  #windowBytes = 0;
  #readBytes = 0;
  #arrived: Uint8Array[] = [];
  #arrivedBytes = 0;
  #isFinished = false;
  #isFinishSent = false;
  #hasEnded = false;
  #readFailure: NetError | undefined;
  #writeFailure: NetError | undefined;
  readonly #onEnd: () => void;

  /** Calls `onEnd` when the end has arrived at the reader's side. */
  constructor(carrier: MemoryCarrier, onEnd: () => void) {
    this.#carrier = carrier;
    this.#onEnd = onEnd;
  }

  get readBuffered(): number {
    return this.#arrivedBytes;
  }

  get writeBuffered(): number {
    return this.#unsentBytes;
  }

  /** Whether the writer has ended it. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** Whether the end, which is after all bytes, has arrived at the reader's side. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += STREAM_WRITE_BUFFER_BYTES) {
      const slice = bytes.subarray(at, at + STREAM_WRITE_BUFFER_BYTES);
      await this.#untilUnsentAtMost(STREAM_WRITE_BUFFER_BYTES - slice.length);
      this.#unsent.push(slice);
      this.#unsentBytes += slice.length;
      this.#send();
    }
    await this.#untilUnsentAtMost(STREAM_WRITE_BUFFER_BYTES - 1);
  }

  async #untilUnsentAtMost(bytes: number): Promise<void> {
    while (this.#writeFailure === undefined && this.#unsentBytes > bytes)
      await this.#writable.wait();
    if (this.#writeFailure !== undefined) throw this.#writeFailure;
  }

  /** Ends it after what was written. */
  finish(): void {
    this.#isFinished = true;
    this.#send();
  }

  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#readFailure !== undefined) throw this.#readFailure;
      const piece = this.#arrived.shift();
      if (piece !== undefined) {
        this.#arrivedBytes -= piece.length;
        this.#giveBack(piece.length);
        return piece;
      }
      if (this.#hasEnded) return undefined;
      await this.#readable.wait();
    }
  }

  /** Opens the window again, a good part at a time: byte by byte it would be spent on ever smaller pieces. */
  #giveBack(bytes: number): void {
    this.#readBytes += bytes;
    if (this.#arrivedBytes > 0 && this.#readBytes < STREAM_WINDOW_BYTES / 4) return;
    this.#windowBytes -= this.#readBytes;
    this.#readBytes = 0;
    this.#send();
  }

  /** Ends the reader's side: bytes that were not read are gone. */
  failReader(failure: NetError): void {
    this.#readFailure ??= failure;
    this.#arrived = [];
    this.#arrivedBytes = 0;
    this.#readable.wake();
  }

  /** Ends the writer's side: bytes that were not sent are gone. */
  failWriter(failure: NetError): void {
    this.#writeFailure ??= failure;
    this.#unsent = [];
    this.#unsentBytes = 0;
    this.#writable.wake();
  }

  /** Sends what the window has room for, then the end. */
  #send(): void {
    if (this.#writeFailure !== undefined) return;
    while (this.#unsentBytes > 0 && this.#windowBytes < STREAM_WINDOW_BYTES) {
      const piece = this.#takeUnsent(STREAM_WINDOW_BYTES - this.#windowBytes);
      this.#windowBytes += piece.length;
      this.#carrier.carry(() => this.#arrive(piece));
    }
    if (this.#unsentBytes === 0 && this.#isFinished && !this.#isFinishSent) {
      this.#isFinishSent = true;
      this.#carrier.carry(() => this.#end());
    }
    this.#writable.wake();
  }

  #takeUnsent(lengthMax: number): Uint8Array {
    const first = this.#unsent[0] as Uint8Array;
    const length = Math.min(first.length, lengthMax, this.#carrier.pieceOf(first.length));
    if (length === first.length) this.#unsent.shift();
    else this.#unsent[0] = first.subarray(length);
    this.#unsentBytes -= length;
    return first.subarray(0, length);
  }

  #arrive(piece: Uint8Array): void {
    if (this.#readFailure !== undefined) return;
    this.#arrived.push(piece);
    this.#arrivedBytes += piece.length;
    this.#readable.wake();
  }

  #end(): void {
    if (this.#readFailure !== undefined) return;
    this.#hasEnded = true;
    this.#readable.wake();
    this.#onEnd();
  }
}
