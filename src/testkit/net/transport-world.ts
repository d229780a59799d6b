import type { Connection, Stream, Transport } from "../../net/index.ts";
import { equal, holds } from "../expect.ts";

/** What the transport rules are checked in: devices of one kind of transport, and what may happen to them. */
export interface TransportWorld extends AsyncDisposable {
  /** A new device. With `listen: false` it cannot be dialled. Default true. */
  open(options?: { readonly listen?: boolean | undefined }): Promise<Transport>;
  /** Where the others reach `transport`, over lines that can be cut. */
  addressesOf(transport: Transport): readonly string[];
  /** An address of the right form where nobody answers. */
  readonly deadAddress: string;
  /** Cuts all lines, as when the power of the router fails. */
  cut(): Promise<void>;
  /** Lets what is under way arrive. */
  breathe(): Promise<void>;
  /** Lets minutes of silence pass, or as much as counts for it with this world's settings. */
  idle(): Promise<void>;
}

/** The protocol that rules use when one will do. */
export const PROTOCOL = "/rookery/test/1.0.0";

/** Two devices, the second connected to the first. */
export interface ConnectedPair {
  readonly dialled: Transport;
  readonly dialler: Transport;
  /** The dialler's end. */
  readonly connection: Connection;
}

export async function connectedPair(world: TransportWorld): Promise<ConnectedPair> {
  const dialled = await world.open();
  const dialler = await world.open();
  const connection = await dialler.connect(dialled.device, world.addressesOf(dialled));
  return { dialled, dialler, connection };
}

/** Both ends of one stream, the opener's first. */
export interface StreamPair extends ConnectedPair {
  readonly ours: Stream;
  readonly theirs: Stream;
}

export async function streamPair(world: TransportWorld): Promise<StreamPair> {
  const pair = await connectedPair(world);
  const accepted = acceptStreams(pair.dialled);
  const ours = await pair.connection.open(PROTOCOL);
  return { ...pair, ours, theirs: await accepted() };
}

/** Serves `protocol` by handing the streams over, in the order of their opening, and leaving them alone for good. */
export function acceptStreams(transport: Transport, protocol = PROTOCOL): () => Promise<Stream> {
  const streams: Stream[] = [];
  const waiting: ((stream: Stream) => void)[] = [];
  transport.handle(protocol, async (stream) => {
    const taker = waiting.shift();
    if (taker === undefined) streams.push(stream);
    else taker(stream);
    await new Promise(() => {});
  });
  return async () => streams.shift() ?? (await new Promise((resolve) => waiting.push(resolve)));
}

/** Serves `protocol` by sending back whatever comes. */
export function serveEcho(transport: Transport, protocol = PROTOCOL): void {
  transport.handle(protocol, async (stream) => {
    for (let piece = await stream.read(); piece !== undefined; piece = await stream.read()) {
      await stream.write(piece);
    }
  });
}

/** Resolves when `signal` is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Demands that a signal is aborted by a `NetError` of this code, waiting until it is. */
export async function abortedBy(signal: AbortSignal, code: string): Promise<void> {
  await aborted(signal);
  equal((signal.reason as { code?: unknown }).code, code, "code of the reason");
}

/** `length` bytes that differ from place to place, so that lost, doubled and swapped ones are seen. */
export function pattern(length: number, from = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = patternAt(from + i);
  return bytes;
}

function patternAt(at: number): number {
  return (at ^ (at >>> 8) ^ (at >>> 16) ^ (at >>> 24)) & 255;
}

/** Demands that `piece` is what stands in the pattern at `from`. */
export function isPattern(piece: Uint8Array, from: number): void {
  for (let i = 0; i < piece.length; i++) {
    if (piece[i] !== patternAt(from + i)) holds(false, `the bytes written at ${from + i}`);
  }
}

/** Reads at least `length` bytes of the pattern, or to the end. Answers how many there were. */
export async function readPattern(
  stream: Stream,
  length = Number.POSITIVE_INFINITY,
  from = 0,
): Promise<number> {
  let count = 0;
  while (count < length) {
    const piece = await stream.read();
    if (piece === undefined) break;
    equal(piece.constructor === Uint8Array, true, "a piece is a plain Uint8Array");
    isPattern(piece, from + count);
    count += piece.length;
  }
  return count;
}

/** Resolves when `isSo`, looking again whenever something may have happened. */
export async function until(world: TransportWorld, isSo: () => boolean): Promise<void> {
  while (!isSo()) await world.breathe();
}
