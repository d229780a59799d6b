/**
 * Publishing, at the publisher: a syncgroup whose spec names a publish peer is offered to it until it takes it or refuses.
 * That it is to be is in the group's own scope, so nothing has to be remembered: [SY71].
 */

import {
  type Certified,
  controlIdBytes,
  specToWire,
  Tags,
  type VerifiedOp,
  verifyCertificate,
} from "../access/index.ts";
import {
  CALLED_OFF,
  type Clock,
  codeOf,
  type Crypto,
  type DeviceId,
  type Logger,
  type Random,
  type ScopeId,
  type ScopeKey,
  scopeKeyOf,
  spread,
  type UserId,
} from "../base/index.ts";
import { claimToWire, RefusalError, SyncError } from "../deltas/index.ts";
import type { History, PartWrite, RowWrite } from "../history/index.ts";
import { holderRow } from "../holders/index.ts";
import { type Transport, Wakeup } from "../net/index.ts";
import { type Published, scopeToWire } from "../wire/index.ts";
import {
  ADDRESSES_MAX,
  type Groups,
  memberRow,
  promiseOf,
  readMember,
  type Sharing,
  writeParts,
} from "../groups/index.ts";
import { typeFromWire } from "./admission.ts";
import { withCalls } from "./calling.ts";
import { addressesOf } from "./group-actions.ts";
import { PUBLISH_RETRY_MAX_MS, PUBLISH_RETRY_MIN_MS } from "./limits.ts";

export interface PublishingDeps {
  readonly history: History;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly transport: Transport;
  readonly groups: Groups;
  readonly sharing: Sharing;
  readonly isPaused: (database: string) => boolean;
  /** Aborted when sync closes. */
  readonly ending: AbortSignal;
}

/** Answers of a publish peer that say no for good. Everything else may be another answer later. */
const REJECTIONS: ReadonlySet<string> = new Set([
  "SYNC_NO_ACCESS",
  "SYNC_NOT_ADMIN",
  "SYNC_SPEC_INVALID",
]);

export class Publishing {
  readonly #deps: PublishingDeps;
  readonly #runs = new Map<ScopeKey, Promise<void>>();
  readonly #changed = new Wakeup();

  constructor(deps: PublishingDeps) {
    this.#deps = deps;
  }

  /** Looks which groups are to be published, and sees to each until it is. */
  wake(): void {
    const { sharing, ending } = this.#deps;
    this.#changed.wake();
    if (ending.aborted) return;
    for (const group of sharing.allGroups()) {
      const key = scopeKeyOf(group);
      if (this.#runs.has(key) || this.#dueAt(group) === undefined) continue;
      this.#runs.set(
        key,
        this.#run(group).finally(() => this.#runs.delete(key)),
      );
    }
  }

  /** Resolves when nothing is published any more: after the end of sync. */
  async settled(): Promise<void> {
    this.#changed.wake();
    await Promise.all(this.#runs.values());
  }

  /** The peer that the group is to be offered to by us; the owner's devices do it, since only they make admins. */
  #dueAt(group: ScopeId): DeviceId | undefined {
    const { groups, history, isPaused } = this.#deps;
    if (history.identity.certified.user !== group.owner) return undefined;
    if (groups.status(group) !== "publishPending" || isPaused(group.database)) return undefined;
    return history.scope(group)?.access.spec?.value.publishPeer;
  }

