/**
 * What the core needs from the world, on Node.js: ports, stores on disk, secret files, the libp2p host.
 *
 * @module
 */

export { openNodeChunkFiles } from "./chunk-files.ts";
export { type DiskStoreDeps, openDiskStore } from "./disk-store.ts";
export {
  makeFolder,
  readSecretFile,
  removeFolder,
  renameFolder,
  writeSecretFile,
} from "./files.ts";
export { nodeClock, nodeCrypto, nodeDatagrams, nodeRandom, nodeUptime } from "./ports.ts";
export type { Encryption } from "./encryption.ts";
export { SOCKET_SILENCE_MS } from "./libp2p-limits.ts";
export {
  checkAddresses,
  type Libp2pTransportDeps,
  type Libp2pTransportOptions,
  openLibp2pTransport,
} from "./libp2p-transport.ts";
export {
  type FetchHandler,
  isServedLocally,
  LocalApiError,
  type LocalApiErrorCode,
  type LocalRequest,
  type LocalServer,
  requestLocal,
  serveLocal,
} from "./local-api.ts";
export { type Folder, FolderError, folderPaths, hasPeer, openFolder } from "./folder.ts";
export {
  FileError,
  type FileErrorCode,
  readUserFile,
  sizeOfUserFile,
  writeUserFile,
} from "./user-files.ts";
