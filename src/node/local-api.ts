/**
 * HTTP over a Unix socket (a named pipe on Windows): how other processes of the same user reach a peer.
 */

import { once } from "node:events";
import { chmod, unlink } from "node:fs/promises";
import { type ClientRequest, type IncomingMessage, request, type Server } from "node:http";
import { connect } from "node:net";
import { platform } from "node:process";
import { Readable } from "node:stream";
import { createAdaptorServer } from "@hono/node-server";
import { CodedError } from "../base/index.ts";
import { LOCAL_SOCKET_PATH_BYTES_MAX } from "./limits.ts";

/** `IN_USE`: another process answers there. `UNREACHABLE`: none does. `PATH_TOO_LONG`: the system takes no such socket. */
export type LocalApiErrorCode =
  | "LOCAL_API_IN_USE"
  | "LOCAL_API_PATH_TOO_LONG"
  | "LOCAL_API_UNREACHABLE";

export class LocalApiError extends CodedError<LocalApiErrorCode> {}

/** Answers web requests; `cutOff` ends the connection under an answer that has begun and cannot go on. */
export type FetchHandler = (request: Request, cutOff: () => void) => Response | Promise<Response>;

/** A server that answers at a socket. */
export interface LocalServer {
  close(): Promise<void>;
}

/**
 * Serves `handler` at a socket that only this user may open (mode 0600). A socket left by a process that died is taken over.
 *
 * @throws {LocalApiError} `LOCAL_API_IN_USE`, `LOCAL_API_PATH_TOO_LONG`.
 */
export async function serveLocal(path: string, handler: FetchHandler): Promise<LocalServer> {
  const address = socketAddress(path);
  if (await answers(address))
    throw new LocalApiError("LOCAL_API_IN_USE", `Cannot serve at ${path}: another process does`);
  if (platform !== "win32") await unlink(address).catch(() => {});
  const server = createAdaptorServer({
    fetch: (asked, { outgoing }) =>
      // Not before what there was has been handed on, the status with it.
      handler(asked, () => void setImmediate(() => outgoing.destroy())),
  }) as Server;
  // An upload takes as long as its source and the disk do; Node.js would end each request after five minutes.
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(address, resolve);
  });
  if (platform !== "win32") await chmod(address, 0o600);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        // Watches stay open for as long as their reader likes: they end with the peer.
        server.closeAllConnections();
      }),
  };
}

/** Whether a peer answers at the socket. */
export function isServedLocally(path: string): Promise<boolean> {
  return answers(socketAddress(path));
}

/** What is asked of the peer at a socket. */
export interface LocalRequest {
  readonly method?: string | undefined;
  /** A text is JSON, unless the headers say otherwise; bytes are sent as they come, no faster than they are taken. */
  readonly body?: string | AsyncIterable<Uint8Array> | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * One request to the peer at the socket. The answer's body is read as it comes; one that is cut off fails its reader.
 *
 * @throws {LocalApiError} `LOCAL_API_UNREACHABLE`; the signal's reason; what the source of the body threw.
 */
export function requestLocal(
  path: string,
  target: string,
  init: LocalRequest = {},
): Promise<Response> {
  const { method = "GET", body, signal } = init;
  return new Promise((resolve, reject) => {
    const headers = {
      ...(typeof body === "string" && { "content-type": "application/json" }),
      ...init.headers,
    };
    const answered = new AbortController();
    const call = request(
      { socketPath: socketAddress(path), path: target, method, headers, ...(signal && { signal }) },
      (answer) => {
        answered.abort();
        // What was not sent by then never will be.
        answer.once("close", () => call.writableEnded || call.destroy());
        resolve(responseOf(answer));
      },
    );
    call.on("error", (cause) => {
      answered.abort();
      if (signal?.aborted === true) reject(signal.reason as Error);
      else
        reject(new LocalApiError("LOCAL_API_UNREACHABLE", `No peer answers at ${path}`, { cause }));
    });
    if (typeof body === "object") {
      sendBody(call, body, answered.signal).catch((error: Error) => {
        reject(error);
        call.destroy();
      });
    } else {
      call.end(body);
    }
  });
}

/** Sends a body until it ends or, as a refusal does, the answer comes first. @throws what the source threw. */
async function sendBody(
  call: ClientRequest,
  body: AsyncIterable<Uint8Array>,
  answered: AbortSignal,
): Promise<void> {
  for await (const piece of body) {
    if (answered.aborted) return;
    if (call.write(piece)) continue;
    // An answer, or a failure, ends the wait too.
    await once(call, "drain", { signal: answered }).catch(() => {});
  }
  if (!answered.aborted) call.end();
}

function responseOf(answer: IncomingMessage): Response {
  const status = answer.statusCode ?? 500;
  const headers = new Headers();
  for (const [name, value] of Object.entries(answer.headers))
    if (typeof value === "string") headers.set(name, value);
  if (status !== 204)
    return new Response(Readable.toWeb(answer) as ReadableStream<Uint8Array>, { status, headers });
  answer.resume();
  return new Response(null, { status, headers });
}

function socketAddress(path: string): string {
  if (platform === "win32") return `\\\\.\\pipe\\rookery-${path.replaceAll(/[\\/:]/g, "-")}`;
  if (Buffer.byteLength(path) <= LOCAL_SOCKET_PATH_BYTES_MAX) return path;
  throw new LocalApiError(
    "LOCAL_API_PATH_TOO_LONG",
    `Cannot use socket ${path}: over ${LOCAL_SOCKET_PATH_BYTES_MAX} bytes. Use a shorter --path`,
  );
}

function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
