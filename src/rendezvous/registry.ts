import { type Clock, type DeviceId, toHex } from "../base/index.ts";
import { RendezvousError } from "./errors.ts";
import {
  DEVICE_REGISTRATIONS_MAX,
  FOUND_PAGE_MAX,
  REGISTRATION_BYTES_MAX,
  REGISTRATION_COST_BYTES,
  REGISTRATIONS_MAX,
  SWEEP_MS,
  TOKEN_REGISTRATIONS_MAX,
  TTL_MS_MAX,
  TTL_MS_MIN,
} from "./limits.ts";
import type { SignedBytes } from "./registration.ts";

interface Kept {
  /** In order of coming. */
  readonly number: number;
  readonly signed: SignedBytes;
  readonly bytes: number;
  /** By the monotonic clock. */
  readonly ends: number;
}

export interface RegistryPage {
  readonly registrations: readonly SignedBytes[];
  /** Where the next page begins; `undefined` on the last. */
  readonly cursor: number | undefined;
}

/** What a rendezvous holds: in memory, within bounds, until it expires. */
export class Registry {
  readonly #clock: Clock;
  /** By the token as hex, in order of coming. */
  readonly #byToken = new Map<string, Map<DeviceId, Kept>>();
  readonly #counts = new Map<DeviceId, number>();
  #count = 0;
  #bytes = 0;
  #number = 0;
  #nextSweep = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Registrations held, expired ones not yet taken away included. */
  get size(): number {
    return this.#count;
  }

  /** Bytes that they are counted with. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Keeps what a device has said, in place of what it said before under the same token. Answers for how many milliseconds. [RV3]
   *
   * @throws {RendezvousError} `RENDEZVOUS_FULL`, and what was there before stays.
   */
  keep(token: Uint8Array, device: DeviceId, signed: SignedBytes, ttlMs: number): number {
    this.#sweep();
    const key = toHex(token);
    const bytes = signed.registration.length + signed.signature.length + REGISTRATION_COST_BYTES;
    const before = this.#byToken.get(key)?.get(device);
    const added = before === undefined ? 1 : 0;
    const isFull =
      (this.#byToken.get(key)?.size ?? 0) + added > TOKEN_REGISTRATIONS_MAX ||
      (this.#counts.get(device) ?? 0) + added > DEVICE_REGISTRATIONS_MAX ||
      this.#count + added > REGISTRATIONS_MAX ||
      this.#bytes + bytes - (before?.bytes ?? 0) > REGISTRATION_BYTES_MAX;
    if (isFull)
      throw new RendezvousError("RENDEZVOUS_FULL", "Cannot register: the rendezvous is full");
    this.#remove(key, device);
    const ttl = Math.min(Math.max(ttlMs, TTL_MS_MIN), TTL_MS_MAX);
    this.#number += 1;
    const kept = { number: this.#number, signed, bytes, ends: this.#clock.monotonic() + ttl };
    const there = this.#byToken.get(key) ?? new Map<DeviceId, Kept>();
    this.#byToken.set(key, there.set(device, kept));
    this.#counts.set(device, (this.#counts.get(device) ?? 0) + 1);
    this.#count += 1;
    this.#bytes += bytes;
    return ttl;
  }

  /** Those under a token that came after `cursor` and have not expired, oldest first. [RV4] */
  page(token: Uint8Array, cursor: number): RegistryPage {
    this.#sweep();
    const now = this.#clock.monotonic();
    const after = Array.from(this.#byToken.get(toHex(token))?.values() ?? []).filter(
      ({ number, ends }) => number > cursor && ends > now,
    );
    const shown = after.slice(0, FOUND_PAGE_MAX);
    return {
      registrations: shown.map(({ signed }) => signed),
      cursor: after.length > shown.length ? shown.at(-1)?.number : undefined,
    };
  }

  #remove(key: string, device: DeviceId): void {
    const there = this.#byToken.get(key);
    const kept = there?.get(device);
    if (there === undefined || kept === undefined) return;
    there.delete(device);
    if (there.size === 0) this.#byToken.delete(key);
    const left = (this.#counts.get(device) ?? 0) - 1;
    if (left > 0) this.#counts.set(device, left);
    else this.#counts.delete(device);
    this.#count -= 1;
    this.#bytes -= kept.bytes;
  }

  /** Takes away what has expired, now and then. */
  #sweep(): void {
    const now = this.#clock.monotonic();
    if (now < this.#nextSweep) return;
    this.#nextSweep = now + SWEEP_MS;
    for (const [key, there] of this.#byToken)
      for (const [device, { ends }] of there) if (ends <= now) this.#remove(key, device);
  }
}
