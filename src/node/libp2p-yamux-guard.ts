import type { MessageStream } from "@libp2p/interface";

/** Bytes of a yamux frame's header: version, type, flags (2), stream (4), length (4). */
const HEADER_SIZE = 12;
const TYPE_AT = 1;
const LENGTH_AT = 8;
const DATA = 0;

/**
 * Aborts `connection` as soon as the peer announces a yamux data frame of more than `lengthMax` bytes. No peer that
 * keeps to its window sends one; but @libp2p/yamux collects a frame whole before it looks at the window, so that one
 * header would make it collect 4 GiB. Must be called before the muxer listens.
 *
 * @see https://github.com/hashicorp/yamux/blob/master/spec.md
 */
export function guardYamux(connection: MessageStream, lengthMax: number): void {
  const watch = new FrameWatch(lengthMax);
  connection.addEventListener("message", ({ data }) => {
    for (const piece of data instanceof Uint8Array ? [data] : data) {
      if (watch.passes(piece)) continue;
      connection.abort(new Error("yamux frame larger than any window"));
      return;
    }
  });
}

/** What of a yamux stream decides about its window. */
interface YamuxWindow {
  readonly state: number;
  readonly recvWindow: number;
  readonly recvWindowCapacity: number;
  sendWindowUpdate(): void;
}

/** Of `StreamState` in @libp2p/yamux, which does not export it: nothing but the window is left to be said by an update. */
const ESTABLISHED = 3;

/**
 * Lets a stream wait with opening its window until `bytes` of it have been used. @libp2p/yamux answers each data frame, however small, with
 * an update, which is a frame, a TLS record and a system call at either end: as many as the messages themselves.
 */
export function gatherWindowUpdates(stream: object, bytes: number): void {
  if (!isYamux(stream)) return;
  const update = stream.sendWindowUpdate.bind(stream);
  stream.sendWindowUpdate = () => {
    const used = stream.recvWindow - stream.recvWindowCapacity;
    if (stream.state !== ESTABLISHED || used >= bytes) update();
  };
}

function isYamux(stream: object): stream is YamuxWindow {
  const names = ["state", "recvWindow", "recvWindowCapacity", "sendWindowUpdate"];
  return names.every((name) => name in stream);
}

/** Follows the frames of one direction of a connection by their headers alone. */
export class FrameWatch {
  readonly #lengthMax: number;
  readonly #header = new Uint8Array(HEADER_SIZE);
  readonly #view = new DataView(this.#header.buffer);
  #headerBytes = 0;
  #contentLeft = 0;

  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
  }

  /** Whether all frames that have begun by the end of `piece` may be as large as they say. */
  passes(piece: Uint8Array): boolean {
    let at = 0;
    while (at < piece.length) {
      if (this.#contentLeft > 0) {
        const skipped = Math.min(this.#contentLeft, piece.length - at);
        this.#contentLeft -= skipped;
        at += skipped;
        continue;
      }
      this.#header[this.#headerBytes++] = piece[at++] as number;
      if (this.#headerBytes < HEADER_SIZE) continue;
      this.#headerBytes = 0;
      if (this.#header[TYPE_AT] !== DATA) continue;
      this.#contentLeft = this.#view.getUint32(LENGTH_AT);
      if (this.#contentLeft > this.#lengthMax) return false;
    }
    return true;
  }
}
