/**
 * What a device is in groups, asked of those who may know better: who was ejected is served nothing any more, and would
 * not learn why.
 */

import { Tags } from "../access/index.ts";
import { type Clock, codeOf, type DeviceId, type Logger, type ScopeId } from "../base/index.ts";
import { RefusalError, REQUEST_SCOPES_MAX } from "../deltas/index.ts";
import type { History } from "../history/index.ts";
import type { Transport } from "../net/index.ts";
import {
  type MessageInitShape,
  scopeFromWire,
  scopeToWire,
  Stand,
  type Standing as StandingRequest,
  type StandsSchema,
} from "../wire/index.ts";
import { type Groups, type Sharing } from "../groups/index.ts";
import type { Answer, RequestInit } from "./calls.ts";
import { RETRY_MAX_MS, RETRY_MIN_MS } from "./limits.ts";

export interface StandingDeps {
  readonly history: History;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly groups: Groups;
  readonly sharing: Sharing;
  readonly transport: Transport;
  readonly call: (peer: DeviceId, request: RequestInit) => Promise<Answer>;
  /** Aborted when sync closes. */
  readonly ending: AbortSignal;
}

/** Asks and answers. Rules: [SY67], [SY68], [SY81]. */
export class Standing {
  readonly #deps: StandingDeps;
  readonly #asking = new Map<DeviceId, Promise<void>>();

  constructor(deps: StandingDeps) {
    this.#deps = deps;
  }

  /** Asks a peer what we are in the groups of which it is an admin, until it is known here. One question at a time; never rejects. */
  ask(peer: DeviceId): void {
    if (this.#asking.has(peer)) return;
    const asking = this.#insist(peer).finally(() => this.#asking.delete(peer));
    this.#asking.set(peer, asking);
  }

  /** Asks again where the answer did not come, or could not be written; who is not connected is asked once it is. [SY81] */
  async #insist(peer: DeviceId): Promise<void> {
    const { clock, logger, ending } = this.#deps;
    for (let wait = RETRY_MIN_MS; !ending.aborted; wait = Math.min(2 * wait, RETRY_MAX_MS)) {
      try {
        return await this.#ask(peer);
      } catch (error) {
        logger("debug", "sync.standing.failed", { peer, code: codeOf(error) });
        if (error instanceof RefusalError || !this.#isConnected(peer)) return;
      }
      await clock.sleep(wait, ending).catch(() => {});
    }
  }

  #isConnected(peer: DeviceId): boolean {
    const connections = this.#deps.transport.connections();
    return connections.some((one) => one.peer === peer && !one.closed.aborted);
  }

  /** Asks anew while a group is `ejected` here and something of it has come: it may be that we are in it again. */
  askWhereEjected(): void {
    const { groups, sharing } = this.#deps;
    const ejected = sharing.allGroups().filter((group) => groups.status(group) === "ejected");
    for (const group of ejected)
      for (const { device } of groups.members(group))
        if (this.#isAdmin(device, group)) this.ask(device);
  }

  /** Resolves when nothing is being asked any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#asking.values());
  }

  async #ask(peer: DeviceId): Promise<void> {
    const { groups, sharing, clock, logger } = this.#deps;
    const asked = sharing
      .groups(peer)
      .filter((group) => this.#isAdmin(peer, group))
      .slice(0, REQUEST_SCOPES_MAX);
    if (asked.length === 0) return;
    const request = { case: "standing", value: { groups: asked.map(scopeToWire) } } as const;
    const answer = await this.#deps.call(peer, request);
    if (answer.case !== "stands") return;
    for (const { group: wire, stand } of answer.value.stands) {
      const group = wire === undefined ? undefined : scopeFromWire(wire);
      if (group === undefined || !sharing.groups(peer).some((one) => isSame(one, group))) continue;
      if (!this.#isAdmin(peer, group)) continue;
      if (
        stand === Stand.EJECTED &&
        groups.isActive(group) &&
        this.#mayHaveEjectedUs(peer, group)
      ) {
        await groups.end(group, "ejected", clock.now());
        logger("warn", "sync.ejected", { database: group.database, by: peer });
      }
      if (stand === Stand.MEMBER && groups.status(group) === "ejected") await groups.resume(group);
    }
  }

  /** By what is known here: whoever is none could not have ejected us, and is not believed. */
  #isAdmin(peer: DeviceId, group: ScopeId): boolean {
    const access = this.#deps.history.scope(group)?.access;
    if (access === undefined) return this.#deps.groups.joined(group)?.admin === peer;
    return access.may(peer, Tags.ADMIN) || access.userOf(peer) === group.owner;
  }

  /** An admin cannot eject an admin, nor the owner, and so is not believed either when it says that somebody else has. */
  #mayHaveEjectedUs(peer: DeviceId, group: ScopeId): boolean {
    const access = this.#deps.history.scope(group)?.access;
    if (access === undefined) return true;
    const { user } = this.#deps.history.identity.certified;
    return access.userOf(peer) === user || access.mayRevoke(peer, user);
  }

  /** What `peer` is in groups, by what is known here. Nobody learns of a group that they were never in. */
  answer(peer: DeviceId, { groups }: StandingRequest): MessageInitShape<typeof StandsSchema> {
    return {
      stands: groups.map((group) => ({ group, stand: this.#standOf(peer, scopeFromWire(group)) })),
    };
  }

  #standOf(peer: DeviceId, group: ScopeId): Stand {
    const { history, groups } = this.#deps;
    const access = group.kind === "syncgroup" ? history.scope(group)?.access : undefined;
    const wasIn = groups.members(group).some(({ device }) => device === peer);
    // Who has not caught up, or was ejected, does not know how others stand.
    if (access?.spec === undefined || !wasIn) return Stand.UNKNOWN;
    if (access.destroyed) return Stand.DESTROYED;
    if (groups.isPending(group) || !groups.isActive(group)) return Stand.UNKNOWN;
    return access.may(peer, Tags.READ) ? Stand.MEMBER : Stand.EJECTED;
  }
}

function isSame(a: ScopeId, b: ScopeId): boolean {
  return a.database === b.database && a.owner === b.owner && a.name === b.name;
}
