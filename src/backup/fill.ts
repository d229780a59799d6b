/** A store made from a backup. */

import { type Crypto, fromUtf8, type Random } from "../base/index.ts";
import { type ChunkStore, contentChunk, type VerifiedChunk } from "../chunks/index.ts";
import { decodeOwnLog, encodeOwnLog } from "../records/index.ts";
import type { Store, WriteOp } from "../store/index.ts";
import type { BackupManifest } from "./backup.ts";
import type { BackupRecord } from "./backup-file.ts";
import { BackupError } from "./errors.ts";
import { RESTORE_BATCH_BYTES, RESTORE_BATCH_OPS } from "./limits.ts";

/** First bytes of keys that are of one device's memberships: another device joins by itself. [BK6] */
const MEMBERSHIPS = new Set([0x81, 0x84, 0x86]);
const OWN_LOG = 0x11;
/** Names of positions: what the lost store told beyond the backup is not known here. [HI60] */
const EPOCHS = 0x13;

/**
 * Reads all of a backup, and answers what it says of itself. `secretNames`: of the files that it may hold, the device's key first.
 *
 * @throws {BackupError} `BACKUP_INVALID`. [BK3]
 */
export async function readManifest(
  records: AsyncIterable<BackupRecord>,
  secretNames: readonly string[],
): Promise<BackupManifest> {
  let manifest: BackupManifest | undefined;
  const secrets = new Set<string>();
  for await (const record of records) {
    if (manifest === undefined) {
      manifest = record.type === "manifest" ? parseManifest(record.json) : undefined;
      if (manifest === undefined) throw invalid("does not say what it is");
    } else if (record.type === "manifest") throw invalid("says twice what it is");
    if (record.type !== "secret") continue;
    const name = fromUtf8(record.name) ?? "";
    if (!manifest.identity || !secretNames.includes(name) || secrets.has(name))
      throw invalid("holds a file that it may not");
    secrets.add(name);
  }
  if (manifest === undefined) throw invalid("does not say what it is");
  if (manifest.identity && !secrets.has(secretNames[0] ?? ""))
    throw invalid("lacks the device's key");
  return manifest;
}

function invalid(why: string): BackupError {
  return new BackupError("BACKUP_INVALID", `Cannot restore: the backup ${why}`);
}

/** What a backup says of itself; `undefined` for what is no manifest, or of a later version. */
export function parseManifest(json: Uint8Array): BackupManifest | undefined {
  let read: Partial<BackupManifest> | null;
  try {
    read = JSON.parse(fromUtf8(json) ?? "") as Partial<BackupManifest> | null;
  } catch {
    return undefined;
  }
  if (read?.format !== 1) return undefined;
  const { device, user, name, madeAt, identity, blobs } = read;
  if (typeof device !== "string" || typeof user !== "string" || typeof name !== "string")
    return undefined;
  if (!isTime(madeAt) || typeof identity !== "boolean" || typeof blobs !== "boolean")
    return undefined;
  return { format: 1, device, user, name, madeAt, identity, blobs };
}

/** Milliseconds from 1970 on that a date can stand for. */
function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= 8.64e15;
}

export interface FillDeps {
  readonly crypto: Crypto;
  readonly random: Random;
  /** A new store, and chunks over it. */
  readonly store: Store;
  readonly chunks: ChunkStore;
}

/** Writes what a backup holds. Our logs begin anew, so that nothing is used twice. [BK4] */
export async function fillStore(
  { crypto, random, store, chunks }: FillDeps,
  records: AsyncIterable<BackupRecord>,
  { isSameDevice }: { readonly isSameDevice: boolean },
): Promise<void> {
  const filler = new Filler(store, random, isSameDevice);
  let waiting: VerifiedChunk[] = [];
  let bytes = 0;
  const put = async (): Promise<void> => {
    if (waiting.length > 0) await chunks.put(waiting);
    waiting = [];
    bytes = 0;
  };
  for await (const record of records) {
    if (record.type === "entry") await filler.add(record.key, record.value);
    if (record.type !== "chunk") continue;
    waiting.push(contentChunk(crypto, record.bytes.slice()));
    bytes += record.bytes.length;
    if (bytes >= RESTORE_BATCH_BYTES || waiting.length >= RESTORE_BATCH_OPS) await put();
  }
  await put();
  await filler.flush();
}

/** Writes a backup's entries into a new store, some at a time. */
class Filler {
  readonly #store: Store;
  readonly #random: Random;
  readonly #isSameDevice: boolean;
  #batch: WriteOp[] = [];
  #bytes = 0;

  constructor(store: Store, random: Random, isSameDevice: boolean) {
    this.#store = store;
    this.#random = random;
    this.#isSameDevice = isSameDevice;
  }

  async add(key: Uint8Array, value: Uint8Array): Promise<void> {
    const kind = key[0] as number;
    if (kind === EPOCHS || (MEMBERSHIPS.has(kind) && !this.#isSameDevice)) return;
    this.#batch.push({ type: "put", key, value: kind === OWN_LOG ? this.#newLog(value) : value });
    this.#bytes += key.length + value.length;
    if (this.#bytes >= RESTORE_BATCH_BYTES || this.#batch.length >= RESTORE_BATCH_OPS)
      await this.flush();
  }

  async flush(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    this.#bytes = 0;
    if (batch.length > 0) await this.#store.write(batch);
  }

  /** What came after the backup under the old name may have been sent: nothing more is written under it. */
  #newLog(value: Uint8Array): Uint8Array {
    const incarnation = new DataView(this.#random.bytes(8).slice().buffer).getBigUint64(0);
    return encodeOwnLog({ ...decodeOwnLog(value), incarnation, generation: 0, digest: undefined });
  }
}
