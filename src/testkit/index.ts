/**
 * What tests share: conformance rules, fakes that keep them, the simulator. Imported by tests only.
 *
 * @module
 */

export {
  deepEqual,
  equal,
  ExpectationError,
  holds,
  rejects,
  rejectsNamed,
  type Rule,
} from "./expect.ts";
export { FakeClock, settle } from "./fake-clock.ts";
export { type SeededRandom, seededRandom } from "./seeded-random.ts";
export { memoryWorld, type MemoryWorldOptions } from "./net/transport-memory-world.ts";
export { transportRules } from "./net/transport-rules.ts";
export {
  aborted,
  abortedBy,
  acceptStreams,
  connectedPair,
  pattern,
  PROTOCOL,
  readPattern,
  serveEcho,
  streamPair,
  type TransportWorld,
  until,
} from "./net/transport-world.ts";
export {
  brokenDiskError,
  FaultyMedium,
  fullDiskError,
  type WriteFault,
} from "./store/store-faults.ts";
export { storeRules } from "./store/store-rules.ts";
export {
  contentOf,
  del,
  entriesOf,
  key,
  keysOf,
  memoryStoreWorld,
  put,
  recovered,
  type StoreWorld,
} from "./store/store-world.ts";
export { type TempFolder, tempFolder } from "./temp-folder.ts";
export {
  type Child,
  type ChildEnd,
  type ChildOptions,
  endWithParent,
  say,
  spawnChild,
} from "./child.ts";
export { batchesIn, batchOf } from "./store/store-batches.ts";
export { FaultyChunkFiles, type FilesAction, type FilesFault } from "./chunks/chunk-faults.ts";
export { chunkFilesRules, type ChunkFilesWorld } from "./chunks/chunk-files-rules.ts";
export { chunkStoreRules } from "./chunks/chunk-rules.ts";
export {
  brokenFilesError,
  chunkWorld,
  type ChunkWorld,
  fullFilesError,
  holdsAll,
  memoryChunkWorld,
  type OpenChunks,
  sampleChunk,
  sampleChunks,
  VERSIONED,
  versioned,
} from "./chunks/chunk-world.ts";
export { damagePack } from "./chunks/damage-pack.ts";
export { chunksOfPut, FILL_BYTES, putsIn, readAll } from "./chunks/chunk-puts.ts";
