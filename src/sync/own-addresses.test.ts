import { expect, test, vi } from "vitest";
import { eventually, FLOCK_DATABASE, shareTodos, SyncFlock } from "../testkit/sync-flock.ts";

test("[SY31] a group that refuses a write keeps no other from having our addresses", async () => {
  await using flock = new SyncFlock();
  const ada = await flock.open("ada");
  const groups = [await shareTodos(ada, "first"), await shareTodos(ada, "second")];
  const shown = (): (readonly string[] | undefined)[] =>
    groups.map(({ group }) => ada.sync.members(group)[0]?.addresses);
  const old = ada.transport.addresses();
  await eventually(() => shown().every((addresses) => addresses?.join() === old.join()));
  const write = ada.history.write.bind(ada.history);
  const refused: string[] = [];
  vi.spyOn(ada.history, "write").mockImplementation(async (request) => {
    const { name = "" } = request.parts[0]?.scope ?? {};
    if (name !== "first") return await write(request);
    refused.push(name);
    throw new Error("refused");
  });
  const moved = [`/memory/9/p2p/${ada.device}`];
  vi.spyOn(ada.transport, "addresses").mockReturnValue(moved);
  // Whatever changes of groups has it look.
  await ada.sync.pause(FLOCK_DATABASE);
  await eventually(() => shown()[1]?.join() === moved.join());
  expect(shown()[0]).toEqual(old);
  expect(refused).not.toEqual([]);
  expect(flock.events.map(({ event }) => event)).toContain("sync.addresses.failed");
});
