import {
  concatBytes,
  type DeviceId,
  encodeFrame,
  FRAME_BYTES_MAX,
  FrameDecoder,
} from "../../base/index.ts";
import type { Stream } from "../../net/index.ts";

export interface FrameFilter {
  /** Told of each frame that was read. */
  readonly seen: (frame: Uint8Array) => void;
  /** What is written in the place of a frame. */
  readonly changed: (frame: Uint8Array) => Uint8Array;
}

/** A stream of frames of which some are others than those that were written to it. */
export class FilteredStream implements Stream {
  readonly #stream: Stream;
  readonly #filter: FrameFilter;
  readonly #read = new FrameDecoder(FRAME_BYTES_MAX);
  readonly #written = new FrameDecoder(FRAME_BYTES_MAX);

  constructor(stream: Stream, filter: FrameFilter) {
    this.#stream = stream;
    this.#filter = filter;
  }

  async read(): Promise<Uint8Array | undefined> {
    const bytes = await this.#stream.read();
    for (const frame of framesIn(this.#read, bytes)) this.#filter.seen(frame);
    return bytes;
  }

  async write(bytes: Uint8Array): Promise<void> {
    const frames = framesIn(this.#written, bytes);
    const changed = frames.map((frame) => encodeFrame(this.#filter.changed(frame)));
    if (changed.length > 0) await this.#stream.write(concatBytes(...changed));
  }

  closeWrite(): Promise<void> {
    return this.#stream.closeWrite();
  }

  reset(): void {
    this.#stream.reset();
  }

  get protocol(): string {
    return this.#stream.protocol;
  }

  get peer(): DeviceId {
    return this.#stream.peer;
  }

  get bytesIn(): number {
    return this.#stream.bytesIn;
  }

  get bytesOut(): number {
    return this.#stream.bytesOut;
  }

  get readBuffered(): number {
    return this.#stream.readBuffered;
  }

  get writeBuffered(): number {
    return this.#stream.writeBuffered;
  }

  get ended(): AbortSignal {
    return this.#stream.ended;
  }
}

/** The frames that end with these bytes. They keep no memory of the stream's. */
function framesIn(decoder: FrameDecoder, bytes: Uint8Array | undefined): Uint8Array[] {
  if (bytes === undefined) return [];
  decoder.push(new Uint8Array(bytes));
  const frames: Uint8Array[] = [];
  for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) frames.push(frame);
  return frames;
}
