import { CodedError } from "../base/index.ts";

/**
 * `INVALID`: a recipe or a BlobRef lies: it does not hold what its hash, its level or its sizes say. `NOT_HERE`: a node or
 * chunk that is needed is not on this device.
 */
export type BlobErrorCode = "BLOB_INVALID" | "BLOB_NOT_HERE";

export class BlobError extends CodedError<BlobErrorCode> {}

/** A recipe that lies. */
export function invalid(why: string, cause?: unknown): BlobError {
  return new BlobError("BLOB_INVALID", `Cannot read recipe: ${why}`, { cause });
}
