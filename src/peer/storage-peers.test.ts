import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { codeOf, fromHex } from "../base/index.ts";
import { nodeClock, nodeCrypto, nodeRandom, openLibp2pTransport } from "../node/index.ts";
import { HelloGate, MemoryPullStorage, ROOKERY_PROFILE, Syncer } from "../pullsync/index.ts";
import { seededRandom, tempFolder } from "../testkit/index.ts";
import {
  type BlobRef,
  type NetworkStatus,
  openPeer,
  type Peer,
  type PeerOptions,
} from "./index.ts";

const LOOPBACK = { listen: ["/ip4/127.0.0.1/tcp/0"] };
/** Dials others and cannot be dialled: two of these are never connected. */
const DIALS_ONLY = { listen: [] };
const random = seededRandom(20_261_130);
/** Milliseconds: a machine that does other work too is slow, not wrong. */
const PATIENCE_MS = 50_000;

async function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; !(await isTrue());) {
    if (performance.now() > end) throw new Error(`Waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function join(peer: Peer, ticket: string, type: "normal" | "server"): Promise<void> {
  const database = await peer.openDatabase("home");
  await (await database.joinSyncgroup(ticket, { type })).ready();
}

async function putPhoto(peer: Peer, key: string, bytes: Uint8Array): Promise<BlobRef> {
  const { ref } = await peer.blobs.put(bytes);
  await (await peer.openDatabase("home")).syncgroup("family").collection("album").put(key, { ref });
  return ref;
}

/** Makes the group: whoever opens it invites, and neither writes blobs nor stores those of others. */
async function host(options: PeerOptions = {}): Promise<{ peer: Peer; ticket: string }> {
  const peer = await openPeer({ name: "host", ...LOOPBACK, ...options });
  const database = await peer.openDatabase("home");
  const album = database.collection("album");
  const group = await database.createSyncgroup("family", { collections: [album] });
  return { peer, ticket: await group.invite({ role: "writer", uses: 0 }) };
}

/** The only storage network of a peer. */
async function networkOf(peer: Peer): Promise<NetworkStatus> {
  const { networks } = await peer.chunkStatus();
  expect(networks).toHaveLength(1);
  return networks[0] as NetworkStatus;
}

function connectedTo(peer: Peer): string[] {
  return peer
    .peers()
    .filter(({ isConnected }) => isConnected)
    .map(({ name }) => name ?? "")
    .toSorted();
}

test("[PE10] a storage peer that neither knows the writer nor fetches gets every chunk from another, each by a delivery that pull-sync counts", async () => {
  const { peer: home, ticket } = await host();
  await using _home = home;
  await using ada = await openPeer({ name: "ada", ...DIALS_ONLY });
  await using nest = await openPeer({ name: "nest", ...LOOPBACK });
  await using loft = await openPeer({ name: "loft", ...DIALS_ONLY, fetchesBlobs: false });
  await join(ada, ticket, "normal");
  await join(nest, ticket, "server");
  // Before the second storage peer is there: it comes by history.
  const refs = [await putPhoto(ada, "first", random.bytes(1_000_000))];
  await until("nest to hold the first picture", async () => {
    const [ref] = refs as [BlobRef];
    return (await nest.blobs.status(ref)).isWhole;
  });
  await join(loft, ticket, "server");
  await until("loft to hold the first picture", async () => {
    const [ref] = refs as [BlobRef];
    return (await loft.blobs.status(ref)).isWhole;
  });
  // And while it is: it comes live.
  refs.push(await putPhoto(ada, "second", random.bytes(5000)));
  refs.push(await putPhoto(ada, "third", random.bytes(2_000_000)));
  await until("both storage peers to hold the same chunks", async () => {
    for (const ref of refs) if (!(await loft.blobs.status(ref)).isWhole) return false;
    return (await networkOf(nest)).sum === (await networkOf(loft)).sum;
  });

  const [first, second] = [await networkOf(nest), await networkOf(loft)];
  expect(second.chunks).toBe(first.chunks);
  expect(second.chunks).toBeGreaterThan(60);
  const { store } = await loft.chunkStatus();
  expect(second.delivered.chunks).toBe(second.chunks);
  expect(store.chunks).toBe(second.chunks);
  expect(first.delivered.chunks).toBe(0);
  await until("loft to find its blobs whole", async () => {
    const { kept } = await loft.chunkStatus();
    return kept?.whole === refs.length && kept.wanted === refs.length;
  });
  expect(connectedTo(loft)).toEqual(["host", "nest"]);
  expect(connectedTo(ada)).toEqual(["host", "nest"]);
  for (const ref of refs) {
    const bytes = await ada.blobs.get(ref).bytes();
    expect(Buffer.from(await loft.blobs.get(ref).bytes()).equals(bytes)).toBe(true);
  }
  expect(await home.blobs.status(refs[0] as BlobRef)).toMatchObject({ here: 0 });
});

test("[PE10] [PE12] storage peers that fetch share the work, and go on after a restart", async () => {
  const { peer: home, ticket } = await host();
  await using _home = home;
  await using folder = await tempFolder();
  await using nest = await openPeer({ name: "nest", ...LOOPBACK });
  await join(nest, ticket, "server");
  const refs: BlobRef[] = [];
  let before: NetworkStatus;
  {
    await using loft = await openPeer({ name: "loft", path: folder.path, ...LOOPBACK });
    await join(loft, ticket, "server");
    for (let i = 0; i < 4; i++)
      refs.push(await putPhoto(home, `photo ${i}`, random.bytes(300_000)));
    await until("both to hold the same chunks", async () => {
      for (const ref of refs)
        for (const peer of [nest, loft]) if (!(await peer.blobs.status(ref)).isWhole) return false;
      const [first, second] = [await networkOf(nest), await networkOf(loft)];
      return first.sum === second.sum && first.chunks > 0;
    });
    before = await networkOf(loft);
  }
  refs.push(await putPhoto(home, "while away", random.bytes(300_000)));
  await using loft = await openPeer({ path: folder.path, ...LOOPBACK });
  const opened = await networkOf(loft);
  expect(opened.network).toBe(before.network);
  expect(opened.chunks).toBeGreaterThanOrEqual(before.chunks);
  await until("both to hold the same chunks again", async () => {
    for (const ref of refs) if (!(await loft.blobs.status(ref)).isWhole) return false;
    return (await networkOf(nest)).sum === (await networkOf(loft)).sum;
  });
  const after = await networkOf(loft);
  // What was there before the restart has not come again.
  expect(after.delivered.chunks).toBeLessThanOrEqual(after.chunks - before.chunks);
});

test("[PE11] a device that is no storage peer of the group gets nothing by pull-sync", async () => {
  const { peer: home, ticket } = await host();
  await using _home = home;
  await using nest = await openPeer({ name: "nest", ...LOOPBACK });
  await using ben = await openPeer({ name: "ben", ...LOOPBACK });
  // A storage peer of another group that it shares with nest.
  await using eve = await openPeer({ name: "eve", ...LOOPBACK });
  await join(nest, ticket, "server");
  await join(ben, ticket, "normal");
  const others = await eve.openDatabase("others");
  const rows = others.collection<{ ref: BlobRef }>("rows");
  const group = await others.createSyncgroup("others", { collections: [rows], type: "server" });
  const theirs = await nest.openDatabase("others");
  await (await theirs.joinSyncgroup(await group.invite(), { type: "server" })).ready();
  const ref = await putPhoto(home, "photo", random.bytes(300_000));
  const own = await eve.blobs.put(random.bytes(200_000));
  await rows.put("own", { ref: own.ref });
  await until("nest to hold both", async () => {
    const [one, other] = [await nest.blobs.status(ref), await nest.blobs.status(own.ref)];
    return one.isWhole && other.isWhole;
  });
  const { networks } = await nest.chunkStatus();
  expect(networks).toHaveLength(2);
  expect((await ben.chunkStatus()).networks).toEqual([]);
  expect((await ben.blobs.status(ref)).here).toBe(0);
  const [network] = (await eve.chunkStatus()).networks as [NetworkStatus];
  expect(network.delivered.chunks).toBe(0);
  expect((await eve.blobs.status(ref)).here).toBe(0);
});

test("[PE11] a member that is no storage peer is refused by every storage peer, whatever it asks for", async () => {
  const { peer: home, ticket } = await host();
  await using _home = home;
  await using nest = await openPeer({ name: "nest", ...LOOPBACK });
  await join(nest, ticket, "server");
  const ref = await putPhoto(home, "photo", random.bytes(200_000));
  await until("nest to hold the picture", async () => (await nest.blobs.status(ref)).isWhole);
  /** How many chunks nest gives a member of a type that asks for them with its own device's key. */
  const given = async (type: "normal" | "server"): Promise<number> => {
    await using folder = await tempFolder();
    {
      await using member = await openPeer({ path: folder.path, ...LOOPBACK });
      await join(member, ticket, type);
    }
    const seed = fromHex(await readFile(folder.at("device.key"), "utf8")) as Uint8Array;
    const logger = (): void => {};
    const deps = { clock: nodeClock(), random: nodeRandom(), crypto: nodeCrypto(), logger };
    await using transport = await openLibp2pTransport({ ...deps, seed }, { listen: [] });
    await transport.connect(nest.device, (await nest.status()).addresses);
    const gate = new HelloGate({ ...deps, transport }, ROOKERY_PROFILE);
    const network = fromHex((await networkOf(nest)).network) as Uint8Array;
    const streamer = gate.streamer(network, () => true);
    const storage = new MemoryPullStorage({ ...deps, overlay: deps.crypto.sha256(seed) });
    await using syncer = new Syncer({ ...deps, streamer, storage });
    const asked = await syncer.getCursors(nest.device).catch(codeOf);
    if (type === "normal") expect(asked).toBe("NET_STREAM_RESET");
    const cursors = typeof asked === "object" ? asked.cursors : Array<bigint>(8).fill(1n);
    for (const [bin, to] of cursors.entries())
      if (to > 0n) await syncer.sync(nest.device, bin, 1n, { to }).catch(() => {});
    gate.close();
    return syncer.metrics().chunksDelivered;
  };
  expect(await given("normal")).toBe(0);
  expect(await given("server")).toBe((await networkOf(nest)).chunks);
});
