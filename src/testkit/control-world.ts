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
  type GenVector,
  type LogKey,
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
  /** Default: 1. */
  readonly incarnation?: bigint | undefined;
  /** Default: one for each entry made. */
  readonly generation?: number | undefined;
}

/** Names are few and their texts long to make. */
const users = new Map<string, UserId>();
const devices = new Map<string, DeviceId>();
const logs = new Map<string, LogKey>();

/** The user with this name, of at most 32 letters. */
export function namedUser(name: string): UserId {
  return remembered(users, name, () => userIdOf(keyOf(name)));
}

/** The device with this name, of at most 32 letters. */
export function namedDevice(name: string): DeviceId {
  return remembered(devices, name, () => deviceIdOf(keyOf(name)));
}

/** The log of the device with this name. */
export function namedLog(device: string, incarnation = 1n): LogKey {
  return remembered(logs, `${device} ${incarnation}`, () =>
    logKeyOf({ device: namedDevice(device), incarnation }),
  );
}

/** A freeze of logs of the first incarnation of named devices. */
export function namedFreeze(generations: Readonly<Record<string, number>>): GenVector {
  return new Map(
    Object.entries(generations).map(([device, generation]) => [namedLog(device), generation]),
  );
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
      log: namedLog(device, placed.incarnation),
      generation: placed.generation ?? this.entries.length + 1,
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

  /** A revocation of `user` by `by`. Logs that are not named freeze at 0. */
  revoke(
    by: string,
    user: string,
    freeze: Readonly<Record<string, number>> = {},
    placed: Placed = {},
  ): ControlEntry {
    const op = { type: "revoke", user: namedUser(user), freeze: namedFreeze(freeze) } as const;
    return this.add(by, op, placed);
  }

  /** A revocation of `device` by `by`; by the key of `user` if it is named. */
  revokeDevice(
    by: string,
    device: string,
    freeze: Readonly<Record<string, number>> = {},
    placed: Placed & { readonly user?: string | undefined } = {},
  ): ControlEntry {
    const what = { device: namedDevice(device), freeze: namedFreeze(freeze) };
    const { user } = placed;
    if (user === undefined) return this.add(by, { type: "revokeDevice", ...what }, placed);
    const signature = new Uint8Array(64);
    return this.add(
      by,
      { type: "revokeOwnDevice", user: namedUser(user), signature, ...what },
      placed,
    );
  }

  /** `by` hands in that a log of `device` forks. */
  proveFork(
    by: string,
    device: string,
    generation: number,
    placed: Placed & { readonly forkedIncarnation?: bigint } = {},
  ): ControlEntry {
    const none = new Uint8Array();
    const proof = { headerA: none, signatureA: none, headerB: none, signatureB: none };
    const forked = { log: namedLog(device, placed.forkedIncarnation), generation };
    return this.add(by, { type: "forkProof", ...proof, forked }, placed);
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

function remembered<T>(known: Map<string, T>, name: string, make: () => T): T {
  let value = known.get(name);
  if (value === undefined) known.set(name, (value = make()));
  return value;
}
