import {
  checkAddresses,
  nodeClock,
  nodeCrypto,
  nodeDatagrams,
  nodeRandom,
  nodeUptime,
  openDiskStore,
  openFolder,
  openLibp2pTransport,
  openNodeChunkFiles,
} from "#platform";
import type { Logger } from "../base/index.ts";
import { Blobs } from "../blobs/index.ts";
import { memoryChunkFiles, openChunkStore } from "../chunks/index.ts";
import { History } from "../history/index.ts";
import { checkRendezvous } from "../rendezvous/index.ts";
import { openMemoryStore } from "../store/index.ts";
import { hasGroups, pausedDatabases } from "../sync/index.ts";
import { parseNtpServers, TrueTime } from "../time/index.ts";
import { memorySecrets, openIdentity } from "./identity.ts";
import { PeerDevices } from "./devices.ts";
import { Network } from "./network.ts";
import { Peer } from "./peer.ts";

export interface PeerOptions {
  /** Folder of keys, store and chunks, made unless it is there. Without one everything is in memory and ends with the peer. */
  readonly path?: string | undefined;
  /** The device's name, for people; taken when its identity is made. Default "device". */
  readonly name?: string | undefined;
  /**
   * Multiaddrs to listen at, like `/ip4/0.0.0.0/tcp/4001`; empty: dial only. Given: the network starts at once. Default: it starts
   * when something is shared, at the port used last or any that is free.
   */
  readonly listen?: readonly string[] | undefined;
  /**
   * Whether this device, where it is a storage peer, fetches the blobs that rows name by itself. Default `true`. `false`: it
   * keeps what its neighbours replicate to it, for as long as others fetch.
   */
  readonly fetchesBlobs?: boolean | undefined;
  /**
   * Bytes that the chunks of blobs may take together, dead ones included. What would go over it is refused with `CHUNKS_FULL`; what
   * is here stays. Default: as many as the medium takes.
   */
  readonly chunkBytesMax?: number | undefined;
  /**
   * NTP servers to ask for the time at the start and hourly, like `pool.ntp.org` or `192.0.2.1:123`; at most 8. Default: none. Peers tell each other
   * what they have learned, so one device that asks is enough.
   */
  readonly ntpServers?: readonly string[] | undefined;
  /**
   * Multiaddrs of relays to be reached through, for a device that others cannot dial: `/ip4/192.0.2.1/tcp/4001/p2p/…`, at most 4. The relay sees who talks
   * to whom and how much, and nothing of what. Default: none.
   */
  readonly relays?: readonly string[] | undefined;
  /**
   * Whether the local network is told of this device by mDNS, so that devices that share something find each other there. It tells anybody there the device's
   * key and addresses, and nothing of what it shares. Default `false`.
   */
  readonly mdns?: boolean | undefined;
  /**
   * Multiaddrs of rendezvous, at most 32, each ending in `/p2p/…`: always-on peers at which this device says where it is, for the members of its syncgroups,
   * and looks for them. They are used beside those that the specs of syncgroups name. Default: none.
   */
  readonly rendezvous?: readonly string[] | undefined;
  /** Whether this device is a rendezvous for whoever asks, within limits: for always-on peers. Default `false`. */
  readonly rendezvousServer?: boolean | undefined;
  /** Whether this device relays others to each other, within limits: for always-on peers. Default `false`. */
  readonly relay?: boolean | undefined;
  /** Default: says nothing. */
  readonly logger?: Logger | undefined;
}

/** What a program without types may get wrong: a single text where a list of them is wanted. */
function checkLists({ listen, relays, rendezvous, ntpServers }: PeerOptions): void {
  for (const [name, list] of Object.entries({ listen, relays, rendezvous, ntpServers })) {
    const given: unknown = list;
    if (given === undefined) continue;
    if (!Array.isArray(given) || given.some((one) => typeof one !== "string"))
      throw new TypeError(`Cannot open peer: "${name}" is a list of texts`);
  }
}

