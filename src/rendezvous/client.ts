import { type ControlId, Tags } from "../access/index.ts";
import {
  type Clock,
  type Crypto,
  type DeviceId,
  type Logger,
  type Random,
  type ScopeId,
} from "../base/index.ts";
import type { History } from "../history/index.ts";
import type { Transport } from "../net/index.ts";
import type { Locator, SyncService } from "../sync/index.ts";
import { placesOf } from "./place.ts";
import type { Registration } from "./registration.ts";
import { RendezvousVisitor } from "./visitor.ts";

export interface RendezvousClientDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly logger: Logger;
  readonly history: History;
  readonly transport: Transport;
  readonly sync: SyncService;
  /** Milliseconds since 1970, as well as is known. */
  readonly now: () => number;
  /** Rendezvous for all syncgroups of this device, beside those that their specs name. */
  readonly rendezvous: readonly string[];
}

/** A syncgroup that is to be found at a rendezvous. */
export interface MeetingGroup {
  readonly group: ScopeId;
  /** What created it: known to its members only. */
  readonly founding: ControlId;
}

interface Place {
  readonly addresses: readonly string[];
  /** As its device said: of two registrations the later one counts. */
  readonly expires: number;
  /** By the monotonic clock. */
  readonly ends: number;
}

/**
 * Registers this device at the rendezvous of its syncgroups, and looks there for members that were not reached. Rules: docs/spec/rendezvous.md, [RV5] to
 * [RV8].
 */
export class RendezvousClient implements Locator, AsyncDisposable {
  readonly #deps: RendezvousClientDeps;
  readonly #ending = new AbortController();
  readonly #visitors = new Map<DeviceId, RendezvousVisitor>();
  /** Where members said that they are. */
  readonly #places = new Map<DeviceId, Place>();
  /** Devices that were not reached the last time. */
  readonly #unreached = new Set<DeviceId>();
  readonly #stops: readonly (() => void)[];

  constructor(deps: RendezvousClientDeps) {
    this.#deps = deps;
    this.#stops = [deps.sync.whereabouts.locateBy(this), deps.sync.onGroups(() => this.#update())];
    this.#update();
  }

  addressesOf(device: DeviceId): readonly string[] {
    const place = this.#places.get(device);
    if (place === undefined) return [];
    if (place.ends > this.#deps.clock.monotonic()) return place.addresses;
    this.#places.delete(device);
    return [];
  }

  noteUnreached(device: DeviceId): void {
    this.#unreached.add(device);
    for (const visitor of this.#visitors.values()) visitor.wake();
  }

  /** Ends all visits. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    for (const stop of this.#stops) stop();
    await Promise.all(Array.from(this.#visitors.values(), (visitor) => visitor.done));
  }

  /** A visitor for each rendezvous that there is; it looks by itself for what to do. */
  #update(): void {
    if (this.#ending.signal.aborted) return;
    for (const device of this.#rendezvous().keys()) {
      if (device === this.#deps.transport.device || this.#visitors.has(device)) continue;
      if (this.#groupsAt(device).length === 0) continue;
      const visitor = new RendezvousVisitor(
        { ...this.#deps, ending: this.#ending.signal },
        {
          rendezvous: device,
          addresses: () => this.#rendezvous().get(device) ?? [],
          groups: () => this.#groupsAt(device),
          sought: ({ group }) => this.#soughtIn(group),
          take: ({ group }, registration, ms) => this.#take(group, registration, ms),
        },
      );
      this.#visitors.set(device, visitor);
      // There were no groups for it any more; by now there may be one again.
      void visitor.done.then(() => {
        this.#visitors.delete(device);
        this.#update();
      });
    }
    for (const visitor of this.#visitors.values()) visitor.wake();
  }

  /** All rendezvous there are, ours first. */
  #rendezvous(): ReadonlyMap<DeviceId, readonly string[]> {
    const named = this.#groups().flatMap(({ group }) => this.#named(group));
    return placesOf([...this.#deps.rendezvous, ...named]);
  }

  #groupsAt(rendezvous: DeviceId): readonly MeetingGroup[] {
    const isOurs = placesOf(this.#deps.rendezvous).has(rendezvous);
    return this.#groups().filter(
      ({ group }) => isOurs || placesOf(this.#named(group)).has(rendezvous),
    );
  }

  #named(group: ScopeId): readonly string[] {
    return this.#deps.history.scope(group)?.access.spec?.value.rendezvous ?? [];
  }

  /** The groups in which this device takes part, and whose history is here far enough. [RV5] */
  #groups(): readonly MeetingGroup[] {
    const { sync, history } = this.#deps;
    const { device } = history.identity;
    return sync.sharing.allGroups().flatMap((group) => {
      const access = history.scope(group)?.access;
      const founding = access?.founding;
      if (founding === undefined || access?.may(device, Tags.READ) !== true) return [];
      if (access.destroyed || sync.isPaused(group.database)) return [];
      return sync.status(group) === "left" ? [] : [{ group, founding }];
    });
  }

  /** Members of a group that were not reached, and are not connected now. [RV6] */
  #soughtIn(group: ScopeId): readonly DeviceId[] {
    const connected = new Set(this.#deps.transport.connections().map(({ peer }) => peer));
    for (const device of this.#unreached)
      if (connected.has(device) || this.#deps.sync.sharing.groups(device).length === 0)
        this.#unreached.delete(device);
    return [...this.#unreached].filter((device) => this.#deps.sync.sharing.isReader(device, group));
  }

  /** Keeps where a member is; what others say is not looked at. [RV7] */
  #take(group: ScopeId, { device, addresses, expires }: Registration, ms: number): void {
    const { sync, clock, history } = this.#deps;
    if (device === history.identity.device || !sync.sharing.isReader(device, group)) return;
    if (addresses.length === 0 || (this.#places.get(device)?.expires ?? 0) > expires) return;
    this.#places.set(device, { addresses, expires, ends: clock.monotonic() + ms });
    sync.whereabouts.noteFound(device);
  }
}
