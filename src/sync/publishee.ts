/**
 * PublishSyncgroup, at the device that is to take the group: as one that is usually there, it lets others find and join the group.
 */

import { specFromWire, Tags } from "../access/index.ts";
import {
  type DeviceId,
  type ScopeId,
  type ScopeKey,
  scopeKeyOf,
  type UserId,
} from "../base/index.ts";
import { claimFromWire, SyncError } from "../deltas/index.ts";
import {
  type MessageInitShape,
  type Publish,
  type PublishedSchema,
  scopeFromWire,
} from "../wire/index.ts";
import {
  type AdmissionDeps,
  certifiedCaller,
  checkCheckpoint,
  type JoinCall,
  typeToWire,
} from "./admission.ts";
import { PUBLISH_CLAIM_MS, PUBLISH_CLAIMS_MAX } from "./limits.ts";
import { addressesOf, refuseTooMany } from "./group-actions.ts";
import type { Transport } from "../net/index.ts";
import { type DeviceType, type ServiceAccess } from "../groups/index.ts";

export interface PublisheeDeps extends AdmissionDeps {
  readonly transport: Transport;
  readonly serviceAccess: ServiceAccess;
}

/** What a publish peer is in the groups that are published at it: a storage peer. */
const TYPE: DeviceType = "server";

/** Takes groups, one at a time. Rules: [SY70], [SY72]. */
export class Publishee {
  readonly #deps: PublisheeDeps;
  /** Since when, by the monotonic clock, who has published a group keeps others from doing so, as far as it has been in this process. */
  readonly #claims = new Map<ScopeKey, { readonly publisher: DeviceId; readonly since: number }>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(deps: PublisheeDeps) {
    this.#deps = deps;
  }

  /**
   * Takes the group: it is here, pending, when this resolves.
   *
   * @throws {SyncError} `SYNC_NO_ACCESS` for users who may not publish here, `SYNC_NOT_ADMIN` for others' groups, `SYNC_OFFLINE`,
   *   `SYNC_DUP_PUBLISH`, `SYNC_SPEC_INVALID`.
   */
  take(publish: Publish, call: JoinCall): Promise<MessageInitShape<typeof PublishedSchema>> {
    const answer = this.#last.then(() => this.#take(publish, call));
    this.#last = answer.catch(() => {});
    return answer;
  }

  async #take(publish: Publish, call: JoinCall): Promise<MessageInitShape<typeof PublishedSchema>> {
    const { history, groups, transport, isPaused } = this.#deps;
    const certified = await certifiedCaller(this.#deps, publish.certificate, call.peer);
    // Asked before the group is looked at: who may not publish here learns nothing of what is here.
    if (!(await this.#mayPublish(certified.user))) {
      throw new SyncError("SYNC_NO_ACCESS", "Cannot publish: the user may not publish here");
    }
    const group = publish.group === undefined ? undefined : scopeFromWire(publish.group);
    if (group?.kind !== "syncgroup" || publish.spec === undefined)
      throw new SyncError("SYNC_PROTOCOL", "Cannot publish: that is no syncgroup");
    if (certified.user !== group.owner)
      throw new SyncError("SYNC_NOT_ADMIN", "Cannot publish: only the owner's devices do");
    if (isPaused(group.database))
      throw new SyncError("SYNC_OFFLINE", "Cannot publish: the database does not sync now");
    const publisher = groups.records.publisher(group);
    if (publisher !== undefined && publisher !== call.peer && !this.#isVacant(group, publisher))
      throw new SyncError("SYNC_DUP_PUBLISH", "Cannot publish: another device has done so");
    if (groups.status(group) === "destroyed")
      throw new SyncError("SYNC_SPEC_INVALID", "Cannot publish: the group was destroyed");
    if (publisher !== call.peer || !groups.isActive(group)) await this.#keep(group, publish, call);
    return {
      name: history.identity.certified.name,
      info: { type: typeToWire(TYPE), syncPriority: 0 },
      certificate: history.identity.certified.bytes,
      addresses: [...addressesOf(transport)],
    };
  }

  /**
   * Whether who has published a group here is gone, or has had its time, before it made this device an admin: it may have been revoked
   * since, of which nothing comes here. Then another of the owner's devices goes on.
   */
  #isVacant(group: ScopeId, publisher: DeviceId): boolean {
    const { history, transport } = this.#deps;
    const { device } = history.identity;
    if (history.scope(group)?.access.may(device, Tags.ADMIN) === true) return false;
    if (this.#hasHadItsTime(group, publisher)) return true;
    return !transport
      .connections()
      .some(({ peer, closed }) => peer === publisher && !closed.aborted);
  }

  #hasHadItsTime(group: ScopeId, publisher: DeviceId): boolean {
    const key = scopeKeyOf(group);
    const now = this.#deps.clock.monotonic();
    const claim = this.#claims.get(key);
    if (claim?.publisher === publisher) return now - claim.since >= PUBLISH_CLAIM_MS;
    this.#claims.delete(key);
    this.#claims.set(key, { publisher, since: now });
    const [oldest] = this.#claims.keys();
    if (this.#claims.size > PUBLISH_CLAIMS_MAX && oldest !== undefined) this.#claims.delete(oldest);
    return false;
  }

  async #mayPublish(user: UserId): Promise<boolean> {
    const { history, serviceAccess } = this.#deps;
    return user === history.identity.certified.user || serviceAccess.mayPublish(user);
  }

  async #keep(group: ScopeId, publish: Publish, { peer }: JoinCall): Promise<void> {
    const { history, groups } = this.#deps;
    // What waits for a publisher that is gone waits for this one.
    if (groups.isActive(group) && !groups.isPending(group)) {
      await groups.records.setPublisher({ group, publisher: peer });
      return;
    }
    if (publish.spec === undefined)
      throw new SyncError("SYNC_PROTOCOL", "Cannot publish: there is no spec");
    const { collections } = specFromWire(publish.spec);
    const checkpoint = publish.vectors.map(claimFromWire);
    const scopes = checkCheckpoint(group, collections, checkpoint);
    refuseTooMany(groups, group, scopes);
    const fresh = scopes.filter((scope) => history.scope(scope) === undefined);
    await history.createDatabase(group.database);
    await groups.addJoined(
      { group, checkpoint, fresh, admin: peer, addresses: publish.addresses },
      peer,
    );
  }
}
