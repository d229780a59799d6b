import { describe, expect, test } from "vitest";
import { deviceIdOf, logKeyOf, type ScopeId, userIdOf } from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { rejects } from "../testkit/index.ts";
import {
  commitDigest,
  CommitHeaderSchema,
  create,
  encode,
  logToWire,
  partDigest,
  PartHeaderSchema,
  scopeToWire,
} from "../wire/index.ts";
import {
  decodeControlOp,
  encodeControlOp,
  type ForkedPart,
  type ForkProofOp,
} from "./control-op.ts";
import { signDeviceRevocation } from "./device-revocation.ts";
import { trustControlOp, verifyControlOp } from "./verified-op.ts";

const deps = { crypto: nodeCrypto() };
const seed = new Uint8Array(32).fill(1);
const user = userIdOf(await deps.crypto.publicKey(seed));
const deviceSeed = new Uint8Array(32).fill(2);
const device = deviceIdOf(await deps.crypto.publicKey(deviceSeed));
const scope = { database: "notes", kind: "collection", owner: user, name: "games" } as const;
const log = logKeyOf({ device, incarnation: 7n });
const freeze = new Map([[log, 5]]);

describe("a user's word about a device of theirs", () => {
  test("[AC32] is good as it was signed, after travelling too", async () => {
    const op = await signDeviceRevocation(deps, seed, { scope, device, freeze });
    expect(op).toMatchObject({ type: "revokeOwnDevice", user, device, freeze });
    const read = decodeControlOp(encodeControlOp(op));
    expect(read).toEqual(op);
    expect(await verifyControlOp(deps, scope, read)).toEqual(op);
    expect(trustControlOp(read)).toBe(read);
    const whole = await signDeviceRevocation(deps, seed, { scope, device, freeze: new Map() });
    expect(await verifyControlOp(deps, scope, whole)).toEqual(whole);
  });

  test("[AC32] is refused of another scope, device or freeze, by another user, or altered", async () => {
    const op = await signDeviceRevocation(deps, seed, { scope, device, freeze });
    const bad = op.signature.slice();
    bad[0] = (bad[0] as number) ^ 1;
    for (const [where, what] of [
      [{ ...scope, name: "moves" }, op],
      [{ ...scope, kind: "syncgroup" }, op],
      [scope, { ...op, device: deviceIdOf(seed) }],
      [scope, { ...op, freeze: new Map([[log, 4]]) }],
      [scope, { ...op, freeze: new Map() }],
      [scope, { ...op, user: userIdOf(await deps.crypto.publicKey(deviceSeed)) }],
      [scope, { ...op, signature: bad }],
    ] as const)
      await rejects(verifyControlOp(deps, where, what), "ACCESS_REVOCATION_INVALID");
  });
});

/** The header of a commit, and its device's signature. */
async function commit(
  hint: string,
  generation = 3n,
  of = log,
  by = deviceSeed,
  more: { readonly previous?: Uint8Array; readonly parts?: Uint8Array[] } = {},
): Promise<{ header: Uint8Array; signature: Uint8Array }> {
  const message = create(CommitHeaderSchema, { log: logToWire(of), generation, hint, ...more });
  const header = encode(CommitHeaderSchema, message);
  return { header, signature: await deps.crypto.sign(by, commitDigest(deps.crypto, header)) };
}

function proofOf(
  a: { header: Uint8Array; signature: Uint8Array },
  b: { header: Uint8Array; signature: Uint8Array },
): ForkProofOp {
  return {
    type: "forkProof",
    headerA: a.header,
    signatureA: a.signature,
    headerB: b.header,
    signatureB: b.signature,
  };
}

