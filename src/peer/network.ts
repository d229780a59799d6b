import { codeOf } from "../base/index.ts";
import type { Blobs } from "../blobs/index.ts";
import { type ChunkStore, Wants } from "../chunks/index.ts";
import { Exchange, type KeeperStatus } from "../exchange/index.ts";
import type { StreamHandler, Transport } from "../net/index.ts";
import { PAIR_PROTOCOL } from "../pairing/index.ts";
import { RENDEZVOUS_PROTOCOL, RendezvousClient, RendezvousServer } from "../rendezvous/index.ts";
import { type SyncDeps, SyncService } from "../sync/index.ts";
import { PeerError } from "./errors.ts";
import type { NetworkStatus } from "./network-status.ts";
import { StorageNetworks } from "./storage-networks.ts";

/** Opens a transport that listens at the multiaddrs. */
export type OpenTransport = (listen: readonly string[]) => Promise<Transport>;

export interface NetworkDeps extends Omit<SyncDeps, "transport"> {
  readonly chunks: ChunkStore;
  readonly blobs: Blobs;
  readonly openTransport: OpenTransport;
  /** Databases that were paused when the store was opened. */
  readonly paused: ReadonlySet<string>;
  /** Answers devices that are to be this user's. */
  readonly servePairing: StreamHandler;
  /** Where to listen; `undefined`: at the port used last, or any that is free. */
  readonly listen: readonly string[] | undefined;
  /** See `PeerOptions`. */
  readonly fetchesBlobs: boolean;
  readonly rendezvous: readonly string[];
  readonly isRendezvous: boolean;
  /** The port used last, kept so that addresses given to others stay good. */
  readonly port: {
    readPort(): Promise<number | undefined>;
    writePort(port: number): Promise<void>;
  };
}

/** What runs while the network does, from the bottom up. */
interface Running {
  readonly transport: Transport;
  readonly sync: SyncService;
  readonly storage: StorageNetworks;
  readonly exchange: Exchange;
  /** Ends all of it, from the top down. */
  readonly ending: AsyncDisposableStack;
}

/** The network of a peer, opened when it is first needed: loading it takes longer than everything else. */
export class Network {
  readonly #deps: NetworkDeps;
  #opening: Promise<Running> | undefined;
  #isClosed = false;
  #running: Running | undefined;

  constructor(deps: NetworkDeps) {
    this.#deps = deps;
  }

  /** The Sync service if it runs. */
  get current(): SyncService | undefined {
    return this.#running?.sync;
  }

  /** Whether a database is paused: by what the store said at opening until the network runs, which alone changes it. */
  isPaused(database: string): boolean {
    return this.current?.isPaused(database) ?? this.#deps.paused.has(database);
  }

  /** The Sync service, started with everything else unless it runs. @throws {NetError} when the addresses cannot be listened at. */
  async open(): Promise<SyncService> {
    return (await this.#run()).sync;
  }

  /** What fetches blobs, started with everything else unless it runs. @throws as `open`. */
  async exchange(): Promise<Exchange> {
    return (await this.#run()).exchange;
  }

  /** The storage networks of this device: none while the network does not run. */
  async storageNetworks(): Promise<readonly NetworkStatus[]> {
    return (await this.#running?.storage.status()) ?? [];
  }

  /** What this device does as a storage peer; `undefined` while the network does not run. */
  keeping(): KeeperStatus | undefined {
    return this.#running?.exchange.keeperStatus();
  }

  /** The transport, started with everything else unless it runs. @throws as `open`. */
  async transport(): Promise<Transport> {
    return (await this.#run()).transport;
  }

  async addresses(): Promise<readonly string[]> {
    return (await this.#opening)?.transport.addresses() ?? [];
  }

  /** Ends it for good: what asks for it later is refused, or it would listen again beneath a peer that is closed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const running = await this.#opening?.catch(() => undefined);
    await running?.ending.disposeAsync();
  }

  async #run(): Promise<Running> {
    if (this.#isClosed)
      throw new PeerError("PEER_CLOSED", "Cannot use the network: the peer is closed");
    this.#opening ??= this.#open();
    try {
      return await this.#opening;
    } catch (error) {
      // A later call may find the port free.
      this.#opening = undefined;
      throw error;
    }
  }

  async #open(): Promise<Running> {
    await using opened = new AsyncDisposableStack();
    const transport = opened.use(await this.#listen());
    await this.#keepPort(transport);
    const sync = opened.use(await SyncService.open({ ...this.#deps, transport }));
    opened.defer(sync.serve(PAIR_PROTOCOL, this.#deps.servePairing));
    this.#meet(opened, transport, sync);
    const shared = { ...this.#deps, transport, sync, wants: new Wants(this.#deps) };
    const onStored = (): void => this.#running?.exchange.noteStored();
    const storage = opened.use(new StorageNetworks({ ...shared, onStored }));
    const exchange = opened.use(
      await Exchange.open(shared, {
        place: (group, ref) => storage.place(group, ref),
        fetchesByItself: this.#deps.fetchesBlobs,
      }),
    );
    this.#running = { transport, sync, storage, exchange, ending: opened.move() };
    return this.#running;
  }

  /** Keeps what others register if this is a rendezvous, and goes to those that there are. */
  #meet(opened: AsyncDisposableStack, transport: Transport, sync: SyncService): void {
    if (this.#deps.isRendezvous) {
      const server = new RendezvousServer(this.#deps);
      opened.defer(
        sync.serve(RENDEZVOUS_PROTOCOL, (stream, connection) => server.serve(stream, connection)),
      );
    }
    const { time } = this.#deps;
    const now = (): number => time?.now() ?? this.#deps.clock.now();
    opened.use(new RendezvousClient({ ...this.#deps, transport, sync, now }));
  }

  /** Notes where it listens now, unless that was said from outside. */
  async #keepPort(transport: Transport): Promise<void> {
    const { listen, port } = this.#deps;
    if (listen !== undefined) return;
    const now = Number(/\/tcp\/(\d+)/.exec(transport.addresses()[0] ?? "")?.[1] ?? 0);
    if (now > 0 && now !== (await port.readPort())) await port.writePort(now);
  }

  async #listen(): Promise<Transport> {
    const { listen, port, openTransport } = this.#deps;
    if (listen !== undefined) return openTransport(listen);
    return this.#listenAgain(await port.readPort());
  }

  async #listenAgain(last: number | undefined): Promise<Transport> {
    const { openTransport } = this.#deps;
    try {
      return await openTransport([`/ip4/0.0.0.0/tcp/${last ?? 0}`]);
    } catch (error) {
      if (last === undefined || codeOf(error) !== "NET_ADDRESS_IN_USE") throw error;
      return openTransport(["/ip4/0.0.0.0/tcp/0"]);
    }
  }
}
