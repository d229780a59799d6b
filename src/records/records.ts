/**
 * How rows, superseded versions, knowledge, our own log and changes are written on disk. Only this store reads them: logs are
 * interned numbers. Golden vectors pin the bytes.
 */

import { assert, ByteReader, ByteWriter, Sum256, varintSize } from "../base/index.ts";
import { DIGEST_SIZE } from "./digest.ts";
import type { ScopeNumber } from "./keys.ts";
import { HistoryError } from "./errors.ts";
import {
  type Context,
  type ContextEntry,
  type LogNumber,
  type Row,
  type Version,
} from "./version.ts";

/** Size in bytes of an op's salt. */
export const SALT_SIZE = 16;

/** First byte of a row record: `seen` is that of the only head, or written out. */
export const SEEN_OF_HEAD = 0;
const SEEN_WRITTEN = 1;

export function encodeRow(row: Row): Uint8Array {
  const only = row.heads.length === 1 ? row.heads[0] : undefined;
  if (only !== undefined && sameEntries(only.context, row.seen)) {
    const out = new ByteWriter(1 + versionSize(only));
    out.u8(SEEN_OF_HEAD);
    writeVersion(out, only);
    return out.finish();
  }
  let size = 1 + contextSize(row.seen) + varintSize(row.heads.length);
  for (const head of row.heads) size += versionSize(head);
  const out = new ByteWriter(size);
  out.u8(SEEN_WRITTEN);
  writeContext(out, row.seen);
  out.varint(row.heads.length);
  for (const head of row.heads) writeVersion(out, head);
  return out.finish();
}

export function decodeRow(bytes: Uint8Array): Row {
  const input = new ByteReader(bytes);
  if (input.u8() === SEEN_OF_HEAD) {
    const head = readVersion(input);
    return { heads: [head], seen: head.context };
  }
  const seen = readContext(input);
  const heads = Array.from({ length: input.count(SALT_SIZE + DIGEST_SIZE) }, () =>
    readVersion(input),
  );
  return { heads, seen };
}

/** A superseded version: its log, generation and key are in its place. */
export function encodeVersion(version: Version): Uint8Array {
  const out = new ByteWriter(versionSize(version));
  writeVersion(out, version);
  return out.finish();
}

export function decodeVersion(bytes: Uint8Array): Version {
  return readVersion(new ByteReader(bytes));
}

/** Bytes that `writeVersion` writes, so that they are written once into memory of that size. */
function versionSize({ log, generation, context, value }: Version): number {
  const size = value?.length ?? 0;
  const fixed = 8 + SALT_SIZE + DIGEST_SIZE;
  return (
    varintSize(log) +
    varintSize(generation) +
    fixed +
    contextSize(context) +
    varintSize(size) +
    size
  );
}

function contextSize(context: Context): number {
  let size = varintSize(context.length);
  // By index, as below: called for each version, when an iterator is still an object.
  for (let i = 0; i < context.length; i++) {
    const { log, generation } = context[i] as ContextEntry;
    size += varintSize(log) + varintSize(generation);
  }
  return size;
}

function writeVersion(out: ByteWriter, version: Version): void {
  out.varint(version.log);
  out.varint(version.generation);
  out.u64(version.timestamp);
  out.bytes(version.salt);
  out.bytes(version.digest);
  writeContext(out, version.context);
  // 0 is a deletion: a value has at least one byte.
  out.varint(version.value?.length ?? 0);
  if (version.value !== undefined) out.bytes(version.value);
}

function readVersion(input: ByteReader): Version {
  const log = input.varint();
  const generation = input.varint();
  const timestamp = input.u64();
  const salt = input.bytes(SALT_SIZE);
  const digest = input.bytes(DIGEST_SIZE);
  const context = readContext(input);
  const size = input.varint();
  return {
    log,
    generation,
    timestamp,
    salt,
    digest,
    context,
    value: size === 0 ? undefined : input.bytes(size),
  };
}

function writeContext(out: ByteWriter, context: Context): void {
  out.varint(context.length);
  for (let i = 0; i < context.length; i++) {
    const { log, generation } = context[i] as ContextEntry;
    out.varint(log);
    out.varint(generation);
  }
}

const NO_CONTEXT: Context = [];

function readContext(input: ByteReader): Context {
  const count = input.varint();
  if (count === 0) return NO_CONTEXT;
  const context: ContextEntry[] = [{ log: input.varint(), generation: input.varint() }];
  for (let i = 1; i < count; i++) context.push({ log: input.varint(), generation: input.varint() });
  return context;
}

function sameEntries(a: Context, b: Context): boolean {
  return (
    a.length === b.length &&
    a.every((entry, i) => {
      const other = b[i] as ContextEntry;
      return entry.log === other.log && entry.generation === other.generation;
    })
  );
}

/** What is kept for a scope beside its rows and commits. */
export interface ScopeRecord {
  readonly vector: ReadonlyMap<LogNumber, number>;
  readonly sum: Sum256;
}

export function encodeScopeRecord(record: ScopeRecord): Uint8Array {
  const out = new ByteWriter(DIGEST_SIZE + 8 + 12 * record.vector.size);
  out.bytes(record.sum.toBytes());
  out.varint(record.vector.size);
  for (const [log, generation] of record.vector) {
    out.varint(log);
    out.varint(generation);
  }
  return out.finish();
}

