import { describe, expect, test } from "vitest";

import {
  admit,
  eventually,
  FLOCK_DATABASE,
  isConnected,
  shareTodos,
  SyncFlock,
} from "../testkit/sync-flock.ts";
import { shownTheDoor } from "../testkit/sync-hostile.ts";
import { BlobNameSchema, create } from "../wire/index.ts";
import { SyncError } from "../deltas/index.ts";

const BLOB = create(BlobNameSchema, { root: new Uint8Array(32).fill(7), size: 10n });
const PROTOCOL = "/rookery/test/1.0.0";

describe("what layers above use", () => {
  test("[SY37] HaveBlob is answered by what was registered, and by nobody else", async () => {
    await using flock = new SyncFlock();
    const [ada, bob] = [await flock.open("ada"), await flock.open("bob")];
    await admit(ada, bob, await shareTodos(ada));
    const ask = () => bob.sync.call(ada.device, { case: "haveBlob", value: { blob: BLOB } });
    await eventually(() => isConnected(bob, ada.device));

    await expect(ask()).rejects.toMatchObject({ code: "SYNC_UNSUPPORTED" });
    const asked: unknown[] = [];
    const stop = ada.sync.handleHaveBlob(async (blob, peer) => {
      asked.push([blob.size, blob.depth, peer]);
      return { size: 10n, holders: [] };
    });
    const answers = await Promise.all([ask(), ask()]);

    for (const answer of answers)
      expect(answer).toMatchObject({ case: "blobHeld", value: { size: 10n } });
    expect(asked).toEqual([
      [10n, 0, bob.device],
      [10n, 0, bob.device],
    ]);
    stop();
    await expect(ask()).rejects.toMatchObject({ code: "SYNC_UNSUPPORTED" });
    await expect(
      bob.sync.call(bob.device, { case: "haveBlob", value: { blob: BLOB } }),
    ).rejects.toMatchObject({ code: "SYNC_OFFLINE" });
  });

  test("[SY19] [SY37] who breaks the protocol of a layer above is shown the door, and its streams end with sync", async () => {
    await using flock = new SyncFlock();
    const [ada, bob] = [await flock.open("ada"), await flock.open("bob")];
    await admit(ada, bob, await shareTodos(ada));
    await eventually(() => isConnected(bob, ada.device));
    let served = 0;
    ada.sync.serve(PROTOCOL, async (stream) => {
      served += 1;
      const bytes = await stream.read();
      if (bytes?.[0] === 1) throw new SyncError("SYNC_PROTOCOL", "Cannot serve: it is a one");
      await new Promise<void>((resolve) => {
        stream.ended.addEventListener("abort", () => resolve());
      });
    });
    const open = async () => {
      const connection = bob.transport.connections().find(({ peer }) => peer === ada.device);
      return connection?.open(PROTOCOL);
    };

    const quiet = await open();
    await eventually(() => served === 1);
    const wrong = await open();
    await wrong?.write(Uint8Array.of(1));
    await shownTheDoor(ada, bob.device, flock.events);

    expect(ada.sync.isBlocked(bob.device)).toBe(true);
    expect(quiet?.ended.aborted).toBe(true);
    expect(ada.sync.peers().find(({ device }) => device === bob.device)).toMatchObject({
      faults: 1,
      isBlocked: true,
    });
  });

  test("[SY23] a group says whether its blobs are private, and what its maker is in it", async () => {
    await using flock = new SyncFlock();
    const [ada, bob] = [await flock.open("ada"), await flock.open("bob")];
    const todos = (await ada.database(FLOCK_DATABASE)).collection("todos");
    const group = await ada.sync.createGroup(FLOCK_DATABASE, "vault", {
      collections: [todos.id],
      isPrivate: true,
      type: "server",
    });
    const open = await shareTodos(ada, "open");
    let changes = 0;
    bob.sync.onGroups(() => (changes += 1));
    await admit(ada, bob, { group, collection: todos.id });
    await admit(ada, bob, open);

    for (const { sharing } of [ada.sync, bob.sync]) {
      expect(sharing.isPrivate(group)).toBe(true);
      expect(sharing.isPrivate(open.group)).toBe(false);
      expect(sharing.groupsOf(todos.id).map(({ name }) => name)).toEqual(["open", "vault"]);
      expect(sharing.isReader(bob.device, group)).toBe(true);
    }
    expect(
      bob.sync
        .members(group)
        .map(({ type }) => type)
        .toSorted(),
    ).toEqual(["normal", "server"]);
    expect(ada.sync.sharing.isPrivate({ ...group, name: "unknown" })).toBe(true);
    expect(ada.sync.sharing.isReader(bob.device, { ...group, name: "unknown" })).toBe(false);
    expect(changes).toBeGreaterThan(0);
  });
});
