/**
 * What every layer stands on: bytes, ids, row values, framing, the hybrid clock, limits and the ports.
 *
 * Depends on nothing of ours. Rules: docs/spec/base.md and docs/spec/values.md.
 *
 * @module
 */

export { assert, AssertionError } from "./assert.ts";
export {
  ADDRESS_SIZE,
  BlobRef,
  type BlobRefFields,
  formatBlobRef,
  isMediaType,
  parseBlobRef,
} from "./blob-ref.ts";
export { Budget } from "./budget.ts";
export { ByteReader, ByteWriter } from "./byte-io.ts";
export {
  allocate,
  allocateShared,
  compareBytes,
  concatBytes,
  copyAt,
  SHORT_BYTES,
  equalBytes,
  fromBase64Url,
  fromHex,
  fromUtf8,
  toBase64Url,
  toHex,
  utf8,
} from "./bytes.ts";
export { crc32 } from "./crc32.ts";
export {
  BytesError,
  type BytesErrorCode,
  codeOf,
  CodedError,
  FrameError,
  type FrameErrorCode,
  ValueError,
  type ValueErrorCode,
} from "./errors.ts";
export { encodeFrame, FrameDecoder, frameHeader } from "./framing.ts";
export {
  coversVector,
  equalVectors,
  generationIn,
  type GenVector,
  joinVectors,
} from "./gen-vector.ts";
export { HybridClock, type Observation, timestampMillis, timestampOf } from "./hlc.ts";
export {
  type DeviceId,
  deviceIdOf,
  deviceInAddress,
  deviceKeyOf,
  deviceOfLog,
  KEY_SIZE,
  type LogId,
  logIdOf,
  type LogKey,
  logKeyOf,
  overlayOf,
  parseDeviceId,
  parseUserId,
  type ScopeId,
  type ScopeKey,
  scopeKeyOf,
  type ScopeKind,
  type UserId,
  userIdOf,
  userKeyOf,
} from "./ids.ts";
export {
  BATCH_BYTES_MAX,
  BATCH_OPS_MAX,
  BLOB_DEPTH_MAX,
  CLOCK_AHEAD_MS_MAX,
  CONTEXT_ENTRIES_MAX,
  FRAME_BYTES_MAX,
  MEDIA_TYPE_BYTES_MAX,
  NAME_BYTES_MAX,
  ROW_KEY_BYTES_MAX,
  ROW_VALUE_BYTES_MAX,
  VALUE_DEPTH_MAX,
  VALUE_NODES_MAX,
} from "./limits.ts";
export { Mergeable } from "./mergeable.ts";
export {
  CALLED_OFF,
  type Clock,
  type Crypto,
  type Logger,
  type LogLevel,
  type Random,
  type SignatureCheck,
} from "./ports.ts";
export { remembered } from "./remembered.ts";
export { spread } from "./spread.ts";
export { Sum256 } from "./sum256.ts";
export type { Value } from "./value.ts";
export { decodeValue } from "./value-decode.ts";
export { encodeValue, equalValues } from "./value-encode.ts";
export { fromJson, type Json, parseJson, toJson } from "./value-json.ts";
export { varintSize, writeVarint } from "./varint.ts";
export { blobRefsIn, type CheckedValue, checkValue } from "./value-walk.ts";
