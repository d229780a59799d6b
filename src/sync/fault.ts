import { codeOf } from "../base/index.ts";

/** Codes that only a peer's own doing can bring about, by their beginnings: it is disconnected and counted. */
const PEER_FAULTS: readonly string[] = [
  "ACCESS_CERTIFICATE_INVALID",
  "ACCESS_CONTROL_MALFORMED",
  "DB_VALUE_",
  "HISTORY_FORK",
  "HISTORY_MALFORMED",
  "HISTORY_SIGNATURE_INVALID",
  "HISTORY_UNASKED",
  "HISTORY_UNAUTHORISED",
  "NET_FRAME_MALFORMED",
  "NET_FRAME_TOO_LARGE",
  "SYNC_PROTOCOL",
  "WIRE_",
];

/** Whether the peer broke the protocol, as against our trouble (a full disk) or the network's. */
export function isPeerFault(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && PEER_FAULTS.some((fault) => code.startsWith(fault));
}
