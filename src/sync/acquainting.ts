/**
 * Getting to know those who know us: a device that was away, or is an older state of itself, refuses members whom it has not
 * heard of, and would never hear of them from anybody if they are the only ones that are there. Who is refused shows that it
 * has read the group; whoever it has shown that to pulls the group's own scope from it, and learns from signed entries what is so.
 */

import { Tags } from "../access/index.ts";
import {
  type Crypto,
  type DeviceId,
  equalBytes,
  codeOf,
  concatBytes,
  deviceKeyOf,
  type Logger,
  type ScopeId,
  type ScopeKey,
  scopeKeyOf,
  type UserId,
  utf8,
} from "../base/index.ts";
import { REQUEST_SCOPES_MAX } from "../deltas/index.ts";
import type { Groups, Sharing } from "../groups/index.ts";
import type { History } from "../history/index.ts";
import type { Transport } from "../net/index.ts";
import type { Acquaint } from "../wire/index.ts";
import type { Answer, RequestInit } from "./calls.ts";
import { GROUP_ROOTS_MAX } from "./limits.ts";

export interface AcquaintingDeps {
  readonly history: History;
  readonly crypto: Crypto;
  readonly logger: Logger;
  readonly transport: Transport;
  readonly groups: Groups;
  readonly sharing: Sharing;
  readonly isPaused: (database: string) => boolean;
  /** Called when an acquaintance is connected no more. */
  readonly onGone: (peer: DeviceId) => void;
  readonly call: (peer: DeviceId, request: RequestInit) => Promise<Answer>;
}

/** A device that pulls from us now, as one of a user's. */
interface Pulling {
  readonly peer: DeviceId;
  readonly user: UserId;
  readonly database: string;
}

/** Shows, and takes what is shown. Rules: [SY77], [SY78]. */
export class Acquainting {
  readonly #deps: AcquaintingDeps;
  readonly #showing = new Map<DeviceId, Promise<void>>();
  readonly #pulling = new Set<Pulling>();
  /** The ops that groups begin with. They do not change. */
  readonly #roots = new Map<ScopeKey, { readonly count: number; readonly ops: Uint8Array[] }>();

  constructor(deps: AcquaintingDeps) {
    this.#deps = deps;
  }

  /** Shows a peer that refuses us which groups that it is in we have read. Never rejects. */
  show(peer: DeviceId): void {
    if (this.#showing.has(peer)) return;
    const showing = this.#show(peer)
      .catch((error: unknown) =>
        this.#deps.logger("debug", "sync.acquaint.failed", { peer, code: codeOf(error) }),
      )
      .finally(() => this.#showing.delete(peer));
    this.#showing.set(peer, showing);
  }

  /** Resolves when nothing is being shown any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#showing.values());
  }

  async #show(peer: DeviceId): Promise<void> {
    const { history, sharing, call } = this.#deps;
    const tokens: Uint8Array[] = [];
    for (const group of sharing.groups(peer))
      tokens.push(...(await this.#tokens(group, history.identity.device, peer)));
    if (tokens.length === 0) return;
    const value = { tokens: tokens.slice(0, REQUEST_SCOPES_MAX) };
    await call(peer, { case: "acquaint", value });
  }

  /**
   * A device is served by its user's right, until the answered function is called: it may be in groups of those in which it is
   * not known, by what this store has lost.
   */
  meet(pulling: Pulling): () => void {
    this.#pulling.add(pulling);
    this.#meet(pulling);
    return () => void this.#pulling.delete(pulling);
  }

  /** Groups have changed: who pulls already may have been known when it began, and not be now. */
  wake(): void {
    for (const one of this.#pulling) this.#meet(one);
  }

  #meet({ peer, user, database }: Pulling): void {
    const { history, sharing } = this.#deps;
    const known = new Set(sharing.groups(peer).map(scopeKeyOf));
    const open = this.#openGroups();
    const read = open.filter((group) => {
      if (group.database !== database || known.has(scopeKeyOf(group))) return false;
      const access = history.scope(group)?.access;
      return ((access?.tagsOfDevice(peer, user) ?? 0) & Tags.READ) !== 0;
    });
    this.#note(peer, read);
  }

  /** Takes what a connected peer shows. Whatever it is, the answer is the same, so that nobody learns which groups there are. */
  async take(peer: DeviceId, { tokens }: Acquaint): Promise<void> {
    const { history } = this.#deps;
    const read: ScopeId[] = [];
    for (const group of this.#openGroups()) {
      const own = await this.#tokens(group, peer, history.identity.device);
      if (own.some((one) => tokens.some((token) => equalBytes(one, token)))) read.push(group);
    }
    this.#note(peer, read);
  }

  #openGroups(): ScopeId[] {
    const { groups, sharing, isPaused } = this.#deps;
    return sharing
      .allGroups()
      .filter((group) => groups.status(group) !== "left" && !isPaused(group.database));
  }

  /** From now on, as long as it is connected, these groups are pulled from a peer too, beside those before. */
  #note(peer: DeviceId, read: readonly ScopeId[]): void {
    const { groups, sharing, transport, logger } = this.#deps;
    const connection = transport
      .connections()
      .find((one) => one.peer === peer && !one.closed.aborted);
    const { acquaintances } = sharing;
    // What is shown again is no news: who is told of it asks again, is passed over again, and shows it again.
    const isNew = read.some((group) => !acquaintances.has(peer, group));
    if (!isNew || connection === undefined) return;
    const before = this.#openGroups().filter((group) => acquaintances.has(peer, group));
    if (!acquaintances.note(peer, [...read, ...before])) return;
    logger("info", "sync.acquainted", { peer });
    const forget = (): void => {
      sharing.acquaintances.forget(peer);
      this.#deps.onGone(peer);
    };
    connection.closed.addEventListener("abort", forget, { once: true });
    groups.tell();
  }

  async #tokens(group: ScopeId, asker: DeviceId, asked: DeviceId): Promise<Uint8Array[]> {
    const { crypto } = this.#deps;
    const ends = [deviceKeyOf(asker), deviceKeyOf(asked)];
    const roots = await this.#rootsOf(group);
    return roots.map((op) => crypto.sha256(concatBytes(TOKEN, op, ...ends)));
  }

  async #rootsOf(group: ScopeId): Promise<Uint8Array[]> {
    const scope = this.#deps.history.scope(group);
    if (scope === undefined) return [];
    const count = scope.control.roots.length;
    const known = this.#roots.get(scopeKeyOf(group));
    if (known?.count === count) return known.ops;
    const ops = (await this.#deps.history.rootsOf(scope)).slice(0, GROUP_ROOTS_MAX);
    this.#roots.set(scopeKeyOf(group), { count, ops });
    return ops;
  }
}

const TOKEN = utf8("rookery acquaint 1\n");
