/**
 * The Sync service of one device: serves deltas and calls, keeps links to the members of its syncgroups, and does what
 * people ask of syncgroups.
 */

import type { Clock, Crypto, DeviceId, Logger, Random, ScopeId, UserId } from "../base/index.ts";
import type { History } from "../history/index.ts";
import type { Connection, Stream, StreamHandler, Transport } from "../net/index.ts";
import type { Store } from "../store/index.ts";
import { Acquainting } from "./acquainting.ts";
import { Admission } from "./admission.ts";
import {
  BlockedPeers,
  PageBudget,
  SyncError,
  isPeerFault,
  Crowds,
  PeerKnowledges,
  serveDeltas,
  Serving,
  DELTAS_PROTOCOL,
} from "../deltas/index.ts";
import {
  GroupEdits,
  Groups,
  type GroupStatus,
  type MemberView,
  Pauses,
  type PendingProgress,
  ServiceAccess,
  Sharing,
  whenReady,
} from "../groups/index.ts";
import { Answers, type HaveBlobHandler } from "./answers.ts";
import { type Answer, type RequestInit, serveCalls } from "./calls.ts";
import { Checkpoints } from "./checkpoints.ts";
import {
  GroupActions,
  type GroupOptions,
  type InviteOptions,
  type JoinOptions,
} from "./group-actions.ts";
import { PEERS_DIALLED_MAX } from "./limits.ts";
import { Holding } from "./holding.ts";
import { type LeaveOptions, type LeaveOutcome, Leaving } from "./leaving.ts";
import { OwnAddresses } from "./own-addresses.ts";
import { clockOf, type TimeDeps } from "./peer-clock.ts";
import { type LinkDeps, PeerLink, type PeerStatus } from "./peer-link.ts";
import { CALL_PROTOCOL } from "./protocols.ts";
import { Publishee } from "./publishee.ts";
import { Publishing } from "./publishing.ts";
import { Removals } from "./removals.ts";
import { closeStranger } from "./strangers.ts";
import { Whereabouts } from "./whereabouts.ts";

export interface SyncDeps extends Partial<TimeDeps> {
  readonly store: Store;
  readonly history: History;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly transport: Transport;
}

export class SyncService implements AsyncDisposable {
  readonly #deps: SyncDeps & TimeDeps;
  readonly #groups: Groups;
  /** Who shares what with us: a view for the layers above, asked anew each time. */
  readonly sharing: Sharing;
  /** Where they are reached. */
  readonly whereabouts: Whereabouts;
  /** What is changed of groups that are here. */
  readonly edits: GroupEdits;
  readonly #actions: GroupActions;
  readonly leaving: Leaving;
  readonly #publishing: Publishing;
  readonly #checkpoints: Checkpoints;
  readonly #removals: Removals;
  readonly #acquainting: Acquainting;
  readonly #answers: Answers;
  readonly #blocked: BlockedPeers;
  /** What the streams of all peers share. */
  readonly #shared: Pick<LinkDeps, "budget" | "knowledge" | "crowds">;
  readonly #links = new Map<DeviceId, PeerLink>();
  readonly #pauses: Pauses;
  readonly #stops: (() => void)[] = [];
  readonly #ending = new AbortController();
  readonly #serving: Serving;
  readonly #ownAddresses: OwnAddresses;
  readonly #holding: Holding;
  /** Links that are not kept any more. */
  #closing: Promise<unknown> = Promise.resolve();

