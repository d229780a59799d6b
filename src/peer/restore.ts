/** A peer's folder made from a backup. */

import {
  nodeClock,
  nodeCrypto,
  nodeRandom,
  openDiskStore,
  openFolder,
  openNodeChunkFiles,
  readUserFile,
  removeFolder,
  renameFolder,
} from "#platform";
import {
  BackupError,
  type BackupManifest,
  type BackupRecord,
  checkedBackup,
  decodeBackup,
  fillStore,
  readManifest,
} from "../backup/index.ts";
import { equalBytes, fromUtf8 } from "../base/index.ts";
import { openChunkStore } from "../chunks/index.ts";
import { deviceOfKey, IDENTITY_FILES, openIdentity, type Secrets } from "./identity.ts";

/**
 * Makes the folder a peer's from a backup: as the same device when the backup holds its keys or the folder does, else as a new
 * one that holds the data. The whole backup is checked before anything is touched; the store is there whole or not at
 * all. Our logs begin anew, so that nothing is used twice. [BK3] [BK4] [BK5] [BK6]
 *
 * @throws {BackupError} `BACKUP_INVALID`, `BACKUP_OCCUPIED`; {PeerError} `PEER_IDENTITY_INVALID`; {FileError}; {StoreError}; {ChunkError}; {FolderError}.
 */
export async function restorePeer(backup: string, path: string): Promise<BackupManifest> {
  const crypto = nodeCrypto();
  const records = (): AsyncGenerator<BackupRecord, void, undefined> =>
    decodeBackup(crypto, readUserFile(backup));
  const manifest = await readManifest(records(), IDENTITY_FILES);
  const folder = await openFolder(path);
  if (await folder.hasStore()) throw occupied(path, "there is a store in it");
  // A restore that was killed may have left the keys that it wrote, or made.
  const isSameDevice =
    manifest.identity || (await deviceOfKey({ crypto }, folder)) === manifest.device;
  const secrets = manifest.identity ? await secretsIn(records()) : NO_SECRETS;
  if (await hasOthers(folder, secrets))
    throw occupied(path, "there are other keys in it than the backup's");
  const aside = `${folder.storePath}.restoring`;
  // What a restore that was cut off has left.
  await removeFolder(aside);
  const platform = { clock: nodeClock(), random: nodeRandom(), crypto };
  {
    await using store = await openDiskStore(platform, aside);
    const files = await openNodeChunkFiles(folder.chunksPath);
    await using chunks = await openChunkStore({ ...platform, store, files });
    await fillStore({ ...platform, store, chunks }, records(), { isSameDevice });
  }
  // Keys without a store are a device that begins; a store without its keys cannot be opened. So keys first.
  for (const [secret, bytes] of secrets)
    if ((await folder.read(secret)) === undefined) await folder.write(secret, bytes);
  const { name } = manifest;
  await openIdentity(platform, folder, { name, hasStore: false });
  await renameFolder(aside, folder.storePath);
  return manifest;
}

const NO_SECRETS: ReadonlyMap<string, Uint8Array> = new Map();

/** The secrets in a backup, by the names of their files. */
async function secretsIn(
  records: AsyncIterable<BackupRecord>,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const secrets = new Map<string, Uint8Array>();
  for await (const record of records)
    if (record.type === "secret") secrets.set(fromUtf8(record.name) ?? "", record.bytes);
  return secrets;
}

/** Whether a folder has another secret under the name of one of these. */
async function hasOthers(
  folder: Pick<Secrets, "read">,
  secrets: ReadonlyMap<string, Uint8Array>,
): Promise<boolean> {
  for (const [name, bytes] of secrets) {
    const held = await folder.read(name);
    if (held !== undefined && !equalBytes(held, bytes)) return true;
  }
  return false;
}

/**
 * Passes a backup, of a file or as it comes, on; throws where it is not whole. Nothing is checked but what is read.
 *
 * @throws {BackupError} `BACKUP_INVALID`; {FileError}; {TypeError} at the call for what is neither a path nor a source of bytes. [BK7]
 */
export function checkBackup(
  source: string | AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (typeof source === "string") return checkedBackup(nodeCrypto(), readUserFile(source));
  const given: unknown = source;
  if (typeof given === "object" && given !== null && Symbol.asyncIterator in given)
    return checkedBackup(nodeCrypto(), source);
  throw new TypeError("A backup is the path of a file, or its bytes as an AsyncIterable");
}

function occupied(path: string, why: string): BackupError {
  return new BackupError("BACKUP_OCCUPIED", `Cannot restore into "${path}": ${why}`);
}
