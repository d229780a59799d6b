import fc from "fast-check";
import { expect, test } from "vitest";
import { FrameWatch, gatherWindowUpdates } from "./libp2p-yamux-guard.ts";

const LENGTH_MAX = 1000;

/** A frame of yamux: type 0 carries content, for the others the length means something else. */
function frame(type: number, length: number, content = type === 0 ? length : 0): Uint8Array {
  const bytes = new Uint8Array(12 + content).fill(type, 12);
  bytes[1] = type;
  new DataView(bytes.buffer).setUint32(8, length);
  return bytes;
}

/** Whether all of `bytes` pass, cut at chance. */
function passes(bytes: Uint8Array, cuts: readonly number[]): boolean {
  const watch = new FrameWatch(LENGTH_MAX);
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  let from = 0;
  for (const end of ends) {
    if (!watch.passes(bytes.subarray(from, end))) return false;
    from = end;
  }
  return true;
}

const small = fc.oneof(
  fc.nat(LENGTH_MAX).map((length) => frame(0, length)),
  fc
    .tuple(fc.integer({ min: 1, max: 3 }), fc.nat(2 ** 32 - 1))
    .map(([type, length]) => frame(type, length)),
);
const cuts = fc.array(fc.nat(), { maxLength: 20 });

test("[NE22] frames within a window pass, however they are cut", () => {
  fc.assert(
    fc.property(fc.array(small, { maxLength: 20 }), cuts, (frames, at) => {
      expect(passes(Buffer.concat(frames), at)).toBe(true);
    }),
    { seed: 22 },
  );
});

test("[NE22] a data frame beyond any window is seen by its header, wherever it comes", () => {
  fc.assert(
    fc.property(
      fc.array(small, { maxLength: 20 }),
      fc.integer({ min: LENGTH_MAX + 1, max: 2 ** 32 - 1 }),
      cuts,
      (frames, length, at) => {
        expect(passes(Buffer.concat([...frames, frame(0, length, 0)]), at)).toBe(false);
      },
    ),
    { seed: 22 },
  );
});

test("[NE36] a window is opened anew when enough of it has been used", () => {
  const stream = {
    state: 3,
    recvWindow: 10_000,
    recvWindowCapacity: 10_000,
    updates: 0,
    sendWindowUpdate(): void {
      this.updates += 1;
      this.recvWindowCapacity = this.recvWindow;
    },
  };
  gatherWindowUpdates(stream, 1000);
  for (let i = 0; i < 25; i++) {
    stream.recvWindowCapacity -= 100;
    stream.sendWindowUpdate();
  }
  expect(stream.updates).toBe(2);
  // What opens a stream, or answers that, says more than how much may be sent.
  stream.state = 2;
  stream.sendWindowUpdate();
  expect(stream.updates).toBe(3);
});
