import { fromBase64Url, toBase64Url } from "./base64url.ts";
import { BytesError, ByteReader, ByteWriter } from "./byte-io.ts";
import { equalBytes, fromUtf8, utf8 } from "./bytes.ts";
import { BLOB_DEPTH_MAX, MEDIA_TYPE_BYTES_MAX } from "./limits.ts";

/** Size in bytes of a chunk's or node's address: SHA-256. */
export const ADDRESS_SIZE = 32;

const TEXT_START = "blob:";

export interface BlobRefFields {
  /** Address of the root node or only chunk: 32 bytes. */
  readonly root: Uint8Array;
  /** Bytes of the blob, below 2^53. */
  readonly size: number;
  /** Levels of nodes above the chunks, 0 to 7. */
  readonly depth: number;
  /** Version of the chunker that cut it: 1 today. */
  readonly chunker: number;
  /** For whoever shows it, at most 255 bytes; never trusted. */
  readonly mediaType?: string | undefined;
}

/** Names a blob: immutable content of any size, by its recipe's root. A row value like any other. */
export class BlobRef implements BlobRefFields {
  readonly root: Uint8Array;
  readonly size: number;
  readonly depth: number;
  readonly chunker: number;
  readonly mediaType: string | undefined;

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
    if (!isCount(chunker, 255)) throw new RangeError("A chunker's version is at most 255");
    if (
      mediaType !== undefined &&
      (mediaType === "" ||
        !mediaType.isWellFormed() ||
        utf8(mediaType).length > MEDIA_TYPE_BYTES_MAX)
    ) {
      throw new RangeError(`A media type has 1 to ${MEDIA_TYPE_BYTES_MAX} bytes`);
    }
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

  /** The text form: `blob:` and base64url of chunker, depth, size, root, media type. */
  toString(): string {
    return formatBlobRef(this);
  }
}

/** The text form of a BlobRef. [VA9] */
export function formatBlobRef(ref: BlobRef): string {
  const out = new ByteWriter(64);
  out.u8(ref.chunker);
  out.u8(ref.depth);
  out.varint(ref.size);
  out.bytes(ref.root);
  if (ref.mediaType !== undefined) out.bytes(utf8(ref.mediaType));
  return TEXT_START + toBase64Url(out.finish());
}

/** The BlobRef of its text form, or `undefined` when it is none. [VA9] */
export function parseBlobRef(text: string): BlobRef | undefined {
  if (!text.startsWith(TEXT_START) || text.length > 1024) return undefined;
  const bytes = fromBase64Url(text.slice(TEXT_START.length));
  if (bytes === undefined) return undefined;
  try {
    const input = new ByteReader(bytes);
    const [chunker, depth, size] = [input.u8(), input.u8(), input.varint()];
    const root = input.bytes(ADDRESS_SIZE);
    const rest = input.bytes(input.remaining);
    const mediaType = rest.length === 0 ? undefined : fromUtf8(rest);
    if (rest.length > 0 && mediaType === undefined) return undefined;
    return new BlobRef({ root, size, depth, chunker, mediaType });
  } catch (error) {
    if (error instanceof BytesError || error instanceof RangeError) return undefined;
    throw error;
  }
}
