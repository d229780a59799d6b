import { describe, expect, test } from "vitest";

import { BlobRef, concatBytes, equalBytes, toHex } from "../base/index.ts";
import type { RecipeEntry, RecipeNode } from "../blobs/index.ts";
import { CONTENT } from "../chunks/index.ts";
import {
  admitBlobs,
  BlobFlock,
  type BlobPeer,
  noise,
  putBlob,
  shareBlobs,
} from "../testkit/exchange/blob-flock.ts";
import { nodeCrypto } from "../node/index.ts";
import { nameOf, RawAsker } from "../testkit/exchange/raw-exchange.ts";
import { FakeClock } from "../testkit/index.ts";
import { eventually, isConnected, type SharedGroup } from "../testkit/sync-flock.ts";
import { shownTheDoor } from "../testkit/sync-hostile.ts";
import { REQUESTS_IN_FLIGHT_MAX, SERVE_STALL_MS, STREAM_BLOBS_MAX } from "./limits.ts";

/** `ada` has a private group with `bob` and an open one; `eve` is in the open one alone. */
interface World {
  readonly ada: BlobPeer;
  readonly bob: BlobPeer;
  readonly eve: BlobPeer;
  readonly vault: SharedGroup;
  readonly open: SharedGroup;
}

async function world(flock: BlobFlock): Promise<World> {
  const [ada, bob, eve] = [
    await flock.open("ada"),
    await flock.open("bob"),
    await flock.open("eve"),
  ];
  const secret = (await ada.peer.database("notes")).collection("secret");
  const group = await ada.peer.sync.createGroup("notes", "vault", {
    collections: [secret.id],
    isPrivate: true,
  });
  const vault = { group, collection: secret.id };
  const open = await shareBlobs(ada, { name: "open" });
  await admitBlobs(ada, bob, vault);
  await admitBlobs(ada, eve, open);
  await eventually(() => isConnected(bob.peer, ada.peer.device));
  await eventually(() => isConnected(eve.peer, ada.peer.device));
  return { ada, bob, eve, vault, open };
}

/** The root's node of a blob that is there. */
async function rootNode(one: BlobPeer, ref: BlobRef): Promise<RecipeNode> {
  const { root: address, size, depth: level } = ref;
  const node = await one.blobs.node({ address, size, level });
  if (node === undefined) throw new Error("The root is not here");
  return node;
}

/** Entries of a node that `answersTo` asks for: as many of each blob, so that answers may be equal. */
const ASKED = 4;

/** What an asker gets of a blob: of its recipe, of chunks of a node, and to HaveBlob. */
async function answersTo(
  asker: BlobPeer,
  holder: BlobPeer,
  ref: BlobRef,
  node: RecipeNode,
): Promise<{ frames: Uint8Array; chunks: number; nodes: number; have: bigint | undefined }> {
  const raw = await RawAsker.open(asker.peer, holder.peer);
  const addresses = concatBytes(...node.entries.slice(0, ASKED).map(({ address }) => address));
  const answers = [
    await raw.ask({
      number: 1,
      blob: 1,
      name: nameOf(ref),
      request: { case: "recipe", value: {} },
    }),
    await raw.ask({
      number: 2,
      blob: 1,
      request: { case: "recipe", value: { nodes: [node.address], levels: 1 } },
    }),
    await raw.ask({
      number: 3,
      blob: 1,
      request: { case: "chunks", value: { node: node.address, addresses } },
    }),
  ].flatMap((part) => part ?? []);
  raw.frames.reset();
  const held = await asker.peer.sync.call(holder.peer.device, {
    case: "haveBlob",
    value: { blob: nameOf(ref) },
  });
  return {
    frames: concatBytes(...answers.map(({ bytes }) => bytes)),
    chunks: answers.reduce((sum, { answer }) => sum + answer.chunks.length, 0),
    nodes: answers.reduce((sum, { answer }) => sum + answer.nodes.length, 0),
    have: held.case === "blobHeld" ? held.value.size : undefined,
  };
}

