/**
 * What every layer stands on: bytes, ids, row values, framing, the hybrid clock, limits and the ports.
 *
 * Depends on nothing of ours. Rules: docs/spec/base.md and docs/spec/values.md.
 *
 * @module
 */

export { assert, AssertionError } from "./assert.ts";
export { compareBytes, concatBytes, equalBytes, fromHex, fromUtf8, toHex, utf8 } from "./bytes.ts";
export { codeOf, CodedError } from "./errors.ts";
export { coversVector, generationIn, type GenVector, joinVectors } from "./gen-vector.ts";
export {
  type DeviceId,
  deviceIdOf,
  deviceKeyOf,
  KEY_SIZE,
  type LogId,
  logIdOf,
  type LogKey,
  logKeyOf,
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
  CONTEXT_ENTRIES_MAX,
  FRAME_BYTES_MAX,
  NAME_BYTES_MAX,
  ROW_KEY_BYTES_MAX,
  ROW_VALUE_BYTES_MAX,
  VALUE_DEPTH_MAX,
  VALUE_NODES_MAX,
} from "./limits.ts";
export type { Clock, Crypto, Logger, LogLevel, Random, SignatureCheck } from "./ports.ts";