/** Before keys are made, and a name is given to a device for good. @throws {TypeError}; {NetError} `NET_ADDRESS_INVALID`. */
async function checkGiven(options: PeerOptions): Promise<void> {
  checkLists(options);
  const { listen, relays } = options;
  if (listen !== undefined || relays !== undefined)
    await checkAddresses({ listen: listen ?? [], relays });
}

function tellQuarantined(history: History, logger: Logger): void {
  history.onQuarantined(({ scope: { database, kind, owner, name }, generations }) =>
    logger("warn", "history.quarantined", {
      database,
      kind,
      name: `${name}@${owner}`,
      commits: generations.length,
    }),
  );
}

/**
 * Opens a peer: its keys, its store, its databases, and its network when there is something to share.
 *
 * @throws {FolderError} `PEER_PATH_INVALID`; {PeerError} `PEER_IDENTITY_MISSING`, `PEER_IDENTITY_INVALID`; {TimeError} `TIME_SERVER_INVALID`; {RendezvousError} `RENDEZVOUS_ADDRESS_INVALID`; {StoreError} `STORE_LOCKED` when another process has it open, and
 *   the store's others; {ChunkError} `CHUNKS_OPEN_FAILED`, `CHUNKS_CORRUPT`; {NetError} `NET_ADDRESS_IN_USE`, `NET_ADDRESS_INVALID`; {TypeError}. Nothing stays open then.
 */
export async function openPeer(options: PeerOptions = {}): Promise<Peer> {
  await checkGiven(options);
  const { path, name = "device", listen, fetchesBlobs = true, chunkBytesMax } = options;
  const { logger = (): void => {}, ntpServers = [], relays, relay, mdns } = options;
  const { rendezvousServer: isRendezvous = false } = options;
  const rendezvous = checkRendezvous(options.rendezvous ?? []);
  const ntp = { servers: parseNtpServers(ntpServers), datagrams: nodeDatagrams() };
  const platform = { clock: nodeClock(), random: nodeRandom(), crypto: nodeCrypto(), logger };
  await using opened = new AsyncDisposableStack();

  const folder = path === undefined ? undefined : await openFolder(path);
  const secrets = folder ?? memorySecrets();
  const hasStore = folder !== undefined && (await folder.hasStore());
  const identity = await openIdentity(platform, secrets, { name, hasStore });
  const store = opened.use(
    folder === undefined
      ? await openMemoryStore(platform)
      : await openDiskStore(platform, folder.storePath),
  );
  const files =
    folder === undefined ? memoryChunkFiles() : await openNodeChunkFiles(folder.chunksPath);
  const chunks = opened.use(
    await openChunkStore({ ...platform, store, files, capacityBytes: chunkBytesMax }),
  );
  const blobs = opened.use(new Blobs({ ...platform, store, chunks }));
  const time = opened.use(
    await TrueTime.open({
      ...platform,
      store,
      user: () => identity.certified.user,
      uptime: nodeUptime,
      ntp,
    }),
  );
  const history = opened.use(
    await History.open({ ...platform, store, identity, trueTime: () => time.now() }),
  );
  tellQuarantined(history, logger);
  const devices = new PeerDevices({ ...platform, history, identity });
  const network: Network = new Network({
    ...platform,
    store,
    chunks,
    blobs,
    history,
    time,
    paused: await pausedDatabases(store),
    listen,
    fetchesBlobs,
    rendezvous,
    isRendezvous,
    servePairing: (stream, connection) => devices.serverOf(network).serve(stream, connection),
    openTransport: (addresses) =>
      openLibp2pTransport(
        { ...platform, seed: identity.deviceSeed },
        { listen: addresses, relays, isRelay: relay, isLocal: mdns },
      ),
    // A peer in memory is a new one each time.
    port: folder ?? {
      readPort: () => Promise.resolve(undefined),
      writePort: () => Promise.resolve(),
    },
  });
  devices.serverOf(network);
  opened.defer(() => network.close());
  if (listen !== undefined || (await hasGroups(store, history))) await network.open();

  const parts = { store, chunks, blobs, time, history, network, devices, secrets };
  const peer = new Peer({ ...parts, ...platform });
  opened.move();
  return peer;
}
