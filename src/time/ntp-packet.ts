/**
 * The packet of NTP version 4 (RFC 5905 §7.3), as a client of it needs it: 48 bytes, big-endian.
 *
 *   0 leap, version, mode   1 stratum   2 poll   3 precision   4 root delay   8 root dispersion   12 reference id
 *   16 reference time   24 origin time   32 receive time   40 transmit time
 */

import { equalBytes } from "../base/index.ts";
import { NTP_ROOT_DISTANCE_MS_MAX } from "./limits.ts";

export const NTP_PACKET_SIZE = 48;
/** Bytes of a cookie, which stands where our time would: by its return an answer proves that it is to this request. */
export const NTP_COOKIE_SIZE = 8;

/** No leap warning, version 4, client. */
const CLIENT = 0x23;
const SERVER_MODE = 4;
const UNSYNCHRONISED = 3;
const STRATUM_MAX = 15;
/** Seconds from 1900, when NTP's count begins, to 1970. */
const SECONDS_1970 = 2_208_988_800;
/** Seconds of an NTP era. Counts in the lower half are of the next one, from 2036 on (RFC 4330 §3). */
const ERA = 2 ** 32;

/** What a server says, when it says the time. */
export interface NtpAnswer {
  /** When it received the request and sent the answer, in milliseconds since 1970. */
  readonly receive: number;
  readonly transmit: number;
}

/** Why an answer gives no time. `kiss`: the server asks not to be asked. */
export type NtpRefusal = "malformed" | "other" | "kiss" | "unsynchronised";

/** A request. The cookie is chance: our time is nobody's business. @see RFC 8915 §5.2, RFC 9109 */
export function encodeNtpRequest(cookie: Uint8Array): Uint8Array {
  const packet = new Uint8Array(NTP_PACKET_SIZE);
  packet[0] = CLIENT;
  packet.set(cookie, 40);
  return packet;
}

/** The time in an answer to the request with this cookie, or why there is none. Extensions after the packet are ignored. [TI2] */
export function decodeNtpAnswer(bytes: Uint8Array, cookie: Uint8Array): NtpAnswer | NtpRefusal {
  if (bytes.length < NTP_PACKET_SIZE) return "malformed";
  const [first, stratum] = bytes as unknown as [number, number];
  const version = (first >> 3) & 7;
  if ((first & 7) !== SERVER_MODE || version < 3 || version > 4) return "malformed";
  if (!equalBytes(bytes.subarray(24, 32), cookie)) return "other";
  if (stratum === 0) return "kiss";
  if (first >> 6 === UNSYNCHRONISED || stratum > STRATUM_MAX) return "unsynchronised";
  const view = new DataView(bytes.buffer, bytes.byteOffset, NTP_PACKET_SIZE);
  const distance = shortMs(view, 4) / 2 + shortMs(view, 8);
  if (distance > NTP_ROOT_DISTANCE_MS_MAX) return "unsynchronised";
  const [receive, transmit] = [timeMs(view, 32), timeMs(view, 40)];
  if (receive === undefined || transmit === undefined || transmit < receive) return "malformed";
  return { receive, transmit };
}

/** 16 bits of seconds and 16 of a fraction. */
function shortMs(view: DataView, at: number): number {
  return (view.getUint32(at) / 65_536) * 1000;
}

/** 32 bits of seconds and 32 of a fraction; `undefined` for all zeros, which says nothing. */
function timeMs(view: DataView, at: number): number | undefined {
  const [seconds, fraction] = [view.getUint32(at), view.getUint32(at + 4)];
  if (seconds === 0 && fraction === 0) return undefined;
  const era = seconds >= ERA / 2 ? 0 : ERA;
  return (era + seconds - SECONDS_1970 + fraction / ERA) * 1000;
}
