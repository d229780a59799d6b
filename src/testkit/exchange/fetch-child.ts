/**
 * A device that fetches blobs until it is killed: its store and chunks lie on disk, it reaches others over libp2p.
 *
 *     parent                                  child
 *     spawnChild(FILE)                 <----  "warm"
 *     send(JSON of FetchOrder)         ---->  opens the folder, joins if there is a ticket
 *                                      <----  "ready", "fetching N" and the like as it goes, "done N" for each blob, "end"
 */

import { join } from "node:path";
import { verifyCertificate } from "../../access/index.ts";
import { fromHex, parseBlobRef } from "../../base/index.ts";
import { openChunkStore } from "../../chunks/index.ts";
import {
  nodeClock,
  nodeCrypto,
  nodeRandom,
  openDiskStore,
  openLibp2pTransport,
  openNodeChunkFiles,
} from "../../node/index.ts";
import { endWithParent, say } from "../child.ts";
import { openSyncPeer } from "../sync-peer.ts";
import { openExchange } from "./blob-flock.ts";

/** What the child is to do. */
export interface FetchOrder {
  readonly folder: string;
  /** Of the device, in hexadecimal digits. */
  readonly deviceSeed: string;
  readonly certificate: string;
  /** To join by, the first time. */
  readonly ticket: string | undefined;
  /** Texts of the blobs to fetch, one after another. */
  readonly refs: readonly string[];
}

const told = endWithParent();
const clock = nodeClock();
const crypto = nodeCrypto();
// What takes long is loaded before anything is begun.
await (
  await openLibp2pTransport(
    { seed: nodeRandom().bytes(32), clock, logger: () => {} },
    { listen: [] },
  )
).close();
say("warm");
for await (const line of told) {
  await fetchAll(JSON.parse(line) as FetchOrder);
  process.exit();
}

async function fetchAll(order: FetchOrder): Promise<void> {
  const deviceSeed = fromHex(order.deviceSeed) ?? new Uint8Array();
  const certified = await verifyCertificate(
    { crypto },
    fromHex(order.certificate) ?? new Uint8Array(),
  );
  const store = await openDiskStore({ clock, random: nodeRandom() }, join(order.folder, "store"));
  const files = await openNodeChunkFiles(join(order.folder, "chunks"));
  const chunks = await openChunkStore({ store, files, crypto });
  const logger = (): void => {};
  const peer = await openSyncPeer({
    name: "bob",
    store,
    identity: { device: certified.device, deviceSeed, certified },
    transport: (_, seed) => openLibp2pTransport({ seed, clock, logger }, { listen: [] }),
  });
  const { exchange } = await openExchange({ peer, store, chunks, clock, logger });
  if (order.ticket !== undefined) await peer.sync.join("notes", order.ticket);
  say("ready");
  for (const [i, text] of order.refs.entries()) {
    const ref = parseBlobRef(text);
    if (ref === undefined) throw new Error("The reference is none");
    for await (const { state, received } of exchange.fetch(ref)) say(`${state} ${received}`);
    say(`done ${i}`);
  }
  await exchange.close();
  await chunks.close();
  await peer[Symbol.asyncDispose]();
  say("end");
}
