/**
 * The syncgroups known here: their spec, their members, and what was joined and is still pending. A view of the history,
 * brought up to date after each write that touches a group.
 */

import {
  concatBytes,
  coversVector,
  deviceIdOf,
  deviceKeyOf,
  type DeviceId,
  type GenVector,
  generationIn,
  type Logger,
  codeOf,
  type ScopeId,
  type ScopeKey,
  scopeKeyOf,
} from "../base/index.ts";
import { type History, HistoryError, type Written } from "../history/index.ts";
import type { Store } from "../store/index.ts";
import {
  decode,
  encode,
  create,
  JoinedGroupSchema,
  encodeScopeId,
  scopeFromWire,
  scopeToWire,
} from "../wire/index.ts";
import { claimFromWire, claimToWire, type ScopeClaim } from "../deltas/index.ts";
import { type Member, readMembers } from "./members.ts";

/** A group that this device was admitted to, as the admin answered. */
export interface JoinedGroup {
  readonly group: ScopeId;
  /** What the admin knew then: the group's scope and its collections. */
  readonly checkpoint: readonly ScopeClaim[];
  /** Collections that were not here before: read-only until their part of the checkpoint is covered. */
  readonly fresh: readonly ScopeId[];
  readonly admin: DeviceId;
  readonly addresses: readonly string[];
}

/** How much of a checkpoint is here: generations, summed over its logs. */
export interface PendingProgress {
  readonly have: number;
  readonly need: number;
}

/** `pending`: the group's history up to the checkpoint has not arrived. */
export type GroupStatus = "pending" | "running";

/** First byte of this layer's keys; those of history are below 0x80. */
const JOINED_SPACE = 0x81;
const JOINED_RANGE = { gte: Uint8Array.of(JOINED_SPACE), lt: Uint8Array.of(JOINED_SPACE + 1) };

export class Groups {
  readonly #store: Store;
  readonly #history: History;
  readonly #joined = new Map<ScopeKey, JoinedGroup>();
  readonly #members = new Map<ScopeKey, readonly Member[]>();
  readonly #listeners = new Set<() => void>();
  readonly #logger: Logger;
  #updating: Promise<void> = Promise.resolve();
  /** False only when no joined group is pending, rows included. */
  #isAnyPending = false;

  private constructor(store: Store, history: History, logger: Logger) {
    this.#store = store;
    this.#history = history;
    this.#logger = logger;
  }

  static async open(store: Store, history: History, logger: Logger = () => {}): Promise<Groups> {
    const groups = new Groups(store, history, logger);
    for await (const { value } of store.scan(JOINED_RANGE)) {
      const joined = readJoined(value);
      groups.#joined.set(scopeKeyOf(joined.group), joined);
    }
    for (const database of history.databases()) await groups.#update(database);
    groups.#isAnyPending = groups.#findPending();
    return groups;
  }

