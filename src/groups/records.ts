/**
 * What this device keeps for itself of syncgroups and never sends: which it has joined and with what checkpoint, which it
 * has left, which were published here, and where those that it publishes are to go. Rules: [SY29], [SY64], [SY72].
 */

import {
  concatBytes,
  deviceIdOf,
  deviceKeyOf,
  type DeviceId,
  type ScopeId,
  type ScopeKey,
  scopeKeyOf,
} from "../base/index.ts";
import { claimFromWire, claimToWire, type ScopeClaim } from "../deltas/index.ts";
import { HistoryError } from "../history/index.ts";
import type { Store, WriteOp } from "../store/index.ts";
import {
  create,
  decode,
  encode,
  encodeScopeId,
  GroupLeftSchema,
  JoinedGroupSchema,
  PublishedGroupSchema,
  PublishIntentSchema,
  scopeFromWire,
  scopeToWire,
} from "../wire/index.ts";

/** A group that this device was admitted to, as the admin answered. */
export interface JoinedGroup {
  readonly group: ScopeId;
  /** What the admin knew then, or was promised itself: the group's scope and its collections. [SY122] */
  readonly checkpoint: readonly ScopeClaim[];
  /** Collections that were not here before: read-only until their part of the checkpoint is covered. */
  readonly fresh: readonly ScopeId[];
  /** Who answered last. */
  readonly admin: DeviceId;
  /** Where it and other admins are reached: multiaddr texts that end in `/p2p/<device>`. */
  readonly addresses: readonly string[];
}

/** Where a group is to be published. */
export interface PublishIntent {
  readonly group: ScopeId;
  readonly peer: DeviceId;
  /** Multiaddr texts; none: it has to be found. */
  readonly addresses: readonly string[];
}

/** Who has published a group here. */
export interface PublishedGroup {
  readonly group: ScopeId;
  readonly publisher: DeviceId;
}

/** A group that this device has left. */
export interface GroupLeft {
  readonly group: ScopeId;
  /** Milliseconds since 1970. */
  readonly when: number;
  /** Whether another member holds our word that we have left: until then it is told. */
  readonly isTold: boolean;
}

/** First bytes of this layer's keys; those of history are below 0x80. */
const SPACE = { joined: 0x81, left: 0x83, published: 0x84, intent: 0x86 } as const;
type Space = (typeof SPACE)[keyof typeof SPACE];

/** Records of groups by kind; what is here is in memory, and memory follows the disk. */
export class GroupStore {
  readonly #store: Store;
  readonly #joined = new Map<ScopeKey, JoinedGroup>();
  readonly #intents = new Map<ScopeKey, PublishIntent>();
  readonly #left = new Map<ScopeKey, GroupLeft>();
  readonly #published = new Map<ScopeKey, PublishedGroup>();

  private constructor(store: Store) {
    this.#store = store;
  }

  /** @throws {HistoryError} `HISTORY_CORRUPT`. */
  static async open(store: Store): Promise<GroupStore> {
    const groups = new GroupStore(store);
    await groups.#load(SPACE.joined, groups.#joined, decodeJoined);
    await groups.#load(SPACE.intent, groups.#intents, decodeIntent);
    await groups.#load(SPACE.left, groups.#left, decodeLeft);
    await groups.#load(SPACE.published, groups.#published, decodePublished);
    return groups;
  }

  joined(group: ScopeId): JoinedGroup | undefined {
    return this.#joined.get(scopeKeyOf(group));
  }

  allJoined(): Iterable<JoinedGroup> {
    return this.#joined.values();
  }

  intent(group: ScopeId): PublishIntent | undefined {
    return this.#intents.get(scopeKeyOf(group));
  }

  left(group: ScopeId): GroupLeft | undefined {
    return this.#left.get(scopeKeyOf(group));
  }

  allLeft(): Iterable<GroupLeft> {
    return this.#left.values();
  }

  publisher(group: ScopeId): DeviceId | undefined {
    return this.#published.get(scopeKeyOf(group))?.publisher;
  }

  /** Keeps what an admin answered, and that this device takes part from now on. Durable when it resolves. */
  async addJoined(joined: JoinedGroup, publisher?: DeviceId): Promise<void> {
    const { group } = joined;
    const key = scopeKeyOf(group);
    const published = publisher === undefined ? undefined : { group, publisher };
    const ops: WriteOp[] = [
      { type: "put", key: keyOf(SPACE.joined, group), value: encodeJoined(joined) },
      { type: "delete", key: keyOf(SPACE.left, group) },
    ];
    if (published !== undefined) ops.push(publishedOp(published));
    await this.#store.write(ops);
    this.#joined.set(key, joined);
    this.#left.delete(key);
    if (published !== undefined) this.#published.set(key, published);
  }