describe("fork proofs", () => {
  test("[AC33] two commits of one place, both signed, show where the log forks", async () => {
    const proof = proofOf(await commit("this"), await commit("that"));
    const read = decodeControlOp(encodeControlOp(proof));
    const verified = await verifyControlOp(deps, scope, read);
    expect(verified).toEqual({ ...proof, forked: { log, generation: 3 } });
    expect(trustControlOp(read)).toEqual(verified);
  });

  test("[AC33] anything else shows nothing", async () => {
    const good = await commit("this");
    const other = logKeyOf({ device, incarnation: 8n });
    const broken = { ...good, header: good.header.subarray(1) };
    for (const [a, b] of [
      [good, good],
      [good, await commit("that", 4n)],
      [good, await commit("that", 3n, other)],
      [good, await commit("that", 3n, log, seed)],
      [await commit("that", 3n, log, seed), good],
      [good, { ...(await commit("that")), signature: good.signature }],
      [good, broken],
      [broken, good],
    ] as const)
      await rejects(verifyControlOp(deps, scope, proofOf(a, b)), "ACCESS_FORK_PROOF_INVALID");
  });

  test("[AC55] a commit and the next one, which names another before it, show that the log forks at the first", async () => {
    const first = await commit("this");
    const other = await commit("that");
    const follows = async (of: { header: Uint8Array }, generation = 4n): Promise<typeof first> =>
      commit("next", generation, log, deviceSeed, {
        previous: commitDigest(deps.crypto, of.header),
      });
    const proof = proofOf(first, await follows(other));
    expect(await verifyControlOp(deps, scope, proof)).toEqual({
      ...proof,
      forked: { log, generation: 3 },
    });
    for (const [a, b] of [
      [first, await follows(first)],
      [first, await follows(other, 5n)],
      [await follows(other), first],
    ] as const)
      await rejects(verifyControlOp(deps, scope, proofOf(a, b)), "ACCESS_FORK_PROOF_INVALID");
  });

  test("[AC55] two parts of the scope, of which the later passes over the other, show that the log forks there", async () => {
    const root = new Uint8Array(32).fill(7);
    const withPart = async (
      generation: bigint,
      previousGeneration: bigint,
      where: ScopeId = scope,
      of = log,
    ): Promise<{ header: Uint8Array; signature: Uint8Array; part: ForkedPart }> => {
      const header = encode(
        PartHeaderSchema,
        create(PartHeaderSchema, {
          salt: new Uint8Array(16).fill(1),
          scope: scopeToWire(where),
          previousGeneration,
          opCount: 1,
        }),
      );
      const parts = [new Uint8Array(32), partDigest(deps.crypto, header, root)];
      const signed = await commit("part", generation, of, deviceSeed, {
        previous: new Uint8Array(32),
        parts,
      });
      return { ...signed, part: { index: 1, root, header } };
    };
    type Shown = Awaited<ReturnType<typeof withPart>>;
    const partsOf = (a: Shown, b: Shown): ForkProofOp => ({
      ...proofOf(a, b),
      parts: [a.part, b.part],
    });
    const [first, second] = [await withPart(3n, 2n), await withPart(5n, 2n)];
    const good = partsOf(first, second);
    const read = decodeControlOp(encodeControlOp(good));
    expect(await verifyControlOp(deps, scope, read)).toEqual({
      ...good,
      forked: { log, generation: 3 },
    });
    const elsewhere = { ...scope, name: "other" };
    const incarnation = logKeyOf({ device, incarnation: 8n });
    for (const bad of [
      // Each follows the other, or might.
      partsOf(first, await withPart(5n, 3n)),
      partsOf(first, await withPart(5n, 4n)),
      partsOf(second, first),
      partsOf(first, await withPart(3n, 2n)),
      // Of another log, another scope, or of no part of the commit.
      partsOf(first, await withPart(5n, 2n, scope, incarnation)),
      partsOf(first, await withPart(5n, 2n, elsewhere)),
      { ...good, parts: [first.part, { ...second.part, index: 0 }] as const },
      { ...good, parts: [first.part, { ...second.part, index: 2 }] as const },
      { ...good, parts: [{ ...first.part, root: new Uint8Array(32) }, second.part] as const },
      { ...good, parts: [first.part, { ...second.part, header: root }] as const },
      { ...good, signatureB: good.signatureA },
    ])
      await rejects(verifyControlOp(deps, scope, bad), "ACCESS_FORK_PROOF_INVALID");
    await rejects(verifyControlOp(deps, elsewhere, good), "ACCESS_FORK_PROOF_INVALID");
  });
});