describe("who may fetch", () => {
  test("[EX1] [EX2] [EX4] members get what rows of their groups name; others learn nothing, not even absence", async () => {
    await using flock = new BlobFlock();
    const { ada, bob, eve, vault, open } = await world(flock);
    const secret = await putBlob(ada, vault, "secret", noise(400_000, 1));
    const shared = await putBlob(ada, open, "shared", noise(400_000, 2));
    const { ref: unnamed } = await ada.blobs.put([noise(400_000, 3)]);
    const elsewhere = await flock.open("elsewhere");
    const { ref: unknown } = await elsewhere.blobs.put([noise(400_000, 4)]);
    const nodes = {
      secret: await rootNode(ada, secret),
      shared: await rootNode(ada, shared),
      unnamed: await rootNode(ada, unnamed),
      unknown: await rootNode(elsewhere, unknown),
    };

    const full = await answersTo(bob, ada, secret, nodes.secret);
    expect(full).toMatchObject({ chunks: ASKED, nodes: 2, have: 400_000n });
    // The open group's blobs are for whoever presents the reference.
    expect(await answersTo(eve, ada, shared, nodes.shared)).toMatchObject({ have: 400_000n });
    expect(await answersTo(bob, ada, shared, nodes.shared)).toMatchObject({ have: 400_000n });

    /** What a holder says that has nothing of it. */
    const nothing = (await answersTo(eve, ada, unknown, nodes.unknown)).frames;
    const withAddressesOf = (node: RecipeNode): Uint8Array =>
      replaceAll(nothing, nodes.unknown, node);
    for (const [ref, node] of [
      [secret, nodes.secret],
      [unnamed, nodes.unnamed],
    ] as const) {
      const got = await answersTo(eve, ada, ref, node);
      expect(got).toMatchObject({ chunks: 0, nodes: 0, have: undefined });
      expect(equalBytes(got.frames, withAddressesOf(node))).toBe(true);
    }
    // A row says how large the blob is: another size is another blob.
    const { root, size, depth } = secret;
    const lied = new BlobRef({ root, size: size + 1, depth, chunker: 1 });
    const other = await answersTo(bob, ada, lied, nodes.secret);
    expect(other).toMatchObject({ chunks: 0, nodes: 0, have: undefined });
  });

  test("[EX1] who is admitted, or sees a row come, may fetch from then on, also on an open stream", async () => {
    await using flock = new BlobFlock();
    const { ada, eve, vault } = await world(flock);
    const { ref } = await ada.blobs.put([noise(5_000)]);
    const raw = await RawAsker.open(eve.peer, ada.peer);
    let number = 0;
    const ask = async (): Promise<number> => {
      number += 1;
      const answers = await raw.ask({
        number,
        blob: 1,
        ...(number === 1 && { name: nameOf(ref) }),
        request: { case: "chunks", value: { addresses: ref.root } },
      });
      return answers?.[0]?.answer.chunks.length ?? -1;
    };

    expect(await ask()).toBe(0);
    const secrets = await ada.peer.database("notes");
    await secrets.collection("secret").put("secret", ref);
    expect(await ask()).toBe(0);
    await admitBlobs(ada, eve, vault);
    expect(await ask()).toBe(1);
    await ada.peer.sync.pause("notes");
    expect(await ask()).toBe(0);
    await ada.peer.sync.resume("notes");
    expect(await ask()).toBe(1);
  });

  test("[EX4] [EX8] who has lost a chunk or a node does not say to have the blob, and gives what is left", async () => {
    await using flock = new BlobFlock();
    const { ada, bob, vault } = await world(flock);
    const ref = await putBlob(ada, vault, "picture", noise(400_000));
    const node = await rootNode(ada, ref);
    const whole = await answersTo(bob, ada, ref, node);
    expect(whole).toMatchObject({ chunks: ASKED, nodes: 2, have: BigInt(ref.size) });

    const [first] = node.entries as [RecipeEntry];
    await ada.chunks.delete(CONTENT, [first.address]);
    await ada.blobs.noteMissing(first.address);
    const less = await answersTo(bob, ada, ref, node);
    expect(less).toMatchObject({ chunks: ASKED - 1, nodes: 2, have: undefined });

    await ada.chunks.delete(CONTENT, [ref.root]);
    await ada.blobs.noteMissing(ref.root);
    const nothing = await answersTo(bob, ada, ref, node);
    expect(nothing).toMatchObject({ nodes: 0, have: undefined });
  });

  test("[EX3] what lies in another blob is absent, though the asker may fetch that one", async () => {
    await using flock = new BlobFlock();
    const { ada, bob, vault } = await world(flock);
    const [one, two] = [
      await putBlob(ada, vault, "one", noise(8_000_000, 1)),
      await putBlob(ada, vault, "two", noise(8_000_000, 2)),
    ];
    const [rootOne, rootTwo] = [await rootNode(ada, one), await rootNode(ada, two)];
    expect([one.depth, two.depth]).toEqual([2, 2]);
    const leaf = async (root: RecipeNode): Promise<RecipeNode> => {
      const [name] = root.entries;
      const node = await ada.blobs.node({ ...(name as RecipeNode), level: 1 });
      if (node === undefined) throw new Error("The node is not here");
      return node;
    };
    const [leafOne, leafTwo] = [await leaf(rootOne), await leaf(rootTwo)];
    const [first] = leafOne.entries.map(({ address }) => address) as [Uint8Array];
    const [foreign] = leafTwo.entries.map(({ address }) => address) as [Uint8Array];
    const raw = await RawAsker.open(bob.peer, ada.peer);
    let number = 0;
    const ask = async (
      node: Uint8Array,
      addresses: Uint8Array,
    ): Promise<[came: number, absent: string]> => {
      number += 1;
      const answers = await raw.ask({
        number,
        blob: 1,
        ...(number === 1 && { name: nameOf(one) }),
        request: { case: "chunks", value: { node, addresses } },
      });
      const chunks = answers?.flatMap(({ answer }) => answer.chunks) ?? [];
      const absent = answers?.map(({ answer }) => toHex(answer.absent)) ?? [];
      return [chunks.length, absent.join("")];
    };

    expect(await ask(leafOne.address, first)).toEqual([1, ""]);
    expect(await ask(leafOne.address, foreign)).toEqual([0, toHex(foreign)]);
    expect(await ask(leafOne.address, concatBytes(foreign, first))).toEqual([1, toHex(foreign)]);
    expect(await ask(leafTwo.address, foreign)).toEqual([0, toHex(foreign)]);
    // A node is no chunk, nor a chunk a node.
    expect(await ask(rootOne.address, leafOne.address)).toEqual([0, toHex(leafOne.address)]);
    expect(await ask(first, first)).toEqual([0, toHex(first)]);
    expect(await ask(new Uint8Array(), one.root)).toEqual([0, toHex(one.root)]);
    for (const nodes of [[leafTwo.address], [leafOne.address, rootTwo.address], [first]]) {
      number += 1;
      const answers = await raw.ask({
        number,
        blob: 1,
        request: { case: "recipe", value: { nodes } },
      });
      expect(answers?.map(({ answer }) => answer.nodes.length)).toEqual([0]);
      expect(toHex(answers?.[0]?.answer.absent ?? foreign)).toBe(toHex(nodes[0] as Uint8Array));
    }
  });

  test("[EX5] a recipe comes in pre-order, as deep as asked for, without what is held", async () => {
    await using flock = new BlobFlock();
    const { ada, bob, vault } = await world(flock);
    const ref = await putBlob(ada, vault, "large", noise(8_000_000));
    const root = await rootNode(ada, ref);
    const below = root.entries.map(({ address }) => address);
    const [first, ...others] = below as [Uint8Array, ...Uint8Array[]];
    const raw = await RawAsker.open(bob.peer, ada.peer);
    const name = nameOf(ref);
    const nodesOf = async (request: Parameters<RawAsker["ask"]>[0]): Promise<string[]> => {
      const answers = await raw.ask(request);
      return (answers ?? []).flatMap(({ answer }) =>
        answer.nodes.map((bytes) => toHex(nodeCrypto().sha256(bytes))),
      );
    };
    const texts = (list: readonly Uint8Array[]): string[] => list.map(toHex);

    const recipe = (value: object) => ({ case: "recipe" as const, value });
    expect(await nodesOf({ number: 1, blob: 1, name, request: recipe({}) })).toEqual(
      texts([ref.root, ...below]),
    );
    expect(await nodesOf({ number: 4, blob: 1, request: recipe({ levels: 1 }) })).toEqual(
      texts([ref.root]),
    );
    expect(await nodesOf({ number: 5, blob: 1, request: recipe({ held: [first] }) })).toEqual(
      texts([ref.root, ...others]),
    );
    expect(
      await nodesOf({ number: 9, blob: 1, request: recipe({ nodes: [...others, first] }) }),
    ).toEqual(texts([...others, first]));
  });
});

