import type { BlobRef } from "../../base/index.ts";
import { type Connection, FramedStream, type Stream } from "../../net/index.ts";
import { nodeClock } from "../../node/index.ts";
import {
  type BlobAnswer,
  BlobAnswerSchema,
  type BlobRequest,
  BlobRequestSchema,
  create,
  decode,
  encode,
  type MessageInitShape,
} from "../../wire/index.ts";
import type { SyncPeer } from "../sync-peer.ts";

/** The protocol of chunks, as it is on the wire. */
export const CHUNKS = "/rookery/sync/chunks/1.0.0";

type RequestInit = MessageInitShape<typeof BlobRequestSchema>;
type AnswerInit = MessageInitShape<typeof BlobAnswerSchema>;

/** What a BlobRef is in a request. */
export function nameOf({ root, size, depth }: Pick<BlobRef, "root" | "size" | "depth">): {
  root: Uint8Array;
  size: bigint;
  depth: number;
} {
  return { root, size: BigInt(size), depth };
}

/** An asker without manners: sends what it is told to, and keeps frames as they come. */
export class RawAsker {
  readonly frames: FramedStream;

  constructor(stream: Stream) {
    this.frames = new FramedStream({ stream, clock: nodeClock() });
  }

  /** Opens a chunks stream from `from` to `to`, who are connected. */
  static async open(from: SyncPeer, to: SyncPeer): Promise<RawAsker> {
    return new RawAsker(await connectionOf(from, to).open(CHUNKS));
  }

  send(request: RequestInit): Promise<void> {
    return this.frames.send(encode(BlobRequestSchema, create(BlobRequestSchema, request)));
  }

  /** The bytes of the answers up to the next last one, one after another; `undefined` when the stream ended. */
  async answers(): Promise<{ bytes: Uint8Array; answer: BlobAnswer }[] | undefined> {
    const all: { bytes: Uint8Array; answer: BlobAnswer }[] = [];
    for (;;) {
      const frame = await this.frames.receive().catch(() => undefined);
      if (frame === undefined) return undefined;
      const bytes = frame.slice();
      const answer = decode(BlobAnswerSchema, bytes);
      all.push({ bytes, answer });
      if (answer.isLast) return all;
    }
  }

  /** Asks, and answers what came. */
  async ask(
    request: RequestInit,
  ): Promise<{ bytes: Uint8Array; answer: BlobAnswer }[] | undefined> {
    await this.send(request);
    return this.answers();
  }
}

/** A request that a scripted holder has got. */
export interface AskedOfHolder {
  readonly stream: Stream;
  readonly request: BlobRequest;
  /** Sends an answer to it, as it is given. */
  readonly send: (answer: AnswerInit) => Promise<void>;
  /** Sends bytes that are no frame. */
  readonly raw: (bytes: Uint8Array) => Promise<void>;
}

/** Serves chunks by a script, and says to have whatever it is asked for. The exchange of `peer` must be closed. */
export function holdByScript(
  peer: SyncPeer,
  answer: (asked: AskedOfHolder) => Promise<void>,
): void {
  peer.sync.handleHaveBlob(async ({ size }) => ({ size }));
  peer.transport.handle(CHUNKS, async (stream) => {
    const frames = new FramedStream({ stream, clock: nodeClock() });
    for (let frame = await frames.receive(); frame !== undefined; frame = await frames.receive()) {
      const request = decode(BlobRequestSchema, frame);
      const { number } = request;
      await answer({
        stream,
        request,
        send: (init) =>
          frames.send(encode(BlobAnswerSchema, create(BlobAnswerSchema, { number, ...init }))),
        raw: (bytes) => stream.write(bytes),
      });
    }
  });
}

/** The open connection of two devices, as the first has it. */
export function connectionOf(from: SyncPeer, to: SyncPeer): Connection {
  const connection = from.transport.connections().find(({ peer }) => peer === to.device);
  if (connection === undefined) throw new Error("The devices are not connected");
  return connection;
}
