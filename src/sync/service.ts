/**
 * The Sync service of one device: serves deltas and calls, keeps links to the members of its syncgroups, and does what
 * people ask of syncgroups.
 */

import type { Clock, Crypto, DeviceId, Logger, Random, ScopeId } from "../base/index.ts";
import type { History } from "../history/index.ts";
import type { Connection, Stream, StreamHandler, Transport } from "../net/index.ts";
import type { Store } from "../store/index.ts";
import type { BlobHeldSchema, BlobName, MessageInitShape } from "../wire/index.ts";
import { Admission } from "./admission.ts";
import {
  BlockedPeers,
  PageBudget,
  SyncError,
  isPeerFault,
  PeerKnowledges,
  serveDeltas,
  Serving,
  DELTAS_PROTOCOL,
} from "../deltas/index.ts";
import {
  type Answer,
  type Request,
  type RequestInit,
  type ResponseInit,
  serveCalls,
} from "./calls.ts";
import {
  GroupActions,
  type GroupOptions,
  type InviteOptions,
  type JoinOptions,
  noGroup,
} from "./group-actions.ts";
import { Groups, type GroupStatus, type PendingProgress } from "./groups.ts";
import { STRANGER_MS_MAX, PEERS_DIALLED_MAX } from "./limits.ts";
import type { Member } from "./members.ts";
import { Holding } from "./holding.ts";
import { OwnAddresses } from "./own-addresses.ts";
import { clockOf, timeAnswer, type TimeDeps } from "./peer-clock.ts";
import { Pauses } from "./pauses.ts";
import { type LinkStatus, PeerLink } from "./peer-link.ts";
import { CALL_PROTOCOL } from "./protocols.ts";
import { Sharing } from "./sharing.ts";

export interface SyncDeps extends Partial<TimeDeps> {
  readonly store: Store;
  readonly history: History;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly transport: Transport;
}

/** A peer, for people. */
export interface PeerStatus extends LinkStatus {
  /** By its member record, where there is one. */
  readonly name: string | undefined;
  /** Times that it broke the protocol since this process began. */
  readonly faults: number;
  readonly isBlocked: boolean;
}

/** What answers whether a blob is here, for a peer that may not be allowed to know. Never rejects for what the peer did. */
export type HaveBlobHandler = (
  blob: BlobName,
  peer: DeviceId,
) => Promise<MessageInitShape<typeof BlobHeldSchema>>;

export class SyncService implements AsyncDisposable {
  readonly #deps: SyncDeps & TimeDeps;
  readonly #groups: Groups;
  /** Who shares what with us: a view for the layers above, asked anew each time. */
  readonly sharing: Sharing;
  readonly #admission: Admission;
  readonly #actions: GroupActions;
  readonly #blocked: BlockedPeers;
  readonly #budget = new PageBudget();
  readonly #knowledge = new PeerKnowledges();
  readonly #links = new Map<DeviceId, PeerLink>();
  readonly #pauses: Pauses;
  readonly #stops: (() => void)[] = [];
  readonly #ending = new AbortController();
  readonly #serving: Serving;
  readonly #ownAddresses: OwnAddresses;
  readonly #holding: Holding;
  #haveBlob: HaveBlobHandler | undefined;

