import { describe, expect, test } from "vitest";
import { deviceIdOf, type ScopeId, toHex, userIdOf } from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { rejects, rejectsNamed } from "../testkit/index.ts";
import { ControlWorld, namedUser } from "../testkit/control-world.ts";
import { reduceControl } from "./control-log.ts";
import {
  checkInvite,
  createInviteKeys,
  type InviteBinding,
  proveInvite,
  verifyInviteProof,
} from "./invite.ts";
import { Tags } from "./tags.ts";

const deps = { crypto: nodeCrypto() };
const filled = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const secret = filled(1);
const group: ScopeId = {
  database: "notes",
  kind: "syncgroup",
  owner: userIdOf(filled(2)),
  name: "club",
};
const binding: InviteBinding = {
  nonce: filled(3),
  joiner: deviceIdOf(filled(4)),
  admin: deviceIdOf(filled(5)),
  group,
};

describe("keys and proofs", () => {
  test("[AC22] the key pair follows from the secret", async () => {
    const keys = await createInviteKeys(deps, secret);
    expect(keys.seed).toEqual(await deps.crypto.hkdf(secret, "rookery invite key 1", 32));
    expect(keys.publicKey).toEqual(await deps.crypto.publicKey(keys.seed));
    expect(keys.seed).not.toEqual(secret);
    // Pinned: a ticket handed out today must work with every later version.
    expect(toHex(keys.publicKey)).toBe(
      "f35015efdba81d144d722b2e53b7660a8e24db2a540ed0accdf1975411f54c4a",
    );
    for (const size of [0, 31, 33])
      await rejectsNamed(createInviteKeys(deps, new Uint8Array(size)), "RangeError");
  });

  test("[AC23] who knows the secret proves it", async () => {
    const proof = await proveInvite(deps, { secret, ...binding });
    expect(proof.publicKey).toEqual((await createInviteKeys(deps, secret)).publicKey);
    await expect(verifyInviteProof(deps, { ...proof, ...binding })).resolves.toBeUndefined();
  });

  test("[AC23] a proof is of no use elsewhere", async () => {
    const proof = await proveInvite(deps, { secret, ...binding });
    const elsewhere: readonly Partial<InviteBinding>[] = [
      { nonce: filled(9) },
      { joiner: deviceIdOf(filled(9)) },
      { admin: deviceIdOf(filled(9)) },
      { joiner: binding.admin, admin: binding.joiner },
      { group: { ...group, database: "other" } },
      { group: { ...group, kind: "collection" } },
      { group: { ...group, owner: userIdOf(filled(9)) } },
      { group: { ...group, name: "Club" } },
    ];
    for (const other of elsewhere) {
      await rejects(
        verifyInviteProof(deps, { ...proof, ...binding, ...other }),
        "ACCESS_INVITE_PROOF_INVALID",
      );
    }
  });

  test("[AC23] every bit of key and signature matters", async () => {
    const proof = await proveInvite(deps, { secret, ...binding });
    for (const part of ["publicKey", "signature"] as const) {
      for (let bit = 0; bit < proof[part].length * 8; bit++) {
        const bytes = proof[part].slice();
        bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
        await rejects(
          verifyInviteProof(deps, { ...proof, ...binding, [part]: bytes }),
          "ACCESS_INVITE_PROOF_INVALID",
        );
      }
    }
    const other = await proveInvite(deps, { secret: filled(7), ...binding });
    await rejects(
      verifyInviteProof(deps, {
        publicKey: proof.publicKey,
        signature: other.signature,
        ...binding,
      }),
      "ACCESS_INVITE_PROOF_INVALID",
    );
    await rejects(
      verifyInviteProof(deps, {
        publicKey: new Uint8Array(0),
        signature: new Uint8Array(0),
        ...binding,
      }),
      "ACCESS_INVITE_PROOF_INVALID",
    );
  });

  test("[AC23] a nonce has 32 bytes, or one binding could pass for another", async () => {
    await rejectsNamed(
      proveInvite(deps, { secret, ...binding, nonce: new Uint8Array(31) }),
      "RangeError",
    );
  });
});

