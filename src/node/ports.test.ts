import { getEventListeners } from "node:events";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex, utf8 } from "../base/index.ts";
import { nodeClock, nodeCrypto, nodeRandom } from "./index.ts";

const crypto = nodeCrypto();
const hex = (text: string): Uint8Array =>
  fromHex(text.replaceAll(/\s/g, "")) ?? expect.unreachable();

// RFC 8032 §7.1, tests 1 to 3.
const RFC_8032 = [
  {
    seed: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    publicKey: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    message: "",
    signature:
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  },
  {
    seed: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    publicKey: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    message: "72",
    signature:
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  },
  {
    seed: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    publicKey: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    message: "af82",
    signature:
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
  },
];

describe("crypto", () => {
  test("SHA-256 gives the digest of FIPS 180-4, as plain bytes", () => {
    const digest = crypto.sha256(utf8("abc"));
    expect(toHex(digest)).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(Object.getPrototypeOf(digest)).toBe(Uint8Array.prototype);
  });

  test.for(RFC_8032)(
    "Ed25519 signs and checks as in RFC 8032: message $message",
    async (vector) => {
      const seed = hex(vector.seed);
      const check = {
        publicKey: hex(vector.publicKey),
        message: hex(vector.message),
        signature: hex(vector.signature),
      };
      expect(await crypto.publicKey(seed)).toEqual(check.publicKey);
      expect(await crypto.sign(seed, check.message)).toEqual(check.signature);
      expect(await crypto.verify([check])).toEqual([true]);
    },
  );

  test("many checks are answered in order, whatever is wrong with some", async () => {
    const good = RFC_8032.map((v) => ({
      publicKey: hex(v.publicKey),
      message: hex(v.message),
      signature: hex(v.signature),
    }));
    const [first, second] = good;
    if (first === undefined || second === undefined) return expect.unreachable();
    const bad = [
      { ...first, publicKey: first.publicKey.subarray(1) },
      { ...first, publicKey: new Uint8Array(32).fill(0xff) },
      { ...first, publicKey: new Uint8Array(0) },
      { ...first, signature: first.signature.subarray(0, 63) },
      { ...first, signature: new Uint8Array(64).fill(0xff) },
      { ...first, message: utf8("another") },
      { ...first, publicKey: second.publicKey },
    ];
    const checks = [...good, ...bad, ...good];
    const answers = checks.map((check) => good.includes(check));
    expect(await crypto.verify(checks)).toEqual(answers);
    for (const [i, check] of checks.entries())
      expect(await crypto.verify([check])).toEqual([answers[i]]);
    expect(await crypto.verify([])).toEqual([]);
  });

  test("a signature does not survive the change of any bit", async () => {
    const seed = hex(RFC_8032[0]?.seed ?? "");
    const publicKey = await crypto.publicKey(seed);
    const message = utf8("a message of some length");
    const signature = await crypto.sign(seed, message);
    await fc.assert(
      fc.asyncProperty(fc.nat(8 * (signature.length + message.length) - 1), async (bit) => {
        const changed = { publicKey, message: message.slice(), signature: signature.slice() };
        const at = bit >> 3;
        const target = at < 64 ? changed.signature : changed.message;
        const i = at < 64 ? at : at - 64;
        target[i] = (target[i] as number) ^ (1 << (bit & 7));
        expect(await crypto.verify([changed])).toEqual([false]);
      }),
      { seed: 8032, numRuns: 60 },
    );
  });

  test("more keys than are kept parsed are all answered", async () => {
    const checks = await Promise.all(
      Array.from({ length: 300 }, async (_, i) => {
        const seed = crypto.sha256(Uint8Array.of(i >> 8, i & 255));
        const message = Uint8Array.of(i & 255);
        return {
          publicKey: await crypto.publicKey(seed),
          message,
          signature: await crypto.sign(seed, message),
        };
      }),
    );
    expect(await crypto.verify(checks)).toEqual(checks.map(() => true));
    expect(await crypto.verify(checks)).toEqual(checks.map(() => true));
  });

  test("HKDF without salt gives test case 3 of RFC 5869, and uses are kept apart", async () => {
    const secret = new Uint8Array(22).fill(0x0b);
    expect(toHex(await crypto.hkdf(secret, "", 42))).toBe(
      "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    );
    expect(await crypto.hkdf(secret, "one", 32)).not.toEqual(
      await crypto.hkdf(secret, "other", 32),
    );
    await expect(crypto.hkdf(secret, "", 255 * 32 + 1)).rejects.toThrow();
  });
});

test("random bytes are as many as asked for, fresh each time, and plain", () => {
  const random = nodeRandom();
  expect(random.bytes(0)).toHaveLength(0);
  expect(random.bytes(33)).toHaveLength(33);
  expect(random.bytes(16)).not.toEqual(random.bytes(16));
  const drawn = Array.from({ length: 1000 }, (_, i) => random.bytes(16 + (i % 3) * 24));
  expect(new Set(drawn.map((bytes) => toHex(bytes.subarray(0, 16)))).size).toBe(1000);
  expect(new Set(drawn.map((bytes) => bytes.buffer)).size).toBe(1000);
  expect(drawn.every((bytes) => bytes.some((byte) => byte !== 0))).toBe(true);
  expect(Object.getPrototypeOf(random.bytes(4))).toBe(Uint8Array.prototype);
});

describe("clock", () => {
  const clock = nodeClock();

  test("monotonic time does not go back, sleep resolves", async () => {
    const before = clock.monotonic();
    await clock.sleep(0);
    await clock.sleep(2);
    expect(clock.monotonic()).toBeGreaterThanOrEqual(before);
    expect(Number.isSafeInteger(clock.now())).toBe(true);
  });

  test("sleep rejects with the reason of the signal, before and during, and lets go of the signal", async () => {
    const reason = new Error("enough");
    await expect(clock.sleep(60_000, AbortSignal.abort(reason))).rejects.toBe(reason);
    const ending = new AbortController();
    const sleeping = clock.sleep(Number.MAX_SAFE_INTEGER, ending.signal);
    ending.abort(reason);
    await expect(sleeping).rejects.toBe(reason);
    expect(getEventListeners(ending.signal, "abort")).toEqual([]);
  });
});
