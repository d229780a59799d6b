/**
 * The estimate of true time: this device's clock, put right by NTP and by peers that have heard it.
 *
 * Start at `TrueTime`. Rules: docs/spec/time.md.
 *
 * @module
 */

export type { PeerSample, PeerVerdict } from "./clock-state.ts";
export { TimeError, type TimeErrorCode } from "./errors.ts";
export { type Datagrams, type NtpServer, parseNtpServers } from "./ntp-client.ts";
export {
  type Exchange,
  type PeerStamps,
  type TimeSource,
  type TimeStatus,
  TrueTime,
  type TrueTimeDeps,
} from "./true-time.ts";
