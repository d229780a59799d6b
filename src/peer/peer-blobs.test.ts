import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { codeOf } from "../base/index.ts";
import { seededRandom, tempFolder } from "../testkit/index.ts";
import {
  type BlobRef,
  type FetchProgress,
  openPeer,
  parseBlobRef,
  type Peer,
  type PeerBlob,
} from "./index.ts";

const LOOPBACK = { listen: ["/ip4/127.0.0.1/tcp/0"] };
const BYTES = seededRandom(20_261_129).bytes(1_500_000) as Uint8Array<ArrayBuffer>;

interface Photo {
  readonly picture: BlobRef;
}

async function rangeOf(blob: PeerBlob, start?: number, end?: number): Promise<Uint8Array> {
  return await new Response(blob.stream({ start, end })).bytes();
}

test("[PE8] a blob has one name, whatever it is put from", async () => {
  await using folder = await tempFolder();
  await writeFile(folder.at("photo.jpg"), BYTES);
  await using peer = await openPeer();
  const mediaType = "image/jpeg";
  const { ref, newBytes } = await peer.blobs.put(BYTES, { mediaType });
  expect(ref).toMatchObject({ size: BYTES.length, mediaType });
  expect(newBytes).toBe(BYTES.length);
  async function* slowly(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < BYTES.length; at += 70_001) yield BYTES.subarray(at, at + 70_001);
  }
  let taken = 0;
  for (const source of [
    folder.at("photo.jpg"),
    new Blob([BYTES]),
    new Blob([BYTES]).stream(),
    slowly(),
    [BYTES.subarray(0, 5), BYTES.subarray(5)],
  ]) {
    const onProgress = ({ bytes }: { bytes: number }): number => (taken = bytes);
    const options = { mediaType, onProgress };
    expect(await peer.blobs.put(source, options)).toEqual({ ref, newBytes: 0 });
    expect(taken).toBe(BYTES.length);
    taken = 0;
  }
  const typed = await peer.blobs.put(new Blob([BYTES], { type: "image/png" }));
  expect(typed.ref.mediaType).toBe("image/png");
  expect((await peer.blobs.put(new Uint8Array())).ref.size).toBe(0);
});

test("[PE8] what is no BlobRef, and what gives no bytes, is a TypeError that says so", async () => {
  await using peer = await openPeer();
  const { ref } = await peer.blobs.put(BYTES);
  const { blobs } = peer;
  for (const wrong of [String(ref), JSON.parse(JSON.stringify(ref)), undefined] as never[]) {
    expect(() => blobs.get(wrong)).toThrow(TypeError);
    await expect(blobs.status(wrong)).rejects.toThrow("parseBlobRef");
    await expect(blobs.fetch(wrong).next()).rejects.toThrow("parseBlobRef");
  }
  for (const wrong of [5, undefined, null, new ArrayBuffer(8), {}] as never[])
    await expect(blobs.put(wrong)).rejects.toThrow("A blob is put from");
  const again = parseBlobRef(String(ref));
  expect(again?.equals(ref)).toBe(true);
});

test("[PE13] a budget of bytes refuses what goes over it, and keeps what is here", async () => {
  await using peer = await openPeer({ chunkBytesMax: 2_000_000 });
  const { ref } = await peer.blobs.put(BYTES);
  const more = peer.blobs.put(seededRandom(7).bytes(1_000_000));
  expect(codeOf(await more.catch((error: unknown) => error))).toBe("CHUNKS_FULL");
  expect(Buffer.from(await peer.blobs.get(ref).bytes()).equals(BYTES)).toBe(true);
  expect((await peer.blobs.put(BYTES)).newBytes).toBe(0);
});

