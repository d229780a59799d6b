import { describe, expect, test } from "vitest";
import { deviceIdOf, logKeyOf, userIdOf } from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { rejects } from "../testkit/index.ts";
import { commitDigest, CommitHeaderSchema, create, encode, logToWire } from "../wire/index.ts";
import { decodeControlOp, encodeControlOp, type ForkProofOp } from "./control-op.ts";
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
): Promise<{ header: Uint8Array; signature: Uint8Array }> {
  const message = create(CommitHeaderSchema, { log: logToWire(of), generation, hint });
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
});
