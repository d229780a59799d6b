import { readUserFile, writeUserFile } from "#platform";
import { BlobRef } from "../base/index.ts";
import type { BlobPut, BlobPutOptions, BlobRange, Blobs, BlobStatus } from "../blobs/index.ts";
import type { FetchProgress } from "../exchange/index.ts";
import type { Network } from "./network.ts";
import { isByteStream, iterableOf, streamOf } from "./streams.ts";

/**
 * Where a blob's bytes come from: bytes, the path of a file, a `Blob` or `File`, a stream of the web, or anything that
 * yields bytes. Streams are read as fast as they are stored, and memory holds a bounded part of them.
 */
export type BlobSource =
  | Uint8Array
  | string
  | Blob
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
  | Iterable<Uint8Array>;

/** What to read of a blob. */
export interface BlobReadOptions extends BlobRange {
  readonly signal?: AbortSignal | undefined;
}

/** A blob that is to be read. Everything read is checked against its name. */
export class PeerBlob {
  readonly ref: BlobRef;
  readonly #blobs: Blobs;

  constructor(blobs: Blobs, ref: BlobRef) {
    this.#blobs = blobs;
    this.ref = ref;
  }

  /** Whether a range of it, default all, is on this device. @throws {RangeError} when it is no range of the blob. */
  isHere(range: BlobRange = {}): Promise<boolean> {
    return this.#blobs.isHere(this.ref, range);
  }

  /** All of it, in memory. @throws {BlobError} `BLOB_NOT_HERE`; {RangeError} when it is over `BLOB_BYTES_AT_ONCE_MAX`. */
  bytes(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<Uint8Array> {
    return this.#blobs.bytes(this.ref, options);
  }

  /**
   * A range of it, default all, read as it is asked for: only what it needs. Fails where something is not here, or not what it
   * should be, with a {BlobError}.
   *
   * @throws {RangeError} when it is no range of the blob.
   */
  stream(options: BlobReadOptions = {}): ReadableStream<Uint8Array> {
    return streamOf(this.#blobs.read(this.ref, options));
  }

  /** Writes all of it into a file, which is there whole and durable or not at all. @throws {FileError}, and as `bytes`. */
  async file(
    path: string,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    await writeUserFile(path, this.#blobs.read(this.ref, options));
  }
}

/** The blobs of a peer: files by their content, whatever rows name them. */
export class PeerBlobs {
  readonly #blobs: Blobs;
  readonly #network: Network;

  constructor(blobs: Blobs, network: Network) {
    this.#blobs = blobs;
    this.#network = network;
  }

  /**
   * Stores a blob. When it resolves all of it is durable here; others get it once a row of a shared collection names it. What
   * is here already is not stored again, so a put that died goes on where it was. The media type of a `Blob` is its own, unless
   * it is given.
   *
   * @throws {TypeError} for what gives no bytes; {RangeError} for a media type that is none; {FileError} `FILE_NOT_READ`; {ChunkError} `CHUNKS_FULL` and others; what
   *   the source threw; the signal's reason.
   */
  async put(source: BlobSource, options: BlobPutOptions = {}): Promise<BlobPut> {
    const own = source instanceof Blob && source.type !== "" ? { mediaType: source.type } : {};
    return this.#blobs.put(bytesOf(source), { ...own, ...options });
  }

  /** A blob to be read. Nothing is looked up before it is. @throws {TypeError} for what is no BlobRef. */
  get(ref: BlobRef): PeerBlob {
    mustBeRef(ref);
    return new PeerBlob(this.#blobs, ref);
  }

  /**
   * Gets what is not here of a blob from peers, and tells how far it is until all of it is durable here. It waits while nobody
   * has it; ended early, by leaving the loop or by the signal, the next fetch goes on from there.
   *
   * @throws {NetError} when the network cannot be started; {ChunkError}; the signal's reason.
   */
  async *fetch(
    ref: BlobRef,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<FetchProgress, void, undefined> {
    mustBeRef(ref);
    if (await this.#blobs.isWhole(ref)) {
      const { size } = ref;
      yield { state: "done", received: size, total: size, fromLocal: size, peers: 0 };
      return;
    }
    const exchange = await this.#network.exchange();
    yield* exchange.fetch(ref, options);
  }

  /** How much of a blob is here. */
  async status(ref: BlobRef): Promise<BlobStatus> {
    mustBeRef(ref);
    return this.#blobs.status(ref);
  }
}

function bytesOf(source: BlobSource): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  if (source instanceof Uint8Array) return [source];
  if (typeof source === "string") return readUserFile(source);
  if (source instanceof Blob) return iterableOf(source.stream());
  const given: unknown = source;
  if (typeof given === "object" && given !== null) {
    if (isByteStream(source)) return iterableOf(source);
    if (Symbol.asyncIterator in given || Symbol.iterator in given) return source;
  }
  throw new TypeError(
    "A blob is put from a Uint8Array, the path of a file, a Blob, a stream, or what yields Uint8Arrays",
  );
}

/** The compiler sees to it, where there is one. */
function mustBeRef(ref: unknown): void {
  if (typeof ref === "object" && ref !== null && BlobRef.isBlobRef(ref)) return;
  throw new TypeError("A blob is named by a BlobRef; parseBlobRef makes one of its text");
}
