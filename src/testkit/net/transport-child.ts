/**
 * A process with one device that echoes: for tests that kill it. Writes its address as a line, closes the transport
 * when told anything, ends with its parent.
 *
 *     node --conditions=rookery-source src/testkit/net/transport-child.ts
 */

import { randomBytes } from "node:crypto";
import { nodeClock, openLibp2pTransport } from "../../node/index.ts";
import { serveEcho } from "./transport-world.ts";

process.stdin.on("end", () => process.exit());
const transport = await openLibp2pTransport(
  { seed: randomBytes(32), clock: nodeClock(), logger: () => {} },
  { listen: ["/ip4/127.0.0.1/tcp/0"] },
);
serveEcho(transport);
process.stdout.write(`${transport.addresses().join()}\n`);
process.stdin.on("data", () => {
  process.stdin.unref();
  void transport.close();
});
