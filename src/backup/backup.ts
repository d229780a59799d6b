/** A backup of a peer while it goes on: its store at one moment, and what else it is asked to hold. */

import { type Crypto, utf8 } from "../base/index.ts";
import { type ChunkStore, CONTENT } from "../chunks/index.ts";
import type { Identity } from "../history/index.ts";
import {
  commitKey,
  CommitSigner,
  decodeOwnLog,
  encodeOwnLog,
  isOurRecord,
  signedRecord,
} from "../records/index.ts";
import type { Store } from "../store/index.ts";
import { type BackupRecord, encodeBackup } from "./backup-file.ts";

export interface BackupOptions {
  /**
   * Whether it holds the keys of this device and its user: to go on as this device where it was lost. Whoever has the backup is
   * the device then. Default false.
   */
  readonly identity?: boolean | undefined;
  /** Whether it holds the bytes of blobs. Default false: they are fetched again from who has them. */
  readonly blobs?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a backup says of itself. */
export interface BackupManifest {
  readonly format: 1;
  readonly device: string;
  readonly user: string;
  readonly name: string;
  /** Milliseconds since 1970, by the device's clock. */
  readonly madeAt: number;
  readonly identity: boolean;
  readonly blobs: boolean;
}

export interface BackupDeps {
  readonly store: Store;
  readonly chunks: ChunkStore;
  readonly crypto: Pick<Crypto, "sha256" | "sign">;
  readonly clock: { now(): number };
  readonly identity: Identity;
  /** The files that hold the device's keys and its user's, by name. */
  readonly secretNames: readonly string[];
  readonly readSecret: (name: string) => Promise<Uint8Array | undefined>;
}

/**
 * First bytes of keys that a backup leaves out: where chunks lie and what their networks make of them is of one medium, the
 * estimate of the time of one boot. [BK2]
 */
const LEFT_OUT = new Set([0x30, 0x33, 0x38, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x50]);
/** Edges between the nodes of blobs: they go with the chunks. */
const NODE_EDGES = 0x31;
const OWN_LOG = 0x11;
const COMMITS = 0x22;
const CHUNK_INDEX = 0x30;
/** Bytes of a chunk's key before its address. */
const CHUNK_KEY_PREFIX = 2;

/** The bytes of a backup, read as they are asked for: of the moment in which the first are. [BK1] */
export function backupBytes(
  deps: BackupDeps,
  options: BackupOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  return encodeBackup(deps.crypto, recordsOf(deps, options));
}

async function* recordsOf(
  { store, chunks, crypto, clock, identity: own, secretNames, readSecret }: BackupDeps,
  { identity = false, blobs = false, signal }: BackupOptions,
): AsyncGenerator<BackupRecord, void, undefined> {
  signal?.throwIfAborted();
  const { user, name } = own.certified;
  const manifest: BackupManifest = {
    format: 1,
    device: own.device,
    user,
    name,
    madeAt: clock.now(),
    identity,
    blobs,
  };
  yield { type: "manifest", json: utf8(JSON.stringify(manifest)) };
  for (const file of identity ? secretNames : []) {
    const bytes = await readSecret(file);
    if (bytes !== undefined) yield { type: "secret", name: utf8(file), bytes };
  }
  const signer = new CommitSigner(crypto, own);
  const snapshot = store.snapshot();
  try {
    for await (const { key, value } of store.scan({}, { snapshot })) {
      signal?.throwIfAborted();
      const kind = key[0] as number;
      if (kind === CHUNK_INDEX && blobs && key[1] === CONTENT.code) {
        // One that was removed meanwhile, or is damaged, is left out.
        const bytes = await chunks.get({ kind: CONTENT, address: key.slice(CHUNK_KEY_PREFIX) });
        if (bytes !== undefined) yield { type: "chunk", bytes };
      }
      if (LEFT_OUT.has(kind) || (kind === NODE_EDGES && !blobs)) continue;
      // Who restores it may not have our key: all commits of ours in it are signed. [HI83]
      if (kind === COMMITS) yield { type: "entry", key, value: await signedRecord(signer, value) };
      else if (kind === OWN_LOG) {
        const log = decodeOwnLog(value);
        const unsigned = [];
        for (const name of log.unsigned ?? []) {
          const { scope, log: of, generation } = name;
          const commit = await store.get(commitKey(scope, of, generation), { snapshot });
          if (commit && !isOurRecord(signer, commit)) unsigned.push(name);
        }
        yield { type: "entry", key, value: encodeOwnLog({ ...log, unsigned }) };
      } else yield { type: "entry", key, value };
    }
  } finally {
    await snapshot.close();
  }
  yield { type: "end" };
}