/** `bytes` with the addresses of one node in place of another's. */
function replaceAll(bytes: Uint8Array, from: RecipeNode, to: RecipeNode): Uint8Array {
  let text = toHex(bytes).replaceAll(toHex(from.address), toHex(to.address));
  for (const [i, { address }] of from.entries.entries())
    text = text.replace(toHex(address), toHex(to.entries[i]?.address ?? address));
  return Buffer.from(text, "hex");
}

describe("askers without manners", () => {
  test("[EX6] an asker that takes nothing of what it asked for loses its stream, and no more", async () => {
    await using flock = new BlobFlock();
    const clock = new FakeClock(Date.now());
    const [ada, eve] = [await flock.open("ada", { clock }), await flock.open("eve")];
    const open = await shareBlobs(ada);
    await admitBlobs(ada, eve, open);
    const ref = await putBlob(ada, open, "large", noise(8_000_000));
    const root = await rootNode(ada, ref);
    const [name] = root.entries;
    const leaf =
      root.level === 1 ? root : await ada.blobs.node({ ...(name as RecipeNode), level: 1 });
    await eventually(() => isConnected(eve.peer, ada.peer.device));
    const raw = await RawAsker.open(eve.peer, ada.peer);
    const { address: node, entries } = leaf as RecipeNode;
    const addresses = concatBytes(...entries.map(({ address }) => address));
    const request = { case: "chunks" as const, value: { node, addresses } };
    await raw.send({ number: 1, blob: 1, name: nameOf(ref), request });
    for (let number = 2; number <= 8; number++) await raw.send({ number, blob: 1, request });
    await eventually(() => ada.meter.bytes("/chunks/") > 1_000_000);

    await clock.advance(SERVE_STALL_MS / 2);
    expect(raw.frames.ended.aborted).toBe(false);
    await clock.advance(2 * SERVE_STALL_MS);
    await eventually(() => raw.frames.ended.aborted);

    expect(isConnected(eve.peer, ada.peer.device)).toBe(true);
    expect(flock.sync.events.filter(({ event }) => event === "sync.peer.fault")).toEqual([]);
    expect(await eve.exchange.fetchWhole(ref)).toMatchObject({ state: "done" });
  });

  const blob = { root: new Uint8Array(32), size: 5n, depth: 0 };
  const chunks = { case: "chunks" as const, value: { addresses: new Uint8Array(32) } };
  test.for([
    [
      "a number twice",
      [
        { number: 2, blob: 1, name: blob },
        { number: 2, blob: 1 },
      ],
    ],
    [
      "a number that descends",
      [
        { number: 2, blob: 1, name: blob },
        { number: 1, blob: 1 },
      ],
    ],
    ["a blob that was not named", [{ number: 1, blob: 1 }]],
    [
      "a blob that is named twice",
      [
        { number: 1, blob: 1, name: blob },
        { number: 2, blob: 1, name: blob },
      ],
    ],
    ["nothing", [{ number: 1, blob: 1, name: blob, request: { case: undefined } }]],
    [
      "half an address",
      [
        {
          number: 1,
          blob: 1,
          name: blob,
          request: { case: "chunks", value: { addresses: new Uint8Array(33) } },
        },
      ],
    ],
    [
      "too many blobs",
      Array.from({ length: STREAM_BLOBS_MAX + 1 }, (_, i) => ({
        number: i + 1,
        blob: i + 1,
        name: blob,
      })),
    ],
  ] as const)("[EX5] who asks for %s is shown the door", async ([, requests]) => {
    await using flock = new BlobFlock();
    const { ada, eve } = await world(flock);
    const raw = await RawAsker.open(eve.peer, ada.peer);
    void (async () => {
      while ((await raw.answers()) !== undefined);
    })();
    for (const request of requests) await raw.send({ request: chunks, ...request }).catch(() => {});
    await shownTheDoor(ada.peer, eve.peer.device, flock.sync.events);
  });

  test("[EX5] [EX6] who asks for more than may be unanswered is shown the door; who does not read holds little", async () => {
    await using flock = new BlobFlock();
    const { ada, eve, open } = await world(flock);
    const ref = await putBlob(ada, open, "large", noise(8_000_000));
    const root = await rootNode(ada, ref);
    const [name] = root.entries;
    const leaf = await ada.blobs.node({ ...(name as RecipeNode), level: 1 });
    const addresses = concatBytes(...(leaf as RecipeNode).entries.map(({ address }) => address));
    const raw = await RawAsker.open(eve.peer, ada.peer);
    const before = ada.meter.bytes("/chunks/");
    const request = (number: number) =>
      raw.send({
        number,
        blob: 1,
        ...(number === 1 && { name: nameOf(ref) }),
        request: {
          case: "chunks",
          value: { node: (leaf as RecipeNode).address, addresses },
        },
      });
    for (let number = 1; number <= REQUESTS_IN_FLIGHT_MAX / 2; number++) await request(number);
    await new Promise((resolve) => setTimeout(resolve, 100));
    // Hundreds of megabytes were asked for; a window and what the sender holds are under way.
    expect(ada.meter.bytes("/chunks/") - before).toBeLessThan(4 * 1024 * 1024);
    expect(isConnected(eve.peer, ada.peer.device)).toBe(true);
    for (
      let number = REQUESTS_IN_FLIGHT_MAX / 2 + 1;
      number <= REQUESTS_IN_FLIGHT_MAX + 1;
      number++
    )
      await request(number).catch(() => {});
    await shownTheDoor(ada.peer, eve.peer.device, flock.sync.events);
  });
});
