import {
  type Clock,
  codeOf,
  type Crypto,
  type DeviceId,
  deviceInAddress,
  type Logger,
  type Random,
  type ScopeKey,
  scopeKeyOf,
  spread,
} from "../base/index.ts";
import { ADDRESSES_MAX } from "../groups/index.ts";
import type { History } from "../history/index.ts";
import { type Transport, Wakeup } from "../net/index.ts";
import type { MeetingGroup } from "./client.ts";
import {
  EXPIRY_SLACK_MS,
  LOOK_MAX_MS,
  LOOK_MIN_MS,
  OWN_ADDRESSES_MS,
  TTL_MS_MAX,
  TTL_MS_MIN,
  VISIT_MIN_MS,
  VISIT_RETRY_MAX_MS,
  VISIT_RETRY_MIN_MS,
} from "./limits.ts";
import { readRegistration, type Registration, signRegistration, tokenOf } from "./registration.ts";
import { Visit } from "./visit.ts";

export interface VisitorDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly logger: Logger;
  readonly history: History;
  readonly transport: Transport;
  readonly now: () => number;
  readonly ending: AbortSignal;
}

/** What a rendezvous is visited for, asked again whenever it may have changed. */
export interface VisitorNeeds {
  readonly rendezvous: DeviceId;
  readonly addresses: () => readonly string[];
  /** Groups to be found there; none: it is visited no more. */
  readonly groups: () => readonly MeetingGroup[];
  /** Members that are looked for. */
  readonly sought: (group: MeetingGroup) => readonly DeviceId[];
  /** Takes what the device of a registration has said, good for so many milliseconds. */
  readonly take: (group: MeetingGroup, registration: Registration, ms: number) => void;
}

interface Registered {
  readonly addresses: string;
  /** When to come again, by the monotonic clock. */
  readonly again: number;
}

/** Visits one rendezvous whenever there is something to register or somebody to look for, and no more often. */
export class RendezvousVisitor {
  /** Resolves when there is nothing to visit it for any more, or all ends. Never rejects. */
  readonly done: Promise<void>;
  readonly #deps: VisitorDeps;
  readonly #needs: VisitorNeeds;
  readonly #changed = new Wakeup();
  readonly #registered = new Map<ScopeKey, Registered>();
  /** Whom we have looked for since they were not to be found. */
  #looked = new Set<DeviceId>();
  #lookWait = LOOK_MIN_MS;
  #nextLook = 0;

  constructor(deps: VisitorDeps, needs: VisitorNeeds) {
    this.#deps = deps;
    this.#needs = needs;
    this.done = this.#run();
  }

  /** Something may have changed. */
  wake(): void {
    this.#changed.wake();
  }

