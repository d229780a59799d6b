import {
  type Clock,
  type Crypto,
  type DeviceId,
  type Logger,
  type ScopeId,
  scopeKeyOf,
  type UserId,
} from "../base/index.ts";
import { writeUserFile } from "#platform";
import { backupBytes, type BackupOptions } from "../backup/index.ts";
import type { Blobs } from "../blobs/index.ts";
import type { ChunkStatus, ChunkStore } from "../chunks/index.ts";
import type { KeeperStatus } from "../exchange/index.ts";
import { type Finding, verifyStore } from "../doctor/index.ts";
import { type CollectionProgress, openDatabase } from "../db/index.ts";
import type { History } from "../history/index.ts";
import type { StoreState, Store } from "../store/index.ts";
import { catchUps, type PeerStatus, ServiceAccess } from "../sync/index.ts";
import type { TimeStatus, TrueTime } from "../time/index.ts";
import { PeerError } from "./errors.ts";
import type { VerifyOptions } from "./examine.ts";
import { IDENTITY_FILES, type Secrets } from "./identity.ts";
import type { Network } from "./network.ts";
import type { NetworkStatus } from "./network-status.ts";
import type { LinkedGroup, LinkOptions, OwnDevice, PairOptions, PeerDevices } from "./devices.ts";
import type { RevokeDeviceOptions } from "./revoke-device.ts";
import { PeerBlobs } from "./peer-blobs.ts";
import { PeerDatabase } from "./peer-database.ts";

/** What a peer is made of, bottom up. */
export interface PeerParts {
  readonly store: Store;
  readonly chunks: ChunkStore;
  readonly blobs: Blobs;
  readonly time: TrueTime;
  readonly history: History;
  readonly network: Network;
  readonly devices: PeerDevices;
  readonly secrets: Pick<Secrets, "read">;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly logger: Logger;
}

/** A peer at a glance. */
export interface PeerOverview {
  readonly device: DeviceId;
  readonly user: UserId;
  readonly name: string;
  /** `readOnly`: a write failed, for example on a full disk; it goes on by itself when there is room. */
  readonly store: StoreState;
  readonly addresses: readonly string[];
  readonly databases: readonly string[];
  /** Those of them that do not sync until they are resumed. */
  readonly paused: readonly string[];
  readonly time: TimeStatus;
  /** Collections of which a peer has more than is here: commits had, of those that were lacking. */
  readonly catchingUp: readonly (CollectionProgress & {
    readonly database: string;
    readonly owner: UserId;
    readonly name: string;
  })[];
}

/** The chunks of a peer at a glance. */
export interface ChunkOverview {
  readonly store: ChunkStatus;
  /** The blobs that this device keeps as a storage peer; `undefined` while its network does not run. */
  readonly kept?: KeeperStatus | undefined;
  /** One for each syncgroup in which this device is a storage peer. */
  readonly networks: readonly NetworkStatus[];
}

/** One device's databases, its network and its keys. Made by `openPeer`. */
export class Peer implements AsyncDisposable {
  /** Files, by their content. */
  readonly blobs: PeerBlobs;
  /** Which users may publish their syncgroups at this device. Kept here, and never sent. */
  readonly serviceAccess: ServiceAccess;
  readonly #parts: PeerParts;
  readonly #databases = new Map<string, PeerDatabase>();
  #closing: Promise<void> | undefined;

  constructor(parts: PeerParts) {
    this.#parts = parts;
    this.blobs = new PeerBlobs(parts.blobs, parts.network);
    this.serviceAccess = new ServiceAccess(parts.store);
  }

  get device(): DeviceId {
    return this.#parts.history.identity.device;
  }

  get user(): UserId {
    return this.#parts.history.identity.certified.user;
  }

