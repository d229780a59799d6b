/**
 * A process that pulls into a folder from a peer in its own memory, and is killed for it. The peer is the same every time.
 *
 *     node --conditions=rookery-source src/testkit/pullsync/pull-child.ts <folder> <how many chunks> <healthy | lying>
 *
 * Says `begun`, then `live` when all that the peer has is done, and goes on. A lying peer delivers one chunk in twenty wrongly.
 */

import { deviceIdOf } from "../../base/index.ts";
import { createMemoryNetwork } from "../../net/index.ts";
import { nodeClock, nodeCrypto, nodeRandom } from "../../node/index.ts";
import {
  HelloGate,
  MemoryPullStorage,
  Puller,
  ROOKERY_PROFILE,
  Syncer,
} from "../../pullsync/index.ts";
import { endWithParent, say, seededRandom } from "../index.ts";
import { openPulledFolder } from "./pulled-folder.ts";
import { chunksOf, fill, overlayOf, PULL_NETWORK } from "./pull-world.ts";

/** The peer's device and ours. */
const [THERE, HERE] = [1, 2].map((n) => deviceIdOf(new Uint8Array(32).fill(n)));
/** Milliseconds for each batch that is read, so that there is something left to be killed in. */
const READ_MS = 10;

const [folder = "", count = "0", how = "healthy"] = process.argv.slice(2);
endWithParent();
const clock = nodeClock();
const crypto = nodeCrypto();
const network = createMemoryNetwork({ clock });

const overlay = overlayOf(THERE as never);
const there = new MemoryPullStorage({ random: seededRandom(1), overlay });
await fill(there, chunksOf(Number(count)));
const get = there.get.bind(there);
there.get = async (entries) => {
  await clock.sleep(READ_MS);
  const found = await get(entries);
  if (how === "healthy") return found;
  const lies = Uint8Array.of(1, 2, 3);
  return found.map((each) => each && (Math.random() < 0.05 ? { ...each, bytes: lies } : each));
};

const open = async (device: string, storage: MemoryPullStorage | undefined) => {
  const transport = network.transport(device as never);
  const streamer = new HelloGate({ transport, clock }, ROOKERY_PROFILE).streamer(
    PULL_NETWORK,
    () => true,
  );
  if (storage !== undefined) new Syncer({ streamer, storage, clock, crypto });
  return { transport, streamer };
};
const server = await open(THERE as string, there);
const client = await open(HERE as string, undefined);
const disk = await openPulledFolder(folder, overlayOf(HERE as never));
await client.transport.connect(server.transport.device, server.transport.addresses());
const syncer = new Syncer({ streamer: client.streamer, storage: disk.reserve, clock, crypto });
const puller = await Puller.open(
  {
    syncer,
    storage: disk.reserve,
    store: disk.store,
    clock,
    random: nodeRandom(),
    crypto,
    logger: () => {},
    neighbours: () => [THERE as string],
  },
  { network: disk.reserve.number },
);
puller.add(THERE as string);
say("begun");
let isTold = false;
for (;;) {
  await clock.sleep(20);
  const { peers, missing } = puller.progress();
  if (isTold || peers[0]?.state !== "live" || (how === "healthy" && missing > 0)) continue;
  say("live");
  isTold = true;
}