  private constructor(deps: SyncDeps, groups: Groups, pauses: Pauses) {
    this.#pauses = pauses;
    this.#deps = { ...deps, time: deps.time ?? clockOf(deps) };
    this.#groups = groups;
    this.sharing = new Sharing(deps.history, groups);
    const onFound = (device: DeviceId): void => this.#links.get(device)?.refresh();
    this.whereabouts = new Whereabouts(deps.transport, this.sharing, onFound);
    const isPaused = (database: string): boolean => this.#pauses.has(database);
    const ending = this.#ending.signal;
    const common = { ...this.#deps, groups, sharing: this.sharing, isPaused, ending };
    this.edits = new GroupEdits(common);
    this.#actions = new GroupActions(common);
    this.#publishing = new Publishing(common);
    this.#checkpoints = new Checkpoints(common);
    const call: SyncService["call"] = (peer, request, signal) => this.call(peer, request, signal);
    const onFault = (peer: DeviceId, error: unknown): void => this.punish(peer, error);
    this.#removals = new Removals({ ...common, call, onFault });
    this.#acquainting = new Acquainting({
      ...common,
      call,
      onGone: (peer) => this.#dropLink(peer),
    });
    const publishOwn = async (): Promise<void> => {
      this.#ownAddresses.publish();
      await this.#ownAddresses.settled();
    };
    this.leaving = new Leaving({ ...common, call, publishOwn });
    this.#answers = new Answers({
      ...common,
      admission: new Admission(common),
      publishee: new Publishee({ ...common, serviceAccess: new ServiceAccess(deps.store) }),
      removals: this.#removals,
      acquainting: this.#acquainting,
    });
    this.#blocked = new BlockedPeers(deps.clock);
    const crowds = new Crowds({ ...deps, ending }, deps.history.identity.device);
    this.#shared = { budget: new PageBudget(), knowledge: new PeerKnowledges(), crowds };
    this.#serving = new Serving({ ...deps, blocked: this.#blocked });
    this.#ownAddresses = new OwnAddresses(common);
    this.#holding = new Holding(common);
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
      transport.onFound?.((device) => this.whereabouts.noteFound(device)) ?? ((): void => {}),
      transport.onConnection((connection) => this.#onConnection(connection)),
      this.serve(DELTAS_PROTOCOL, (stream, connection) => this.#serveDeltas(stream, connection)),
      this.serve(CALL_PROTOCOL, (stream, connection) => this.#serveCalls(stream, connection)),
    );
    for (const connection of transport.connections()) this.#onConnection(connection);
    this.#onGroups();
    this.#holding.start();
    this.leaving.start();
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

  members(group: ScopeId): readonly MemberView[] {
    return this.edits.members(group);
  }

  /** Leaves a group: see `Leaving`. @throws {SyncError} `SYNC_NO_GROUP`, `SYNC_GROUP_ENDED`, `SYNC_LAST_ADMIN`, `SYNC_CLOSED`. */
  leave(group: ScopeId, options?: LeaveOptions): Promise<LeaveOutcome> {
    return this.leaving.leave(group, options);
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
  ready(group: ScopeId, signal?: AbortSignal): Promise<void> {
    const ended = AbortSignal.any([this.#ending.signal, ...(signal === undefined ? [] : [signal])]);
    return whenReady(this.#groups, group, ended);
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
    this.#answers.haveBlob = handler;
    return () => {
      if (this.#answers.haveBlob === handler) this.#answers.haveBlob = undefined;
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
      this.#closing,
      this.#serving.close(),
      this.#ownAddresses.settled(),
      this.#holding.settled(),
      this.#publishing.settled(),
      this.#checkpoints.settled(),
      this.leaving.settled(),
    ]);
    await Promise.all([this.#removals.settled(), this.#acquainting.settled()]);
    await this.#groups.settled();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #onGroups(): void {
    this.#updateLinks();
    for (const link of this.#links.values()) link.refresh();
    this.#ownAddresses.publish();
    for (const one of [this.#publishing, this.#checkpoints, this.#acquainting]) one.wake();
  }

  #onConnection(connection: Connection): void {
    const { peer } = connection;
    if (this.#blocked.has(peer)) return void connection.close("blocked");
    this.#updateLinks();
    this.#publishing.wake();
    if (!this.#links.has(peer) && this.sharing.groups(peer).length > 0)
      this.#links.set(peer, this.#link(peer));
    this.#links.get(peer)?.refresh();
    const sharesAny = (): boolean => this.sharing.groups(peer).length > 0;
    const pulls = (): boolean => this.#shared.crowds.serves(peer);
    const deps = { clock: this.#deps.clock, sharesAny, pulls, ending: this.#ending.signal };
    if (connection.direction === "inbound") void closeStranger(deps, connection);
  }

  /** A link for each device that shares a group with us, up to the limit. */
  #updateLinks(): void {
    if (this.#ending.signal.aborted) return;
    for (const peer of this.sharing.peers()) {
      if (this.#links.size >= PEERS_DIALLED_MAX) return;
      if (!this.#links.has(peer)) this.#links.set(peer, this.#link(peer));
    }
  }

  /** An acquaintance has gone: its link goes too, unless it has come to be known. */
  #dropLink(peer: DeviceId): void {
    const link = this.#links.get(peer);
    if (link === undefined || this.sharing.groups(peer).length > 0) return;
    this.#links.delete(peer);
    this.#closing = Promise.all([this.#closing, link.close()]);
  }

  #link(peer: DeviceId): PeerLink {
    const deps = {
      ...this.#deps,
      ...this.#shared,
      onFault: (device: DeviceId, error: unknown) => this.punish(device, error),
      askRemovals: (device: DeviceId) => this.#removals.ask(device),
      acquaint: (device: DeviceId) => this.#acquainting.show(device),
      onUnreached: (device: DeviceId) => this.whereabouts.noteUnreached(device),
    };
    const { sharing } = this;
    return new PeerLink(deps, peer, {
      addresses: () => this.whereabouts.addressesOf(peer),
      databases: () => sharing.databases(peer).filter((name) => !this.#pauses.has(name)),
      scopesOf: (database) => (mode) => sharing.scopes(peer, database, mode),
      isAcquaintance: (scope) => sharing.isAcquaintance(peer, scope),
      user: () => sharing.userOf(peer),
      isBlocked: () => this.#blocked.has(peer),
    });
  }

  #serveDeltas(stream: Stream, connection: Connection): Promise<void> {
    const { peer } = connection;
    const isServed = (database: string): boolean =>
      this.#deps.history.databases().includes(database) && !this.#pauses.has(database);
    let stop = (): void => {};
    const onPulled = (database: string, user: UserId): void => {
      this.#links.get(peer)?.urge(database);
      stop = this.#acquainting.meet({ peer, user, database });
    };
    const known = this.#shared.knowledge;
    const deps = { ...this.#deps, ...this.#shared, isServed, onPulled, known };
    return serveDeltas(deps, stream, connection).finally(() => stop());
  }

  #serveCalls(stream: Stream, connection: Connection): Promise<void> {
    const { peer } = connection;
    return serveCalls(
      this.#deps,
      (request, { nonce }) => this.#answers.answer(request, { peer, nonce, addresses: [] }),
      stream,
      connection,
    );
  }
}
