import { expect, test } from "vitest";
import { userIdOf } from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { FORMAT_CHANGED, goldenPairs, twoWays } from "../testkit/golden.ts";
import { formatPairTicket, type PairTicket, parsePairTicket } from "./index.ts";

const crypto = nodeCrypto();
const LEAST: PairTicket = {
  user: userIdOf(new Uint8Array(32).fill(0x61)),
  addresses: [],
  secret: new Uint8Array(32).fill(0x62),
};
const USUAL: PairTicket = { ...LEAST, addresses: ["/ip4/192.0.2.1/tcp/4001/p2p/x"] };

const cases = Object.entries({ least: LEAST, usual: USUAL }).map(([name, ticket]) =>
  twoWays(
    "pairing ticket",
    name,
    ticket,
    (value) => formatPairTicket(value, crypto),
    (text: string) => parsePairTicket(text, crypto),
  ),
);

test.for(goldenPairs("pairing", cases))("[FO3] $name", ({ written, committed, readAgain }) => {
  expect(written, FORMAT_CHANGED).toEqual(committed);
  expect(readAgain(), FORMAT_CHANGED).toEqual(committed);
});
