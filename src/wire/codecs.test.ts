import { create, type DescMessage, equals, type MessageShape, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AssertionError, codeOf, concatBytes, deviceIdOf, logKeyOf } from "../base/index.ts";
import { arbitraryMessage } from "../testkit/wire/wire-arbitrary.ts";
import { decode, decodeCanonical } from "./decode.ts";
import { decodeDeltaFrame, type DeltaFrame, encodeParts, type WirePart } from "./delta-frame.ts";
import { encode, refusalOf } from "./encode.ts";
import { SpecSchema, TicketSchema } from "./generated/rookery/access_pb.ts";
import {
  CommitHeaderSchema,
  type Op,
  OpSchema,
  PartHeaderSchema,
  type StoredCommit,
  StoredCommitSchema,
} from "./generated/rookery/commit_pb.ts";
import {
  type CommitPart,
  CommitPartSchema,
  DeltaResponseSchema,
} from "./generated/rookery/deltas_pb.ts";
import {
  type LogId,
  LogIdSchema,
  type ScopeId,
  ScopeIdSchema,
  ScopeKind,
} from "./generated/rookery/ids_pb.ts";
import { sizeLimitOf } from "./field-limits.ts";
import { encodeCommitHeader, encodePartHeader } from "./headers.ts";
import { encodeLogId } from "./ids.ts";
import { decodeOp, encodeOp, type WireOp } from "./op.ts";
import { planOf } from "./plan.ts";
import { SCHEMAS } from "./schemas.ts";
import { decodeStoredCommit, encodeStoredCommit, type WireStoredCommit } from "./stored-commit.ts";
import { walkMessage } from "./walk.ts";

const SEED = 20_261_124;
const OPTIONS = { seed: SEED, numRuns: 300 };

const byThemselves = SCHEMAS.filter((schema) => sizeLimitOf(schema) !== undefined);

