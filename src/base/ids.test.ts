import { publicKeyFromRaw } from "@libp2p/crypto/keys";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "./bytes.ts";
import {
  coversVector,
  equalVectors,
  generationIn,
  type GenVector,
  joinVectors,
} from "./gen-vector.ts";
import {
  type DeviceId,
  deviceIdOf,
  deviceInAddress,
  deviceKeyOf,
  type LogKey,
  logIdOf,
  logKeyOf,
  parseDeviceId,
  parseUserId,
  scopeKeyOf,
  type UserId,
  userIdOf,
  userKeyOf,
} from "./ids.ts";

const publicKey = fc.uint8Array({ minLength: 32, maxLength: 32 });
const KEY = Uint8Array.from({ length: 32 }, (_, i) => i);

describe("names of devices and users", () => {
  test("[BA1] are texts of their keys, and nothing else", () => {
    fc.assert(
      fc.property(publicKey, (some) => {
        const [device, user] = [deviceIdOf(some), userIdOf(some)];
        expect(device).toMatch(/^12D3Koo\w+$/);
        expect(user).toMatch(/^did:key:z6Mk\w+$/);
        expect(toHex(deviceKeyOf(device))).toBe(toHex(some));
        expect(toHex(userKeyOf(user))).toBe(toHex(some));
        expect([parseDeviceId(device), parseUserId(user)]).toEqual([device, user]);
      }),
      { seed: 1 },
    );
  });

  test("[BA1] are those that libp2p and the did:key method give", () => {
    fc.assert(
      fc.property(publicKey, (some) => {
        expect(deviceIdOf(some)).toBe(publicKeyFromRaw(some).toString());
      }),
      { seed: 11, numRuns: 20 },
    );
    // From the did:key method's own examples.
    const key = fromHex("3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29");
    expect(userIdOf(key as Uint8Array)).toBe(
      "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp",
    );
  });

  test("[BA1] are refused when cut, altered, of another kind or too long", () => {
    const [device, user] = [deviceIdOf(KEY), userIdOf(KEY)];
    const texts = [
      "",
      device.slice(0, -1),
      `${device}1`,
      `1${device}`,
      device.replace("W", "0"),
      device.toLowerCase(),
      user.slice("did:key:".length),
      user.slice(0, -1),
      user.replace("did:key:", "did:web:"),
      `z${device}`,
      "1".repeat(100_000),
    ];
    for (const text of texts) {
      expect(parseDeviceId(text)).toBeUndefined();
      expect(parseUserId(text)).toBeUndefined();
      expect(() => deviceKeyOf(text as DeviceId)).toThrow(TypeError);
      expect(() => userKeyOf(text as UserId)).toThrow(TypeError);
    }
    expect(parseDeviceId(user)).toBeUndefined();
    expect(parseUserId(device)).toBeUndefined();
    for (const size of [0, 31, 33])
      expect(() => deviceIdOf(new Uint8Array(size))).toThrow(RangeError);
  });

  test("[BA1] the device that an address ends with is read out of it, and nothing else is", () => {
    const [device, other] = [deviceIdOf(KEY), deviceIdOf(new Uint8Array(32))];
    const relayed = `/ip4/192.0.2.1/tcp/1/p2p/${other}/p2p-circuit/p2p/${device}`;
    for (const address of [`/ip4/192.0.2.1/tcp/1/p2p/${device}`, relayed, `/p2p/${device}`])
      expect(deviceInAddress(address)).toBe(device);
    const none = [
      "",
      device,
      `/ip4${device}`,
      `ip4/p2p/${device}`,
      `/p2p/${device}/tcp/1`,
      "/ip4/192.0.2.1/tcp/1",
      "/p2p/",
    ];
    for (const address of none) expect(deviceInAddress(address), address).toBeUndefined();
  });
});

describe("names of logs and scopes", () => {
  test("[BA13] of logs are read back", () => {
    fc.assert(
      fc.property(publicKey, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (some, incarnation) => {
        const log = { device: deviceIdOf(some), incarnation };
        expect(logIdOf(logKeyOf(log))).toEqual(log);
        expect(logKeyOf(log)).toMatch(/\/[0-9a-f]{16}$/);
      }),
      { seed: 13 },
    );
  });

  test("[BA13] of scopes differ when the scopes do", () => {
    const scope = fc.record({
      database: fc.string({ unit: fc.constantFrom("a", '"', ",", ":", "\\", "]"), maxLength: 4 }),
      kind: fc.constantFrom("collection" as const, "syncgroup" as const),
      owner: fc.constantFrom(userIdOf(KEY), userIdOf(new Uint8Array(32))),
      name: fc.string({ unit: fc.constantFrom("a", '"', ",", ":", "\\", "]"), maxLength: 4 }),
    });
    fc.assert(
      fc.property(scope, scope, (a, b) => {
        const isSame =
          a.database === b.database &&
          a.kind === b.kind &&
          a.owner === b.owner &&
          a.name === b.name;
        expect(scopeKeyOf(a) === scopeKeyOf(b)).toBe(isSame);
      }),
      { seed: 131, numRuns: 2000 },
    );
  });
});

describe("generation vectors", () => {
  const vector: fc.Arbitrary<GenVector> = fc
    .array(fc.tuple(fc.constantFrom("a", "b", "c", "d"), fc.integer({ min: 1, max: 5 })))
    .map((entries) => new Map(entries as [LogKey, number][]));

  test("[BA15] join to the least that covers both, in any order and however often", () => {
    fc.assert(
      fc.property(vector, vector, vector, (a, b, c) => {
        const join = joinVectors(a, b);
        expect(coversVector(join, a) && coversVector(join, b)).toBe(true);
        expect(coversVector(join, joinVectors(b, a))).toBe(true);
        expect(equalVectors(join, joinVectors(b, a))).toBe(true);
        expect(equalVectors(a, b)).toBe(coversVector(a, b) && coversVector(b, a));
        expect(coversVector(joinVectors(b, a), join)).toBe(true);
        for (const log of ["a", "b", "c", "d"] as LogKey[]) {
          expect(generationIn(join, log)).toBe(
            Math.max(generationIn(a, log), generationIn(b, log)),
          );
        }
        if (coversVector(c, a) && coversVector(c, b)) expect(coversVector(c, join)).toBe(true);
        expect(
          coversVector(joinVectors(joinVectors(a, b), c), joinVectors(a, joinVectors(b, c))),
        ).toBe(true);
        expect(coversVector(join, joinVectors(join, a))).toBe(true);
      }),
      { seed: 15, numRuns: 500 },
    );
  });

  test("[BA15] cover entry by entry, and a log that is not named is at 0", () => {
    const a: GenVector = new Map([["a" as LogKey, 2]]);
    const b: GenVector = new Map([["b" as LogKey, 1]]);
    expect(coversVector(a, b) || coversVector(b, a)).toBe(false);
    expect(coversVector(new Map(), new Map())).toBe(true);
    expect(generationIn(a, "b" as LogKey)).toBe(0);
    expect(joinVectors(a, b)).toEqual(
      new Map([
        ["a", 2],
        ["b", 1],
      ]),
    );
    expect(a.size).toBe(1);
  });
});
