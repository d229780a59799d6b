/**
 * What node:tls alone makes of the same copy: a file read here, sent encrypted over loopback to another process, written
 * and synced there. Both ends share a key (PSK), which changes the handshake and nothing after it.
 */

import { once } from "node:events";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { type AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import { connect, createServer, type TLSSocket } from "node:tls";
import { endWithParent, say, spawnChild } from "../src/testkit/child.ts";

const SHARED = {
  ciphers: "PSK-AES256-GCM-SHA384",
  minVersion: "TLSv1.2",
  maxVersion: "TLSv1.2",
} as const;
const KEY = Buffer.alloc(32, 7);
const READ_BYTES = 256 * 1024;

/** Bytes a second of a copy of `from` to `to`, from the first byte read to the last one durable. */
export async function tlsCopyRate(from: string, to: string, bytes: number): Promise<number> {
  await using receiver = spawnChild(import.meta.filename, { args: [to] });
  const port = Number(await receiver.line());
  const began = performance.now();
  const socket = connect({
    ...SHARED,
    port,
    host: "127.0.0.1",
    pskCallback: () => ({ psk: KEY, identity: "bench" }),
    checkServerIdentity: () => undefined,
  });
  await pipeline(createReadStream(from, { highWaterMark: READ_BYTES }), socket);
  const received = Number(await receiver.line());
  if (received !== bytes) throw new Error(`The reference copy received ${received} bytes`);
  return bytes / ((performance.now() - began) / 1000);
}

async function receive(path: string): Promise<void> {
  const server = createServer({ ...SHARED, pskCallback: () => KEY });
  server.listen(0, "127.0.0.1", () => say(String((server.address() as AddressInfo).port)));
  const [socket] = (await once(server, "secureConnection")) as [TLSSocket];
  const file = await open(path, "w");
  await using _closing = { [Symbol.asyncDispose]: () => file.close() };
  let bytes = 0;
  for await (const piece of socket as AsyncIterable<Uint8Array>) {
    await file.write(piece);
    bytes += piece.length;
  }
  await file.sync();
  say(String(bytes));
  socket.end();
  server.close();
}

const [, , target] = process.argv;
if (process.argv[1] === import.meta.filename && target !== undefined) {
  const told = endWithParent();
  await receive(target);
  for await (const _ of told);
}
