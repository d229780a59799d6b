import { CodedError } from "../base/index.ts";

/**
 * `CLOSED`: the store of chunks is closed. `CORRUPT`: its records make no sense. `FULL`: the medium or the byte budget is
 * full. `OPEN_FAILED`: its files cannot be opened. `READ_FAILED`, `WRITE_FAILED`: the system refused. `READ_ONLY`: a write
 * failed, and it cannot be written to again yet.
 */
export type ChunkErrorCode =
  | "CHUNKS_CLOSED"
  | "CHUNKS_CORRUPT"
  | "CHUNKS_FULL"
  | "CHUNKS_OPEN_FAILED"
  | "CHUNKS_READ_FAILED"
  | "CHUNKS_READ_ONLY"
  | "CHUNKS_WRITE_FAILED";

export class ChunkError extends CodedError<ChunkErrorCode> {}