describe("encoding", () => {
  test.for(byThemselves.map((schema) => [schema.typeName, schema] as const))(
    "[WI14] %s: is read as it was written, and written again the same",
    ([, schema]) => {
      fc.assert(
        fc.property(arbitraryMessage(schema), (message) => {
          const bytes = encode(schema, message);
          const read = decodeCanonical(schema, bytes);
          expect(equals(schema, read, message)).toBe(true);
          expect(encode(schema, read)).toEqual(bytes);
        }),
        OPTIONS,
      );
    },
  );

  test.for(SCHEMAS.map((schema) => [schema.typeName, schema] as const))(
    "[WI14] %s: what protobuf writes of it is canonical",
    ([, schema]) => {
      fc.assert(
        fc.property(arbitraryMessage(schema), (message) => {
          walkMessage(planOf(schema), toBinary(schema, message), true);
        }),
        OPTIONS,
      );
    },
  );

  test("[WI14] unknown fields of a message are not written", () => {
    const salt = new Uint8Array(16).fill(1);
    const message = create(OpSchema, { salt });
    message.$unknown = [{ no: 60, wireType: 0, data: Uint8Array.of(1) }];
    expect(encode(OpSchema, message)).toEqual(encodeOp({ ...EMPTY_OP, salt }));
  });

  test("[WI16] our own message that everybody would refuse is a bug, and can be asked about before", () => {
    const breaches = [
      create(OpSchema, { salt: new Uint8Array(15) }),
      create(OpSchema),
      create(OpSchema, { salt: new Uint8Array(16), space: 3 }),
      create(OpSchema, { salt: new Uint8Array(16), value: new Uint8Array(1024 * 1024 + 1) }),
    ];
    const codes = breaches.map((message) => refusalOf(OpSchema, message)?.code);
    expect(codes).toEqual(["WIRE_LIMIT", "WIRE_MISSING", "WIRE_LIMIT", "WIRE_LIMIT"]);
    for (const message of breaches) {
      expect(() => encode(OpSchema, message)).toThrow(AssertionError);
      expect(() => encode(OpSchema, message)).toThrow(/^Our own rookery\.Op cannot be sent: /);
    }
    const good = create(OpSchema, { salt: new Uint8Array(16) });
    expect(refusalOf(OpSchema, good)).toBeUndefined();
  });

  test("[WI16] each field within its limit and the whole over its own", () => {
    const addresses = Array.from({ length: 16 }, () => "a".repeat(256));
    const group = {
      database: "d",
      kind: ScopeKind.SYNCGROUP,
      owner: new Uint8Array(32),
      name: "n",
    };
    const ticket = create(TicketSchema, { group, addresses, secret: new Uint8Array(32) });
    expect(refusalOf(TicketSchema, ticket)?.code).toBe("WIRE_TOO_LARGE");
  });

  test("[WI16] values of wrong types are bugs", () => {
    const wrong = create(OpSchema, { salt: new Uint8Array(16), space: -1 });
    expect(() => encode(OpSchema, wrong)).toThrow(AssertionError);
  });

  test("[WI2] a message that only stands inside others is neither encoded nor decoded", () => {
    const log = create(LogIdSchema, { device: new Uint8Array(32).fill(1) });
    expect(() => encode(LogIdSchema, log)).toThrow(AssertionError);
    expect(() => decode(SpecSchema, new Uint8Array())).toThrow(AssertionError);
  });

  test("[WI13] bytes are views of the bytes they came from", () => {
    const header = create(CommitHeaderSchema, {
      log: { device: new Uint8Array(32).fill(1) },
      generation: 1n,
      parts: [new Uint8Array(32).fill(2)],
    });
    const bytes = encode(CommitHeaderSchema, header);
    const [part] = decode(CommitHeaderSchema, bytes).parts;
    expect(part?.buffer).toBe(bytes.buffer);
    const op = encodeOp({ ...EMPTY_OP, value: Uint8Array.of(1, 2, 3) });
    const { salt, value } = decodeOp(op);
    expect([salt.buffer, value?.buffer]).toEqual([op.buffer, op.buffer]);
  });

  test("[WI7] an empty message of a type with required fields", () => {
    expect(() => decode(ScopeIdSchema, new Uint8Array())).toThrow("database is missing");
  });
});

const bytes32 = new Uint8Array(32).fill(5);

function logNameOf(log: LogId | undefined): Uint8Array {
  const { device, incarnation } = log as LogId;
  const bytes = encodeLogId(logKeyOf({ device: deviceIdOf(device), incarnation }));
  expect(bytes).toEqual(toBinary(LogIdSchema, log as LogId));
  return bytes;
}

const EMPTY_OP: WireOp = {
  salt: new Uint8Array(16).fill(7),
  space: 0,
  key: new Uint8Array(),
  value: undefined,
  context: [],
  control: undefined,
};

function plainOp({ salt, space, key, value, context, control }: Op): WireOp {
  return {
    salt,
    space,
    key,
    value: value.length === 0 ? undefined : value,
    context: context.map(Number),
    control: control.length === 0 ? undefined : control,
  };
}

function plainStoredCommit(commit: StoredCommit): WireStoredCommit {
  const { header, signature, part, partIndex, sequence, held, elided } = commit;
  return {
    header,
    signature,
    part,
    partIndex,
    sequence: Number(sequence),
    held,
    elided: elided.map(({ first, count, digest }) => ({ first, count, digest })),
  };
}

function plainPart(commit: CommitPart | WirePart): WirePart {
  const { header, signature, part, partIndex, ops, elided, more } = commit;
  return {
    header,
    signature,
    part,
    partIndex,
    ops: [...ops],
    elided: elided.map(({ first, count, digest }) => ({ first, count, digest })),
    more,
  };
}

