import {
  folderPaths,
  hasPeer,
  isServedLocally,
  type LocalRequest,
  type LocalServer,
  requestLocal,
  serveLocal,
} from "#platform";
import { createApi } from "./api.ts";
import type { ApiEnv } from "./api-blobs.ts";
import { openPeer, type PeerOptions } from "./open-peer.ts";
import { PeerError } from "./errors.ts";
import type { Peer } from "./peer.ts";
import { streamOf } from "./streams.ts";

/** Requests to a peer's local API, in this process or another. */
export interface ApiConnection extends AsyncDisposable {
  /** Whether a running peer answers, as against one opened for this connection. */
  readonly isServed: boolean;
  /** The body of an answer is read as it comes, and so is one that is given as a source of bytes. */
  request(target: string, init?: LocalRequest): Promise<Response>;
}

/** Serves a peer's local API at the socket in its folder. @throws {LocalApiError} */
export function serveApi(peer: Peer, path: string): Promise<LocalServer> {
  const api = createApi(peer);
  return serveLocal(folderPaths(path).socketPath, (request, cutOff) =>
    api.fetch(request, { cutOff } satisfies ApiEnv),
  );
}

export interface ConnectOptions extends Omit<PeerOptions, "path"> {
  /** Whether a folder without a peer becomes a new one's. Default `true`. */
  readonly creates?: boolean | undefined;
}

/**
 * The peer of a folder: the one that is running, or else opened here for as long as the connection lasts.
 *
 * @throws as `openPeer`; {PeerError} `PEER_STORE_MISSING` where there is none and none is to be made.
 */
export async function connectToApi(
  path: string,
  { creates = true, ...options }: ConnectOptions = {},
): Promise<ApiConnection> {
  const { socketPath } = folderPaths(path);
  if (await isServedLocally(socketPath)) {
    return {
      isServed: true,
      request: (target, init) => requestLocal(socketPath, target, init),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  if (!creates && !(await hasPeer(path)))
    throw new PeerError("PEER_STORE_MISSING", `Cannot open peer: there is none in "${path}"`);
  const peer = await openPeer({ ...options, path });
  const api = createApi(peer);
  return {
    isServed: false,
    request: async (target, init) => api.fetch(requestOf(target, init)),
    [Symbol.asyncDispose]: () => peer.close(),
  };
}

/** The request that a socket would have brought. */
function requestOf(
  target: string,
  { method = "GET", body, headers, signal }: LocalRequest = {},
): Request {
  return new Request(`http://rookery${target}`, {
    method,
    ...(headers && { headers }),
    ...(body !== undefined && { body: typeof body === "string" ? body : streamOf(body) }),
    ...(typeof body === "object" && { duplex: "half" }),
    ...(signal && { signal }),
  });
}
