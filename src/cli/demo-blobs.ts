/** The demo's steps with blobs: photographs put, fetched, edited, replicated, and there when their writer is gone. */

import { isDeepStrictEqual } from "node:util";
import { check, type StepResult, type Steps, until } from "./demo-steps.ts";
import { hashOf, loadPictures, type Picture, withComment } from "./demo-photos.ts";
import type { Cast } from "./demo-rows.ts";
import type { FetchLine } from "./blob-commands.ts";
import type { ChunksLine, NetworkLine } from "./chunk-commands.ts";
import type { FlockPeer } from "./flock.ts";
import type { PeerLine } from "./status-commands.ts";

const ALBUM = "/v1/databases/demo/collections/album";
/** Part of an edited picture that need not travel again, at least. */
const SAVED_MIN = 0.95;

/** A picture in the album. */
interface Entry {
  readonly picture: Picture;
  readonly ref: string;
}

export async function runBlobSteps(steps: Steps, cast: Cast): Promise<void> {
  const { ada, ben } = cast;
  const { pictures, areReal } = await loadPictures();
  const album: Entry[] = [];
  await steps.run("pictures", async () => {
    for (const picture of pictures) album.push(await putInAlbum(ada, picture));
    const kind = areReal ? "photographs" : "generated pictures (this package has no photographs)";
    return {
      proved: `${album.length} ${kind} are durable at ada, each named by a row of the album`,
      cost: `${pictures.reduce((sum, { bytes }) => sum + bytes.length, 0)} bytes, ${album.length} rows`,
    };
  });
  const [largest, other] = album;
  if (largest === undefined || other === undefined)
    throw new Error("the album has no two pictures");
  await steps.run("fetch", () => fetchLargest(ben, largest));
  await steps.run("edit", async () => {
    const edited = withComment(largest.picture, "Seen by the demo of Rookery");
    album.push(await putInAlbum(ada, edited));
    return fetchEdited(ben, album.at(-1) as Entry);
  });
  await steps.run("storage peers", () => compareStorage(cast, album));
  await steps.run("writer gone", () => fetchFromStorage(cast, other));
}

async function putInAlbum(ada: FlockPeer, picture: Picture): Promise<Entry> {
  const { name, bytes, mediaType } = picture;
  const { ref, size } = await ada.putBlob(bytes, mediaType);
  await ada.ask(`${ALBUM}/row?key=${encodeURIComponent(name)}`, "PUT", {
    value: { name, size, picture: { $blob: ref } },
  });
  return { picture, ref };
}

/** Waits for the row, fetches what it names, and holds every byte against the file's. */
async function fetchEntry(peer: FlockPeer, { picture, ref }: Entry): Promise<FetchLine> {
  const { name, bytes } = picture;
  await until(`the row of ${name} at ${peer.name}`, async () => {
    const row = (await peer.rows(`${ALBUM}/rows`)).get(name) as
      | { readonly picture: { readonly $blob: string } }
      | undefined;
    return row?.picture.$blob === ref;
  });
  const fetched = await peer.fetchBlob(ref);
  const hash = await peer.hashOfBlob(ref);
  check(hash === hashOf(bytes), `what ${peer.name} has of ${name} is not what the file holds`);
  return fetched;
}

async function fetchLargest(ben: FlockPeer, entry: Entry): Promise<StepResult> {
  const { received, fromLocal } = await fetchEntry(ben, entry);
  check(fromLocal === 0, `${fromLocal} bytes were at ben before`);
  return {
    proved: `blob fetched and verified: SHA-256 of ${entry.picture.name} at ben is that of the file`,
    cost: `${received} bytes fetched`,
  };
}

async function fetchEdited(ben: FlockPeer, entry: Entry): Promise<StepResult> {
  const { total, fromLocal } = await fetchEntry(ben, entry);
  const saved = fromLocal / total;
  check(saved >= SAVED_MIN, `only ${percent(saved)} of the edited picture did not travel`);
  return {
    proved: `an edited picture is fetched by its difference: ${percent(saved)} of its bytes saved, verified`,
    cost: `${total - fromLocal} of ${total} bytes fetched`,
  };
}

/** Both storage peers come to hold every picture, and so the same chunks: some fetched, some brought by pull-sync. */
async function compareStorage({ nest, loft }: Cast, album: readonly Entry[]): Promise<StepResult> {
  let [first, second] = [await networkOf(nest), await networkOf(loft)];
  await until("both storage peers to hold the same chunks", async () => {
    for (const { ref } of album)
      for (const peer of [nest, loft]) if (!(await statusOf(peer, ref)).isWhole) return false;
    [first, second] = [await networkOf(nest), await networkOf(loft)];
    return first.chunks === second.chunks && first.sum === second.sum;
  });
  for (const peer of [nest, loft]) {
    for (const { ref, picture } of album) {
      const hash = await peer.hashOfBlob(ref);
      check(hash === hashOf(picture.bytes), `${peer.name} does not hold ${picture.name}`);
    }
  }
  const delivered = (network: NetworkLine): string => `${network.delivered.chunks} by pull-sync`;
  return {
    proved: `chunk sets of both storage peers are equal: ${first.chunks} chunks of ${album.length} blobs`,
    cost: `nest got ${delivered(first)}, loft ${delivered(second)}, the others were fetched`,
  };
}

async function statusOf(
  peer: FlockPeer,
  ref: string,
): Promise<{ readonly here: number; readonly isWhole: boolean }> {
  const status = await peer.ask(`/v1/blobs/${encodeURIComponent(ref)}/status`);
  return status as { readonly here: number; readonly isWhole: boolean };
}

/** The one storage network that a peer of the demo belongs to. */
async function networkOf(peer: FlockPeer): Promise<NetworkLine> {
  const { networks } = (await peer.ask("/v1/chunks/status")) as ChunksLine;
  const [network] = networks;
  if (network === undefined) throw new Error(`${peer.name} belongs to no storage network`);
  return network;
}

/** Who wrote the picture has gone, and so has the first storage peer: what comes can come from the second alone. */
async function fetchFromStorage(cast: Cast, entry: Entry): Promise<StepResult> {
  const { ada, ben, nest } = cast;
  const { here } = await statusOf(ben, entry.ref);
  check(here === 0, `ben has ${here} bytes of ${entry.picture.name} already`);
  const began = performance.now();
  await Promise.all([ada.stop(), nest.stop()]);
  const isAlone = async (): Promise<boolean> => isDeepStrictEqual(await connectedTo(ben), ["loft"]);
  await until("ben to be connected to loft alone", isAlone);
  const stopped = performance.now();
  const { received, fromLocal } = await fetchEntry(ben, entry);
  check(await isAlone(), "ben was connected to others than loft");
  check(fromLocal === 0, `${fromLocal} bytes of it were at ben before`);
  return {
    proved: `with ada and nest stopped, ben fetched ${entry.picture.name} from loft, the second storage peer, verified`,
    cost: `${received} bytes fetched, ${Math.round(stopped - began)} ms to stop two, ${Math.round(performance.now() - stopped)} ms to fetch`,
  };
}

/** Names of the peers that one is connected to. */
async function connectedTo(peer: FlockPeer): Promise<string[]> {
  const peers = (await peer.ask("/v1/peers")) as PeerLine[];
  return peers.flatMap(({ isConnected, name }) => (isConnected ? [name ?? ""] : []));
}

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}
