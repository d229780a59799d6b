/** How the estimate of true time changes: plain functions of what was there and what was measured. */

import { CLOCK_AHEAD_MS_MAX } from "../base/index.ts";
import {
  HOPS_MAX,
  NTP_CHANGE_MS_MIN,
  PEER_CHANGE_MS_MIN,
  PEER_REBOOTED_MS_MAX,
  PEER_ROUND_TRIP_MS_MAX,
} from "./limits.ts";

/** What is known of true time. Times and offsets are whole milliseconds. */
export interface ClockState {
  /** True time less what this device's clock says. */
  readonly offset: number;
  /** The offset that NTP, or more than one user's word, stands for: one user's peers lead no further away than a bound. */
  readonly anchor: number;
  /** When an NTP server was last heard, by that server, here or through peers; `undefined`: never. */
  readonly lastNtp: number | undefined;
  /** Peers between here and that server. */
  readonly hops: number;
  /** Restarts of this device, and of those between, since then. */
  readonly reboots: number;
  /** When this machine was started, by its own clock. */
  readonly bootedAt: number;
}

/** What a peer's clock said, measured by four stamps (RFC 5905 §8). */
export interface PeerSample {
  /** Milliseconds by which the peer's estimate is ahead of ours. */
  readonly offsetMs: number;
  /** Milliseconds that request and answer were on their way. */
  readonly roundTripMs: number;
  /** When the peer sent its answer, by its estimate. */
  readonly sent: number;
  readonly lastNtp: number | undefined;
  readonly hops: number;
  readonly reboots: number;
}

/**
 * What became of a peer's word: `followed`, or why not. `small`: it says nearly what we say; `noNtp`: nobody stands for it; `older`: ours is
 * newer; `rebooted`: too far off for one that has restarted; `far`: too many peers between; `implausible`: it cannot be so;
 * `unconfirmed`: too far off for one user's word.
 */
export type PeerVerdict =
  | "followed"
  | "small"
  | "noNtp"
  | "older"
  | "rebooted"
  | "far"
  | "implausible"
  | "unconfirmed";

/** Nothing is known but what the clock says. */
export function initialState(bootedAt: number): ClockState {
  return { offset: 0, anchor: 0, lastNtp: undefined, hops: 0, reboots: 0, bootedAt };
}

/** Whoever begins knows whether the machine, or its clock, is another than before; what lay between nobody has seen. [TI5] */
export function afterOpening(state: ClockState, bootedAt: number, toleranceMs: number): ClockState {
  if (Math.abs(bootedAt - state.bootedAt) <= toleranceMs) return state;
  return { ...state, bootedAt, reboots: state.reboots + 1 };
}

/** The clock was moved by `step` while time was watched: what somebody stands for goes on as if it had not been. [TI4] */
export function afterStep(state: ClockState, step: number): ClockState {
  const bootedAt = state.bootedAt + step;
  if (state.lastNtp === undefined) return { ...state, bootedAt };
  return { ...state, bootedAt, offset: state.offset - step, anchor: state.anchor - step };
}

/** NTP measured `offset` by a server that said `transmit`. [TI6] */
export function afterNtp(state: ClockState, offset: number, transmit: number): ClockState {
  const isSmall = Math.abs(offset - state.offset) <= NTP_CHANGE_MS_MIN;
  const now = isSmall ? state.offset : Math.round(offset);
  const lastNtp = Math.floor(transmit);
  return { ...state, offset: now, anchor: now, lastNtp, hops: 0, reboots: 0 };
}

/** Whether a peer's word would be followed, were it confirmed. [TI7] [TI8] */
export function judgePeer(state: ClockState, sample: PeerSample): PeerVerdict {
  const { offsetMs, roundTripMs, sent, lastNtp, hops, reboots } = sample;
  const distance = Math.abs(offsetMs);
  if (!(roundTripMs >= 0 && roundTripMs <= PEER_ROUND_TRIP_MS_MAX)) return "implausible";
  if (lastNtp !== undefined && lastNtp > sent + PEER_CHANGE_MS_MIN) return "implausible";
  if (distance < PEER_CHANGE_MS_MIN) return "small";
  if (lastNtp === undefined) return "noNtp";
  if (state.lastNtp !== undefined && lastNtp < state.lastNtp) return "older";
  if (reboots > 0 && distance > PEER_REBOOTED_MS_MAX) return "rebooted";
  if (hops + 1 > HOPS_MAX) return "far";
  return "followed";
}

/** A peer's word that is to be followed. `isConfirmed`: not by one user alone. [TI7] [TI9] */
export function afterPeer(
  state: ClockState,
  sample: PeerSample,
  isConfirmed: boolean,
): ClockState | undefined {
  const offset = Math.round(state.offset + sample.offsetMs);
  if (!isConfirmed && Math.abs(offset - state.anchor) > CLOCK_AHEAD_MS_MAX) return undefined;
  const { lastNtp, reboots } = sample;
  const anchor = isConfirmed ? offset : state.anchor;
  return { ...state, offset, anchor, lastNtp, reboots, hops: sample.hops + 1 };
}
