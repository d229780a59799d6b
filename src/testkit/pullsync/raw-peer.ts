/** The protocol by hand, for peers that do it wrong. */

import type { VerifiedChunk } from "../../chunks/index.ts";
import {
  CODEC_1_4_0,
  entryOf,
  type GetMessage,
  type OfferMessage,
  protocolsOf,
  type PullStream,
  ROOKERY_PROFILE,
} from "../../pullsync/index.ts";
import type { RawSide } from "./pull-world.ts";

const PROTOCOLS = protocolsOf(ROOKERY_PROFILE);

/** What a raw server does with a request for a page. */
export type RawPage = (stream: PullStream, get: GetMessage) => Promise<void>;

/** Serves pages as `page` says. */
export function serveRaw({ streamer }: RawSide, page: RawPage): void {
  streamer.handle(PROTOCOLS.pull, async (stream) => {
    await page(stream, CODEC_1_4_0.decodeGet((await stream.receive()) as Uint8Array));
  });
}

/** Serves cursors as these bytes. */
export function serveRawCursors({ streamer }: RawSide, answer: Uint8Array): void {
  streamer.handle(PROTOCOLS.cursors, async (stream) => {
    await stream.receive();
    await stream.send(answer);
  });
}

/** An offer of chunks, up to `topmost` or as many as they are. */
export function offerOf(
  chunks: readonly VerifiedChunk[],
  topmost = BigInt(chunks.length),
): OfferMessage {
  return { topmost, entries: chunks.map(({ address }) => entryOf(address)) };
}

/** Offers and reads what is wanted; `undefined` when the client goes instead. */
export async function offerRaw(
  stream: PullStream,
  offer: OfferMessage,
): Promise<Uint8Array | undefined> {
  await stream.send(CODEC_1_4_0.encodeOffer(offer));
  const want = await stream.receive();
  return want && CODEC_1_4_0.decodeWant(want);
}

/** Delivers `data` as the chunk of this address. */
export async function deliverRaw(
  stream: PullStream,
  address: Uint8Array,
  data: Uint8Array,
  stamp = new Uint8Array(),
): Promise<void> {
  await stream.send(CODEC_1_4_0.encodeDelivery({ address, data, stamp }));
}

/** Opens a stream for a page and sends these bytes as the request. Answers the stream. */
export async function askRaw(
  from: RawSide,
  peer: string,
  request: Uint8Array,
  protocol = PROTOCOLS.pull,
): Promise<PullStream> {
  const stream = await from.streamer.open(peer, protocol);
  await stream.send(request);
  return stream;
}
