/** Commits as a liar wants them, signed with its own key. Digests are made by the words of commit.proto. */

import { type ControlOp, controlIdBytes, encodeControlOp } from "../../access/index.ts";
import {
  concatBytes,
  type Crypto,
  encodeValue,
  type LogKey,
  type Random,
  type ScopeId,
  utf8,
} from "../../base/index.ts";
import type { CommitPart } from "../../history/index.ts";
import {
  CommitHeaderSchema,
  create,
  encode,
  encodeOp,
  logToWire,
  PartHeaderSchema,
  scopeToWire,
} from "../../wire/index.ts";

/** What is forged. */
export interface Forgery {
  readonly scope: ScopeId;
  readonly log: LogKey;
  readonly generation: number;
  readonly previousGeneration: number;
  /** Digest of the commit that it names as the one before it; absent: of none that there is. */
  readonly previous?: Uint8Array | undefined;
  /** Row keys that it writes. */
  readonly keys: readonly string[];
  readonly space?: number | undefined;
  readonly controls?: readonly ControlOp[] | undefined;
  /** Milliseconds since 1970. */
  readonly timestampMs: number;
  /** Ids of the control heads that it names. */
  readonly heads: readonly string[];
}

export interface ForgeDeps {
  readonly crypto: Crypto;
  readonly random: Random;
  /** Of whoever signs. */
  readonly deviceSeed: Uint8Array;
}

/** A commit of one part. */
export async function forge(deps: ForgeDeps, forgery: Forgery): Promise<CommitPart> {
  const { crypto, random, deviceSeed } = deps;
  const { scope, keys, space = 0, controls = [], generation, heads } = forgery;
  const salt = (): Uint8Array => random.bytes(16);
  const nothing = new Uint8Array();
  const value = encodeValue({ t: `<lie ${generation}>` });
  const ops = [
    ...controls.map((op) =>
      encodeOp({
        salt: salt(),
        space: 0,
        key: nothing,
        value: undefined,
        context: [],
        control: encodeControlOp(op),
      }),
    ),
    ...keys.map((key) =>
      encodeOp({ salt: salt(), space, key: utf8(key), value, context: [], control: undefined }),
    ),
  ];
  const part = encode(
    PartHeaderSchema,
    create(PartHeaderSchema, {
      salt: salt(),
      scope: scopeToWire(scope),
      previousGeneration: BigInt(forgery.previousGeneration),
      controlHeads: heads.map((id) => controlIdBytes(id as never)),
      opCount: ops.length,
      controlCount: controls.length,
    }),
  );
  const digest = crypto.sha256(concatBytes(Uint8Array.of(2), rootOf(crypto, ops), part));
  const header = encode(
    CommitHeaderSchema,
    create(CommitHeaderSchema, {
      log: logToWire(forgery.log),
      generation: BigInt(generation),
      previous: generation > 1 ? (forgery.previous ?? new Uint8Array(32)) : nothing,
      timestamp: BigInt(Math.max(0, forgery.timestampMs)) << 16n,
      parts: [digest],
    }),
  );
  const signed = digestOf(crypto, header);
  const signature = await crypto.sign(deviceSeed, signed);
  return { header, signature, part, partIndex: 0, ops, elided: [] };
}

/** The digest of a commit by its header: what is signed. */
export function digestOf(crypto: Pick<Crypto, "sha256">, header: Uint8Array): Uint8Array {
  return crypto.sha256(concatBytes(utf8("rookery commit 1\n"), header));
}

function rootOf(crypto: Crypto, ops: readonly Uint8Array[]): Uint8Array {
  if (ops.length === 1) return crypto.sha256(concatBytes(Uint8Array.of(0), ops[0] as Uint8Array));
  // Liars write less than the 16 ops that one node holds.
  const leaves = ops.map((op) => crypto.sha256(concatBytes(Uint8Array.of(0), op)));
  return crypto.sha256(concatBytes(Uint8Array.of(1), ...leaves));
}
