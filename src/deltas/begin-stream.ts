import { verifyCertificate } from "../access/index.ts";
import type { Clock, Crypto, DeviceId } from "../base/index.ts";
import type { History } from "../history/index.ts";
import type { FramedStream } from "../net/index.ts";
import { create, decode, DeltaOpenSchema, DeltaResponseSchema, encode } from "../wire/index.ts";
import { refusalError, SyncError } from "./errors.ts";
import { inTime } from "./in-time.ts";
import { OPEN_TIMEOUT_MS } from "./limits.ts";

/** One long-lived stream per peer, database and direction. */
export const DELTAS_PROTOCOL = "/rookery/sync/deltas/1.0.0";

interface BeginDeps {
  readonly history: Pick<History, "identity">;
  readonly crypto: Crypto;
  readonly clock: Clock;
}

/** Says which database is pulled and who we are. @throws a coded error. [SY2] */
export function sayWho(
  { history }: Pick<BeginDeps, "history">,
  frames: FramedStream,
  database: string,
): Promise<void> {
  const { bytes: certificate } = history.identity.certified;
  return frames.send(encode(DeltaOpenSchema, create(DeltaOpenSchema, { database, certificate })));
}

/** Hears who the peer is: its first frame. @throws a coded error. [SY2] */
export async function hearWho(
  deps: Omit<BeginDeps, "history">,
  frames: FramedStream,
  device: DeviceId,
): Promise<void> {
  const why = "Cannot pull: the peer did not say in time who it is";
  const first = await inTime(deps.clock, frames.receive(), OPEN_TIMEOUT_MS, why);
  if (first === undefined)
    throw new SyncError("SYNC_OFFLINE", "Cannot pull: the peer ended the stream");
  const { opened, refused } = decode(DeltaResponseSchema, first);
  if (refused !== undefined) throw refusalError(refused.code, refused.message);
  if (opened === undefined)
    throw new SyncError("SYNC_PROTOCOL", "Cannot pull: the peer did not say who it is");
  const peer = await verifyCertificate({ crypto: deps.crypto }, opened.certificate);
  if (peer.device !== device) {
    throw new SyncError("SYNC_PROTOCOL", "Cannot pull: the peer's certificate is another device's");
  }
}
