/**
 * What was taken from a device, asked of those who may know: who lost a group or a collection is served nothing of it any
 * more, and would not learn why. Nobody's word is taken: what is told are the signed control ops themselves.
 */

import { type ControlEntry, controlIdBytes, controlIdOf } from "../access/index.ts";
import {
  type Clock,
  codeOf,
  type DeviceId,
  type Logger,
  type ScopeId,
  type ScopeKey,
  scopeKeyOf,
} from "../base/index.ts";
import {
  isPeerFault,
  PartCollector,
  partToWire,
  RefusalError,
  REQUEST_SCOPES_MAX,
} from "../deltas/index.ts";
import type { Groups, Sharing } from "../groups/index.ts";
import {
  type History,
  type LoosePlace,
  loosePlaces,
  partSize,
  type ScopeState,
} from "../history/index.ts";
import type { Transport } from "../net/index.ts";
import {
  type MessageInitShape,
  type Removal,
  type Removed,
  type RemovedSchema,
  scopeFromWire,
  scopeToWire,
} from "../wire/index.ts";
import type { Answer, RequestInit } from "./calls.ts";
import {
  REMOVAL_BYTES_MAX,
  REMOVAL_HEADS_MAX,
  REMOVAL_PARTS_MAX,
  RETRY_MAX_MS,
  RETRY_MIN_MS,
} from "./limits.ts";

export interface RemovalsDeps {
  readonly history: History;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly groups: Groups;
  readonly sharing: Sharing;
  readonly transport: Transport;
  readonly isPaused: (database: string) => boolean;
  /** Aborted when sync closes. */
  readonly ending: AbortSignal;
  readonly call: (peer: DeviceId, request: RequestInit) => Promise<Answer>;
  /** Tells that the peer broke the protocol. */
  readonly onFault: (peer: DeviceId, error: unknown) => void;
}

/** Asks and answers. Rules: [SY67], [SY68], [SY81]. */
export class Removals {
  readonly #deps: RemovalsDeps;
  readonly #asking = new Map<DeviceId, Promise<void>>();

  constructor(deps: RemovalsDeps) {
    this.#deps = deps;
  }