test("[PE8] a blob is read whole, by ranges and into a file", async () => {
  await using folder = await tempFolder();
  await using peer = await openPeer();
  const { ref } = await peer.blobs.put(BYTES);
  const blob = peer.blobs.get(ref);
  expect(Buffer.from(await blob.bytes()).equals(BYTES)).toBe(true);
  for (const [start, end] of [
    [0, 1],
    [1_000_000, 1_200_000],
    [1_499_999, undefined],
    [undefined, 10],
    [700_000, 700_000],
  ] as const) {
    const part = await rangeOf(blob, start, end);
    expect(Buffer.from(part).equals(BYTES.subarray(start, end))).toBe(true);
  }
  expect(() => blob.stream({ start: 5, end: 4 })).toThrow(RangeError);
  expect(() => blob.stream({ end: BYTES.length + 1 })).toThrow(RangeError);
  await blob.file(folder.at("copy.jpg"));
  expect((await readFile(folder.at("copy.jpg"))).equals(BYTES)).toBe(true);
  expect(await readdir(folder.path)).toEqual(["copy.jpg"]);
});

test("[PE8] a source that fails, and a signal, end the put with their own error, and nothing is visible", async () => {
  await using peer = await openPeer();
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield BYTES;
    throw new Error("the disk is gone");
  }
  await expect(peer.blobs.put(failing())).rejects.toThrow("the disk is gone");
  const ending = new AbortController();
  let ended = false;
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        yield new Uint8Array(100_000);
        ending.abort(new Error("enough"));
      }
    } finally {
      ended = true;
    }
  }
  await expect(peer.blobs.put(endless(), { signal: ending.signal })).rejects.toThrow("enough");
  expect(ended).toBe(true);
  await expect(peer.blobs.put("/no/such/file")).rejects.toMatchObject({ code: "FILE_NOT_READ" });
  await expect(peer.blobs.put(BYTES, { mediaType: "ü" })).rejects.toThrow(RangeError);
  const { ref } = await peer.blobs.put(BYTES);
  expect(await peer.blobs.status(ref)).toMatchObject({ here: BYTES.length, isWhole: true });
});

test("[PE3] a blob that is here is fetched without a network", async () => {
  await using peer = await openPeer();
  const { ref } = await peer.blobs.put(BYTES);
  const seen: FetchProgress[] = [];
  for await (const progress of peer.blobs.fetch(ref)) seen.push(progress);
  const size = BYTES.length;
  expect(seen).toEqual([{ state: "done", received: size, total: size, fromLocal: size, peers: 0 }]);
  expect((await peer.status()).addresses).toEqual([]);
});

test("[PE8] what is not here is refused, and no file is made", async () => {
  await using folder = await tempFolder();
  await using other = await openPeer();
  const { ref } = await other.blobs.put(BYTES);
  await using peer = await openPeer();
  const blob = peer.blobs.get(ref);
  await expect(blob.bytes()).rejects.toMatchObject({ code: "BLOB_NOT_HERE" });
  await expect(rangeOf(blob, 5, 10)).rejects.toMatchObject({ code: "BLOB_NOT_HERE" });
  await expect(blob.file(folder.at("copy"))).rejects.toMatchObject({ code: "BLOB_NOT_HERE" });
  expect(await readdir(folder.path)).toEqual([]);
  expect(await peer.blobs.status(ref)).toMatchObject({ here: 0, isWhole: false });
});

/** A peer that shares an album with one picture, and a ticket to it. */
async function withAlbum(
  peer: Peer,
  bytes: Uint8Array = BYTES,
): Promise<{ ticket: string; ref: BlobRef }> {
  const database = await peer.openDatabase("home");
  const album = database.collection<Photo>("album");
  const { ref } = await peer.blobs.put(bytes, { mediaType: "image/jpeg" });
  await album.put("beach", { picture: ref });
  const group = await database.createSyncgroup("family", { collections: [album] });
  return { ticket: await group.invite({ role: "writer", uses: 0 }), ref };
}