  private constructor(deps: SyncDeps, groups: Groups, pauses: Pauses) {
    this.#pauses = pauses;
    this.#deps = { ...deps, time: deps.time ?? clockOf(deps) };
    this.#groups = groups;
    this.sharing = new Sharing(deps.history, groups);
    this.#admission = new Admission({ ...deps, groups });
    this.#actions = new GroupActions({ ...deps, groups, ending: this.#ending.signal });
    this.#blocked = new BlockedPeers(deps.clock);
    this.#serving = new Serving({ ...deps, blocked: this.#blocked });
    const shared = { ...deps, groups, sharing: this.sharing, ending: this.#ending.signal };
    this.#ownAddresses = new OwnAddresses(shared);
    this.#holding = new Holding(shared);
  }

  /** Begins to serve, and to connect to the members of the groups that are here. */
  static async open(deps: SyncDeps): Promise<SyncService> {
    const groups = await Groups.open(deps.store, deps.history, deps.logger);
    const pauses = await Pauses.open(deps.store, () => groups.tell());
    const service = new SyncService(deps, groups, pauses);
    service.#start();
    return service;
  }

  #start(): void {
    const { transport, history } = this.#deps;
    this.#stops.push(
      history.onWritten((written) => this.#groups.noteWritten(written)),
      history.onWritten(() => this.#holding.wake()),
      this.#groups.onChange(() => this.#onGroups()),
      transport.onConnection((connection) => this.#onConnection(connection)),
      this.serve(DELTAS_PROTOCOL, (stream, connection) => this.#serveDeltas(stream, connection)),
      this.serve(CALL_PROTOCOL, (stream, connection) => this.#serveCalls(stream, connection)),
    );
    for (const connection of transport.connections()) this.#onConnection(connection);
    this.#onGroups();
    this.#holding.start();
  }

  /** Makes a syncgroup over collections that this device's user administers. @throws {SyncError} */
  createGroup(database: string, name: string, options: GroupOptions): Promise<ScopeId> {
    return this.#actions.create(database, name, options);
  }

  /** A ticket for others to join by. Its holder may join: give it only to whom it is meant for. @throws {SyncError} */
  invite(group: ScopeId, options?: InviteOptions): Promise<string> {
    return this.#actions.invite(group, options);
  }

  /**
   * Joins by a ticket: at the first of its admins that answers. The group is kept, pending, when it resolves.
   *
   * @throws {AccessError} `ACCESS_TICKET_INVALID`; {SyncError} an admin's refusal, `SYNC_JOIN_FAILED` when none could be reached,
   *   `SYNC_WRONG_DATABASE`.
   */
  join(database: string, ticket: string, options?: JoinOptions): Promise<ScopeId> {
    return this.#actions.join(database, ticket, options);
  }

  groups(database: string): ScopeId[] {
    return this.#groups.all(database);
  }

  members(group: ScopeId): readonly Member[] {
    return this.#groups.members(group);
  }

  collections(group: ScopeId): ScopeId[] {
    return this.#groups.collections(group);
  }

  status(group: ScopeId): GroupStatus {
    return this.#groups.status(group);
  }

  /** How much of the checkpoint of a joined group is here; `undefined` when all of it is. */
  progress(group: ScopeId): PendingProgress | undefined {
    return this.#groups.progress(group);
  }

  /** Resolves when a group's history up to the checkpoint is here, rows included. */
  async ready(group: ScopeId, signal?: AbortSignal): Promise<void> {
    if (!this.#groups.has(group)) throw noGroup(group);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (): void => {
      if (this.#groups.progress(group) === undefined) resolve();
    };
    const signals = AbortSignal.any([
      this.#ending.signal,
      ...(signal === undefined ? [] : [signal]),
    ]);
    const abort = (): void => reject(signals.reason);
    signals.addEventListener("abort", abort, { once: true });
    const stop = this.#groups.onChange(look);
    try {
      signals.throwIfAborted();
      look();
      await promise;
    } finally {
      stop();
      signals.removeEventListener("abort", abort);
    }
  }

  /** Why a collection may not be written to yet, or `undefined`. */
  readOnlyReason(collection: ScopeId): string | undefined {
    return this.#groups.readOnlyReason(collection);
  }

  peers(): PeerStatus[] {
    const names = new Map<DeviceId, string>();
    for (const group of this.sharing.allGroups())
      for (const { device, name } of this.#groups.members(group)) names.set(device, name);
    return Array.from(this.#links.values(), (link) => ({
      ...link.status,
      name: names.get(link.device),
      faults: this.#blocked.faults(link.device),
      isBlocked: this.#blocked.has(link.device),
    }));
  }

  /** Stops pulling and serving a database, at once and until it is resumed, also by a later process. */
  pause(database: string): Promise<void> {
    return this.#pauses.set(database, true);
  }

  /** Goes on where `pause` stopped. */
  resume(database: string): Promise<void> {
    return this.#pauses.set(database, false);
  }

  isPaused(database: string): boolean {
    return this.#pauses.has(database);
  }

  /**
   * Serves a protocol of a layer above as our own: a peer that `handler` finds to break the protocol (`isPeerFault`) is
   * punished, one that is blocked gets nothing, and its streams end when sync closes. Answers a function that ends it.
   */
  serve(protocol: string, handler: StreamHandler): () => void {
    return this.#deps.transport.handle(protocol, (stream, connection) =>
      this.#serving.run(stream, connection, handler),
    );
  }

  /** What answers HaveBlob; there is one at a time. Answers a function that ends it. */
  handleHaveBlob(handler: HaveBlobHandler): () => void {
    this.#haveBlob = handler;
    return () => {
      if (this.#haveBlob === handler) this.#haveBlob = undefined;
    };
  }

  /**
   * Asks a member that is connected. It is punished when its answer is none.
   *
   * @throws {SyncError} its refusal, `SYNC_OFFLINE` when it is not connected, `SYNC_TIMEOUT`; the signal's reason.
   */
  async call(peer: DeviceId, request: RequestInit, signal?: AbortSignal): Promise<Answer> {
    const link = this.#links.get(peer);
    if (link === undefined)
      throw new SyncError("SYNC_OFFLINE", "Cannot call: the peer is not connected");
    try {
      return await (await link.calls()).call(request, signal);
    } catch (error) {
      if (isPeerFault(error)) this.punish(peer, error);
      throw error;
    }
  }

  /** Disconnects a peer that broke the protocol, counts it, and does not talk to it for a while. */
  punish(peer: DeviceId, error: unknown): void {
    this.#serving.punish(peer, error);
  }

  /** Whether a peer is not talked to now. */
  isBlocked(peer: DeviceId): boolean {
    return this.#blocked.has(peer);
  }

  /** Calls `listener` when groups, their members, who may read them or what is paused may have changed. Answers a function that ends it. */
  onGroups(listener: () => void): () => void {
    return this.#groups.onChange(listener);
  }

  /** Ends links and streams. The transport and the history stay open: they are not ours. */
  async close(): Promise<void> {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort(new SyncError("SYNC_CLOSED", "Sync is closed"));
    for (const stop of this.#stops) stop();
    await Promise.all([
      ...Array.from(this.#links.values(), (link) => link.close()),
      this.#serving.close(),
      this.#ownAddresses.settled(),
      this.#holding.settled(),
    ]);
    await this.#groups.settled();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #onGroups(): void {
    this.#updateLinks();
    this.#refreshLinks();
    this.#ownAddresses.publish();
  }

  #refreshLinks(): void {
    for (const link of this.#links.values()) link.refresh();
  }

  #onConnection(connection: Connection): void {
    if (this.#blocked.has(connection.peer)) {
      void connection.close("blocked");
      return;
    }
    this.#updateLinks();
    const { peer } = connection;
    if (!this.#links.has(peer) && this.sharing.groups(peer).length > 0)
      this.#links.set(peer, this.#link(peer));
    this.#links.get(peer)?.refresh();
    if (connection.direction === "inbound") void this.#closeStranger(connection);
  }

  /** Who connects and shares nothing with us may have come to join; if it has not by then, others need the place. */
  async #closeStranger(connection: Connection): Promise<void> {
    try {
      const signal = AbortSignal.any([connection.closed, this.#ending.signal]);
      await this.#deps.clock.sleep(STRANGER_MS_MAX, signal);
    } catch {
      return;
    }
    if (this.sharing.groups(connection.peer).length > 0) return;
    await connection.close("shares nothing");
  }

  /** A link for each device that shares a group with us, up to the limit. */
  #updateLinks(): void {
    if (this.#ending.signal.aborted) return;
    for (const peer of this.sharing.peers()) {
      if (this.#links.size >= PEERS_DIALLED_MAX) return;
      if (!this.#links.has(peer)) this.#links.set(peer, this.#link(peer));
    }
  }

  #link(peer: DeviceId): PeerLink {
    const deps = {
      ...this.#deps,
      budget: this.#budget,
      knowledge: this.#knowledge,
      onFault: (device: DeviceId, error: unknown) => this.punish(device, error),
    };
    const sharing = this.sharing;
    return new PeerLink(deps, peer, {
      addresses: () => sharing.addressesOf(peer),
      databases: () => sharing.databases(peer).filter((name) => !this.#pauses.has(name)),
      scopesOf: (database) => (mode) => sharing.scopes(peer, database, mode),
      user: () => sharing.userOf(peer),
      isBlocked: () => this.#blocked.has(peer),
    });
  }

  #serveDeltas(stream: Stream, connection: Connection): Promise<void> {
    const isServed = (database: string): boolean =>
      this.#deps.history.databases().includes(database) && !this.#pauses.has(database);
    const onPulled = (database: string): void => this.#links.get(connection.peer)?.urge(database);
    const known = this.#knowledge.at(connection);
    return serveDeltas({ ...this.#deps, isServed, onPulled, known }, stream, connection);
  }

  #serveCalls(stream: Stream, connection: Connection): Promise<void> {
    return serveCalls(
      this.#deps,
      (request, call) => this.#answer(request, call.nonce, connection),
      stream,
      connection,
    );
  }

  async #answer(
    request: Request,
    nonce: Uint8Array,
    connection: Connection,
  ): Promise<ResponseInit> {
    switch (request.case) {
      case "getTime":
        return { case: "time", value: timeAnswer(this.#deps.time, request.value.origin) };
      case "join":
        return {
          case: "joined",
          value: await this.#admission.admit(request.value, {
            peer: connection.peer,
            nonce,
            addresses: [],
          }),
        };
      case "haveBlob":
        if (this.#haveBlob !== undefined && request.value.blob !== undefined)
          return {
            case: "blobHeld",
            value: await this.#haveBlob(request.value.blob, connection.peer),
          };
        break;
      case undefined:
        break;
    }
    throw new SyncError("SYNC_UNSUPPORTED", "This peer does not know the request");
  }
}
