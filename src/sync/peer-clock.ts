import type { Clock, Logger, Random, UserId } from "../base/index.ts";
import type { History } from "../history/index.ts";
import { SyncError } from "../deltas/index.ts";
import { type PeerSample, type PeerVerdict, TrueTime } from "../time/index.ts";
import type { CallClient } from "./calls.ts";

/** What a peer's estimate of true time says beside ours. */
export interface PeerTime extends Omit<PeerSample, "sent"> {
  /** What our estimate did with it. */
  readonly verdict: PeerVerdict;
}

/**
 * GetTime at a peer, a device of `user`'s where that is known; our estimate takes its word where it may. `undefined` when a clock
 * was moved meanwhile: then it says nothing.
 *
 * @throws {SyncError} its refusal, `SYNC_TIMEOUT`, `SYNC_PROTOCOL`.
 */
export async function measureClock(
  time: TrueTime,
  calls: CallClient,
  user: UserId | undefined,
): Promise<PeerTime | undefined> {
  const exchange = time.beginExchange();
  const response = await calls.call({
    case: "getTime",
    value: { origin: BigInt(exchange.origin) },
  });
  if (response.case !== "time" || Number(response.value.origin) !== exchange.origin) {
    throw new SyncError("SYNC_PROTOCOL", "Cannot measure clock: the peer answered something else");
  }
  const { receive, send, lastNtp, hops, reboots } = response.value;
  const sample = exchange.end({
    receive: Number(receive),
    send: Number(send),
    lastNtp: lastNtp === undefined ? undefined : Number(lastNtp),
    hops,
    reboots,
  });
  if (sample === undefined) return undefined;
  const { sent: _, ...measured } = sample;
  // Who is nobody's device that we know of has no word.
  return { ...measured, verdict: user === undefined ? "noNtp" : time.noteSample(sample, user) };
}

/** Our answer to GetTime: stamps by our estimate, and what it rests on. */
export function timeAnswer(time: TrueTime, origin: bigint): TimeAnswer {
  const now = BigInt(Math.max(1, Math.floor(time.now())));
  const { lastNtp, hops, reboots } = time.claim;
  const heard = lastNtp === undefined || lastNtp < 0 ? {} : { lastNtp: BigInt(lastNtp) };
  return { origin, receive: now, send: now, hops, reboots, ...heard };
}

interface TimeAnswer {
  readonly origin: bigint;
  readonly receive: bigint;
  readonly send: bigint;
  readonly lastNtp?: bigint;
  readonly hops: number;
  readonly reboots: number;
}

/** The estimate of true time. Default: what the clock says, put right by peers. */
export interface TimeDeps {
  readonly time: TrueTime;
}

/** What a clock says, put right by peers, where nobody has handed in more. */
export function clockOf(deps: {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly history: History;
}): TrueTime {
  return TrueTime.of({ ...deps, user: () => deps.history.identity.certified.user });
}