async function join(peer: Peer, ticket: string): Promise<BlobRef> {
  const group = await (await peer.openDatabase("home")).joinSyncgroup(ticket);
  await group.ready();
  const photo = await group.collection<Photo>("album").get("beach");
  if (photo === undefined) throw new Error("the row has not come");
  return photo.picture;
}

test("[PE9] a member fetches what a row names, and of an edited blob only what it lacks", async () => {
  await using ada = await openPeer({ name: "ada", ...LOOPBACK });
  await using ben = await openPeer({ name: "ben", ...LOOPBACK });
  const { ticket, ref } = await withAlbum(ada);
  const named = await join(ben, ticket);
  expect(named).toEqual(ref);
  const states: string[] = [];
  let received = 0;
  for await (const progress of ben.blobs.fetch(named)) {
    expect(progress.total).toBe(BYTES.length);
    expect(progress.received).toBeGreaterThanOrEqual(received);
    received = progress.received;
    states.push(progress.state);
  }
  expect(states.at(-1)).toBe("done");
  expect(received).toBe(BYTES.length);
  expect(Buffer.from(await ben.blobs.get(named).bytes()).equals(BYTES)).toBe(true);

  const edited = BYTES.slice();
  edited.set([1, 2, 3], 750_000);
  const second = await ada.blobs.put(edited);
  const album = (await ada.openDatabase("home")).collection<Photo>("album");
  await album.put("beach", { picture: second.ref });
  let last = { state: "", received: 0, fromLocal: 0 };
  for await (const progress of ben.blobs.fetch(second.ref)) last = progress;
  expect(last.state).toBe("done");
  expect(last.received).toBe(edited.length);
  expect(last.received - last.fromLocal).toBeLessThan(300_000);
  expect(Buffer.from(await ben.blobs.get(second.ref).bytes()).equals(edited)).toBe(true);
});

test("[PE9] [PE12] a fetch goes on after its reader, the holder and the fetcher have gone and come back", async () => {
  // More than is stored at once.
  const large = seededRandom(20_261_131).bytes(12_000_000);
  await using adasFolder = await tempFolder();
  await using folder = await tempFolder();
  await using ada = await openPeer({ name: "ada", path: adasFolder.path, ...LOOPBACK });
  const { ticket, ref } = await withAlbum(ada, large);
  {
    await using ben = await openPeer({ name: "ben", path: folder.path, ...LOOPBACK });
    await join(ben, ticket);
    for await (const { received } of ben.blobs.fetch(ref)) if (received > 0) break;
    const { here } = await ben.blobs.status(ref);
    expect(here).toBeGreaterThan(0);
    expect(here).toBeLessThan(large.length);
  }
  expect((await stat(folder.at("chunks"))).isDirectory()).toBe(true);
  await using ben = await openPeer({ path: folder.path, ...LOOPBACK });
  const { here } = await ben.blobs.status(ref);
  expect(here).toBeGreaterThan(0);
  let last = { state: "", received: 0, fromLocal: 0 };
  for await (const progress of ben.blobs.fetch(ref)) last = progress;
  expect(last).toMatchObject({ state: "done", fromLocal: here, received: large.length });
  await ada.close();
  expect(Buffer.from(await ben.blobs.get(ref).bytes()).equals(large)).toBe(true);
});

test("[PE9] a peer that shares nothing gets nothing, and its fetch waits until it is ended", async () => {
  await using ada = await openPeer({ name: "ada", ...LOOPBACK });
  await using eve = await openPeer({ name: "eve", ...LOOPBACK });
  const { ref } = await withAlbum(ada);
  const other = await eve.openDatabase("other");
  await other.createSyncgroup("other", { collections: [other.collection("rows")] });
  const ending = new AbortController();
  const seen: string[] = [];
  await expect(
    (async () => {
      for await (const { state } of eve.blobs.fetch(ref, { signal: ending.signal })) {
        seen.push(state);
        ending.abort(new Error("enough"));
      }
    })(),
  ).rejects.toThrow("enough");
  expect(seen).not.toContain("done");
});
