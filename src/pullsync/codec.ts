import type { PullEntry } from "./ports.ts";

/** The answer to the cursors stream. */
export interface PullCursors {
  /** 32 of them. */
  readonly cursors: readonly bigint[];
  readonly epoch: bigint;
}

export interface GetMessage {
  readonly bin: number;
  readonly start: bigint;
  /** The last BinID asked for; `undefined`: whatever comes. */
  readonly to: bigint | undefined;
}

export interface OfferMessage {
  readonly topmost: bigint;
  readonly entries: readonly PullEntry[];
}

/** All empty: what was wanted is not there any more. */
export interface DeliveryMessage {
  readonly address: Uint8Array;
  readonly data: Uint8Array;
  readonly stamp: Uint8Array;
}

/**
 * How the messages of one version of the protocol are written. Reading throws an error with a code when the bytes are none, or
 * break a limit; bytes fields are views of the frame.
 */
export interface PullCodec {
  /** As in protocol ids. */
  readonly version: string;
  /** Whether Get carries `to`, which the server then keeps to. */
  readonly hasTo: boolean;
  readonly encodeSyn: () => Uint8Array;
  readonly decodeSyn: (bytes: Uint8Array) => void;
  readonly encodeAck: (message: PullCursors) => Uint8Array;
  readonly decodeAck: (bytes: Uint8Array) => PullCursors;
  readonly encodeGet: (message: GetMessage) => Uint8Array;
  readonly decodeGet: (bytes: Uint8Array) => GetMessage;
  readonly encodeOffer: (message: OfferMessage) => Uint8Array;
  readonly decodeOffer: (bytes: Uint8Array) => OfferMessage;
  readonly encodeWant: (bits: Uint8Array) => Uint8Array;
  readonly decodeWant: (bytes: Uint8Array) => Uint8Array;
  /** In parts, so that a chunk is not copied. */
  readonly encodeDelivery: (message: DeliveryMessage) => readonly Uint8Array[];
  readonly decodeDelivery: (bytes: Uint8Array) => DeliveryMessage;
}