  /** Keeps a newer checkpoint of a group that is here. */
  async replaceCheckpoint(joined: JoinedGroup): Promise<void> {
    const key = keyOf(SPACE.joined, joined.group);
    await this.#store.write([{ type: "put", key, value: encodeJoined(joined) }]);
    this.#joined.set(scopeKeyOf(joined.group), joined);
  }

  async setLeft(left: GroupLeft): Promise<void> {
    const { group, when, isTold } = left;
    const value = encode(
      GroupLeftSchema,
      create(GroupLeftSchema, {
        group: scopeToWire(group),
        when: BigInt(Math.max(0, Math.floor(when))),
        isTold,
      }),
    );
    await this.#store.write([{ type: "put", key: keyOf(SPACE.left, group), value }]);
    this.#left.set(scopeKeyOf(group), left);
  }

  async setIntent(intent: PublishIntent): Promise<void> {
    const { group, peer, addresses } = intent;
    const value = encode(
      PublishIntentSchema,
      create(PublishIntentSchema, {
        group: scopeToWire(group),
        peer: deviceKeyOf(peer),
        addresses: [...addresses],
      }),
    );
    await this.#store.write([{ type: "put", key: keyOf(SPACE.intent, group), value }]);
    this.#intents.set(scopeKeyOf(group), intent);
  }

  async clearIntent(group: ScopeId): Promise<void> {
    if (this.intent(group) === undefined) return;
    await this.#store.write([{ type: "delete", key: keyOf(SPACE.intent, group) }]);
    this.#intents.delete(scopeKeyOf(group));
  }

  async setPublisher(published: PublishedGroup): Promise<void> {
    await this.#store.write([publishedOp(published)]);
    this.#published.set(scopeKeyOf(published.group), published);
  }

  async #load<T extends { readonly group: ScopeId }>(
    space: Space,
    into: Map<ScopeKey, T>,
    read: (bytes: Uint8Array) => T,
  ): Promise<void> {
    for await (const { value } of this.#store.scan(rangeOf(space))) {
      const record = ownRecord(value, read);
      into.set(scopeKeyOf(record.group), record);
    }
  }
}

/** Whether any syncgroup was joined here. */
export async function hasJoined(store: Store): Promise<boolean> {
  for await (const _ of store.scan(rangeOf(SPACE.joined), { limit: 1 })) return true;
  return false;
}

function rangeOf(space: Space): { readonly gte: Uint8Array; readonly lt: Uint8Array } {
  return { gte: Uint8Array.of(space), lt: Uint8Array.of(space + 1) };
}

function keyOf(space: Space, group: ScopeId): Uint8Array {
  return concatBytes(Uint8Array.of(space), encodeScopeId(group));
}

function publishedOp({ group, publisher }: PublishedGroup): WriteOp {
  const value = encode(
    PublishedGroupSchema,
    create(PublishedGroupSchema, { group: scopeToWire(group), publisher: deviceKeyOf(publisher) }),
  );
  return { type: "put", key: keyOf(SPACE.published, group), value };
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
function ownRecord<T>(bytes: Uint8Array, read: (bytes: Uint8Array) => T): T {
  try {
    return read(bytes);
  } catch (cause) {
    throw new HistoryError(
      "HISTORY_CORRUPT",
      "Cannot read a syncgroup's record: its bytes make no sense",
      { cause },
    );
  }
}

function groupOf(group: Parameters<typeof scopeFromWire>[0] | undefined): ScopeId {
  if (group === undefined) throw new TypeError("A group has a name");
  return scopeFromWire(group);
}

function decodeJoined(bytes: Uint8Array): JoinedGroup {
  const { group, checkpoint, fresh, admin, addresses } = decode(JoinedGroupSchema, bytes);
  return {
    group: groupOf(group),
    checkpoint: checkpoint.map(claimFromWire),
    fresh: fresh.map(scopeFromWire),
    admin: deviceIdOf(admin),
    addresses,
  };
}

function decodeIntent(bytes: Uint8Array): PublishIntent {
  const { group, peer, addresses } = decode(PublishIntentSchema, bytes);
  return { group: groupOf(group), peer: deviceIdOf(peer), addresses };
}

function decodeLeft(bytes: Uint8Array): GroupLeft {
  const { group, when, isTold } = decode(GroupLeftSchema, bytes);
  return { group: groupOf(group), when: Number(when), isTold };
}

function decodePublished(bytes: Uint8Array): PublishedGroup {
  const { group, publisher } = decode(PublishedGroupSchema, bytes);
  return { group: groupOf(group), publisher: deviceIdOf(publisher) };
}
