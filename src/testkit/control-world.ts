/** Control ops of named users and devices, without keys: a control log takes ops whose signatures were checked before. */

import {
  type Certified,
  type ControlEntry,
  type ControlId,
  controlIdOf,
  type VerifiedOp,
} from "../access/index.ts";
import {
  type DeviceId,
  deviceIdOf,
  logKeyOf,
  type ScopeId,
  type ScopeKind,
  type UserId,
  userIdOf,
  utf8,
} from "../base/index.ts";
import { type SeededRandom, seededRandom } from "./seeded-random.ts";

/** Where an op stands, beside what it says. */
export interface Placed {
  /** Default: the entry made last, if any. */
  readonly parents?: readonly ControlEntry[] | undefined;
  /** Default: one more than that of the entry made last. */
  readonly timestamp?: bigint | undefined;
  /** Default: drawn. */
  readonly id?: ControlId | undefined;
}

/** The user with this name, of at most 32 letters. */
export function namedUser(name: string): UserId {
  return userIdOf(keyOf(name));
}

/** The device with this name, of at most 32 letters. */
export function namedDevice(name: string): DeviceId {
  return deviceIdOf(keyOf(name));
}

/** Makes entries for the control log of one scope, which `ada` owns. */
export class ControlWorld {
  readonly scope: ScopeId;
  readonly random: SeededRandom;
  /** All entries made, parents first. */
  readonly entries: ControlEntry[] = [];
  #time = 1n;

  constructor(kind: ScopeKind, seed = 1) {
    this.scope = { database: "notes", kind, owner: namedUser("ada"), name: "club" };
    this.random = seededRandom(seed);
  }

  /** An op by `device`. */
  add(device: string, op: VerifiedOp, placed: Placed = {}): ControlEntry {
    const author = namedDevice(device);
    const parents = placed.parents ?? this.entries.slice(-1);
    const timestamp = placed.timestamp ?? this.#time + 1n;
    if (timestamp > this.#time) this.#time = timestamp;
    const entry: ControlEntry = {
      id: placed.id ?? controlIdOf(this.random.bytes(32)),
      op,
      device: author,
      log: logKeyOf({ device: author, incarnation: 1n }),
      generation: this.entries.length + 1,
      timestamp,
      parents: parents.map(({ id }) => id),
    };
    this.entries.push(entry);
    return entry;
  }

  /** `by` says that `device` is `user`'s. */
  introduce(
    by: string,
    device: string,
    user: string,
    placed: Placed & { readonly issued?: number } = {},
  ): ControlEntry {
    const certified = namedCertificate(device, user, placed.issued ?? 1);
    return this.add(by, { type: "device", certificate: certified.bytes, certified }, placed);
  }

  /** A grant by `by` to `user`. */
  grant(
    by: string,
    user: string,
    tags: number,
    placed: Placed & { readonly invite?: Uint8Array } = {},
  ): ControlEntry {
    return this.add(
      by,
      { type: "grant", user: namedUser(user), tags, invite: placed.invite },
      placed,
    );
  }
}

/** What a checked certificate says. Its bytes are a placeholder. */
function namedCertificate(device: string, user: string, issued: number): Certified {
  const bytes = utf8(`${device} of ${user} at ${issued}`);
  return {
    user: namedUser(user),
    device: namedDevice(device),
    name: device,
    issued,
    notAfter: undefined,
    bytes,
  };
}

function keyOf(name: string): Uint8Array {
  const key = new Uint8Array(32);
  key.set(utf8(name));
  return key;
}
