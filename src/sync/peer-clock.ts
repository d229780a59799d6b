import type { Clock } from "../base/index.ts";
import type { Time } from "../wire/index.ts";
import type { CallClient } from "./calls.ts";
import { SyncError } from "../deltas/index.ts";

/** What a peer's clock says beside ours, measured once by four stamps (RFC 5905 §8). */
export interface PeerTime {
  /** Milliseconds by which the peer's clock is ahead of ours. */
  readonly offsetMs: number;
  /** Milliseconds that request and answer were on their way. */
  readonly roundTripMs: number;
  /** When the peer's clock was last set by NTP, milliseconds since 1970 by its clock; `undefined`: never. */
  readonly lastNtp: number | undefined;
  /** Peers between it and the NTP server. */
  readonly hops: number;
  /** Its restarts since. */
  readonly reboots: number;
}

/** GetTime at a peer. @throws {SyncError} its refusal, `SYNC_TIMEOUT`, `SYNC_PROTOCOL`. */
export async function measureClock(clock: Clock, calls: CallClient): Promise<PeerTime> {
  const sent = clock.monotonic();
  const origin = Math.max(1, Math.floor(clock.now()));
  const response = await calls.call({ case: "getTime", value: { origin: BigInt(origin) } });
  const elapsed = clock.monotonic() - sent;
  if (response.case !== "time" || Number(response.value.origin) !== origin) {
    throw new SyncError("SYNC_PROTOCOL", "Cannot measure clock: the peer answered something else");
  }
  return peerTime(origin, elapsed, response.value);
}

/** Our second stamp is the first and the elapsed time, so that a clock set meanwhile does no harm. */
function peerTime(origin: number, elapsed: number, time: Time): PeerTime {
  const [receive, send] = [Number(time.receive), Number(time.send)];
  return {
    offsetMs: (receive - origin + (send - (origin + elapsed))) / 2,
    roundTripMs: Math.max(0, elapsed - (send - receive)),
    lastNtp: time.lastNtp === undefined ? undefined : Number(time.lastNtp),
    hops: time.hops,
    reboots: time.reboots,
  };
}

/** Our answer to GetTime. This device's clock has never been set by NTP. */
export function timeAnswer(
  clock: Clock,
  origin: bigint,
): { origin: bigint; receive: bigint; send: bigint } {
  const now = BigInt(Math.max(1, Math.floor(clock.now())));
  return { origin, receive: now, send: now };
}
