import {
  type Clock,
  concatBytes,
  type DeviceId,
  deviceIdOf,
  equalBytes,
} from "../../base/index.ts";
import {
  type ChunkStore,
  CONTENT,
  memoryChunkFiles,
  openChunkStore,
  type VerifiedChunk,
  Wants,
} from "../../chunks/index.ts";
import { createMemoryNetwork, type Transport } from "../../net/index.ts";
import { nodeClock, nodeCrypto, nodeRandom } from "../../node/index.ts";
import {
  entryOf,
  HelloGate,
  MemoryPullStorage,
  type PullStorage,
  Puller,
  Reserve,
  ROOKERY_PROFILE,
  Syncer,
} from "../../pullsync/index.ts";
import { openMemoryStore, type Store } from "../../store/index.ts";
import { FakeClock, FaultyChunkFiles, seededRandom, settle } from "../index.ts";
import { libp2pWorld } from "../libp2p-world.ts";
import { overlayOf, PULL_NETWORK, type PullSide, type PullWorld } from "./pull-world.ts";

/** What carries the streams of a world. */
interface PullNet<C extends Clock> extends AsyncDisposable {
  readonly clock: C;
  open(): Promise<Transport>;
  addressesOf(transport: Transport): readonly string[];
  breathe(): Promise<void>;
}

/** A reserve, and what a test does to it. */
interface PullDisk extends AsyncDisposable {
  readonly storage: PullStorage;
  readonly store: Store;
  lose(chunks: readonly VerifiedChunk[]): Promise<void>;
  remove(chunks: readonly VerifiedChunk[]): Promise<void>;
}

export type PullDisks = "memory" | "reserve";

const crypto = nodeCrypto();

/** A world of memory streams. Time passes as the test says, and a little at each breath. */
export function memoryPullWorld(disks: PullDisks = "memory"): PullWorld & { clock: FakeClock } {
  return pullWorld(memoryNet(), disks);
}

/** A world of libp2p over loopback, in real time. */
export function libp2pPullWorld(disks: PullDisks = "reserve"): PullWorld {
  return pullWorld(libp2pNet(), disks);
}

/** Milliseconds of a breath: above the linger of a live page. */
const BREATH_MS = 10;

function memoryNet(): PullNet<FakeClock> {
  const clock = new FakeClock();
  const network = createMemoryNetwork({ clock });
  const transports: Transport[] = [];
  return {
    clock,
    async open() {
      const transport = network.transport(
        deviceIdOf(new Uint8Array(32).fill(transports.length + 1)),
      );
      transports.push(transport);
      return transport;
    },
    addressesOf: (transport) => transport.addresses(),
    async breathe() {
      await settle();
      await clock.advance(BREATH_MS);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(transports.map((transport) => transport.close()));
    },
  };
}

function libp2pNet(): PullNet<Clock> {
  const world = libp2pWorld();
  return {
    clock: nodeClock(),
    open: () => world.open(),
    addressesOf: (transport) => world.addressesOf(transport),
    breathe: () => world.breathe(),
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

function pullWorld<C extends Clock>(
  net: PullNet<C>,
  disks: PullDisks,
): PullWorld & { readonly clock: C } {
  const { clock } = net;
  const transports: Transport[] = [];
  const closing: (() => Promise<unknown>)[] = [];
  const expelled = new Set<DeviceId>();
  const streamers: { recheck(): void }[] = [];
  const join = async (): Promise<{ transport: Transport; gate: HelloGate }> => {
    const transport = await net.open();
    for (const other of transports) await transport.connect(other.device, net.addressesOf(other));
    transports.push(transport);
    return { transport, gate: new HelloGate({ transport, clock }, ROOKERY_PROFILE) };
  };
  const random = () => (clock instanceof FakeClock ? seededRandom(closing.length) : nodeRandom());
  return {
    clock,
    async open({ profile, ...more } = {}) {
      const { transport, gate } = await join();
      const { device } = transport;
      const overlay = overlayOf(device);
      const streamer = gate.streamer(PULL_NETWORK, (other) => !expelled.has(other));
      streamers.push(streamer);
      const disk = await (disks === "memory" ? memoryDisk : reserveDisk)(overlay, random(), clock);
      const { storage } = disk;
      const wants = new Wants({ clock });
      const deps = { streamer, storage, clock, crypto, wants, ...more };
      const syncer = new Syncer(deps, { profile });
      closing.unshift(
        () => syncer.close(),
        async () => disk[Symbol.asyncDispose](),
      );
      return { ...disk, device, overlay, syncer, streamer };
    },
    async openRaw() {
      const { transport, gate } = await join();
      const { device } = transport;
      const streamer = gate.streamer(PULL_NETWORK, () => true);
      return { device, overlay: overlayOf(device), streamer };
    },
    async pull(side) {
      const { device } = side;
      const others = transports.map((transport) => transport.device).filter((it) => it !== device);
      const neighbours = () => others;
      const deps = { ...side, clock, random: random(), crypto, logger: () => {}, neighbours };
      const puller = await Puller.open(deps, networkOf(side));
      closing.unshift(() => puller.close());
      for (const other of others) puller.add(other);
      return puller;
    },
    expel(device) {
      expelled.add(device);
      for (const streamer of streamers) streamer.recheck();
    },
    breathe: () => net.breathe(),
    async [Symbol.asyncDispose]() {
      for (const close of closing) await close();
      await net[Symbol.asyncDispose]();
    },
  };
}

function networkOf({ storage }: PullSide): { network?: number } {
  return storage instanceof Reserve ? { network: storage.number } : {};
}

type Random = ReturnType<typeof nodeRandom>;

async function memoryDisk(overlay: Uint8Array, random: Random, clock: Clock): Promise<PullDisk> {
  const store = await openMemoryStore({ random, clock });
  const storage = new MemoryPullStorage({ random, overlay, store });
  return {
    storage,
    store,
    lose: async (chunks) => storage.lose(chunks.map(({ address }) => entryOf(address))),
    remove: async (chunks) => storage.remove(chunks.map(({ address }) => entryOf(address))),
    [Symbol.asyncDispose]: () => store.close(),
  };
}

async function reserveDisk(overlay: Uint8Array, random: Random, clock: Clock): Promise<PullDisk> {
  const store = await openMemoryStore({ random, clock });
  const files = new FaultyChunkFiles(memoryChunkFiles());
  const chunks = await openChunkStore({ store, files, crypto });
  const reserve = await Reserve.open(
    { store, chunks, random, logger: () => {} },
    { network: PULL_NETWORK, overlay },
  );
  return {
    storage: reserve,
    store,
    async lose(lost) {
      for (const chunk of lost) await damageChunk(files, chunks, chunk);
    },
    remove: async (gone) => {
      await chunks.delete(
        CONTENT,
        gone.map(({ address }) => address),
      );
    },
    async [Symbol.asyncDispose]() {
      await reserve.close();
      await chunks.close();
      await store.close();
    },
  };
}

/** Lets a chunk's bytes rot in its pack and reads it, so that it is found. */
export async function damageChunk(
  files: FaultyChunkFiles,
  chunks: ChunkStore,
  { kind, address, bytes }: VerifiedChunk,
): Promise<void> {
  for (const file of await files.list()) {
    const content = concatBytes(await files.read(file, 0, await files.size(file)));
    for (let at = 0; at + bytes.length <= content.length; at++) {
      if (content[at] !== bytes[0] || !equalBytes(content.subarray(at, at + bytes.length), bytes))
        continue;
      await files.damage(file, at);
    }
  }
  await chunks.get({ kind, address });
}
