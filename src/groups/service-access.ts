import { concatBytes, type UserId, userIdOf, userKeyOf } from "../base/index.ts";
import { Tags } from "../access/index.ts";
import { HistoryError } from "../history/index.ts";
import type { Store } from "../store/index.ts";
import { create, decode, encode, ServiceGrantSchema } from "../wire/index.ts";
import { SERVICE_USERS_MAX } from "./limits.ts";
import { SyncError } from "../deltas/index.ts";

const SPACE = 0x85;
const RANGE = { gte: Uint8Array.of(SPACE), lt: Uint8Array.of(SPACE + 1) };

/**
 * Who may use this device as a service: users with Write here may publish their syncgroups at it. Kept on this device
 * alone, never sent. The device's own user needs no entry. [SY70]
 */
export class ServiceAccess {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Lets a user publish syncgroups here. Durable when it resolves. @throws {SyncError} `SYNC_SERVICE_FULL`. */
  async grant(user: UserId): Promise<void> {
    const users = await this.list();
    if (!users.includes(user) && users.length >= SERVICE_USERS_MAX) {
      throw new SyncError(
        "SYNC_SERVICE_FULL",
        `Cannot allow user: the list holds ${SERVICE_USERS_MAX} already`,
      );
    }
    const value = encode(
      ServiceGrantSchema,
      create(ServiceGrantSchema, { user: userKeyOf(user), tags: Tags.WRITE }),
    );
    await this.#store.write([{ type: "put", key: keyOf(user), value }]);
  }

  /** Takes that back. Groups that were published stay. */
  async revoke(user: UserId): Promise<void> {
    await this.#store.write([{ type: "delete", key: keyOf(user) }]);
  }

  async list(): Promise<UserId[]> {
    const users: UserId[] = [];
    for await (const { value } of this.#store.scan(RANGE)) {
      const { user, tags } = readGrant(value);
      if ((tags & Tags.WRITE) !== 0) users.push(user);
    }
    return users;
  }

  async mayPublish(user: UserId): Promise<boolean> {
    const bytes = await this.#store.get(keyOf(user));
    return bytes !== undefined && (readGrant(bytes).tags & Tags.WRITE) !== 0;
  }
}

function keyOf(user: UserId): Uint8Array {
  return concatBytes(Uint8Array.of(SPACE), userKeyOf(user));
}

function readGrant(bytes: Uint8Array): { readonly user: UserId; readonly tags: number } {
  try {
    const { user, tags } = decode(ServiceGrantSchema, bytes);
    return { user: userIdOf(user), tags };
  } catch (cause) {
    throw new HistoryError(
      "HISTORY_CORRUPT",
      "Cannot read the service access list: its bytes make no sense",
      { cause },
    );
  }
}
