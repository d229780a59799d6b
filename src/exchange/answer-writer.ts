/**
 * BlobAnswer written by hand: the bytes of chunks go out as they were read, without being copied into a message. The same
 * bytes as `encode` makes; a differential test holds them together.
 */

import { ADDRESS_SIZE, assert, varintSize, writeVarint } from "../base/index.ts";
import { ANSWER_BYTES_MAX } from "./limits.ts";

/** Field number, shifted over the wire type. */
const TAG = { number: 0x08, nodes: 0x12, chunks: 0x1a, absent: 0x22, isLast: 0x28 } as const;
const CHUNK_TAG = { address: 0x0a, data: 0x12 } as const;

/** What one answer carries, in the order of the message's fields. */
export interface AnswerParts {
  readonly number: number;
  /** Canonical bytes of nodes. */
  readonly nodes?: readonly Uint8Array[];
  readonly chunks?: readonly { readonly address: Uint8Array; readonly data: Uint8Array }[];
  /** 32 bytes each. */
  readonly absent?: readonly Uint8Array[];
  readonly isLast: boolean;
}

/** The canonical bytes of an answer, in parts; the bytes of chunks are views of what was given. */
export function encodeAnswer(answer: AnswerParts): Uint8Array[] {
  const { number, nodes = [], chunks = [], absent = [], isLast } = answer;
  const parts: Uint8Array[] = [head(TAG.number, number)];
  for (const node of nodes) parts.push(head(TAG.nodes, node.length), node);
  for (const { address, data } of chunks) parts.push(chunkHead(address, data.length), data);
  if (absent.length > 0) parts.push(head(TAG.absent, absent.length * ADDRESS_SIZE), ...absent);
  if (isLast) parts.push(Uint8Array.of(TAG.isLast, 1));
  assert(
    parts.reduce((sum, part) => sum + part.length, 0) <= ANSWER_BYTES_MAX,
    "an answer fits its frame",
  );
  return parts;
}

/** At most the bytes of an answer beside what it carries: number, the head of `absent`, `isLast`. */
export const EMPTY_ANSWER_BYTES = 12;

/** Bytes that a node takes in an answer. */
export function nodeFieldBytes(length: number): number {
  return 1 + varintSize(length) + length;
}

/** Bytes that a chunk takes in an answer. */
export function chunkFieldBytes(length: number): number {
  const inner = innerChunkBytes(length);
  return 1 + varintSize(inner) + inner;
}

function innerChunkBytes(length: number): number {
  return 2 + ADDRESS_SIZE + 1 + varintSize(length) + length;
}

/** Everything of a chunk's field before its bytes. */
function chunkHead(address: Uint8Array, length: number): Uint8Array {
  const inner = innerChunkBytes(length);
  const bytes = new Uint8Array(1 + varintSize(inner) + inner - length);
  bytes[0] = TAG.chunks;
  let at = writeVarint(bytes, 1, inner);
  bytes[at++] = CHUNK_TAG.address;
  bytes[at++] = ADDRESS_SIZE;
  bytes.set(address, at);
  at += ADDRESS_SIZE;
  bytes[at++] = CHUNK_TAG.data;
  writeVarint(bytes, at, length);
  return bytes;
}

function head(tag: number, value: number): Uint8Array {
  const bytes = new Uint8Array(1 + varintSize(value));
  bytes[0] = tag;
  writeVarint(bytes, 1, value);
  return bytes;
}
