import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import type { Datagrams } from "../time/index.ts";

/** UDP by the system, a socket of its own for each question: its port is then hard to guess, and nobody else's answer arrives. */
export function nodeDatagrams(): Datagrams {
  return {
    async ask({ host, port }, request, signal) {
      signal.throwIfAborted();
      const { address, family } = await lookup(host);
      signal.throwIfAborted();
      const socket = createSocket(family === 6 ? "udp6" : "udp4");
      const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
      const abort = (): void => reject(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      try {
        socket.once("message", (bytes) => resolve(new Uint8Array(bytes)));
        socket.once("error", reject);
        // Connected: datagrams from elsewhere are dropped, and a closed port is told.
        socket.connect(port, address, () => socket.send(request));
        return await promise;
      } finally {
        signal.removeEventListener("abort", abort);
        socket.close();
      }
    },
  };
}
