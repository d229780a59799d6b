import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { concatBytes, equalBytes } from "../base/index.ts";
import { BlobAnswerSchema, create, decode, encode } from "../wire/index.ts";
import {
  chunkFieldBytes,
  EMPTY_ANSWER_BYTES,
  encodeAnswer,
  nodeFieldBytes,
} from "./answer-writer.ts";
import { AnswerFiller } from "./answer-filler.ts";
import { ANSWER_BYTES_MAX } from "./limits.ts";

const address = fc.uint8Array({ minLength: 32, maxLength: 32 });
const piece = fc.uint8Array({ minLength: 1, maxLength: 300 });

describe("answers written by hand", () => {
  test("[EX5] have the bytes that the message has", () => {
    fc.assert(
      fc.property(
        fc.record({
          number: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
          nodes: fc.array(piece, { maxLength: 5 }),
          chunks: fc.array(fc.record({ address, data: piece }), { maxLength: 5 }),
          absent: fc.array(address, { maxLength: 5 }),
          isLast: fc.boolean(),
        }),
        (answer) => {
          const written = concatBytes(...encodeAnswer(answer));
          const { absent, ...rest } = answer;
          const message = create(BlobAnswerSchema, { ...rest, absent: concatBytes(...absent) });
          expect(equalBytes(written, encode(BlobAnswerSchema, message))).toBe(true);
          const reckoned =
            answer.nodes.reduce((sum, { length }) => sum + nodeFieldBytes(length), 0) +
            answer.chunks.reduce((sum, { data }) => sum + chunkFieldBytes(data.length), 0) +
            32 * absent.length;
          expect(written.length - reckoned).toBeLessThanOrEqual(EMPTY_ANSWER_BYTES);
        },
      ),
      { seed: 20261127 },
    );
  });

  test("[EX5] frames are filled, and none is too large", async () => {
    const chance = fc.sample(fc.integer({ min: 1, max: 128 * 1024 }), { numRuns: 200, seed: 4 });
    const frames: Uint8Array[] = [];
    const filler = new AnswerFiller(7, async (parts) => void frames.push(concatBytes(...parts)));
    for (const length of chance) {
      await filler.chunk(new Uint8Array(32), new Uint8Array(length));
      if (length % 3 === 0) await filler.absent([new Uint8Array(32)]);
      if (length % 5 === 0) await filler.node(new Uint8Array(length % 9_000 || 1));
    }
    await filler.end();

    const answers = frames.map((frame) => decode(BlobAnswerSchema, frame));
    expect(answers.map(({ isLast }) => isLast).lastIndexOf(false)).toBe(answers.length - 2);
    expect(answers.flatMap(({ chunks }) => chunks.map(({ data }) => data.length))).toEqual(chance);
    for (const [i, { length }] of frames.entries()) {
      expect(length).toBeLessThanOrEqual(ANSWER_BYTES_MAX);
      if (i < frames.length - 1) expect(length).toBeGreaterThan(ANSWER_BYTES_MAX - 132_000);
    }
  });
});