  async #run(group: ScopeId): Promise<void> {
    const { ending, random, clock, groups, transport } = this.#deps;
    let wait = PUBLISH_RETRY_MIN_MS;
    for (;;) {
      const peer = ending.aborted ? undefined : this.#dueAt(group);
      if (peer === undefined) break;
      const isConnected = (): boolean =>
        transport.connections().some((connection) => connection.peer === peer);
      const wasConnected = isConnected();
      await this.#try(group, peer);
      if (this.#dueAt(group) !== peer) continue;
      const timer = new AbortController();
      const ended = AbortSignal.any([ending, timer.signal]);
      const rested = clock.sleep(spread(random, wait), ended).catch(() => {});
      const over = rested.then(() => timer.abort(CALLED_OFF));
      // A peer that connects meanwhile is asked at once; what else changes is no reason to.
      while (!ended.aborted && this.#dueAt(group) === peer && (wasConnected || !isConnected()))
        await Promise.race([over, this.#changed.wait()]);
      timer.abort(CALLED_OFF);
      wait = Math.min(2 * wait, PUBLISH_RETRY_MAX_MS);
    }
    if (!ending.aborted && groups.isPublished(group)) await this.#forgetIntent(group);
  }

  async #forgetIntent(group: ScopeId): Promise<void> {
    try {
      await this.#deps.groups.records.clearIntent(group);
    } catch (error) {
      this.#deps.logger("warn", "sync.publish.failed", { code: codeOf(error) });
    }
  }

  /** Offers the group once. Never rejects. */
  async #try(group: ScopeId, peer: DeviceId): Promise<void> {
    const { logger } = this.#deps;
    const { database } = group;
    try {
      if (this.#isRevoked(group, peer)) return await this.#noteRejected(group, peer);
      const published = await this.#offer(group, peer);
      const certified = await this.#certifiedOf(peer, published);
      if (this.#isRevoked(group, peer, certified.user))
        return await this.#noteRejected(group, peer);
      await this.#admit(group, peer, published, certified);
      logger("info", "sync.published", { database, peer });
    } catch (error) {
      const code = codeOf(error);
      logger("debug", "sync.publish.failed", { database, peer, code });
      if (!(error instanceof RefusalError)) return;
      if (code !== undefined && REJECTIONS.has(code)) await this.#noteRejected(group, peer);
    }
  }

  /** Whether the peer never comes to be an admin, whatever it answers and whatever is granted: it was revoked for good. */
  #isRevoked(group: ScopeId, peer: DeviceId, user?: UserId): boolean {
    return this.#deps.history.scope(group)?.access.isRevoked(peer, user) === true;
  }

  async #certifiedOf(peer: DeviceId, { certificate }: Published): Promise<Certified> {
    const certified = await verifyCertificate({ crypto: this.#deps.crypto }, certificate);
    if (certified.device === peer) return certified;
    throw new SyncError("SYNC_PROTOCOL", "Cannot publish: the certificate is another device's");
  }

  async #offer(group: ScopeId, peer: DeviceId): Promise<Published> {
    const { history, groups, sharing, transport, ending } = this.#deps;
    const spec = history.scope(group)?.access.spec;
    if (spec === undefined) throw new SyncError("SYNC_PENDING", "Cannot publish: no spec here");
    const intent = groups.records.intent(group);
    const named = intent?.peer === peer ? intent.addresses : [];
    const addresses = [...new Set([...named, ...sharing.addressesOf(peer)])];
    const value = {
      group: scopeToWire(group),
      spec: specToWire(spec.value),
      version: controlIdBytes(spec.version),
      vectors: promiseOf(history, groups, group).map(claimToWire),
      certificate: history.identity.certified.bytes,
      addresses: [...addressesOf(transport)],
    };
    return withCalls(this.#deps, peer, addresses, ending, async (client) => {
      const answer = await client.call({ case: "publish", value }, ending);
      if (answer.case === "published") return answer.value;
      throw new SyncError("SYNC_PROTOCOL", "Cannot publish: the peer answered something else");
    });
  }

  /** Makes the publish peer an admin and a member, in one commit: then it is published. */
  async #admit(
    group: ScopeId,
    peer: DeviceId,
    published: Published,
    certified: Certified,
  ): Promise<void> {
    const { history, groups, clock } = this.#deps;
    const known = await readMember(history, group, peer);
    const member = memberRow({
      device: peer,
      user: certified.user,
      name: published.name,
      type: typeFromWire(published.info?.type),
      priority: published.info?.syncPriority ?? 0,
      joined: clock.now(),
      hasLeft: false,
      addresses: published.addresses.slice(0, ADDRESSES_MAX),
    });
    const status: VerifiedOp = { type: "status", state: "running" };
    const parts = [...groups.collections(group), group].map((scope): PartWrite => {
      const isGroup = scope.kind === "syncgroup";
      const controls = this.#rightsOf(scope, certified);
      if (!isGroup) return { scope, controls, rows: this.#holderRows(scope, peer) };
      const isMember = known?.hasLeft === false && known.user === certified.user;
      return { scope, controls: [...controls, status], rows: isMember ? [] : [member] };
    });
    await writeParts(history, parts);
    await groups.settled();
  }

  /** What a publish peer lacks in a scope: it reads all, and admits others where we may let it. [SY72] */
  #rightsOf(scope: ScopeId, certified: Certified): VerifiedOp[] {
    const { history } = this.#deps;
    const access = history.scope(scope)?.access;
    const controls: VerifiedOp[] = [];
    if (access?.userOf(certified.device) !== certified.user)
      controls.push({ type: "device", certificate: certified.bytes, certified });
    const isOwner = history.identity.certified.user === scope.owner;
    const tags = isOwner ? Tags.READ | Tags.ADMIN : Tags.READ;
    const held = access?.tagsOf(certified.user) ?? 0;
    if ((held & tags) !== tags) controls.push({ type: "grant", user: certified.user, tags });
    return controls;
  }

  /** Noted as a holder that has nothing yet, so that nothing is dropped before it has it; its own word replaces that. */
  #holderRows(scope: ScopeId, peer: DeviceId): readonly RowWrite[] {
    const { identity } = this.#deps.history;
    const access = this.#deps.history.scope(scope)?.access;
    const isAdmin =
      identity.certified.user === scope.owner || access?.may(identity.device, Tags.ADMIN) === true;
    return isAdmin ? [holderRow(peer, new Map())] : [];
  }

  async #noteRejected(group: ScopeId, peer: DeviceId): Promise<void> {
    if (this.#dueAt(group) !== peer) return;
    try {
      await this.#deps.history.write({
        parts: [
          { scope: group, rows: [], controls: [{ type: "status", state: "publishRejected" }] },
        ],
      });
      await this.#deps.groups.settled();
    } catch (error) {
      this.#deps.logger("warn", "sync.publish.failed", { code: codeOf(error) });
    }
  }
}
