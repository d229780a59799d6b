import { type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../base/index.ts";
import { type SeededRandom, seededRandom } from "../testkit/index.ts";
import { arbitraryMessage } from "../testkit/wire/wire-arbitrary.ts";
import { mutated } from "../testkit/wire/wire-mutate.ts";
import { decode, decodeCanonical } from "./decode.ts";
import { WireError } from "./errors.ts";
import { sizeLimitOf } from "./field-limits.ts";
import { OpSchema, StoredCommitSchema } from "./generated/rookery/commit_pb.ts";
import { decodeOp } from "./op.ts";
import { SCHEMAS } from "./schemas.ts";
import { decodeStoredCommit } from "./stored-commit.ts";

/** In the name of each test, so that a failure can be run again. */
const SEED = 20_261_124;
const INPUTS = 20_000;
const CORPUS = 200;

const byThemselves = SCHEMAS.filter((schema) => sizeLimitOf(schema) !== undefined);

function corpusOf(schema: DescMessage): Uint8Array[] {
  const messages = fc.sample(arbitraryMessage(schema), { seed: SEED, numRuns: CORPUS });
  return messages.map((message) => toBinary(schema, message));
}

/** What `read` answers, or the code of its refusal. Anything but a `WireError` is a finding. */
function outcome<T>(input: Uint8Array, read: (input: Uint8Array) => T): T | string {
  try {
    return read(input);
  } catch (error) {
    if (error instanceof WireError) return error.code;
    throw new Error(`${toHex(input)} is refused by ${String(error)}`, { cause: error });
  }
}

function forEachInput(
  schema: DescMessage,
  check: (input: Uint8Array) => void,
  inputs = INPUTS,
): void {
  const random: SeededRandom = seededRandom(SEED);
  const corpus = corpusOf(schema);
  // Nearly all are refused: to find out where in the code takes longer than to read them.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    for (let i = 0; i < inputs; i++) check(mutated(random, corpus));
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

describe(`whatever the bytes, seed ${SEED}`, () => {
  test("[WI12] what the walk passes, protobuf's own reader reads; what that refuses, the walk refuses", () => {
    for (const schema of byThemselves.slice(0, 5)) {
      forEachInput(schema, (input) => {
        let isReadable = true;
        try {
          fromBinary(schema, input);
        } catch {
          isReadable = false;
        }
        const message = outcome(input, (bytes) => decode(schema, bytes));
        if (!isReadable && typeof message !== "string") throw new Error(toHex(input));
      });
    }
  });

  test("[WI17] the codecs by hand refuse the same bytes with the same codes", () => {
    const pairs = [
      [OpSchema, decodeOp],
      [StoredCommitSchema, decodeStoredCommit],
    ] as const;
    for (const [schema, byHand] of pairs) {
      let good = 0;
      forEachInput(schema, (input) => {
        const general = outcome(input, (bytes) => decodeCanonical<DescMessage>(schema, bytes));
        const hand = outcome<object>(input, byHand);
        if (typeof hand !== "string") good += 1;
        if (typeof hand !== typeof general) throw new Error(toHex(input));
        if (typeof hand === "string") expect(hand).toBe(general);
      });
      expect(good).toBeGreaterThan(INPUTS / 1000);
    }
  });

  test("[WI12] errors name message and fields, never what they hold", () => {
    const texts = new Set<string>();
    const inputs = 2000;
    for (const schema of byThemselves) {
      const note = (input: Uint8Array): void => {
        try {
          decodeCanonical(schema, input);
        } catch (error) {
          texts.add((error as WireError).message);
        }
      };
      forEachInput(schema, note, inputs);
    }
    // Tens of thousands of different contents, and no more texts than there are paths and reasons.
    expect(texts.size).toBeLessThan((inputs * byThemselves.length) / 10);
    for (const text of texts) expect(text).toMatch(/^Cannot read rookery\.\w+: [\w.,: -]+$/);
    expect(texts).toContain("Cannot read rookery.Op: salt has not the size of 16 bytes");
    expect(texts).toContain("Cannot read rookery.DeltaResponse: commits.part_index is too great");
  });
});
