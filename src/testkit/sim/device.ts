/** A simulated device: what stays when its process dies, and the process while there is one. */

import {
  chanceOf,
  MachineClock,
  SIM_EPOCH,
  SimClock,
  simCrypto,
  SimDisk,
  type CryptoTap,
  type KeyRing,
  type Image,
  type SimNetwork,
  type Scheduler,
  type SimTransport,
} from "../sim-ports/index.ts";
import { issueCertificate, verifyCertificate } from "../../access/index.ts";
import { deviceIdOf, deviceKeyOf, type Logger, toHex, userKeyOf } from "../../base/index.ts";
import type { Identity } from "../../history/index.ts";
import type { SeededRandom } from "../seeded-random.ts";
import { copyOf, type Held } from "../sim-oracle/index.ts";
import type { DevicePlan } from "./plan.ts";
import { SIM_DATABASE, SimProcess } from "./process.ts";
import { JoinLies, Liar, type LiarDeps } from "../sim-liars/index.ts";

export interface SimDeviceDeps {
  readonly seed: number;
  readonly scheduler: Scheduler;
  readonly network: SimNetwork;
  readonly keys: KeyRing;
  readonly tap: CryptoTap;
  /** Told of every signature that a device checks. */
  readonly onChecked: (device: SimDevice, message: Uint8Array) => void;
  readonly logger: Logger;
  readonly onFault: (name: string) => void;
}

/** Milliseconds that a write to a disk takes at least, and more at most by chance. */
const WRITE_MS = 0.5;
const WRITE_MS_SPREAD = 4;

/** What a store was, and what its device held then. */
export interface Backup {
  readonly image: Image;
  readonly held: Held;
}

export class SimDevice {
  readonly name: string;
  readonly index: number;
  readonly identity: Identity;
  /** Its key, hexadecimal. */
  readonly key: string;
  /** Its user's key, hexadecimal. */
  readonly user: string;
  readonly clock: MachineClock;
  readonly disk: SimDisk;
  readonly #deps: SimDeviceDeps;
  readonly #random: SeededRandom;
  #process: SimProcess | undefined;
  #starts = 0;
  /** How much slower than usual its disk is. */
  diskFactor = 1;
  backup: Backup | undefined;
  /** A copy of its store that is not in use: it stays what it is until they are swapped. */
  #spare: Image | undefined;
  #isSwapped = false;
  #isLiar = false;
  #liesOver: SimTransport | undefined;
  readonly #joinLies: JoinLies | undefined;

  private constructor(deps: SimDeviceDeps, index: number, plan: DevicePlan, identity: Identity) {
    this.#deps = deps;
    this.index = index;
    this.name = `d${index}`;
    this.identity = identity;
    this.key = toHex(deviceKeyOf(identity.device));
    this.user = toHex(userKeyOf(identity.certified.user));
    this.clock = new MachineClock(deps.scheduler, plan.clockAheadMs, 1 + plan.drift);
    this.#random = chanceOf(deps.seed, `disk ${index}`);
    const random = chanceOf(deps.seed, `lies in joins ${index}`);
    this.#joinLies = plan.liesInJoins
      ? new JoinLies({ random, sometimes: deps.onFault })
      : undefined;
    this.disk = new SimDisk({
      wait: (work) => this.#diskWork(work),
      onFault: deps.onFault,
    });
  }

  static async create(deps: SimDeviceDeps, index: number, plan: DevicePlan): Promise<SimDevice> {
    const crypto = simCrypto(deps.keys);
    const deviceSeed = chanceOf(deps.seed, `device key ${index}`).bytes(32);
    const userSeed = chanceOf(deps.seed, `user key ${plan.user}`).bytes(32);
    const device = deviceIdOf(await crypto.publicKey(deviceSeed));
    const request = { device, name: `d${index}`, issued: SIM_EPOCH };
    const bytes = await issueCertificate({ crypto }, userSeed, request);
    const certified = await verifyCertificate({ crypto }, bytes);
    return new SimDevice(deps, index, plan, { device, deviceSeed, certified });
  }

  /** The process, when it is there and open. */
  get running(): SimProcess | undefined {
    return this.#process?.isOpen === true ? this.#process : undefined;
  }