  /** Asks a peer what was taken from us of what we share with it, until that is known here. One question at a time; never rejects. */
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
        // It has been punished for that.
        if (isPeerFault(error)) return;
        logger("debug", "sync.removal.failed", { peer, code: codeOf(error) });
        // It is asked again when it refuses the next time, or has connected anew.
        if (error instanceof RefusalError || !this.#isConnected(peer)) return;
      }
      await clock.sleep(wait, ending).catch(() => {});
    }
  }

  #isConnected(peer: DeviceId): boolean {
    const connections = this.#deps.transport.connections();
    return connections.some((one) => one.peer === peer && !one.closed.aborted);
  }

  /** Resolves when nothing is being asked any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#asking.values());
  }

  async #ask(peer: DeviceId): Promise<void> {
    const { sharing, isPaused } = this.#deps;
    for (const database of sharing.databases(peer)) {
      if (isPaused(database)) continue;
      const scopes = this.#askable(peer, database);
      for (let from = 0; from < scopes.length; from += REQUEST_SCOPES_MAX)
        await this.#askAbout(peer, database, scopes.slice(from, from + REQUEST_SCOPES_MAX));
    }
  }

  /** Groups that we share with a peer, and their collections, of which we do not know yet that they were taken from us. */
  #askable(peer: DeviceId, database: string): ScopeId[] {
    const { groups, sharing } = this.#deps;
    const scopes = sharing
      .groups(peer)
      .filter((group) => group.database === database && !sharing.isAcquaintance(peer, group))
      .flatMap((group) => [group, ...groups.collections(group)])
      .filter((scope) => !this.#isTaken(scope));
    return [...new Map(scopes.map((scope) => [scopeKeyOf(scope), scope])).values()];
  }

  async #askAbout(peer: DeviceId, database: string, scopes: readonly ScopeId[]): Promise<void> {
    const { history } = this.#deps;
    const asked = new Set(scopes.map(scopeKeyOf));
    for (let isMore = true; isMore;) {
      const known = scopes.map((scope) => ({
        scope: scopeToWire(scope),
        heads: this.#heads(scope),
      }));
      const answer = await this.#deps.call(peer, { case: "removal", value: { scopes: known } });
      if (answer.case !== "removed" || answer.value.parts.length === 0) return;
      const sizes = (): number => scopes.reduce((sum, id) => sum + sizeOf(history, id), 0);
      const before = sizes();
      await this.#take(peer, database, asked, answer.value);
      // Who says that there is more, and brings nothing, is not asked again.
      isMore = answer.value.more && sizes() > before;
    }
    this.#tell(peer, scopes);
  }

  async #take(
    peer: DeviceId,
    database: string,
    asked: ReadonlySet<ScopeKey>,
    { parts }: Removed,
  ): Promise<void> {
    const { history, onFault } = this.#deps;
    try {
      const loose = new PartCollector().add(parts).map((part) => history.prepare(part));
      await history.receive(database, { from: peer, asked, parts: [], loose, claims: [] });
    } catch (error) {
      if (isPeerFault(error)) onFault(peer, error);
      throw error;
    }
  }

  #tell(peer: DeviceId, scopes: readonly ScopeId[]): void {
    for (const scope of scopes) {
      if (!this.#isTaken(scope)) continue;
      const event = scope.kind === "syncgroup" ? "sync.ejected" : "sync.removed";
      this.#deps.logger("warn", event, { database: scope.database, by: peer });
    }
  }

  #heads(scope: ScopeId): Uint8Array[] {
    const heads = this.#deps.history.scope(scope)?.access.heads ?? [];
    return heads.slice(0, REMOVAL_HEADS_MAX).map(controlIdBytes);
  }

  /** Whether it is known here that our right to read a scope has ended. */
  #isTaken(id: ScopeId): boolean {
    const { history } = this.#deps;
    const { device, certified } = history.identity;
    return history.scope(id)?.access.hasLostRead(device, certified.user) === true;
  }

  /** What has ended the right of `peer`, by what is known here. Nobody learns of a scope that they could never read. */
  async answer(
    peer: DeviceId,
    { scopes }: Removal,
  ): Promise<MessageInitShape<typeof RemovedSchema>> {
    const { history, isPaused } = this.#deps;
    const parts: ReturnType<typeof partToWire>[] = [];
    let bytes = 0;
    for (const { scope: wire, heads } of scopes) {
      const id = wire === undefined ? undefined : scopeFromWire(wire);
      const scope = id === undefined || isPaused(id.database) ? undefined : history.scope(id);
      if (scope === undefined) continue;
      const entries = scope.control.removalOf(peer, heads.map(controlIdOf));
      for (const part of await history.looseParts(scope, placesOf(history, scope, entries))) {
        const size = partSize(part);
        // A part that no answer holds cannot be told: only who writes thousands of control ops at once makes one.
        if (size > REMOVAL_BYTES_MAX) continue;
        bytes += size;
        if (bytes > REMOVAL_BYTES_MAX || parts.length === REMOVAL_PARTS_MAX)
          return { parts, more: true };
        parts.push(partToWire(part));
      }
    }
    return { parts, more: false };
  }
}

/** Control ops held of a scope. */
function sizeOf(history: History, id: ScopeId): number {
  return history.scope(id)?.control.size ?? 0;
}

/** Where these control ops stand, and all others under the same generations of forked logs. */
function placesOf(
  history: History,
  scope: ScopeState,
  entries: readonly ControlEntry[],
): LoosePlace[] {
  const wanted = new Set(entries.map(({ log, generation }) => `${log} ${generation}`));
  return [...loosePlaces(scope, NOTHING)].filter(({ log, generation }) =>
    wanted.has(`${history.logOf(log)} ${generation}`),
  );
}

const NOTHING: ReadonlyMap<number, number> = new Map();