export function decodeScopeRecord(bytes: Uint8Array): {
  vector: Map<LogNumber, number>;
  sum: Sum256;
} {
  const input = new ByteReader(bytes);
  const sum = Sum256.fromBytes(input.bytes(DIGEST_SIZE));
  const vector = new Map<LogNumber, number>();
  for (const { log, generation } of readContext(input)) vector.set(log, generation);
  return { vector, sum };
}

/** Our own log of one database. */
export interface OwnLog {
  readonly incarnation: bigint;
  /** Of the last commit; 0 when there is none. */
  readonly generation: number;
  /** Digest of the last commit; `undefined` when there is none. */
  readonly digest: Uint8Array | undefined;
  /** The clock's last stamp, ours or observed. */
  readonly timestamp: bigint;
  /** Commits of ours that the store holds without a signature, which the next write brings. Absent: none. [HI83] */
  readonly unsigned?: readonly PartName[] | undefined;
}

export function encodeOwnLog(own: OwnLog): Uint8Array {
  const out = new ByteWriter(64);
  out.u64(own.incarnation);
  out.varint(own.generation);
  out.u64(own.timestamp);
  assert(own.digest === undefined || own.generation > 0, "only a log with commits has a digest");
  if (own.digest !== undefined) out.bytes(own.digest);
  const { unsigned = [] } = own;
  if (unsigned.length > 0) writePartNames(out, unsigned);
  return out.finish();
}

export function decodeOwnLog(bytes: Uint8Array): OwnLog {
  const input = new ByteReader(bytes);
  const incarnation = input.u64();
  const generation = input.varint();
  const timestamp = input.u64();
  const hasDigest = generation > 0 && input.remaining > 0;
  const digest = hasDigest ? input.bytes(DIGEST_SIZE) : undefined;
  const own = { incarnation, generation, timestamp, digest };
  return input.remaining === 0 ? own : { ...own, unsigned: readPartNames(input) };
}

/** One part of a commit, as a change names it. */
export interface PartName {
  readonly scope: ScopeNumber;
  readonly log: LogNumber;
  readonly generation: number;
}

/** What one store write altered. */
export interface ChangeRecord {
  /** Whether a peer brought it, or this device wrote it. */
  readonly fromSync: boolean;
  /** The parts that it brought. */
  readonly parts: readonly PartName[];
  /** The parts that it took back: they do not count any more. Absent: none. */
  readonly takenBack?: readonly PartName[] | undefined;
}

export function encodeChange({ fromSync, parts, takenBack = [] }: ChangeRecord): Uint8Array {
  const out = new ByteWriter(16 + 12 * (parts.length + takenBack.length));
  out.u8(fromSync ? 1 : 0);
  writePartNames(out, parts);
  // Rare, and so left out where there are none.
  if (takenBack.length > 0) writePartNames(out, takenBack);
  return out.finish();
}

export function decodeChange(bytes: Uint8Array): ChangeRecord {
  const input = new ByteReader(bytes);
  const fromSync = input.u8() === 1;
  const parts = readPartNames(input);
  return input.remaining === 0
    ? { fromSync, parts }
    : { fromSync, parts, takenBack: readPartNames(input) };
}

function writePartNames(out: ByteWriter, parts: readonly PartName[]): void {
  out.varint(parts.length);
  for (const { scope, log, generation } of parts) {
    out.varint(scope);
    out.varint(log);
    out.varint(generation);
  }
}

function readPartNames(input: ByteReader): PartName[] {
  return Array.from({ length: input.count(3) }, () => ({
    scope: input.varint(),
    log: input.varint(),
    generation: input.varint(),
  }));
}

/** A control op as kept: where it stands and its bytes as signed. */
export interface ControlRecord {
  readonly log: LogNumber;
  readonly generation: number;
  readonly index: number;
  readonly timestamp: bigint;
  readonly parents: readonly Uint8Array[];
  /** The op's canonical bytes, salt included. */
  readonly op: Uint8Array;
}

export function encodeControlRecord(record: ControlRecord): Uint8Array {
  const out = new ByteWriter(64 + DIGEST_SIZE * record.parents.length + record.op.length);
  out.varint(record.log);
  out.varint(record.generation);
  out.varint(record.index);
  out.u64(record.timestamp);
  out.varint(record.parents.length);
  for (const parent of record.parents) out.bytes(parent);
  out.bytes(record.op);
  return out.finish();
}

export function decodeControlRecord(bytes: Uint8Array): ControlRecord {
  const input = new ByteReader(bytes);
  const log = input.varint();
  const generation = input.varint();
  const index = input.varint();
  const timestamp = input.u64();
  const parents = Array.from({ length: input.count(DIGEST_SIZE) }, () => input.bytes(DIGEST_SIZE));
  return { log, generation, index, timestamp, parents, op: input.bytes(input.remaining) };
}

/** Runs a decoder over bytes of this store; what it cannot read is corruption, not a peer's fault. */
export function readRecord<T>(
  what: string,
  bytes: Uint8Array,
  decode: (bytes: Uint8Array) => T,
): T {
  try {
    return decode(bytes);
  } catch (cause) {
    throw new HistoryError("HISTORY_CORRUPT", `Cannot read ${what}: its bytes make no sense`, {
      cause,
    });
  }
}
