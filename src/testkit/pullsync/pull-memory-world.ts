import { type DeviceId, deviceIdOf } from "../../base/index.ts";
import { createMemoryNetwork, type Transport } from "../../net/index.ts";
import { nodeCrypto } from "../../node/index.ts";
import {
  entryOf,
  HelloGate,
  MemoryPullStorage,
  ROOKERY_PROFILE,
  Syncer,
} from "../../pullsync/index.ts";
import { FakeClock, settle } from "../fake-clock.ts";
import { seededRandom } from "../seeded-random.ts";
import { overlayOf, PULL_NETWORK, type PullWorld } from "./pull-world.ts";

/** A world of memory streams and reserves in memory. Time passes as the test says, and a little at each breath. */
export interface MemoryPullWorld extends PullWorld {
  readonly clock: FakeClock;
}

/** Milliseconds of a breath: above the linger of a live page. */
const BREATH_MS = 10;

export function memoryPullWorld(): MemoryPullWorld {
  const clock = new FakeClock();
  const network = createMemoryNetwork({ clock });
  const transports: Transport[] = [];
  const syncers: Syncer[] = [];
  const expelled = new Set<DeviceId>();
  const streamers: { recheck(): void }[] = [];
  const join = async (): Promise<{ transport: Transport; gate: HelloGate }> => {
    const key = new Uint8Array(32).fill(transports.length + 1);
    const transport = network.transport(deviceIdOf(key));
    for (const other of transports) await transport.connect(other.device, other.addresses());
    transports.push(transport);
    return { transport, gate: new HelloGate({ transport, clock }, ROOKERY_PROFILE) };
  };
  const isMember = (device: DeviceId): boolean => !expelled.has(device);
  return {
    clock,
    async open(more = {}) {
      const { transport, gate } = await join();
      const { device } = transport;
      const overlay = overlayOf(device);
      const streamer = gate.streamer(PULL_NETWORK, isMember);
      streamers.push(streamer);
      const storage = new MemoryPullStorage({ random: seededRandom(transports.length), overlay });
      const syncer = new Syncer({ streamer, storage, clock, crypto: nodeCrypto(), ...more });
      syncers.push(syncer);
      return {
        device,
        overlay,
        storage,
        syncer,
        streamer,
        remove: async (chunks) => storage.remove(chunks.map(({ address }) => entryOf(address))),
      };
    },
    async openRaw() {
      const { transport, gate } = await join();
      const { device } = transport;
      const streamer = gate.streamer(PULL_NETWORK, () => true);
      return { device, overlay: overlayOf(device), streamer };
    },
    expel(device) {
      expelled.add(device);
      for (const streamer of streamers) streamer.recheck();
    },
    async breathe() {
      await settle();
      await clock.advance(BREATH_MS);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(syncers.map((syncer) => syncer.close()));
      await Promise.all(transports.map((transport) => transport.close()));
    },
  };
}
