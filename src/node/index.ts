/**
 * What the core needs from the world, on Node.js: ports, stores on disk, secret files, the libp2p host.
 *
 * @module
 */

export { nodeClock, nodeCrypto, nodeRandom } from "./ports.ts";
