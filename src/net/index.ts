/**
 * The network as the layers above see it: proven devices, encrypted connections, byte streams with back-pressure.
 *
 * Start at `Transport`. The libp2p adapter is in `node`; to write another, make `transportRules` of the testkit pass.
 *
 * @module
 */

export { NetError, type NetErrorCode } from "./errors.ts";
export type { Connection, Stream, StreamHandler, Transport } from "./transport.ts";