  /** Takes note of a durable write. */
  noteWritten({ database, parts }: Written): void {
    const numbers = new Set(parts.map((part) => part.scope));
    const isOfGroup = this.#history
      .scopes(database)
      .some(({ id, number }) => id.kind === "syncgroup" && numbers.has(number));
    // A pending group ends pending by its collections' data too. Other data changes no group.
    const wasPending = this.#isAnyPending;
    if (wasPending) this.#isAnyPending = this.#findPending();
    if (!isOfGroup && !wasPending) return;
    this.#updating = this.#updating.then(async () => {
      try {
        if (isOfGroup) await this.#update(database);
      } catch (error) {
        this.#logger("warn", "sync.members.failed", { database, code: codeOf(error) });
      }
      this.tell();
    });
  }

  /** Resolves when everything noted so far has been told. */
  settled(): Promise<void> {
    return this.#updating;
  }

  /** Calls `listener` when groups, members or their state may have changed. Answers a function that ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Groups of a database, created or joined here. */
  all(database: string): ScopeId[] {
    const groups = new Map<ScopeKey, ScopeId>();
    for (const { id, key, access } of this.#history.scopes(database)) {
      if (id.kind === "syncgroup" && (access.spec !== undefined || this.#joined.has(key)))
        groups.set(key, id);
    }
    for (const [key, { group }] of this.#joined)
      if (group.database === database) groups.set(key, group);
    return [...groups.values()];
  }

  has(group: ScopeId): boolean {
    return (
      this.#joined.has(scopeKeyOf(group)) || this.#history.scope(group)?.access.spec !== undefined
    );
  }

  joined(group: ScopeId): JoinedGroup | undefined {
    return this.#joined.get(scopeKeyOf(group));
  }

  members(group: ScopeId): readonly Member[] {
    return this.#members.get(scopeKeyOf(group)) ?? [];
  }

  /** A group's collections: by its spec, or by what the admin answered while that has not come. */
  collections(group: ScopeId): ScopeId[] {
    const { database } = group;
    const spec = this.#history.scope(group)?.access.spec;
    if (spec !== undefined)
      return spec.value.collections.map(({ owner, name }) => ({
        database,
        kind: "collection",
        owner,
        name,
      }));
    const checkpoint = this.joined(group)?.checkpoint ?? [];
    return checkpoint.map(({ scope }) => scope).filter(({ kind }) => kind === "collection");
  }

  /** A function of the checkpoint and the knowledge: so it ends in the very write that ends it. */
  status(group: ScopeId): GroupStatus {
    const checkpoint = this.joined(group)?.checkpoint.find(
      ({ scope }) => scope.kind === "syncgroup",
    );
    return checkpoint === undefined || this.#covers(checkpoint) ? "running" : "pending";
  }

  /** How much of the checkpoint is here, collections included; `undefined` when there is none or all of it is here. */
  progress(group: ScopeId): PendingProgress | undefined {
    const joined = this.joined(group);
    if (joined === undefined || joined.checkpoint.every((claim) => this.#covers(claim)))
      return undefined;
    let have = 0;
    let need = 0;
    for (const { scope, vector } of joined.checkpoint) {
      const known = this.#known(scope);
      for (const [log, generation] of vector) {
        need += generation;
        have += Math.min(generation, generationIn(known, log));
      }
    }
    return { have, need };
  }

  /** Why a collection may not be written to yet, or `undefined` when it may. */
  readOnlyReason(collection: ScopeId): string | undefined {
    const key = scopeKeyOf(collection);
    for (const { group, fresh, checkpoint } of this.#joined.values()) {
      if (!fresh.some((scope) => scopeKeyOf(scope) === key)) continue;
      const claim = checkpoint.find(({ scope }) => scopeKeyOf(scope) === key);
      if (claim !== undefined && !this.#covers(claim))
        return `syncgroup "${group.name}" has not brought all of it yet`;
    }
    return undefined;
  }

  /** Keeps what an admin answered. Durable when it resolves. */
  async addJoined(joined: JoinedGroup): Promise<void> {
    await this.#store.write([
      { type: "put", key: joinedKey(joined.group), value: encodeJoined(joined) },
    ]);
    this.#joined.set(scopeKeyOf(joined.group), joined);
    this.#isAnyPending = this.#findPending();
    this.tell();
  }

  /** Tells who listens: also of what is not seen here, as that a database is paused. */
  tell(): void {
    for (const listener of this.#listeners) listener();
  }

  #findPending(): boolean {
    return [...this.#joined.values()].some(({ group }) => this.progress(group) !== undefined);
  }

  #covers({ scope, vector }: ScopeClaim): boolean {
    return coversVector(this.#known(scope), vector);
  }

  #known(scope: ScopeId): GenVector {
    return this.#history.scope(scope)?.vector() ?? new Map();
  }

  async #update(database: string): Promise<void> {
    for (const { id, key } of this.#history.scopes(database)) {
      if (id.kind === "syncgroup") this.#members.set(key, await readMembers(this.#history, id));
    }
  }
}

/** Whether there is any syncgroup, created or joined. */
export async function hasGroups(store: Store, history: History): Promise<boolean> {
  const isCreated = (database: string): boolean =>
    history.scopes(database).some(({ id }) => id.kind === "syncgroup");
  if (history.databases().some(isCreated)) return true;
  for await (const _ of store.scan(JOINED_RANGE, { limit: 1 })) return true;
  return false;
}

function joinedKey(group: ScopeId): Uint8Array {
  return concatBytes(Uint8Array.of(JOINED_SPACE), encodeScopeId(group));
}

function encodeJoined({ group, checkpoint, fresh, admin, addresses }: JoinedGroup): Uint8Array {
  return encode(
    JoinedGroupSchema,
    create(JoinedGroupSchema, {
      group: scopeToWire(group),
      checkpoint: checkpoint.map(claimToWire),
      fresh: fresh.map(scopeToWire),
      admin: deviceKeyOf(admin),
      addresses: [...addresses],
    }),
  );
}

/** Our own bytes: what cannot be read of them is corruption, not a peer's fault. */
function readJoined(bytes: Uint8Array): JoinedGroup {
  try {
    return decodeJoined(bytes);
  } catch (cause) {
    throw new HistoryError(
      "HISTORY_CORRUPT",
      "Cannot read joined syncgroup: its bytes make no sense",
      { cause },
    );
  }
}

function decodeJoined(bytes: Uint8Array): JoinedGroup {
  const { group, checkpoint, fresh, admin, addresses } = decode(JoinedGroupSchema, bytes);
  if (group === undefined) throw new TypeError("A joined group has a name");
  return {
    group: scopeFromWire(group),
    checkpoint: checkpoint.map(claimFromWire),
    fresh: fresh.map(scopeFromWire),
    admin: deviceIdOf(admin),
    addresses,
  };
}
