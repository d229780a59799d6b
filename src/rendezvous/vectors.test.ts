import { expect, test } from "vitest";
import type { ControlId } from "../access/index.ts";
import { concatBytes, deviceIdOf, toHex } from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { FORMAT_CHANGED, type GoldenCase, goldenPairs } from "../testkit/golden.ts";
import { signRegistration, tokenOf } from "./registration.ts";

const crypto = nodeCrypto();
const rendezvous = deviceIdOf(new Uint8Array(32).fill(0x71));
const founding = toHex(new Uint8Array(32).fill(0x72)) as ControlId;
const token = tokenOf(crypto, founding, rendezvous);
const seed = new Uint8Array(32).fill(0x73);
const device = deviceIdOf(await crypto.publicKey(seed));

const registrations = {
  least: { token, device, addresses: [], expires: 1 },
  usual: {
    token,
    device,
    addresses: [`/ip4/192.0.2.1/tcp/4001/p2p/${device}`],
    expires: 1_700_000_000_000,
  },
  greatest: { token, device, addresses: [], expires: Number.MAX_SAFE_INTEGER },
};

const cases: readonly GoldenCase[] = [
  { record: "token", name: "usual", value: { founding, rendezvous }, output: token },
  ...(await Promise.all(
    Object.entries(registrations).map(async ([name, value]) => {
      const { registration, signature } = await signRegistration(crypto, seed, value);
      const output = concatBytes(registration, signature);
      return { record: "registration and signature", name, value, output };
    }),
  )),
];

test.for(goldenPairs("rendezvous", cases))("[FO3] $name", ({ written, committed, readAgain }) => {
  expect(written, FORMAT_CHANGED).toEqual(committed);
  expect(readAgain(), FORMAT_CHANGED).toEqual(committed);
});