/** Both codecs over the same messages: equal bytes, and equal objects back. */
function holdTogether<Schema extends DescMessage, Plain>(
  schema: Schema,
  plain: (message: MessageShape<Schema>) => Plain,
  byHand: { encode(value: Plain): Uint8Array; decode(bytes: Uint8Array): Plain },
): void {
  fc.assert(
    fc.property(arbitraryMessage(schema), (message) => {
      const bytes = toBinary(schema, message);
      expect(byHand.encode(plain(message))).toEqual(bytes);
      expect(byHand.decode(bytes)).toEqual(plain(message));
    }),
    { seed: SEED, numRuns: 2000 },
  );
}

describe("codecs by hand", () => {
  test("[WI17] ops", () => {
    holdTogether(OpSchema, plainOp, { encode: encodeOp, decode: decodeOp });
  });

  test("[WI17] stored commits", () => {
    const byHand = { encode: encodeStoredCommit, decode: decodeStoredCommit };
    holdTogether(StoredCommitSchema, plainStoredCommit, byHand);
  });

  test("[WI17] frames of parts", () => {
    fc.assert(
      fc.property(arbitraryMessage(DeltaResponseSchema), (frame) => {
        const bytes = toBinary(DeltaResponseSchema, frame);
        const general = decode(DeltaResponseSchema, bytes);
        const read = decodeDeltaFrame(bytes);
        expect({ ...read, commits: read.commits.map(plainPart) }).toEqual({
          ...general,
          commits: general.commits.map(plainPart),
        });
        const { commits } = frame;
        const parts = encodeParts(commits.map(plainPart));
        expect(parts).toEqual(
          toBinary(DeltaResponseSchema, create(DeltaResponseSchema, { commits })),
        );
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  test("[WI17] frames that are not as we write them, or not whole, are read and refused as by the general reader", () => {
    const outcome = (read: () => DeltaFrame): unknown => {
      try {
        return read().commits.map(plainPart);
      } catch (error) {
        return codeOf(error);
      }
    };
    fc.assert(
      fc.property(
        arbitraryMessage(DeltaResponseSchema),
        fc.nat(),
        fc.nat({ max: 255 }),
        fc.boolean(),
        (frame, place, byte, isCut) => {
          const bytes = toBinary(DeltaResponseSchema, frame);
          const at = place % Math.max(1, bytes.length);
          const altered = isCut ? bytes.subarray(0, at) : bytes.with(at, byte);
          expect(outcome(() => decodeDeltaFrame(altered))).toEqual(
            outcome(() => decode(DeltaResponseSchema, altered)),
          );
        },
      ),
      { seed: SEED, numRuns: 800 },
    );
    const part = { header: bytes32, ops: Array.from({ length: 9000 }, () => new Uint8Array(1)) };
    const many = create(DeltaResponseSchema, { commits: [part, part, part, part] });
    const bytes = toBinary(DeltaResponseSchema, many);
    expect(outcome(() => decodeDeltaFrame(bytes))).toBe("WIRE_LIMIT");
    const twice = create(DeltaResponseSchema, { commits: [part], pageEnd: {} });
    const before = toBinary(DeltaResponseSchema, twice);
    const after = encodeParts([plainPart(many.commits[0] as CommitPart)]);
    expect(decodeDeltaFrame(concatBytes(before, after)).commits).toHaveLength(2);
  });

  test("[WI16] parts that everybody would refuse are bugs", () => {
    const good = plainPart(create(CommitPartSchema, { header: bytes32 }));
    expect(encodeParts([good]).length).toBeGreaterThan(0);
    for (const breach of [
      { header: new Uint8Array(9217) },
      { signature: new Uint8Array(63) },
      { part: new Uint8Array(65_537) },
      { partIndex: 256 },
      { ops: [new Uint8Array(1_100_001)] },
      { ops: Array.from({ length: 10_001 }, () => new Uint8Array(1)) },
      { elided: [{ first: 0, count: 0, digest: bytes32 }] },
    ])
      expect(() => encodeParts([{ ...good, ...breach }])).toThrow(AssertionError);
    expect(() => encodeParts(Array.from({ length: 10_001 }, () => good))).toThrow(AssertionError);
  });

  test("[WI17] headers of commits and parts", () => {
    fc.assert(
      fc.property(arbitraryMessage(CommitHeaderSchema), (header) => {
        const { log, generation, previous, timestamp, parts, hint } = header;
        const bytes = encodeCommitHeader({
          log: logNameOf(log),
          generation: Number(generation),
          previous: previous.length === 0 ? undefined : previous,
          timestamp,
          parts,
          hint,
        });
        expect(bytes).toEqual(encode(CommitHeaderSchema, header));
      }),
      { seed: SEED, numRuns: 2000 },
    );
    fc.assert(
      fc.property(arbitraryMessage(PartHeaderSchema), (header) => {
        const { salt, scope, previousGeneration, controlHeads, logs, opCount } = header;
        const controlCount = Math.min(header.controlCount, opCount);
        const bytes = encodePartHeader({
          salt,
          scope: toBinary(ScopeIdSchema, scope as ScopeId),
          previousGeneration: Number(previousGeneration),
          controlHeads,
          logs: logs.map(logNameOf),
          opCount,
          controlCount,
        });
        expect(bytes).toEqual(encode(PartHeaderSchema, { ...header, controlCount }));
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  test("[WI16] headers that everybody would refuse are bugs", () => {
    const log = encodeLogId(logKeyOf({ device: deviceIdOf(bytes32), incarnation: 1n }));
    const commit = {
      log,
      generation: 1,
      previous: undefined,
      timestamp: 0n,
      parts: [bytes32],
      hint: "",
    };
    expect(encodeCommitHeader(commit).length).toBeGreaterThan(0);
    for (const breach of [
      { generation: 0 },
      { previous: new Uint8Array(31) },
      { timestamp: 2n ** 64n },
      { parts: Array.from({ length: 257 }, () => bytes32) },
      { parts: [new Uint8Array(33)] },
      { hint: "h".repeat(257) },
    ])
      expect(() => encodeCommitHeader({ ...commit, ...breach })).toThrow(AssertionError);
    const part = {
      salt: new Uint8Array(16),
      scope: new Uint8Array(50),
      previousGeneration: 0,
      controlHeads: [bytes32],
      logs: [log],
      opCount: 1,
      controlCount: 0,
    };
    expect(encodePartHeader(part).length).toBeGreaterThan(0);
    for (const breach of [
      { salt: new Uint8Array(15) },
      { previousGeneration: -1 },
      { controlHeads: [new Uint8Array(31)] },
      { controlHeads: Array.from({ length: 257 }, () => bytes32) },
      { logs: Array.from({ length: 1025 }, () => log) },
      { opCount: 0 },
      { opCount: 10_001 },
      { controlCount: 2 },
      { scope: new Uint8Array(65_536) },
    ])
      expect(() => encodePartHeader({ ...part, ...breach })).toThrow(AssertionError);
  });

  test("[WI17] numbers at the edges of each size of a varint", () => {
    const edges = Array.from({ length: 53 }, (_, bits) => 2 ** (bits + 1)).flatMap((power) => [
      power - 1,
      power,
    ]);
    const context = [0, ...edges.filter(Number.isSafeInteger), Number.MAX_SAFE_INTEGER];
    const op = { ...EMPTY_OP, context };
    const message = create(OpSchema, { salt: op.salt, context: context.map(BigInt) });
    expect(encodeOp(op)).toEqual(toBinary(OpSchema, message));
    expect(decodeOp(encodeOp(op))).toEqual(op);
  });

  test("[WI17] contents at the edges of each size of a size, and of shared memory", () => {
    for (const size of [1, 24, 25, 127, 128, 1024, 16_383, 16_384, 1024 * 1024]) {
      const op = { ...EMPTY_OP, value: new Uint8Array(size).fill(size) };
      expect(encodeOp(op)).toEqual(
        toBinary(OpSchema, create(OpSchema, { salt: op.salt, value: op.value })),
      );
      expect(decodeOp(encodeOp(op))).toEqual(op);
    }
  });

  test("[WI17] ops that share memory do not share bytes", () => {
    const ops = Array.from({ length: 500 }, (_, i) => ({
      ...EMPTY_OP,
      value: new Uint8Array(60 + (i % 90)).fill(i),
    }));
    const encoded = ops.map((op) => encodeOp(op));
    expect(encoded.map((bytes) => decodeOp(bytes))).toEqual(ops);
  });

  test("[WI17] a commit of as many keys as a batch has", () => {
    const commit: WireStoredCommit = {
      header: new Uint8Array(200).fill(1),
      signature: new Uint8Array(64).fill(2),
      part: new Uint8Array(300).fill(3),
      partIndex: 255,
      sequence: Number.MAX_SAFE_INTEGER,
      held: Array.from({ length: 10_000 }, (_, i) => new Uint8Array(i % 1027).fill(i)),
      elided: Array.from({ length: 100 }, (_, i) => ({
        first: i,
        count: 100 + i,
        digest: new Uint8Array(32).fill(i),
      })),
    };
    const bytes = encodeStoredCommit(commit);
    expect(decodeStoredCommit(bytes)).toEqual(commit);
    expect(decode(StoredCommitSchema, bytes).held.length).toBe(10_000);
  });

  test.for<[string, Partial<WireOp>]>([
    ["a salt of another size", { salt: new Uint8Array(15) }],
    ["a space that there is not", { space: 3 }],
    ["a space that is no number", { space: Number.NaN }],
    ["half a space", { space: 0.5 }],
    ["a long key", { key: new Uint8Array(1025) }],
    ["an empty value", { value: new Uint8Array() }],
    ["a long value", { value: new Uint8Array(1024 * 1024 + 1) }],
    ["a long context", { context: Array.from({ length: 513 }, () => 1) }],
    ["a context beyond 2^53", { context: [0, 2 ** 53] }],
    ["a context below 0", { context: [-1, 1] }],
    ["an empty control op", { control: new Uint8Array() }],
    ["a long control op", { control: new Uint8Array(65_537) }],
    [
      "more than an op in all",
      { value: new Uint8Array(1024 * 1024), control: new Uint8Array(65_536) },
    ],
  ])("[WI16] encodeOp: %s", ([, breach]) => {
    expect(() => encodeOp({ ...EMPTY_OP, ...breach })).toThrow(AssertionError);
  });

  test.for<[string, Partial<WireStoredCommit>]>([
    ["no header", { header: new Uint8Array() }],
    ["a long header", { header: new Uint8Array(9217) }],
    ["a signature of another size", { signature: new Uint8Array(63) }],
    ["no part", { part: new Uint8Array() }],
    ["a long part", { part: new Uint8Array(65_537) }],
    ["a part index beyond 255", { partIndex: 256 }],
    ["a sequence beyond 2^53", { sequence: 2 ** 53 }],
    ["a long name", { held: [new Uint8Array(1027)] }],
    ["many names", { held: Array.from({ length: 10_001 }, () => new Uint8Array(1)) }],
    ["nothing elided", { elided: [{ first: 1, count: 0, digest: new Uint8Array(32) }] }],
    ["a digest of another size", { elided: [{ first: 1, count: 1, digest: new Uint8Array(31) }] }],
    ["ops beyond a batch", { elided: [{ first: 10_001, count: 1, digest: new Uint8Array(32) }] }],
  ])("[WI16] encodeStoredCommit: %s", ([, breach]) => {
    const good: WireStoredCommit = {
      header: Uint8Array.of(1),
      signature: new Uint8Array(64),
      part: Uint8Array.of(1),
      partIndex: 0,
      sequence: 0,
      held: [],
      elided: [],
    };
    expect(() => encodeStoredCommit(good)).not.toThrow();
    expect(() => encodeStoredCommit({ ...good, ...breach })).toThrow(AssertionError);
  });
});
