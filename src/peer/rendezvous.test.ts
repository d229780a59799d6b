import { expect, test, vi } from "vitest";
import { tempFolder } from "../testkit/index.ts";
import { openPeer } from "./index.ts";

// Real handshakes on a busy machine: slow is not wrong.
vi.setConfig({ testTimeout: 60_000 });

const LOOPBACK = ["/ip4/127.0.0.1/tcp/0"];

test("[RV5] [RV6] two peers that listen elsewhere than they did find each other by a third one that shares nothing with them", async () => {
  await using folder = await tempFolder();
  await using place = await openPeer({ listen: LOOPBACK, rendezvousServer: true });
  const { addresses } = await place.status();
  const open = (name: string, rendezvous: readonly string[]) =>
    openPeer({ path: `${folder.path}/${name}`, name, listen: LOOPBACK, rendezvous });
  {
    await using a = await open("a", []);
    await using b = await open("b", []);
    const todos = (await a.openDatabase("home")).collection("todos");
    await todos.put("milk", 1);
    const group = await (
      await a.openDatabase("home")
    ).createSyncgroup("us", { collections: [todos] });
    const joined = await (await b.openDatabase("home")).joinSyncgroup(await group.invite());
    await joined.ready();
  }
  // Both have other ports now.
  await using a = await open("a", addresses);
  await using b = await open("b", addresses);
  await (await a.openDatabase("home")).collection("todos").put("bread", 2);
  const there = (await b.openDatabase("home")).collection({ owner: a.user, name: "todos" });
  await expect.poll(() => there.get("bread"), { timeout: 50_000 }).toBe(2);
  expect(place.databases()).toEqual([]);
});

test("[RV5] what is given as a rendezvous has to name its device", async () => {
  for (const address of ["/ip4/192.0.2.1/tcp/4001", "nowhere", "/dns4/x/tcp/1/p2p/did:key:z"])
    await expect(openPeer({ rendezvous: [address] })).rejects.toMatchObject({
      code: "RENDEZVOUS_ADDRESS_INVALID",
    });
});
