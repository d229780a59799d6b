/** A storage peer without a database: chunks on disk, pull-sync over libp2p. One command a line, one answer each. */

import { join } from "node:path";
import { type DeviceId, deviceIdOf, type ScopeId, userIdOf } from "../src/base/index.ts";
import { contentChunk, openChunkStore, Wants } from "../src/chunks/index.ts";
import {
  nodeClock,
  nodeCrypto,
  nodeRandom,
  openDiskStore,
  openLibp2pTransport,
  openNodeChunkFiles,
} from "../src/node/index.ts";
import { PullNetworks } from "../src/pullsync/index.ts";
import { answerCommands } from "./commands.ts";
import { noise } from "./data.ts";

interface Command {
  readonly do: string;
  readonly path?: string;
  readonly seed?: number;
  readonly others?: readonly number[];
  readonly chunks?: number;
  readonly bytes?: number;
  readonly device?: DeviceId;
  readonly addresses?: readonly string[];
}

const GROUP: ScopeId = {
  database: "bench",
  kind: "syncgroup",
  owner: userIdOf(new Uint8Array(32).fill(1)),
  name: "storage",
};
/** Chunks put and placed at a time. */
const BATCH = 250;
const LOOK_MS = 1;

const deps = {
  clock: nodeClock(),
  random: nodeRandom(),
  crypto: nodeCrypto(),
  logger: (): void => {},
};

const seedOf = (seed: number): Uint8Array => new Uint8Array(32).fill(seed);

async function deviceOf(seed: number): Promise<DeviceId> {
  return deviceIdOf(await deps.crypto.publicKey(seedOf(seed)));
}

async function open({ path = "", seed = 1, others = [] }: Command) {
  const members = await Promise.all([seed, ...others].map(deviceOf));
  const store = await openDiskStore(deps, join(path, "store"));
  const files = await openNodeChunkFiles(join(path, "chunks"));
  const chunks = await openChunkStore({ ...deps, store, files });
  const transport = await openLibp2pTransport(
    { ...deps, seed: seedOf(seed) },
    { listen: ["/ip4/127.0.0.1/tcp/0"] },
  );
  const wants = new Wants(deps);
  const networks = new PullNetworks({
    ...deps,
    store,
    chunks,
    wants,
    transport,
    members: () => members,
  });
  await networks.add(GROUP);
  return { store, chunks, transport, networks };
}

let peer: Awaited<ReturnType<typeof open>> | undefined;

function opened(): NonNullable<typeof peer> {
  if (peer === undefined) throw new Error("The peer is not open yet");
  return peer;
}

const handlers: Readonly<Record<string, (command: Command) => Promise<object>>> = {
  async open(command) {
    peer = await open(command);
    return { device: peer.transport.device, addresses: peer.transport.addresses() };
  },
  async fill({ seed = 1, chunks = 0, bytes = 0 }) {
    const { chunks: store, networks } = opened();
    let batch = [];
    for (const piece of noise(seed, chunks * bytes)) {
      for (let at = 0; at < piece.length; at += bytes) {
        batch.push(contentChunk(deps.crypto, piece.slice(at, at + bytes)));
        if (batch.length < BATCH) continue;
        await store.put(batch);
        await networks.place(
          GROUP,
          batch.map(({ address }) => address),
        );
        batch = [];
      }
    }
    await store.put(batch);
    await networks.place(
      GROUP,
      batch.map(({ address }) => address),
    );
    return {};
  },
  /** Connects, and waits until `chunks` chunks have been pulled and are durable here. */
  async pull({ device, addresses = [], chunks = 0 }) {
    const { transport, networks } = opened();
    if (device === undefined) throw new Error("Say whom to pull from");
    const began = performance.now();
    await transport.connect(device, addresses);
    const pulled = async (): Promise<number> => {
      const [status] = await networks.status();
      return status?.progress.peers.reduce((sum, one) => sum + one.stored, 0) ?? 0;
    };
    while ((await pulled()) < chunks) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    return { milliseconds: performance.now() - began };
  },
  async summary() {
    const { chunks, sum } = await opened().networks.summary(GROUP);
    return { chunks, sum: Buffer.from(sum).toString("hex") };
  },
  rss: () => Promise.resolve({ mib: process.resourceUsage().maxRSS / 1024 }),
  async close() {
    const { store, chunks, transport, networks } = opened();
    await networks.close();
    await transport.close();
    await chunks.close();
    await store.close();
    return {};
  },
};

await answerCommands(handlers);
