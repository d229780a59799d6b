import { expect, test } from "vitest";
import type { ControlOp } from "../access/index.ts";
import { FramedStream } from "../net/index.ts";
import { nodeClock } from "../node/index.ts";
import {
  admit,
  DELTAS,
  eventually,
  FLOCK_DATABASE,
  type SharedGroup,
  shareTodos,
  SyncFlock,
  todosOf,
} from "../testkit/sync-flock.ts";
import type { SyncPeer } from "../testkit/sync-peer.ts";
import { create, decode, DeltaOpenSchema, DeltaResponseSchema, encode } from "../wire/index.ts";

type Revocation = Extract<ControlOp, { readonly type: "revoke" | "revokeDevice" }>;

/** Writes a revocation, with a freeze at what is here, into the group and its collection. */
async function revoke(
  by: SyncPeer,
  { group, collection }: SharedGroup,
  what: (freeze: Revocation["freeze"]) => Revocation,
): Promise<void> {
  for (const scope of [collection, group]) {
    const freeze = by.history.scope(scope)?.vector() ?? new Map();
    await by.history.write({ parts: [{ scope, rows: [], controls: [what(freeze)] }] });
  }
}

/** What `asked` answers to `peer` when it wants to pull. */
async function answerTo(peer: SyncPeer, asked: SyncPeer): Promise<"opened" | "refused"> {
  const connection = await peer.transport.connect(asked.device, asked.transport.addresses());
  const frames = new FramedStream({ stream: await connection.open(DELTAS), clock: nodeClock() });
  const open = { database: FLOCK_DATABASE, certificate: peer.identity.certified.bytes };
  await frames.send(encode(DeltaOpenSchema, create(DeltaOpenSchema, open)));
  const answer = decode(DeltaResponseSchema, (await frames.receive()) as Uint8Array);
  return answer.refused === undefined ? "opened" : "refused";
}

for (const kind of ["device", "user"] as const) {
  test(`[AC31] [AC24] a revoked ${kind} is served nothing, and a ticket from before does not bring it back`, async () => {
    await using flock = new SyncFlock();
    const [a, b, c] = [await flock.open("a"), await flock.open("b"), await flock.open("c")];
    const shared = await shareTodos(a);
    const ticket = await a.sync.invite(shared.group, { uses: 0 });
    await admit(a, c, shared);
    await b.sync.join(FLOCK_DATABASE, ticket);
    await b.sync.ready(shared.group);
    await (await todosOf(b, shared)).put("mine", 1);
    await eventually(async () => (await todosOf(c, shared)).has("mine"));
    const { identity } = b;
    await b.sync.close();
    expect(await answerTo(b, a)).toBe("opened");

    await revoke(a, shared, (freeze) =>
      kind === "device"
        ? { type: "revokeDevice", device: b.device, freeze }
        : { type: "revoke", user: identity.certified.user, freeze },
    );
    await (await todosOf(a, shared)).put("secret", 2);
    await eventually(async () => (await todosOf(c, shared)).has("secret"));
    expect(await answerTo(b, a)).toBe("refused");
    expect(await answerTo(b, c)).toBe("refused");
    // What it wrote within the freeze is there.
    expect(await (await todosOf(c, shared)).get("mine")).toBe(1);

    await flock.close(b);
    const again = await flock.open("b", { identity });
    await expect(again.sync.join(FLOCK_DATABASE, ticket)).rejects.toMatchObject({
      code: "SYNC_NO_ACCESS",
    });
  });
}
