/**
 * A blob's recipe: a tree over its chunks in order. A node names nodes of the level below it, or chunks, each with the
 * number of the blob's bytes below. A node is a chunk itself; its one form in bytes is the BlobNode message. Rules:
 * docs/spec/blobs.md.
 */

import {
  ADDRESS_SIZE,
  BLOB_DEPTH_MAX,
  type BlobRef,
  type Crypto,
  equalBytes,
} from "../base/index.ts";
import {
  CHUNK_BYTES_MAX,
  CONTENT,
  contentChunk,
  type VerifiedChunk,
  verifyChunk,
} from "../chunks/index.ts";
import { BlobNodeSchema, create, decodeCanonical, encode } from "../wire/index.ts";
import { invalid } from "./errors.ts";
import { NODE_ENTRIES_MAX } from "./limits.ts";

/** What a node names: a chunk when its level is 1, else a node of the level below. */
export interface RecipeEntry {
  /** 32 bytes. */
  readonly address: Uint8Array;
  /** The blob's bytes in it and below it, from 1. */
  readonly size: number;
}

/** A node as what stands above it names it: another node, or a BlobRef. */
export interface NodeName extends RecipeEntry {
  /** From 1, which is just above the chunks, to 7. A root of level 0 is a chunk. */
  readonly level: number;
}

/** A node that is what its name says. */
export interface RecipeNode extends NodeName {
  /** In the blob's order: 1 to 256. */
  readonly entries: readonly RecipeEntry[];
}

/** A node whose bytes were held against its address: made by us or checked, and ready to be stored. [BL4] */
export class VerifiedNode implements RecipeNode {
  readonly address: Uint8Array;
  readonly size: number;
  readonly level: number;
  readonly entries: readonly RecipeEntry[];
  /** It is a chunk like any other. */
  readonly chunk: VerifiedChunk;
  /** Keeps a plain object from being taken for one. */
  readonly #isVerified = true;

  private constructor(chunk: VerifiedChunk, { size, level }: Omit<NodeName, "address">) {
    this.address = chunk.address;
    this.size = size;
    this.level = level;
    this.entries = parseNode({ address: chunk.address, size, level }, chunk.bytes);
    this.chunk = chunk;
  }

  /** See `makeNode`. */
  static make(crypto: Crypto, level: number, entries: readonly RecipeEntry[]): VerifiedNode {
    const size = entries.reduce((sum, entry) => sum + entry.size, 0);
    return new VerifiedNode(contentChunk(crypto, encodeNode(level, entries)), { size, level });
  }

  /** See `checkNode`. */
  static check(crypto: Crypto, name: NodeName, bytes: Uint8Array): VerifiedNode {
    const chunk = verifyChunk(crypto, { kind: CONTENT, address: name.address }, bytes);
    if (chunk === undefined) throw invalid("a node's bytes are not those of its address");
    return new VerifiedNode(chunk, name);
  }

  /** Whether `value` was made by this class. */
  static isVerified(value: object): boolean {
    return #isVerified in value && value.#isVerified;
  }
}

/** A node of our own over 1 to 256 entries. [BL1] */
export function makeNode(
  crypto: Crypto,
  level: number,
  entries: readonly RecipeEntry[],
): VerifiedNode {
  return VerifiedNode.make(crypto, level, entries);
}

/**
 * The node of bytes that somebody sent under a name that is trusted: its address, level and size are as named, its sizes
 * add up, and it has the one form. To be called before any of its entries is used. [BL4]
 *
 * @throws {BlobError} `BLOB_INVALID`.
 */
export function checkNode(crypto: Crypto, name: NodeName, bytes: Uint8Array): VerifiedNode {
  return VerifiedNode.check(crypto, name, bytes);
}

/**
 * The chunk of bytes that somebody sent under a name that is trusted. [BL5]
 *
 * @throws {BlobError} `BLOB_INVALID` when its address or its size is another.
 */
export function checkChunk(crypto: Crypto, name: RecipeEntry, bytes: Uint8Array): VerifiedChunk {
  const chunk = verifyChunk(crypto, { kind: CONTENT, address: name.address }, bytes);
  if (chunk === undefined) throw invalid("a chunk's bytes are not those of its address");
  if (bytes.length !== name.size) throw invalid("a chunk is not as long as it says");
  return chunk;
}

/** The canonical bytes of a node. [BL1] */
function encodeNode(level: number, entries: readonly RecipeEntry[]): Uint8Array {
  const addresses = new Uint8Array(ADDRESS_SIZE * entries.length);
  entries.forEach(({ address }, i) => addresses.set(address, ADDRESS_SIZE * i));
  const sizes = entries.map(({ size }) => BigInt(size));
  return encode(BlobNodeSchema, create(BlobNodeSchema, { level, addresses, sizes }));
}

/**
 * The entries of a node whose bytes are known to be those of its address. Their addresses are views of `bytes`. [BL4]
 *
 * @throws {BlobError} `BLOB_INVALID` when it is not what `name` says.
 */
export function parseNode(name: NodeName, bytes: Uint8Array): RecipeEntry[] {
  const { level, addresses, sizes } = decodeNode(bytes);
  if (level !== name.level) throw invalid("a node's level is not the one below");
  const count = sizes.length;
  if (count === 0 || count > NODE_ENTRIES_MAX || addresses.length !== count * ADDRESS_SIZE)
    throw invalid("a node has not as many addresses as sizes, or none");
  const sizeMax = capacityOf(level - 1);
  let sum = 0;
  const entries = sizes.map((size, i) => {
    const entry = {
      address: addresses.subarray(i * ADDRESS_SIZE, (i + 1) * ADDRESS_SIZE),
      size: Number(size),
    };
    if (entry.size === 0 || entry.size > sizeMax) throw invalid("an entry's size cannot be");
    sum += entry.size;
    return entry;
  });
  if (sum !== name.size) throw invalid("a node's sizes do not add up");
  return entries;
}

function decodeNode(bytes: Uint8Array): {
  level: number;
  addresses: Uint8Array;
  sizes: readonly bigint[];
} {
  try {
    return decodeCanonical(BlobNodeSchema, bytes);
  } catch (error) {
    throw invalid("what should be a node is none", error);
  }
}

/** Bytes of a blob that can stand under one address of a level: a chunk has level 0. */
function capacityOf(level: number): number {
  return Math.min(CHUNK_BYTES_MAX * NODE_ENTRIES_MAX ** level, Number.MAX_SAFE_INTEGER);
}

/**
 * What a BlobRef names: its root node or, with level 0, its only chunk; `undefined` when the blob is empty. [BL3]
 *
 * @throws {BlobError} `BLOB_INVALID` when no blob can be as it says.
 */
export function rootOf(
  crypto: Crypto,
  { root, size, depth }: Pick<BlobRef, "root" | "size" | "depth">,
): NodeName | undefined {
  if (depth > BLOB_DEPTH_MAX || size > capacityOf(depth))
    throw invalid("a blob of that depth cannot be that large");
  if (size > 0) return { address: root, size, level: depth };
  if (depth > 0) throw invalid("an empty blob has no nodes");
  if (!equalBytes(root, crypto.sha256(new Uint8Array())))
    throw invalid("the root of an empty blob is the hash of nothing");
  return undefined;
}
