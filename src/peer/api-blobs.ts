/** The local API's routes for blobs: bodies are streams both ways, as fast as the slower side. */

import type { Context, Hono } from "hono";
import { type BlobRef, formatBlobRef, isMediaType, parseBlobRef } from "../base/index.ts";
import { BlobError } from "../blobs/index.ts";
import { ApiError, rangeOf } from "./api-input.ts";
import { lines } from "./api-lines.ts";
import type { Peer } from "./peer.ts";
import { iterableOf } from "./streams.ts";

/** Uploads: the one route whose bodies have no limit. */
export const UPLOADS = "/v1/blobs";

/** What a server hands in with a request. */
export interface ApiEnv {
  /** Ends the connection, so that an answer which has begun cannot be taken for the whole. */
  readonly cutOff?: (() => void) | undefined;
}

export function addBlobRoutes(api: Hono, peer: Peer): void {
  api.post(UPLOADS, async (c) => {
    const { body, signal } = c.req.raw;
    const mediaType = mediaTypeOf(c);
    const source = body === null ? [] : iterableOf(body);
    const { ref, newBytes } = await peer.blobs.put(source, { mediaType, signal });
    return c.json({ ref: formatBlobRef(ref), size: ref.size, newBytes }, 201);
  });
  api.get(`${UPLOADS}/:ref`, (c) => download(c, peer));
  api.post(`${UPLOADS}/:ref/fetch`, (c) => {
    const ending = new AbortController();
    const signal = AbortSignal.any([ending.signal, c.req.raw.signal]);
    return lines(c, peer.blobs.fetch(refOf(c), { signal }), (progress) => progress, ending);
  });
  api.get(`${UPLOADS}/:ref/status`, async (c) => {
    const ref = refOf(c);
    return c.json({ ...(await peer.blobs.status(ref)), mediaType: ref.mediaType });
  });
  api.get("/v1/chunks/status", async (c) => c.json(await peer.chunkStatus()));
}

async function download(c: Context, peer: Peer): Promise<Response> {
  const ref = refOf(c);
  const range = rangeOf(c.req.header("range"), ref.size);
  const { start, end } = range ?? { start: 0, end: ref.size };
  const headers = {
    "accept-ranges": "bytes",
    "content-length": String(end - start),
    "content-type": ref.mediaType ?? "application/octet-stream",
    // The type is what somebody else says, and so is the content: to be shown, never to be run.
    "content-security-policy": "sandbox; default-src 'none'",
    "x-content-type-options": "nosniff",
    ...(range !== undefined && { "content-range": `bytes ${start}-${end - 1}/${ref.size}` }),
  };
  const status = range === undefined ? 200 : 206;
  const blob = peer.blobs.get(ref);
  if (!(await blob.isHere({ start, end })))
    throw new BlobError("BLOB_NOT_HERE", "Cannot read blob: not all of it is here");
  const stream = blob.stream({ start, end, signal: c.req.raw.signal });
  const bytes = await begun(stream, (c.env as ApiEnv | undefined)?.cutOff);
  if (c.req.method !== "HEAD") return c.body(bytes, status, headers);
  await bytes.cancel();
  return c.body(null, status, headers);
}

/**
 * The same bytes once the first of them are here: what cannot be read is refused before the answer has begun. What fails later
 * is cut off, or fails its reader where nothing lies between.
 */
async function begun(
  stream: ReadableStream<Uint8Array>,
  cutOff: (() => void) | undefined,
): Promise<ReadableStream<Uint8Array>> {
  const reader = stream.getReader();
  let next: ReturnType<typeof reader.read> | undefined = reader.read();
  await next;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await (next ?? reader.read());
          next = undefined;
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          if (cutOff === undefined) throw error;
          // Its reader is told by the cut; the server would write the failure, with its stack, on our standard error.
          cutOff();
        }
      },
      // One that has failed has nothing left to be told.
      cancel: (reason) => reader.cancel(reason).catch(() => {}),
    },
    { highWaterMark: 0 },
  );
}

function refOf(c: Context): BlobRef {
  const ref = parseBlobRef(c.req.param("ref") ?? "");
  if (ref === undefined) throw new ApiError("API_INPUT_INVALID", "That is no blob reference", 400);
  return ref;
}

/** The content type of an upload, as a reference may hold it. */
function mediaTypeOf(c: Context): string | undefined {
  const type = c.req.header("content-type");
  if (type === undefined || isMediaType(type)) return type;
  throw new ApiError("API_INPUT_INVALID", "A media type has 1 to 255 ASCII characters", 400);
}