  /** Opens a database, made unless it is there. The same name has the same handle. @throws {DbError} `DB_NAME_INVALID`; {StoreError}. */
  async openDatabase(name: string): Promise<PeerDatabase> {
    if (this.#closing !== undefined)
      throw new PeerError("PEER_CLOSED", "Cannot open database: the peer is closed");
    const known = this.#databases.get(name);
    if (known?.isClosed === false) return known;
    const { history, network, clock, logger } = this.#parts;
    const readOnlyReason = (
      collection: Parameters<NonNullable<Parameters<typeof openDatabase>[0]["readOnlyReason"]>>[0],
    ): string | undefined => network.current?.readOnlyReason(collection);
    const whyNotRevoke = (collection: ScopeId, incomplete: boolean): string | undefined =>
      network.current?.sharing.whyNotRevoke(collection, incomplete);
    const progressOf = (collection: ScopeId): CollectionProgress | undefined =>
      catchUps(this.peers()).find(({ scope }) => scopeKeyOf(scope) === scopeKeyOf(collection));
    const deps = { history, clock, logger, readOnlyReason, whyNotRevoke, progressOf };
    const database = await openDatabase(deps, name);
    // Another call may have opened it meanwhile: the same name has the same handle.
    const meanwhile = this.#databases.get(name);
    if (meanwhile?.isClosed === false) return meanwhile;
    const opened = new PeerDatabase(database, network);
    this.#databases.set(name, opened);
    return opened;
  }

  /** Names of the databases that are here. */
  databases(): string[] {
    return this.#parts.history.databases();
  }

  /** The peers that this one shares something with. */
  peers(): PeerStatus[] {
    return this.#parts.network.current?.peers() ?? [];
  }

  /** The estimate of true time, by which rows are stamped, and what it rests on. */
  time(): TimeStatus {
    return this.#parts.time.status();
  }

  async status(): Promise<PeerOverview> {
    const { store, history, network } = this.#parts;
    const { device, certified } = history.identity;
    return {
      device,
      user: certified.user,
      name: certified.name,
      store: store.state,
      addresses: await network.addresses(),
      databases: this.databases(),
      paused: this.databases().filter((database) => network.isPaused(database)),
      time: this.time(),
      catchingUp: catchUps(this.peers()).flatMap(({ scope, have, need }) =>
        scope.kind === "collection"
          ? [{ database: scope.database, owner: scope.owner, name: scope.name, have, need }]
          : [],
      ),
    };
  }

  /**
   * Writes a backup of all that this peer holds, as it is at this moment, while writes go on. The file is there whole or not at
   * all; durable when it resolves. Answers its bytes. Restored by `restorePeer`. [BK1] [BK2]
   *
   * @throws {FileError} `FILE_NOT_WRITTEN`; {StoreError}; the signal's reason.
   */
  backup(path: string, options?: BackupOptions): Promise<number> {
    return writeUserFile(path, this.backupBytes(options), { isSecret: true });
  }

  /** The bytes of a backup, made as they are read. */
  backupBytes(options?: BackupOptions): AsyncGenerator<Uint8Array, void, undefined> {
    const { history, secrets } = this.#parts;
    const readSecret = (name: string): Promise<Uint8Array | undefined> => secrets.read(name);
    const { identity } = history;
    return backupBytes(
      { ...this.#parts, identity, secretNames: IDENTITY_FILES, readSecret },
      options,
    );
  }

  /** All that the store, as it is at this moment, does not keep to the rules in. Reads all of it, and writes nothing. [DR1] [DR7] */
  verify(options: Pick<VerifyOptions, "onLooked"> = {}): AsyncGenerator<Finding, void, undefined> {
    const { onLooked } = options;
    return verifyStore({ store: this.#parts.store, crypto: this.#parts.crypto, onLooked });
  }

  /** What is stored of all blobs, and how far the storage networks are that this device is in. Goes through all their numbers. */
  async chunkStatus(): Promise<ChunkOverview> {
    const { chunks, network } = this.#parts;
    const [kept, networks] = [network.keeping(), await network.storageNetworks()];
    return { store: chunks.status(), ...(kept !== undefined && { kept }), networks };
  }

  /** See `PeerDevices.pair`. */
  pair(options?: PairOptions): Promise<string> {
    return this.#parts.devices.pair(options);
  }

  /** See `PeerDevices.linkTo`. */
  linkTo(ticket: string, options?: LinkOptions): Promise<readonly LinkedGroup[]> {
    return this.#parts.devices.linkTo(ticket, options);
  }

  /**
   * Takes a device out of every collection and syncgroup here in which that is ours to do: one of our own user's, on the device that has the user's key;
   * another's where we are admin. What it wrote and is here stays, nothing later of it counts. For good. Answers how many they are.
   *
   * @throws {PairError} `PAIR_NO_USER_KEY`, `PAIR_DEVICE_UNKNOWN`; `PAIR_NOT_EVERYWHERE` when it was left in some in which this device
   *   takes no part any more, or (unless `incomplete`) has not got everything yet, and is out of all others. [PR9]
   */
  async revokeDevice(device: DeviceId, options?: RevokeDeviceOptions): Promise<number> {
    return (await this.#parts.devices.revoke(device, options)).length;
  }

  /** See `PeerDevices.list`. */
  devices(): readonly OwnDevice[] {
    return this.#parts.devices.list();
  }

  /** Starts the network unless it runs. @throws {NetError} */
  async connect(): Promise<void> {
    await this.#parts.network.open();
  }

  /** Stops syncing a database, both ways, until `resume`, also over restarts. What is written meanwhile is sent then. */
  async pause(database: string): Promise<void> {
    await (await this.#parts.network.open()).pause(database);
  }

  async resume(database: string): Promise<void> {
    await (await this.#parts.network.open()).resume(database);
  }

  /** Ends everything in the reverse order of opening. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { store, chunks, blobs, time, history, network } = this.#parts;
    for (const database of this.#databases.values()) await database.close();
    await network.close();
    await history.close();
    await time.close();
    await blobs.close();
    await chunks.close();
    await store.close();
  }
}
