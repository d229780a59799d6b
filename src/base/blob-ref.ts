import { fromBase64Url, toBase64Url } from "./bytes.ts";
import { ByteReader, ByteWriter } from "./byte-io.ts";
import { equalBytes, fromUtf8, utf8 } from "./bytes.ts";
import { crc32 } from "./crc32.ts";
import { BytesError } from "./errors.ts";
import { BLOB_DEPTH_MAX, MEDIA_TYPE_BYTES_MAX } from "./limits.ts";
import { LONGEST_VARINT_SIZE } from "./varint.ts";

/** Size in bytes of a chunk's or node's address: SHA-256. */
export const ADDRESS_SIZE = 32;

const TEXT_START = "blob:";
const CHECKSUM_SIZE = 4;
/** More than any: versions, size, root, media type and checksum, four characters for three bytes. */
const TEXT_CHARACTERS_MAX =
  TEXT_START.length +
  Math.ceil(
    (4 * (2 + LONGEST_VARINT_SIZE + ADDRESS_SIZE + MEDIA_TYPE_BYTES_MAX + CHECKSUM_SIZE)) / 3,
  );

export interface BlobRefFields {
  /** Address of the root node or only chunk: 32 bytes. */
  readonly root: Uint8Array;
  /** Bytes of the blob, below 2^53. */
  readonly size: number;
  /** Levels of nodes above the chunks, 0 to 7. */
  readonly depth: number;
  /** Version of the chunker that cut it: 1 today, 255 at most. */
  readonly chunker: number;
  /** For whoever shows it: 1 to 255 characters of printable ASCII, so that it is safe in a header. Never trusted. */
  readonly mediaType?: string | undefined;
}

/** Names a blob: immutable content of any size, by its recipe's root. A row value like any other. */
export class BlobRef implements BlobRefFields {
  readonly root: Uint8Array;
  readonly size: number;
  readonly depth: number;
  readonly chunker: number;
  readonly mediaType: string | undefined;
  /** What has it came through the constructor. It also keeps a plain object from being taken for one by the compiler. */
  readonly #isMade = true;

  /** Whether `value` is one, made by this class and so checked. */
  static isBlobRef(value: object): value is BlobRef {
    return #isMade in value && value.#isMade;
  }

  /** @throws {RangeError} when a field is out of its range. */
  constructor({ root, size, depth, chunker, mediaType }: BlobRefFields) {
    const isCount = (value: number, max: number): boolean =>
      Number.isSafeInteger(value) && value >= 0 && value <= max;
    if (root.length !== ADDRESS_SIZE)
      throw new RangeError(`A blob's root has ${ADDRESS_SIZE} bytes, not ${root.length}`);
    if (!isCount(size, Number.MAX_SAFE_INTEGER))
      throw new RangeError("A blob's size is a whole number below 2^53");
    if (!isCount(depth, BLOB_DEPTH_MAX))
      throw new RangeError(`A blob's depth is at most ${BLOB_DEPTH_MAX}`);
    if (!isCount(chunker, 255) || chunker === 0)
      throw new RangeError("A chunker's version is 1 to 255");
    if (mediaType !== undefined && !isMediaType(mediaType))
      throw new RangeError(`A media type has 1 to ${MEDIA_TYPE_BYTES_MAX} characters of ASCII`);
    this.root = root.slice();
    this.size = size;
    this.depth = depth;
    this.chunker = chunker;
    this.mediaType = mediaType;
    Object.freeze(this);
  }

  /** Whether both name the same content and say the same of it. */
  equals(other: BlobRef): boolean {
    return (
      equalBytes(this.root, other.root) &&
      this.size === other.size &&
      this.depth === other.depth &&
      this.chunker === other.chunker &&
      this.mediaType === other.mediaType
    );
  }

  /** The text form, as `formatBlobRef`. */
  toString(): string {
    return formatBlobRef(this);
  }
}

/** Whether `text` may stand as a media type: printable ASCII, not empty, not too long. */
export function isMediaType(text: string): boolean {
  return text.length <= MEDIA_TYPE_BYTES_MAX && /^[\x20-\x7e]+$/.test(text);
}

/**
 * The text form of a BlobRef: `blob:` and base64url of chunker, depth, size, root and media type, with a checksum, since
 * people copy it by hand. [VA9]
 */
export function formatBlobRef(ref: BlobRef): string {
  const out = new ByteWriter(64);
  out.u8(ref.chunker);
  out.u8(ref.depth);
  out.varint(ref.size);
  out.bytes(ref.root);
  if (ref.mediaType !== undefined) out.bytes(utf8(ref.mediaType));
  out.u32(crc32(out.written()));
  return TEXT_START + toBase64Url(out.finish());
}

/** The BlobRef of its text form, or `undefined` when it is none: it was cut, altered, or never was one. [VA9] */
export function parseBlobRef(text: string): BlobRef | undefined {
  if (!text.startsWith(TEXT_START) || text.length > TEXT_CHARACTERS_MAX) return undefined;
  const bytes = fromBase64Url(text.slice(TEXT_START.length));
  if (bytes === undefined) return undefined;
  try {
    const input = new ByteReader(bytes);
    const [chunker, depth, size] = [input.u8(), input.u8(), input.varint()];
    const root = input.bytes(ADDRESS_SIZE);
    const rest = input.bytes(Math.max(0, input.remaining - CHECKSUM_SIZE));
    if (input.u32() !== crc32(bytes.subarray(0, -CHECKSUM_SIZE))) return undefined;
    const mediaType = rest.length === 0 ? undefined : fromUtf8(rest);
    if (rest.length > 0 && mediaType === undefined) return undefined;
    return new BlobRef({ root, size, depth, chunker, mediaType });
  } catch (error) {
    if (error instanceof BytesError || error instanceof RangeError) return undefined;
    throw error;
  }
}
