/**
 * Logs, scopes and generation vectors between their form in memory and their messages.
 *
 * One thing has one encoding: a vector's entries ascend by device key, then incarnation, and each log stands once.
 */

import { create } from "@bufbuild/protobuf";
import {
  compareBytes,
  deviceIdOf,
  deviceKeyOf,
  type GenVector,
  KEY_SIZE,
  type LogId,
  logIdOf,
  type LogKey,
  logKeyOf,
  type ScopeId,
  userIdOf,
  userKeyOf,
} from "../base/index.ts";
import { decode } from "./decode.ts";
import { encode } from "./encode.ts";
import { WireError } from "./errors.ts";
import { FieldWriter, sizedSize } from "./fields.ts";
import {
  type GenVector as WireVector,
  GenVectorSchema,
  type LogId as WireLog,
  LogIdSchema,
  type ScopeId as WireScope,
  ScopeIdSchema,
  ScopeKind as WireKind,
  type VectorEntry,
  VectorEntrySchema,
} from "./generated/rookery/ids_pb.ts";

/** The message of a log's name. */
export function logToWire(log: LogKey): WireLog {
  const { device, incarnation } = logIdOf(log);
  return create(LogIdSchema, { device: deviceKeyOf(device), incarnation });
}

/**
 * The log that a message names.
 *
 * @throws {WireError} `WIRE_MALFORMED` when its device key is not 32 bytes.
 */
export function logFromWire(log: WireLog): LogKey {
  return logKeyOf(logIdFromWire(log));
}

/** The message of a scope's name. */
export function scopeToWire(scope: ScopeId): WireScope {
  return create(ScopeIdSchema, {
    database: scope.database,
    kind: scope.kind === "collection" ? WireKind.COLLECTION : WireKind.SYNCGROUP,
    owner: userKeyOf(scope.owner),
    name: scope.name,
  });
}

/**
 * The scope that a message names.
 *
 * @throws {WireError} `WIRE_MALFORMED` when its owner is not 32 bytes, `WIRE_MISSING` when a name is empty,
 *   `WIRE_UNKNOWN_VALUE` when its kind is none of ours.
 */
export function scopeFromWire(scope: WireScope): ScopeId {
  if (scope.owner.length !== KEY_SIZE)
    throw new WireError("WIRE_MALFORMED", "Cannot read ScopeId.owner: not a key");
  if (scope.database === "")
    throw new WireError("WIRE_MISSING", "Cannot read ScopeId.database: it is empty");
  if (scope.name === "")
    throw new WireError("WIRE_MISSING", "Cannot read ScopeId.name: it is empty");
  const owner = userIdOf(scope.owner);
  switch (scope.kind) {
    case WireKind.COLLECTION:
      return { database: scope.database, kind: "collection", owner, name: scope.name };
    case WireKind.SYNCGROUP:
      return { database: scope.database, kind: "syncgroup", owner, name: scope.name };
    default:
      throw new WireError("WIRE_UNKNOWN_VALUE", "Cannot read ScopeId.kind: no such kind");
  }
}

/** Bytes that have been made: one object names a scope in each commit. */
const scopeBytes = new WeakMap<ScopeId, Uint8Array>();

/** The bytes that name a scope wherever they are signed, hashed or compared. Several callers may get the same memory. */
export function encodeScopeId(scope: ScopeId): Uint8Array {
  const known = scopeBytes.get(scope);
  if (known !== undefined) return known;
  const bytes = encode(ScopeIdSchema, scopeToWire(scope));
  scopeBytes.set(scope, bytes);
  return bytes;
}

/** The bytes that name a log within a header. */
export function encodeLogId(log: LogKey): Uint8Array {
  const { device, incarnation } = logIdOf(log);
  const key = deviceKeyOf(device);
  const out = new FieldWriter(sizedSize(key.length) + (incarnation === 0n ? 0 : 9));
  out.sized(0x0a, key);
  if (incarnation !== 0n) out.fixed64(0x11, incarnation);
  return out.finish();
}

/** The scope that `bytes` name. @throws {WireError} as `decode` and `scopeFromWire` do. */
export function decodeScopeId(bytes: Uint8Array): ScopeId {
  return scopeFromWire(decode(ScopeIdSchema, bytes));
}

/** The message of a generation vector, its entries in order. Entries at 0 say nothing and are left out. */
export function vectorToWire(vector: GenVector): WireVector {
  const entries: VectorEntry[] = [];
  for (const [log, generation] of vector) {
    if (generation > 0) {
      entries.push(
        create(VectorEntrySchema, { log: logToWire(log), generation: BigInt(generation) }),
      );
    }
  }
  entries.sort((a, b) => compareLogs(a.log as WireLog, b.log as WireLog));
  return create(GenVectorSchema, { entries });
}

/**
 * The generation vector of a message; empty for an absent one.
 *
 * @throws {WireError} `WIRE_MISSING` when an entry lacks its log or generation, `WIRE_LIMIT` when a generation is not
 *   below 2^53, `WIRE_NOT_CANONICAL` when the entries do not ascend.
 */
export function vectorFromWire(vector: WireVector | undefined): GenVector {
  const generations = new Map<LogKey, number>();
  let before: WireLog | undefined;
  for (const { log, generation } of vector?.entries ?? []) {
    if (log === undefined)
      throw new WireError("WIRE_MISSING", "Cannot read VectorEntry.log: it is missing");
    if (generation === 0n)
      throw new WireError("WIRE_MISSING", "Cannot read VectorEntry.generation: it is missing");
    if (generation > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new WireError("WIRE_LIMIT", "Cannot read VectorEntry.generation: too great");
    }
    const key = logFromWire(log);
    if (before !== undefined && compareLogs(before, log) >= 0) {
      throw new WireError(
        "WIRE_NOT_CANONICAL",
        "Cannot read GenVector.entries: not in ascending order of logs",
      );
    }
    before = log;
    generations.set(key, Number(generation));
  }
  return generations;
}

/** The bytes of a generation vector. */
export function encodeVector(vector: GenVector): Uint8Array {
  return encode(GenVectorSchema, vectorToWire(vector));
}

/** The generation vector that `bytes` encode. @throws {WireError} as `decode` and `vectorFromWire` do. */
export function decodeVector(bytes: Uint8Array): GenVector {
  return vectorFromWire(decode(GenVectorSchema, bytes));
}

function logIdFromWire(log: WireLog): LogId {
  if (log.device.length !== KEY_SIZE)
    throw new WireError("WIRE_MALFORMED", "Cannot read LogId.device: not a key");
  return { device: deviceIdOf(log.device), incarnation: log.incarnation };
}

function compareLogs(a: WireLog, b: WireLog): number {
  const byDevice = compareBytes(a.device, b.device);
  if (byDevice !== 0) return byDevice;
  return a.incarnation < b.incarnation ? -1 : a.incarnation > b.incarnation ? 1 : 0;
}
