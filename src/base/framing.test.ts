import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../testkit/index.ts";
import { AssertionError } from "./assert.ts";
import { concatBytes, toHex } from "./bytes.ts";
import { codeOf } from "./errors.ts";
import { encodeFrame, FrameDecoder, frameHeader } from "./framing.ts";

/** All frames of `pieces`, copied, since pieces are reused. */
function decodeAll(decoder: FrameDecoder, pieces: readonly Uint8Array[]): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (const piece of pieces) {
    decoder.push(piece);
    for (let frame = decoder.next(); frame !== undefined; frame = decoder.next())
      frames.push(frame.slice());
  }
  return frames;
}

function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b);
  return [0, ...places].map((from, i) => bytes.slice(from, places[i] ?? bytes.length));
}

function codeFrom(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return codeOf(error) ?? String(error);
  }
  return undefined;
}

describe("frames", () => {
  test("[BA5] are a length as a varint, then as many bytes", () => {
    expect(toHex(encodeFrame(Uint8Array.of(7, 8)))).toBe("020708");
    expect(toHex(encodeFrame(new Uint8Array()))).toBe("00");
    expect(toHex(frameHeader(300))).toBe("ac02");
    expect(toHex(frameHeader(2 ** 34))).toBe("8080808040");
    for (const size of [-1, 0.5, Number.NaN]) expect(() => frameHeader(size)).toThrow(RangeError);
  });

  test("[BA6] come out as they went in, however the bytes are cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 12 }),
        fc.array(fc.nat(), { maxLength: 30 }),
        (payloads, cuts) => {
          const bytes = concatBytes(...payloads.map(encodeFrame));
          const decoder = new FrameDecoder(400);
          expect(decodeAll(decoder, split(bytes, cuts))).toEqual(payloads);
          expect(decoder.isWithinFrame).toBe(false);
        },
      ),
      { seed: 6, numRuns: 500 },
    );
  });

  test("[BA6] come out when every byte comes alone, and when one is larger than any piece", () => {
    const payload = Uint8Array.from({ length: 70_000 }, (_, i) => i);
    const bytes = concatBytes(encodeFrame(payload), encodeFrame(Uint8Array.of(1)));
    const alone = Array.from(bytes, (byte) => Uint8Array.of(byte));
    expect(decodeAll(new FrameDecoder(70_000), alone)).toEqual([payload, Uint8Array.of(1)]);
    const thirds = split(bytes, [25_000, 50_000]);
    expect(decodeAll(new FrameDecoder(70_000), thirds)).toEqual([payload, Uint8Array.of(1)]);
  });

  test("[BA6] within one piece are views of it", () => {
    const piece = concatBytes(encodeFrame(Uint8Array.of(1, 2)), encodeFrame(Uint8Array.of(3)));
    const decoder = new FrameDecoder(10);
    decoder.push(piece);
    const [first, second] = [decoder.next(), decoder.next()];
    expect([first?.buffer, second?.buffer]).toEqual([piece.buffer, piece.buffer]);
    expect(first?.buffer).toBe(piece.buffer);
    expect(decoder.next()).toBeUndefined();
  });

  test("[BA6] show whether one has begun and not ended", () => {
    const decoder = new FrameDecoder(1000);
    const within: boolean[] = [];
    for (const byte of encodeFrame(new Uint8Array(130))) {
      decodeAll(decoder, [Uint8Array.of(byte)]);
      within.push(decoder.isWithinFrame);
    }
    expect(within).toEqual([...Array<boolean>(131).fill(true), false]);
  });

  test("[BA6] are taken before the next piece is given", () => {
    const decoder = new FrameDecoder(10);
    decoder.push(Uint8Array.of(1, 5, 1, 6));
    decoder.next();
    expect(() => {
      decoder.push(Uint8Array.of(0));
    }).toThrow(AssertionError);
  });

  test("[BA12] over the limit are refused by their length alone, and for good", () => {
    const decoder = new FrameDecoder(1000);
    decoder.push(concatBytes(encodeFrame(Uint8Array.of(9)), frameHeader(1001)));
    expect(decoder.next()).toEqual(Uint8Array.of(9));
    for (let again = 0; again < 3; again++)
      expect(codeFrom(() => decoder.next())).toBe("FRAME_TOO_LARGE");
    const just = new FrameDecoder(1000);
    just.push(frameHeader(1000));
    expect(just.next()).toBeUndefined();
  });

  test.for<[string, string, readonly number[]]>([
    ["a length longer than it need be", "FRAME_MALFORMED", [0x81, 0x00]],
    ["no length in two bytes", "FRAME_MALFORMED", [0x80, 0x00]],
    ["a length that never ends", "FRAME_MALFORMED", Array<number>(20).fill(0xff)],
    ["zeros that never end", "FRAME_MALFORMED", Array<number>(20).fill(0x80)],
    ["a length of 2^34", "FRAME_TOO_LARGE", [0x80, 0x80, 0x80, 0x80, 0x40]],
    ["a length of 2^49", "FRAME_TOO_LARGE", [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]],
  ])("[BA12] are refused for %s", ([, code, bytes]) => {
    const alone = bytes.map((byte) => Uint8Array.of(byte));
    expect(codeFrom(() => decodeAll(new FrameDecoder(1000), alone))).toBe(code);
    expect(codeFrom(() => decodeAll(new FrameDecoder(1000), [Uint8Array.from(bytes)]))).toBe(code);
  });

  const seed = 12;
  test(`[BA12] of hostile bytes are within the limit or refused: 20 000 rounds, seed ${seed}`, () => {
    const random = seededRandom(seed);
    let refused = 0;
    for (let round = 0; round < 20_000; round++) {
      const decoder = new FrameDecoder(64);
      const pieces = Array.from({ length: 1 + random.below(4) }, () =>
        random.bytes(random.below(40)).map((byte) => (random.chance(0.8) ? byte % 40 : byte)),
      );
      let bytes = 0;
      const code = codeFrom(() => {
        for (const frame of decodeAll(decoder, pieces)) {
          expect(frame.length).toBeLessThanOrEqual(64);
          bytes += frame.length + 1;
        }
      });
      if (code !== undefined) {
        refused += 1;
        expect(code).toMatch(/^FRAME_(MALFORMED|TOO_LARGE)$/);
      } else expect(bytes).toBeLessThanOrEqual(concatBytes(...pieces).length);
    }
    expect(refused).toBeGreaterThan(1000);
  });
});
