import fc from "fast-check";
import { expect, test } from "vitest";
import { fromHex, toHex } from "../base/index.ts";
import { ntpAnswerTo } from "../testkit/ntp-server.ts";
import { decodeNtpAnswer, encodeNtpRequest } from "./ntp-packet.ts";

const COOKIE = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const NOW = Date.UTC(2026, 10, 27, 20);
const TIMES = { receive: NOW, transmit: NOW + 250 };

test("[TI2] a request is 48 bytes: its kind and chance, and nothing about this device", () => {
  expect(toHex(encodeNtpRequest(COOKIE))).toBe(`23${"00".repeat(39)}0102030405060708`);
});

test("[TI2] the times of an answer are read to a fraction of a millisecond", () => {
  const bytes = fromHex(
    // Of a server of stratum 2: 2020-09-13T12:26:40.5Z, and a quarter of a second later.
    "240206ec0000010000000200c0000201e3083f80000000000102030405060708e3083f8080000000e3083f80c0000000",
  ) as Uint8Array;
  const at = (0xe3083f80 - 2_208_988_800) * 1000;
  expect(decodeNtpAnswer(bytes, COOKIE)).toEqual({ receive: at + 500, transmit: at + 750 });
  const ours = ntpAnswerTo(encodeNtpRequest(COOKIE), TIMES);
  expect(decodeNtpAnswer(ours, COOKIE)).toEqual(TIMES);
});

test("[TI2] the count of seconds goes on in 2036, and before it began there is nothing", () => {
  for (const year of [1969, 2026, 2035, 2036, 2037, 2100]) {
    const at = Date.UTC(year, 6, 1);
    const answer = ntpAnswerTo(encodeNtpRequest(COOKIE), { receive: at, transmit: at });
    expect(decodeNtpAnswer(answer, COOKIE)).toEqual({ receive: at, transmit: at });
  }
});

test.for([
  ["short", "malformed", (bytes: Uint8Array) => bytes.subarray(0, 47)],
  ["of a client", "malformed", set(0, 0x23)],
  ["of version 2", "malformed", set(0, 0x14)],
  ["of version 5", "malformed", set(0, 0x2c)],
  ["to another request", "other", set(31, 0)],
  ["a kiss of death", "kiss", set(1, 0)],
  ["of a server without a clock", "unsynchronised", set(0, 0xe4)],
  ["of stratum 16", "unsynchronised", set(1, 16)],
  ["far from its clock by delay", "unsynchronised", set(5, 4)],
  ["far from its clock by dispersion", "unsynchronised", set(9, 2)],
  ["without a time of receipt", "malformed", clear(32)],
  ["without a time of answer", "malformed", clear(40)],
  ["sent before it was received", "malformed", set(43, 0)],
] as const)("[TI2] no time is taken from an answer %s", ([, why, change]) => {
  const answer = ntpAnswerTo(encodeNtpRequest(COOKIE), TIMES);
  expect(decodeNtpAnswer(change(answer), COOKIE)).toBe(why);
});

test("[TI2] any bytes are an answer or a refusal", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.boolean(), (bytes, isOurs) => {
      if (isOurs && bytes.length >= 32) bytes.set(COOKIE, 24);
      const answer = decodeNtpAnswer(bytes, COOKIE);
      if (typeof answer !== "string")
        expect(answer.transmit).toBeGreaterThanOrEqual(answer.receive);
    }),
  );
});

function set(at: number, value: number) {
  return (bytes: Uint8Array): Uint8Array => {
    bytes[at] = value;
    return bytes;
  };
}

function clear(at: number) {
  return (bytes: Uint8Array): Uint8Array => bytes.fill(0, at, at + 8);
}
