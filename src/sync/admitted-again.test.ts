import { expect, test } from "vitest";
import { issueCertificate } from "../access/index.ts";
import { FramedStream } from "../net/index.ts";
import { nodeClock, nodeCrypto } from "../node/index.ts";
import { admit, alike, CALLS, shareTodos, SyncFlock } from "../testkit/sync-flock.ts";
import { makeIdentity } from "../testkit/sync-peer.ts";
import {
  CallRequestSchema,
  CallResponseSchema,
  create,
  decode,
  DeviceType,
  encode,
  scopeToWire,
} from "../wire/index.ts";

test("[SY80] a device of two users that is admitted again and again leaves no more behind than once", async () => {
  await using flock = new SyncFlock();
  const owner = await flock.open("owner");
  const shared = await shareTodos(owner);
  const { userSeed, ...identity } = await makeIdentity("reader");
  const [reader, twin] = [await flock.open("reader", { identity }), await flock.open("twin")];
  await admit(owner, reader, shared, { role: "reader" });
  await admit(owner, twin, shared, { role: "reader" });
  await alike([owner, reader, twin]);
  await twin.sync.close();
  const { device } = twin;
  const other = await issueCertificate({ crypto: nodeCrypto() }, userSeed, {
    device,
    name: "twin",
    issued: 1_700_000_000_001,
  });
  const connection = await twin.transport.connect(owner.device, owner.transport.addresses());
  const frames = new FramedStream({ stream: await connection.open(CALLS), clock: nodeClock() });
  await frames.receive();
  let number = 0;
  const join = async (certificate: Uint8Array): Promise<unknown> => {
    number += 1;
    const value = {
      group: scopeToWire(shared.group),
      joinerName: "twin",
      info: { type: DeviceType.NORMAL, syncPriority: 0 },
      certificate,
    };
    const request = { case: "join", value } as const;
    await frames.send(encode(CallRequestSchema, create(CallRequestSchema, { number, request })));
    const frame = await frames.receive();
    return frame && decode(CallResponseSchema, frame).response.case;
  };
  const both = [other, twin.identity.certified.bytes];
  for (const certificate of both) expect(await join(certificate)).toBe("joined");
  const known = (): unknown =>
    [shared.group, shared.collection].map((scope) => [
      ...(owner.history.scope(scope)?.vector() ?? []),
    ]);
  const before = known();
  for (let i = 0; i < 3; i++)
    for (const certificate of both) expect(await join(certificate)).toBe("joined");
  expect(known()).toEqual(before);
});
