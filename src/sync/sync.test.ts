import { expect, test } from "vitest";
import { createMemoryNetwork } from "../net/index.ts";
import { nodeClock } from "../node/index.ts";
import { openSyncPeer } from "../testkit/sync-peer.ts";

test("two devices share rows both ways by a ticket", async () => {
  const network = createMemoryNetwork({ clock: nodeClock() });
  const log: string[] = [];
  const logger = (level: string, event: string, fields?: unknown): void =>
    void log.push(`${level} ${event} ${JSON.stringify(fields)}`);
  await using a = await openSyncPeer({
    name: "a",
    transport: (device) => network.transport(device),
    logger,
  });
  await using b = await openSyncPeer({
    name: "b",
    transport: (device) => network.transport(device),
    logger,
  });
  const dbA = await a.database("notes");
  const todos = dbA.collection<{ text: string }>("todos");
  await todos.put("milk", { text: "Buy milk" });
  const group = await a.sync.createGroup("notes", "home", { collections: [todos.id] });
  const ticket = await a.sync.invite(group);
  await b.sync.join("notes", ticket);
  await b.sync.ready(group).catch((e: unknown) => {
    console.log(log.join("\n"), b.sync.peers());
    throw e;
  });
  const dbB = await b.database("notes");
  const theirs = dbB.collection<{ text: string }>({ owner: todos.owner, name: "todos" });
  expect(await theirs.get("milk")).toEqual({ text: "Buy milk" });
  await theirs.put("eggs", { text: "Six" });
  for await (const { changes } of todos.watch())
    if (changes.some(({ key }) => key === "eggs")) break;
  expect(await todos.get("eggs")).toEqual({ text: "Six" });
  console.log(log.join("\n"), JSON.stringify(b.sync.peers(), null, 1));
}, 5000);