describe("admission", () => {
  const publicKey = filled(6);
  const code = (name: string): unknown => expect.objectContaining({ code: name });

  /** A group with an invite, and the users admitted by it. */
  function invited(
    uses: number,
    notAfter: number | undefined,
    admitted: readonly string[],
  ): ReturnType<typeof reduceControl> {
    const world = new ControlWorld("syncgroup");
    world.introduce("laptop", "laptop", "ada");
    world.add("laptop", {
      type: "invite",
      publicKey,
      tags: Tags.READ | Tags.WRITE,
      uses,
      notAfter,
    });
    for (const user of admitted) world.grant("laptop", user, Tags.READ, { invite: publicKey });
    return reduceControl(world.scope, world.entries);
  }

  test("[AC24] an invite that is not in the control log admits nobody", () => {
    const state = invited(0, undefined, []);
    expect(() => checkInvite(state, filled(7), namedUser("ben"), 0)).toThrow(
      code("ACCESS_INVITE_UNKNOWN"),
    );
    expect(checkInvite(state, publicKey, namedUser("ben"), 0)).toEqual({
      tags: Tags.READ | Tags.WRITE,
    });
  });

  test("[AC24] an invite ends by the given clock", () => {
    const state = invited(0, 1000, ["cy"]);
    expect(checkInvite(state, publicKey, namedUser("ben"), 1000).tags).toBe(Tags.READ | Tags.WRITE);
    for (const user of ["ben", "cy"]) {
      expect(() => checkInvite(state, publicKey, namedUser(user), 1001)).toThrow(
        code("ACCESS_INVITE_EXPIRED"),
      );
    }
  });

  test("[AC24] an invite is used up by different users, who may come again", () => {
    const state = invited(2, undefined, ["ben", "ben", "cy"]);
    expect(() => checkInvite(state, publicKey, namedUser("dot"), 0)).toThrow(
      code("ACCESS_INVITE_USED_UP"),
    );
    for (const user of ["ben", "cy"])
      expect(checkInvite(state, publicKey, namedUser(user), 0).tags).toBe(3);
    expect(
      checkInvite(invited(2, undefined, ["ben", "ben"]), publicKey, namedUser("dot"), 0).tags,
    ).toBe(3);
    expect(
      checkInvite(invited(0, undefined, ["ben", "cy"]), publicKey, namedUser("dot"), 0).tags,
    ).toBe(3);
  });

  test("[AC24] an invite that was made before its user was revoked does not bring them back", () => {
    const world = new ControlWorld("syncgroup");
    world.introduce("laptop", "laptop", "ada");
    world.add("laptop", { type: "invite", publicKey, tags: Tags.READ, uses: 0 });
    const [, invite] = world.entries;
    world.grant("laptop", "ben", Tags.READ, { invite: publicKey });
    world.revoke("laptop", "ben");
    const check = (user: string, key = publicKey): number =>
      checkInvite(reduceControl(world.scope, world.entries), key, namedUser(user), 0).tags;
    expect(() => check("ben")).toThrow(code("ACCESS_INVITE_REVOKED"));
    expect(check("cy")).toBe(Tags.READ);
    const since = filled(8);
    world.add("laptop", { type: "invite", publicKey: since, tags: Tags.READ, uses: 0 });
    expect(check("ben", since)).toBe(Tags.READ);
    const concurrent = { type: "invite", publicKey: filled(9), tags: Tags.READ, uses: 0 } as const;
    world.add("laptop", concurrent, { parents: invite === undefined ? [] : [invite] });
    expect(() => check("ben", filled(9))).toThrow(code("ACCESS_INVITE_REVOKED"));
  });

  test("[AC24] a grant that does not count uses nothing up", () => {
    const world = new ControlWorld("syncgroup");
    world.introduce("laptop", "laptop", "ada");
    world.add("laptop", { type: "invite", publicKey, tags: Tags.READ, uses: 1 });
    world.introduce("spy", "spy", "eve");
    world.grant("spy", "eve", Tags.READ, { invite: publicKey });
    const state = reduceControl(world.scope, world.entries);
    expect(checkInvite(state, publicKey, namedUser("ben"), 0).tags).toBe(Tags.READ);
  });
});
