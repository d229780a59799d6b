import type { DeviceId, UserId } from "../base/index.ts";
import { type Ancestry, contains, type Past } from "./ancestry.ts";
import type { Certified } from "./certificate.ts";
import type { ControlId } from "./control-entry.ts";

/**
 * Who introduced a device, most trusted first: itself, the owner or an admin, another device of the user in the
 * certificate. Anyone can sign a certificate for anybody's device key, so the device's own word goes first.
 */
export type IntroducedBy = 0 | 1 | 2;
export const BY_ITSELF: IntroducedBy = 0;
export const BY_ADMIN: IntroducedBy = 1;
export const BY_OWN_USER: IntroducedBy = 2;

interface Introduction {
  readonly index: number;
  readonly id: ControlId;
  readonly user: UserId;
  readonly by: IntroducedBy;
  readonly height: number;
}

/**
 * Whose a device is, when certificates of several users name it: the first by (who introduced it, height in the control
 * log, id). Height puts an ancestor before what follows it. [AC13]
 */
export class Introductions {
  readonly #ancestry: Ancestry;
  /** By device, best first; those that an equal one precedes are left out, since they decide nothing. */
  readonly #byDevice = new Map<DeviceId, Introduction[]>();
  readonly #newest = new Map<
    DeviceId,
    Map<UserId, { readonly certified: Certified; readonly id: ControlId }>
  >();

  constructor(ancestry: Ancestry) {
    this.#ancestry = ancestry;
  }

  add(index: number, id: ControlId, certified: Certified, by: IntroducedBy): void {
    const { device, user } = certified;
    this.#keepNewest(certified, id);
    const introductions = this.#byDevice.get(device) ?? [];
    const known = introductions.some(
      (other) =>
        other.user === user && other.by <= by && this.#ancestry.precedes(other.index, index),
    );
    if (known) return;
    introductions.push({ index, id, user, by, height: this.#ancestry.heightOf(index) });
    introductions.sort(compare);
    this.#byDevice.set(device, introductions);
  }

  /** The user of `device` by the entries in `past`, or by all when it is left out. */
  userOf(device: DeviceId, past?: Past): UserId | undefined {
    return this.#first(device, past)?.user;
  }

  /** The entry that says whose `device` is. */
  entryOf(device: DeviceId): number | undefined {
    return this.#first(device)?.index;
  }

  /** Of the user that `device` acts for, the certificate issued last. [AC14] */
  certifiedOf(device: DeviceId): Certified | undefined {
    const user = this.userOf(device);
    return user === undefined ? undefined : this.#newest.get(device)?.get(user)?.certified;
  }

  #first(device: DeviceId, past?: Past): Introduction | undefined {
    return this.#byDevice
      .get(device)
      ?.find(({ index }) => past === undefined || contains(past, index));
  }

  #keepNewest(certified: Certified, id: ControlId): void {
    let byUser = this.#newest.get(certified.device);
    if (byUser === undefined) this.#newest.set(certified.device, (byUser = new Map()));
    const newest = byUser.get(certified.user);
    const { issued } = certified;
    const isNewer =
      newest === undefined ||
      issued > newest.certified.issued ||
      (issued === newest.certified.issued && id > newest.id);
    if (isNewer) byUser.set(certified.user, { certified, id });
  }
}

function compare(a: Introduction, b: Introduction): number {
  if (a.by !== b.by) return a.by - b.by;
  if (a.height !== b.height) return a.height - b.height;
  return a.id < b.id ? -1 : 1;
}
