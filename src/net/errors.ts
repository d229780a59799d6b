import { CodedError } from "../base/index.ts";

/** Every way the network may refuse. docs/errors.md says what to do about each. */
export type NetErrorCode =
  | "NET_ADDRESS_IN_USE"
  | "NET_ADDRESS_INVALID"
  | "NET_CLOSED"
  | "NET_FRAME_MALFORMED"
  | "NET_FRAME_TOO_LARGE"
  | "NET_FRAME_TRUNCATED"
  | "NET_PEER_MISMATCH"
  | "NET_PROTOCOL_UNSUPPORTED"
  | "NET_STREAM_RESET"
  | "NET_STREAMS_FULL"
  | "NET_UNREACHABLE";

export class NetError extends CodedError<NetErrorCode> {}
