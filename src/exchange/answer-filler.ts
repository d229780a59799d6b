import { ADDRESS_SIZE } from "../base/index.ts";
import {
  chunkFieldBytes,
  EMPTY_ANSWER_BYTES,
  encodeAnswer,
  nodeFieldBytes,
} from "./answer-writer.ts";
import { ANSWER_BYTES_MAX, REQUEST_ADDRESSES_MAX } from "./limits.ts";

/** Fills the answers to one request, and sends each when no more fits. */
export class AnswerFiller {
  readonly #number: number;
  readonly #send: (parts: readonly Uint8Array[]) => Promise<void>;
  #nodes: Uint8Array[] = [];
  #chunks: { readonly address: Uint8Array; readonly data: Uint8Array }[] = [];
  #absent: Uint8Array[] = [];
  #bytes = EMPTY_ANSWER_BYTES;

  /** `send` resolves when there is room for more. */
  constructor(number: number, send: (parts: readonly Uint8Array[]) => Promise<void>) {
    this.#number = number;
    this.#send = send;
  }

  async node(bytes: Uint8Array): Promise<void> {
    await this.#makeRoom(nodeFieldBytes(bytes.length));
    this.#nodes.push(bytes);
  }

  async chunk(address: Uint8Array, data: Uint8Array): Promise<void> {
    await this.#makeRoom(chunkFieldBytes(data.length));
    this.#chunks.push({ address, data });
  }

  /** What will not come. */
  async absent(addresses: readonly Uint8Array[]): Promise<void> {
    for (const address of addresses) {
      await this.#makeRoom(ADDRESS_SIZE);
      this.#absent.push(address);
    }
  }

  /** Sends what is left, and that it was all. */
  end(): Promise<void> {
    return this.#flush(true);
  }

  async #makeRoom(bytes: number): Promise<void> {
    if (
      this.#bytes + bytes > ANSWER_BYTES_MAX ||
      this.#absent.length >= REQUEST_ADDRESSES_MAX ||
      this.#chunks.length >= REQUEST_ADDRESSES_MAX
    )
      await this.#flush(false);
    this.#bytes += bytes;
  }

  #flush(isLast: boolean): Promise<void> {
    const [nodes, chunks, absent] = [this.#nodes, this.#chunks, this.#absent];
    [this.#nodes, this.#chunks, this.#absent] = [[], [], []];
    this.#bytes = EMPTY_ANSWER_BYTES;
    return this.#send(encodeAnswer({ number: this.#number, nodes, chunks, absent, isLast }));
  }
}