  get isDown(): boolean {
    return this.#process === undefined && !this.#isLiar;
  }

  /** Whether it does what it wants by now. */
  get isLiar(): boolean {
    return this.#isLiar;
  }

  /** Names the copy of its store that is in use. */
  get store(): string {
    return this.#isSwapped ? copyOf(this.key) : this.key;
  }

  /** As the oracle names it and its store. */
  get names(): { readonly device: string; readonly store: string } {
    return { device: this.key, store: this.store };
  }

  /** Whether there are two copies of its store. */
  get hasCopy(): boolean {
    return this.#spare !== undefined;
  }

  /** Copies its store as it is. `false`: there is a copy. */
  copy(): boolean {
    if (this.#spare !== undefined) return false;
    this.#spare = this.disk.image;
    return true;
  }

  /** Puts the other copy of its store in the place of the one in use. No process may be running. */
  swap(): void {
    const spare = this.#spare;
    if (spare === undefined) return;
    this.#spare = this.disk.image;
    this.disk.replace(spare);
    this.#isSwapped = !this.#isSwapped;
  }

  /** Ends the honest process, and lies with its keys from now on. */
  lie(about: Pick<LiarDeps, "scopes" | "victims" | "users" | "sometimes">): void {
    const { seed, scheduler, network, keys, tap } = this.#deps;
    this.kill(false);
    this.#isLiar = true;
    const transport = network.transport(this.identity.device, { place: this.place });
    this.#liesOver = transport;
    const liar = new Liar({
      ...about,
      identity: this.identity,
      database: SIM_DATABASE,
      transport,
      clock: new SimClock(scheduler, this.clock, this.name),
      crypto: simCrypto(keys, tap),
      random: chanceOf(seed, `liar ${this.index}`),
    });
    liar.start();
  }

  /** A liar goes away for good. */
  hush(): void {
    this.#liesOver?.kill(() => 0);
    this.#liesOver = undefined;
  }

  /** Whether it lies in what it answers to joins, and there alone. */
  get liesInJoins(): boolean {
    return this.#joinLies !== undefined;
  }

  /** Answers joins as others do from now on. */
  endJoinLies(): void {
    this.#joinLies?.end();
  }

  /** Where its transport listens. */
  get place(): string {
    return `/sim/${this.index}`;
  }

  /** Starts a process; it is killed again when it cannot open. Answers it once it is open. */
  async start(): Promise<SimProcess> {
    const { seed, scheduler, network, keys, tap, logger, onChecked } = this.#deps;
    this.#starts += 1;
    const clock = new SimClock(scheduler, this.clock, this.name);
    const process: SimProcess = new SimProcess({
      name: this.name,
      storeName: this.store,
      identity: this.identity,
      disk: this.disk,
      clock,
      simulatedNow: () => scheduler.now,
      crypto: simCrypto(keys, { ...tap, checked: (message) => onChecked(this, message) }),
      random: chanceOf(seed, `process ${this.index} ${this.#starts}`),
      logger: (level, event, fields) => {
        if (event === "history.epoch.failed") process.hasLostEpoch = true;
        if (!process.isDead) logger(level, event, { device: this.name, ...fields });
      },
      transport: network.transport(this.identity.device, {
        place: this.place,
        logger,
        serving: this.#joinLies?.serving,
      }),
    });
    this.#process = process;
    try {
      await process.open();
    } catch (error) {
      if (this.#process === process) this.kill(false);
      throw error;
    }
    return process;
  }

  /** Kills the process, if there is one. Nothing of it is closed. */
  kill(isPowerCut: boolean): void {
    const process = this.#process;
    this.#process = undefined;
    // A process that is killed has its connections closed by the system; a machine without power is silent.
    process?.kill(() => (isPowerCut ? 1000 + this.#random.below(30_000) : this.#random.below(20)));
    this.disk.crash(isPowerCut, () => this.#random.chance(0.5));
  }

  #diskWork(work: "write" | "open"): Promise<void> {
    const ms = WRITE_MS + this.#random.below(1024 * WRITE_MS_SPREAD) / 1024;
    return this.#deps.scheduler.sleep(ms * this.diskFactor, `${this.name} disk ${work}`);
  }
}
