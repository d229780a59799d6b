import { codeOf } from "../base/index.ts";
import { RefusalError } from "./errors.ts";

/** Codes that only a peer's own doing can bring about, by their beginnings: it is disconnected and counted. */
const PEER_FAULTS: readonly string[] = [
  "ACCESS_CERTIFICATE_INVALID",
  "ACCESS_CONTROL_MALFORMED",
  "ACCESS_FORK_PROOF_INVALID",
  "ACCESS_INVITE_PROOF_INVALID",
  "ACCESS_REVOCATION_INVALID",
  "DB_VALUE_",
  "EXCHANGE_PROTOCOL",
  "HISTORY_FORK",
  "HISTORY_MALFORMED",
  "HISTORY_SIGNATURE_INVALID",
  "HISTORY_UNASKED",
  "HISTORY_UNAUTHORISED",
  "NET_FRAME_MALFORMED",
  "NET_FRAME_TOO_LARGE",
  "RENDEZVOUS_PROTOCOL",
  "SYNC_PROTOCOL",
  "WIRE_",
];

/** Whether the peer broke the protocol, as against our trouble (a full disk) or the network's. */
export function isPeerFault(error: unknown): boolean {
  // What a peer tells us in good form breaks nothing, whatever it says.
  return !(error instanceof RefusalError) && beginsWithOne(PEER_FAULTS, error);
}

/** What a request can be at fault for: everything else that an answer fails by is our own trouble. */
const CALL_FAULTS: readonly string[] = [
  "ACCESS_CERTIFICATE_INVALID",
  "ACCESS_INVITE_PROOF_INVALID",
  "EXCHANGE_PROTOCOL",
  "SYNC_PROTOCOL",
  "WIRE_",
];

/** Whether a request broke the protocol, by what its handler failed with. */
export function isCallFault(error: unknown): boolean {
  return beginsWithOne(CALL_FAULTS, error);
}

function beginsWithOne(faults: readonly string[], error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && faults.some((fault) => code.startsWith(fault));
}
