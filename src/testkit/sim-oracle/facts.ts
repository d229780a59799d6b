/**
 * What commits say, read from the bytes that were signed. Names are texts: a log is the hexadecimal form of its device's
 * key, a slash and that of its incarnation; a scope its kind, owner's key and name.
 */

import { hex, latin1, Message } from "./fields.ts";

/** `<device, 64 digits>/<incarnation, 16 digits>`. */
export type LogName = string;
/** `<log>#<generation>`. */
export type Dot = string;
/** `collection:<owner, 64 digits>:<name>` or `syncgroup:…`. */
export type ScopeName = string;

/** A row within its scope. */
export const rowOf = (space: number, key: string): string => `${space} ${key}`;

export const dotOf = (log: LogName, generation: number): Dot => `${log}#${generation}`;

/** A row as one commit wrote it. */
export interface VersionFact {
  readonly dot: Dot;
  readonly log: LogName;
  readonly generation: number;
  readonly timestamp: bigint;
  readonly scope: ScopeName;
  readonly space: number;
  /** Hexadecimal. */
  readonly key: string;
  /** Space and key. */
  readonly row: string;
  /** Hexadecimal; `undefined`: deleted. */
  readonly value: string | undefined;
  readonly context: ReadonlyMap<LogName, number>;
  /** Of the op, hexadecimal. */
  readonly digest: string;
  readonly part: PartFact;
}

/** A change of who may do what, or of what a group is. */
export interface ControlFact {
  /** Hexadecimal. */
  readonly id: string;
  readonly scope: ScopeName;
  readonly log: LogName;
  readonly generation: number;
  /** Ids of the ops that its author had seen. */
  readonly parents: readonly string[];
  readonly op: Message;
}

/** What a commit holds of one scope. */
export interface PartFact {
  readonly commit: CommitFact;
  readonly scope: ScopeName;
  readonly previous: number;
  readonly heads: readonly string[];
  readonly versions: readonly VersionFact[];
  readonly controls: readonly ControlFact[];
}

export interface CommitFact {
  readonly log: LogName;
  /** Hexadecimal key of the author. */
  readonly device: string;
  readonly generation: number;
  readonly timestamp: bigint;
  /** Hexadecimal. */
  readonly digest: string;
  /** Digest of the one before it in its log, hexadecimal; empty for the first. */
  readonly previous: string;
  readonly hint: string;
  readonly parts: readonly PartFact[];
}

/** Answers the bytes that had this digest. */
export type Preimage = (digest: Uint8Array) => Uint8Array | undefined;

const COMMIT_CONTEXT = "rookery commit 1\n";

/** Whether these bytes are what the digest of a commit is made of. */
export function isCommitInput(input: Uint8Array): boolean {
  return (
    input.length > COMMIT_CONTEXT.length &&
    latin1(input.subarray(0, COMMIT_CONTEXT.length)) === COMMIT_CONTEXT
  );
}

/** The commit of this digest, from the bytes of everything that was hashed for it; `undefined` when it is none. */
export function readCommit(
  digest: Uint8Array,
  preimage: Preimage,
  idOf: (part: Uint8Array, index: number) => string,
): CommitFact | undefined {
  const input = preimage(digest);
  if (input === undefined || !isCommitInput(input)) return undefined;
  const header = new Message(input.subarray(COMMIT_CONTEXT.length));
  const log = readLog(header.message(1));
  const parts: PartFact[] = [];
  const commit: CommitFact = {
    log,
    device: log.slice(0, 64),
    generation: header.number(2),
    timestamp: header.bigint(4),
    digest: hex(digest),
    previous: hex(header.bytes(3)),
    hint: header.text(6),
    parts,
  };
  for (const part of header.all(5)) {
    const read = readPart(commit, part, preimage, idOf);
    if (read !== undefined) parts.push(read);
  }
  return commit;
}

function readPart(
  commit: CommitFact,
  digest: Uint8Array,
  preimage: Preimage,
  idOf: (part: Uint8Array, index: number) => string,
): PartFact | undefined {
  const input = preimage(digest);
  if (input === undefined || input[0] !== 2) return undefined;
  const header = new Message(input.subarray(33));
  const ops = opsUnder(input.subarray(1, 33), preimage);
  const versions: VersionFact[] = [];
  const controls: ControlFact[] = [];
  const heads = header.all(4).map(hex);
  const scope = readScope(header.message(2));
  const part: PartFact = {
    commit,
    scope,
    previous: header.number(3),
    heads,
    versions,
    controls,
  };
  const logs = header.messages(5).map(readLog);
  let parents: readonly string[] = heads;
  for (const [index, { digest: ofOp, bytes }] of ops.entries()) {
    if (bytes === undefined) continue;
    const op = new Message(bytes);
    const { log, generation, timestamp } = commit;
    if (op.has(6)) {
      const id = idOf(digest, index);
      controls.push({ id, scope, log, generation, parents, op: op.message(6) });
      // Ops of one part follow each other.
      parents = [id];
      continue;
    }
    const [space, key] = [op.number(2), hex(op.bytes(3))];
    versions.push({
      dot: dotOf(log, generation),
      log,
      generation,
      timestamp,
      scope,
      space,
      key,
      row: rowOf(space, key),
      value: op.has(4) ? hex(op.bytes(4)) : undefined,
      context: contextOf(op.numbers(5), logs),
      digest: hex(ofOp),
      part,
    });
  }
  return part;
}

function contextOf(flat: readonly number[], logs: readonly LogName[]): Map<LogName, number> {
  const context = new Map<LogName, number>();
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const log = logs[flat[i] as number];
    if (log !== undefined) context.set(log, flat[i + 1] as number);
  }
  return context;
}

interface OpInput {
  readonly digest: Uint8Array;
  /** `undefined`: never hashed here. */
  readonly bytes: Uint8Array | undefined;
}

/** The ops under a node of the tree, from the left. */
function opsUnder(digest: Uint8Array, preimage: Preimage): OpInput[] {
  const input = preimage(digest);
  if (input === undefined) return [{ digest, bytes: undefined }];
  if (input[0] === 0) return [{ digest, bytes: input.subarray(1) }];
  const ops: OpInput[] = [];
  for (let at = 1; at < input.length; at += 32)
    ops.push(...opsUnder(input.subarray(at, at + 32), preimage));
  return ops;
}

/** @see proto/rookery/ids.proto */
export function readVector(message: Message): Map<LogName, number> {
  return new Map(
    message.messages(1).map((entry) => [readLog(entry.message(1)), entry.number(2)] as const),
  );
}

/** @see proto/rookery/ids.proto */
export function readLog(message: Message): LogName {
  return `${hex(message.bytes(1))}/${message.bigint(2).toString(16).padStart(16, "0")}`;
}

export function readScope(message: Message): ScopeName {
  const kind = message.number(2) === 1 ? "collection" : "syncgroup";
  return scopeNameOf(kind, hex(message.bytes(3)), message.text(4));
}

export function scopeNameOf(kind: string, owner: string, name: string): ScopeName {
  return `${kind}:${owner}:${name}`;
}
