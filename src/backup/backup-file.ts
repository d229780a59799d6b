/**
 * The bytes of a backup: blocks, each with a digest over itself and the block before, so that nothing of it can be damaged,
 * moved, left out or cut off without being noticed. Rules: docs/spec/backup.md.
 *
 *   file:   "rookery backup 1\n", blocks
 *   block:  size (4, big-endian), SHA-256 of the digest before and the bytes (32), bytes: records
 *   record: type (1), fields: size (varint) and bytes each
 */

import {
  ByteReader,
  ByteWriter,
  concatBytes,
  type Crypto,
  equalBytes,
  utf8,
} from "../base/index.ts";
import { BackupError } from "./errors.ts";
import { BACKUP_BLOCK_BYTES, BACKUP_BLOCK_BYTES_MAX } from "./limits.ts";

const MAGIC = utf8("rookery backup 1\n");
const DIGEST_SIZE = 32;
const BLOCK_HEAD = 4 + DIGEST_SIZE;

/** `manifest`: JSON. `secret`: name, bytes. `entry`: key, value. `chunk`: bytes. `end`: nothing; the last one. */
export type BackupRecord =
  | { readonly type: "manifest"; readonly json: Uint8Array }
  | { readonly type: "secret"; readonly name: Uint8Array; readonly bytes: Uint8Array }
  | { readonly type: "entry"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "chunk"; readonly bytes: Uint8Array }
  | { readonly type: "end" };

const TYPES = ["end", "manifest", "secret", "entry", "chunk"] as const;

/** The blocks of a backup, the magic first. */
export async function* encodeBackup(
  crypto: Pick<Crypto, "sha256">,
  records: AsyncIterable<BackupRecord>,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield MAGIC;
  let digest: Uint8Array = crypto.sha256(MAGIC);
  let pending: Uint8Array[] = [];
  let size = 0;
  const block = (): Uint8Array => {
    const bytes = concatBytes(...pending);
    digest = crypto.sha256(concatBytes(digest, bytes));
    const head = new ByteWriter(4);
    head.u32(bytes.length);
    pending = [];
    size = 0;
    return concatBytes(head.finish(), digest, bytes);
  };
  for await (const record of records) {
    const bytes = encodeRecord(record);
    if (size > 0 && size + bytes.length > BACKUP_BLOCK_BYTES) yield block();
    pending.push(bytes);
    size += bytes.length;
  }
  yield block();
}

/** The bytes of one record. */
export function encodeRecord(record: BackupRecord): Uint8Array {
  const fields = fieldsOf(record);
  let size = 1;
  for (const field of fields) size += 8 + field.length;
  const out = new ByteWriter(size);
  out.u8(TYPES.indexOf(record.type));
  for (const field of fields) {
    out.varint(field.length);
    out.bytes(field);
  }
  return out.written();
}

function fieldsOf(record: BackupRecord): Uint8Array[] {
  if (record.type === "manifest") return [record.json];
  if (record.type === "secret") return [record.name, record.bytes];
  if (record.type === "entry") return [record.key, record.value];
  return record.type === "chunk" ? [record.bytes] : [];
}

/** The records of a backup, each once its block has been checked. @throws {BackupError} `BACKUP_INVALID`. [BK3] */
export async function* decodeBackup(
  crypto: Pick<Crypto, "sha256">,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<BackupRecord, void, undefined> {
  await using input = new Pieces(source);
  const magic = await input.take(MAGIC.length);
  if (magic === undefined || !equalBytes(magic, MAGIC))
    throw invalid("it is none, or of a later version");
  let digest: Uint8Array = crypto.sha256(MAGIC);
  let isOver = false;
  while (!isOver) {
    const head = await input.take(BLOCK_HEAD);
    if (head === undefined) throw invalid("it has been cut off");
    const size = new ByteReader(head).u32();
    if (size > BACKUP_BLOCK_BYTES_MAX) throw invalid("it is damaged");
    const bytes = await input.take(size);
    if (bytes === undefined) throw invalid("it has been cut off");
    digest = crypto.sha256(concatBytes(digest, bytes));
    if (!equalBytes(digest, head.subarray(4))) throw invalid("it is damaged");
    for (const record of decodeRecords(bytes)) {
      if (isOver) throw invalid("something stands behind its end");
      isOver = record.type === "end";
      yield record;
    }
  }
  if ((await input.take(1)) !== undefined) throw invalid("something stands behind its end");
}

/** The records of a block, one at a time: a block of the smallest ones holds millions. @throws {BackupError} `BACKUP_INVALID`. */
export function* decodeRecords(bytes: Uint8Array): Generator<BackupRecord, void, undefined> {
  const input = new ByteReader(bytes);
  while (input.remaining > 0) yield decodeRecord(input);
}

function decodeRecord(input: ByteReader): BackupRecord {
  const field = (): Uint8Array => input.bytes(input.varint());
  try {
    const type = TYPES[input.u8()];
    if (type === "manifest") return { type, json: field() };
    if (type === "secret") return { type, name: field(), bytes: field() };
    if (type === "entry") return { type, key: field(), value: field() };
    if (type === "chunk") return { type, bytes: field() };
    if (type === "end") return { type };
    throw new RangeError("No such record");
  } catch (cause) {
    throw invalid("it is damaged", cause);
  }
}

/** Passes a backup on as it comes, and throws at its end when it was not whole. */
export async function* checkedBackup(
  crypto: Pick<Crypto, "sha256">,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  // Read by the decoder, and given on piece by piece as it asks for more.
  const passed: Uint8Array[] = [];
  async function* tapped(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const piece of source) {
      passed.push(piece);
      yield piece;
    }
  }
  for await (const _ of decodeBackup(crypto, tapped())) {
    for (let piece = passed.shift(); piece !== undefined; piece = passed.shift()) yield piece;
  }
  yield* passed;
}

/** Bytes by number, of pieces as they come. */
class Pieces {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#pieces = source[Symbol.asyncIterator]();
  }

  /** Ends the source, also one that has more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pieces.return?.();
  }

  /** `undefined`: there are not as many left. */
  async take(size: number): Promise<Uint8Array | undefined> {
    const taken = [this.#rest];
    let length = this.#rest.length;
    while (length < size) {
      const next = await this.#pieces.next();
      if (next.done === true) return undefined;
      taken.push(next.value);
      length += next.value.length;
    }
    const all = concatBytes(...taken);
    this.#rest = all.subarray(size);
    return all.subarray(0, size);
  }
}

function invalid(why: string, cause?: unknown): BackupError {
  return new BackupError("BACKUP_INVALID", `Cannot read backup: ${why}`, { cause });
}