  async #run(): Promise<void> {
    const { clock, logger, ending, random } = this.#deps;
    const { rendezvous } = this.#needs;
    // Who begins all this goes on first.
    await Promise.resolve();
    let wait = VISIT_RETRY_MIN_MS;
    while (!ending.aborted && this.#needs.groups().length > 0) {
      if (!this.#isDue()) {
        await this.#rest();
        continue;
      }
      try {
        await this.#visit();
        wait = VISIT_RETRY_MIN_MS;
        await this.#sleep(VISIT_MIN_MS);
      } catch (error) {
        if (ending.aborted) return;
        logger("debug", "rendezvous.failed", { rendezvous, code: codeOf(error), at: clock.now() });
        await this.#sleep(spread(random, wait));
        wait = Math.min(2 * wait, VISIT_RETRY_MAX_MS);
      }
    }
  }

  #isDue(): boolean {
    return this.#needs.groups().some((group) => this.#isToRegister(group)) || this.#isToLook();
  }

  /** Where we are reached, as far as an address names us. */
  #ownAddresses(): readonly string[] {
    const { device } = this.#deps.transport;
    const all = this.#deps.transport
      .addresses()
      .filter((address) => deviceInAddress(address) === device);
    return all.slice(0, ADDRESSES_MAX);
  }

  #isToRegister({ group }: MeetingGroup): boolean {
    const addresses = this.#ownAddresses().join();
    const known = this.#registered.get(scopeKeyOf(group));
    if (known === undefined) return addresses !== "";
    return known.addresses !== addresses || known.again <= this.#deps.clock.monotonic();
  }

  /** Whether somebody is sought whom we have not looked for yet, or it is time to look again. [RV6] */
  #isToLook(): boolean {
    const sought = this.#needs.groups().flatMap((group) => this.#needs.sought(group));
    if (sought.length === 0) this.#forgetLooks();
    if (sought.some((device) => !this.#looked.has(device))) return true;
    return sought.length > 0 && this.#nextLook <= this.#deps.clock.monotonic();
  }

  #forgetLooks(): void {
    this.#looked = new Set();
    this.#lookWait = LOOK_MIN_MS;
  }

  async #visit(): Promise<void> {
    const { rendezvous, addresses, groups } = this.#needs;
    const { clock, random, ending } = this.#deps;
    const visit = await Visit.open(this.#deps, rendezvous, addresses(), ending);
    const end = (): void => visit.close();
    ending.addEventListener("abort", end, { once: true });
    try {
      for (const group of groups())
        if (this.#isToRegister(group)) await this.#register(visit, group);
      if (!this.#isToLook()) return;
      const looked = new Set<DeviceId>();
      for (const group of groups()) {
        const sought = this.#needs.sought(group);
        for (const device of sought) looked.add(device);
        if (sought.length > 0) await this.#look(visit, group);
      }
      // Somebody new is looked for at once, but does not make the others looked for more often.
      this.#looked = looked;
      this.#nextLook = clock.monotonic() + spread(random, this.#lookWait);
      this.#lookWait = Math.min(2 * this.#lookWait, LOOK_MAX_MS);
    } finally {
      ending.removeEventListener("abort", end);
      visit.close();
    }
  }

  async #register(visit: Visit, { group, founding }: MeetingGroup): Promise<void> {
    const { crypto, clock, history, now, random, logger } = this.#deps;
    const { device, deviceSeed } = history.identity;
    const addresses = this.#ownAddresses();
    const note = (ms: number): void => {
      const again = clock.monotonic() + spread(random, ms);
      this.#registered.set(scopeKeyOf(group), { addresses: addresses.join(), again });
    };
    const signed = await signRegistration(crypto, deviceSeed, {
      token: tokenOf(crypto, founding, this.#needs.rendezvous),
      device,
      addresses,
      expires: Math.max(0, Math.floor(now())) + TTL_MS_MAX,
    });
    try {
      const ttl = await visit.register(signed, TTL_MS_MAX);
      // Half of it, at most three quarters by chance: before it ends, also when the first try fails.
      note(Math.max(Math.min(ttl, TTL_MS_MAX), TTL_MS_MIN) / 2);
    } catch (error) {
      if (codeOf(error) !== "RENDEZVOUS_FULL") throw error;
      logger("info", "rendezvous.full", { rendezvous: this.#needs.rendezvous });
      note(VISIT_RETRY_MAX_MS);
    }
  }

  async #look(visit: Visit, group: MeetingGroup): Promise<void> {
    const { crypto, logger, now } = this.#deps;
    const { rendezvous } = this.#needs;
    const token = tokenOf(crypto, group.founding, rendezvous);
    for (const signed of await visit.discover(token)) {
      try {
        const registration = await readRegistration(crypto, signed, token);
        const left = registration.expires - now();
        // What is over is told by a rendezvous that keeps it too long; what is never over nobody has signed for it.
        if (left < -EXPIRY_SLACK_MS || left > TTL_MS_MAX + EXPIRY_SLACK_MS) continue;
        this.#needs.take(group, registration, TTL_MS_MAX);
      } catch (error) {
        if (codeOf(error) === undefined) throw error;
        logger("info", "rendezvous.registration.invalid", { rendezvous, code: codeOf(error) });
      }
    }
  }

  /** Until something may have changed, or our own addresses are to be looked at again. */
  async #rest(): Promise<void> {
    const timer = new AbortController();
    const ended = AbortSignal.any([this.#deps.ending, timer.signal]);
    const rested = this.#deps.clock.sleep(OWN_ADDRESSES_MS, ended).catch(() => {});
    await Promise.race([rested, this.#changed.wait()]);
    timer.abort();
  }

  #sleep(ms: number): Promise<void> {
    return this.#deps.clock.sleep(ms, this.#deps.ending).catch(() => {});
  }
}
