/**
 * Storage: an ordered map of bytes that survives crashes, full disks and failed writes.
 *
 * Start at `Store`. `openMemoryStore` needs no disk; the one on disk is in `node`. To write another, give `openStore` an
 * engine and make `storeRules` of the testkit pass. Rules: docs/spec/store.md.
 *
 * @module
 */

export type {
  Engine,
  EngineIterator,
  EngineOp,
  EngineRange,
  EngineReadOptions,
  EngineSnapshot,
} from "./engine.ts";
export { openError } from "./causes.ts";
export { StoreError, type StoreErrorCode } from "./errors.ts";
export {
  STORE_GET_HALVES_MIN,
  STORE_GROUP_BYTES_MAX,
  STORE_GROUP_OPS_MAX,
  STORE_KEY_BYTES_MAX,
  STORE_REOPEN_DELAY_MS,
  STORE_REOPEN_DELAY_MS_MAX,
  STORE_REOPEN_READ_WAIT_MS,
  STORE_VALUE_BYTES_MAX,
  STORE_WRITE_BYTES_MAX,
  STORE_WRITE_OPS_MAX,
} from "./limits.ts";
export {
  createMemoryMedium,
  type MemoryMedium,
  type MemoryStoreOptions,
  openMemoryStore,
} from "./memory.ts";
export { openStore, type StoreDeps } from "./open-store.ts";
export type {
  Entry,
  KeyRange,
  ReadOptions,
  ScanOptions,
  Snapshot,
  Store,
  StoreState,
  WriteOp,
} from "./store.ts";
export type { StoreOrigin, Witness } from "./witness.ts";
