import type { DeviceId, UserId } from "../base/index.ts";
import { type Ancestry, contains, type Past } from "./ancestry.ts";
import type { Certified } from "./certificate.ts";
import type { ControlId } from "./control-entry.ts";
import { insertSorted } from "./sorted.ts";

/**
 * Who introduced a device, most trusted first: itself, the owner or an admin, another device of the user in the
 * certificate. Anyone can sign a certificate for anybody's device key, so the device's own word goes first.
 */
export const INTRODUCED_BY = { itself: 0, admin: 1, ownUser: 2 } as const;
export type IntroducedBy = (typeof INTRODUCED_BY)[keyof typeof INTRODUCED_BY];

interface Introduction {
  readonly index: number;
  readonly id: ControlId;
  readonly user: UserId;
  readonly by: IntroducedBy;
  /** An ancestor's is less. */
  readonly height: number;
}

interface Issued {
  readonly certified: Certified;
  readonly id: ControlId;
}

/**
 * Whose a device is, when certificates of several users name it: the first by (who introduced it, height in the control
 * log, id). [AC14]
 */
export class Introductions {
  readonly #ancestry: Ancestry;
  /** Best first. */
  readonly #byDevice = new Map<DeviceId, Introduction[]>();
  /** By device and user, the certificate issued last. */
  readonly #newest = new Map<string, Issued>();

  constructor(ancestry: Ancestry, from?: Introductions) {
    this.#ancestry = ancestry;
    if (from === undefined) return;
    for (const [device, introductions] of from.#byDevice)
      this.#byDevice.set(device, [...introductions]);
    this.#newest = new Map(from.#newest);
  }

  /** Takes in an introduction, numbered `index` in the ancestry. */
  add(index: number, id: ControlId, certified: Certified, by: IntroducedBy): void {
    const { device, user } = certified;
    this.#keepNewest({ certified, id });
    let introductions = this.#byDevice.get(device);
    if (introductions === undefined) this.#byDevice.set(device, (introductions = []));
    const added = { index, id, user, by, height: this.#ancestry.heightOf(index) };
    insertSorted(introductions, added, goesBefore);
  }

  /** The user of `device` by the entries of `past`; by all when it is left out. */
  userOf(device: DeviceId, past?: Past): UserId | undefined {
    return this.#firstOf(device, past)?.user;
  }

  /** All users that certificates name for `device`, by the first `length` entries. */
  usersOf(device: DeviceId, length: number): ReadonlySet<UserId> {
    const users = new Set<UserId>();
    for (const { index, user } of this.#byDevice.get(device) ?? [])
      if (index < length) users.add(user);
    return users;
  }

  /** The number of the entry that says whose `device` is. */
  entryOf(device: DeviceId): number | undefined {
    return this.#firstOf(device)?.index;
  }

  /** Of the user that `device` acts for, the certificate issued last. [AC14] */
  certifiedOf(device: DeviceId): Certified | undefined {
    const user = this.userOf(device);
    return user === undefined ? undefined : this.#newest.get(keyOf(device, user))?.certified;
  }

  #firstOf(device: DeviceId, past?: Past): Introduction | undefined {
    return this.#byDevice
      .get(device)
      ?.find(({ index }) => past === undefined || contains(past, index));
  }

  #keepNewest(issued: Issued): void {
    const { device, user, issued: time } = issued.certified;
    const key = keyOf(device, user);
    const newest = this.#newest.get(key);
    const isNewer =
      newest === undefined ||
      time > newest.certified.issued ||
      (time === newest.certified.issued && issued.id > newest.id);
    if (isNewer) this.#newest.set(key, issued);
  }
}

function goesBefore(a: Introduction, b: Introduction): boolean {
  if (a.by !== b.by) return a.by < b.by;
  return a.height === b.height ? a.id < b.id : a.height < b.height;
}

function keyOf(device: DeviceId, user: UserId): string {
  return `${device} ${user}`;
}
