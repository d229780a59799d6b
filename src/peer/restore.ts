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
import { fromUtf8 } from "../base/index.ts";
import { openChunkStore } from "../chunks/index.ts";
import { DEVICE_KEY, IDENTITY_FILES, openIdentity } from "./identity.ts";

/**
 * Makes the folder a peer's from a backup: as the same device when the backup holds its keys or the folder does, else as a new
 * one that holds the data. The whole backup is checked before anything is touched; the store is there whole or not at
 * all. Our logs begin anew, so that nothing is used twice. [BK3] [BK4] [BK5] [BK6]
 *
 * @throws {BackupError} `BACKUP_INVALID`, `BACKUP_OCCUPIED`; {FileError}; {StoreError}; {ChunkError}; {FolderError}.
 */
export async function restorePeer(backup: string, path: string): Promise<BackupManifest> {
  const crypto = nodeCrypto();
  const records = (): AsyncGenerator<BackupRecord, void, undefined> =>
    decodeBackup(crypto, readUserFile(backup));
  const manifest = await readManifest(records(), IDENTITY_FILES);
  const folder = await openFolder(path);
  if (await folder.hasStore()) throw occupied(path, "there is a store in it");
  const hasKey = (await folder.read(DEVICE_KEY)) !== undefined;
  if (hasKey && manifest.identity) throw occupied(path, "there is a device's key in it");
  const aside = `${folder.storePath}.restoring`;
  // What a restore that was cut off has left.
  await removeFolder(aside);
  const platform = { clock: nodeClock(), random: nodeRandom(), crypto };
  {
    await using store = await openDiskStore(platform, aside);
    const files = await openNodeChunkFiles(folder.chunksPath);
    await using chunks = await openChunkStore({ ...platform, store, files });
    const isSameDevice = manifest.identity || hasKey;
    await fillStore({ ...platform, store, chunks }, records(), { isSameDevice });
  }
  // Keys without a store are a device that begins; a store without its keys cannot be opened. So keys first.
  for await (const record of records())
    if (record.type === "secret") await folder.write(fromUtf8(record.name) ?? "", record.bytes);
  const { name } = manifest;
  await openIdentity(platform, folder, { name, hasStore: false });
  await renameFolder(aside, folder.storePath);
  return manifest;
}

/** Passes a backup on as it comes; throws where it is not whole. @throws {BackupError} `BACKUP_INVALID`. */
export function checkBackup(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  return checkedBackup(nodeCrypto(), source);
}

function occupied(path: string, why: string): BackupError {
  return new BackupError("BACKUP_OCCUPIED", `Cannot restore into "${path}": ${why}`);
}
