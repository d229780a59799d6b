/**
 * What is kept of true time in the ordered store.
 *
 *   0x50  -> flags (1: NTP was heard), then as 64-bit numbers offset, anchor, boot time (signed) and last NTP, then hops and reboots
 */

import { ByteReader, ByteWriter, codeOf } from "../base/index.ts";
import type { ClockState } from "./clock-state.ts";

/** The only key. */
export const CLOCK_KEY = Uint8Array.of(0x50);
const HAS_NTP = 1;

export function encodeClock(state: ClockState): Uint8Array {
  const out = new ByteWriter(48);
  out.u8(state.lastNtp === undefined ? 0 : HAS_NTP);
  for (const signed of [state.offset, state.anchor, state.bootedAt])
    out.u64(BigInt.asUintN(64, BigInt(signed)));
  out.u64(BigInt(state.lastNtp ?? 0));
  out.varint(state.hops);
  out.varint(state.reboots);
  return out.finish();
}

/** `undefined` for what is no such record: what is known of true time can be found out again. */
export function decodeClock(bytes: Uint8Array): ClockState | undefined {
  try {
    const read = new ByteReader(bytes);
    const flags = read.u8();
    const signed = (): number => Number(BigInt.asIntN(64, read.u64()));
    const [offset, anchor, bootedAt] = [signed(), signed(), signed()];
    const ntp = Number(read.u64());
    const lastNtp = flags === HAS_NTP ? ntp : undefined;
    const [hops, reboots] = [read.varint(), read.varint()];
    const isWhole = flags <= HAS_NTP && read.remaining === 0;
    return isWhole ? { offset, anchor, bootedAt, lastNtp, hops, reboots } : undefined;
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return undefined;
  }
}
