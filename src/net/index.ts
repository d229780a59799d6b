/**
 * The network as the layers above see it: proven devices, encrypted connections, byte streams with back-pressure.
 *
 * Start at `Transport`. The libp2p adapter is in `node`; to write another, make `transportRules` of the testkit pass.
 * Rules: docs/spec/net.md.
 *
 * @module
 */

export { NetError, type NetErrorCode } from "./errors.ts";
export { FramedStream, type FramedStreamDeps, type FramedStreamOptions } from "./framed-stream.ts";
export {
  FRAME_BATCH_BYTES,
  FRAME_COPY_BYTES,
  FRAME_QUEUE_BYTES_MAX,
  FRAME_TIMEOUT_MS,
  STREAM_LINGER_MS,
  STREAM_READ_AHEAD_BYTES,
  STREAM_WINDOW_BYTES,
  STREAM_WRITE_BUFFER_BYTES,
  STREAMS_PER_PROTOCOL_MAX,
} from "./limits.ts";
export {
  createMemoryNetwork,
  type MemoryNetwork,
  type MemoryNetworkDeps,
  type MemoryNetworkOptions,
} from "./memory-network.ts";
export { type MemoryCarrier, MemoryPipe } from "./memory-pipe.ts";
export { MemoryStream } from "./memory-stream.ts";
export { serveStream, type ServeStreamDeps } from "./serve-stream.ts";
export { type StreamDirection, StreamSlots } from "./stream-slots.ts";
export type { Connection, Stream, StreamHandler, Transport } from "./transport.ts";
export { Wakeup } from "./wakeup.ts";
