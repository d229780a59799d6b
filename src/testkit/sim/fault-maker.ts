/** Makes go wrong what a plan says, and puts all of it right when the faults are over. */

import { Image, type SimNetwork, type Scheduler } from "../sim-ports/index.ts";
import { type Held, type Oracle, SimError } from "../sim-oracle/index.ts";
import type { SimDevice } from "./device.ts";
import { at, type Fault, type Plan, type Step } from "./plan.ts";
import { nameOfError, SIM_DATABASE } from "./process.ts";

export interface FaultMakerDeps {
  readonly plan: Plan;
  readonly devices: readonly SimDevice[];
  readonly network: SimNetwork;
  readonly scheduler: Scheduler;
  readonly oracle: Oracle;
  readonly sometimes: (what: string) => void;
  readonly fail: (error: unknown) => void;
  /** Told of each device that is there again. */
  readonly onStarted: (device: SimDevice) => void;
}

/** Milliseconds after which a device that could not open is started again. */
const START_AGAIN_MS = 700;
/** Times that a device may fail to start in a row. */
const STARTS_MAX = 200;

export class FaultMaker {
  readonly #deps: FaultMakerDeps;
  /** Undo what lasts. */
  readonly #ends = new Set<() => void>();
  readonly #starting = new Map<SimDevice, Promise<void>>();

  constructor(deps: FaultMakerDeps) {
    this.#deps = deps;
  }

  /** Strikes. Never throws. */
  strike(step: Step & Fault): void {
    const device = at(this.#deps.devices, step.device);
    if (this.#strike(device, step)) this.#deps.sometimes(`fault ${step.fault}`);
  }

  /** Answers whether there was something to strike. */
  #strike(device: SimDevice, step: Fault): boolean {
    const { network } = this.#deps;
    switch (step.fault) {
      case "crash":
        return this.#crash(device, step.isPowerCut, step.downMs);
      case "eio":
        device.disk.failWrite(step.afterWrites, { kind: "eio", isApplied: step.isApplied });
        return true;
      case "full":
        device.disk.outage = { kind: "full", isApplied: false };
        return this.#endAfter(step.ms, () => (device.disk.outage = undefined));
      case "noOpen":
        device.disk.failOpen(step.times);
        return true;
      case "slowDisk":
        device.diskFactor = step.factor;
        return this.#endAfter(step.ms, () => (device.diskFactor = 1));
      case "backup":
        return this.#backUp(device);
      case "restore":
        return this.#restore(device, step.downMs);
      case "wipe":
        // Who made a group and has lost it needs another admin to be let in again, and there may be none.
        return !this.#owns(device) && this.#replace(device, Image.empty, new Map(), step.downMs);
      case "copy":
        return this.#copy(device);
      case "swap":
        return this.swap(device, step.downMs);
      case "cut":
        return this.#between(device, step.peer, (a, b) => {
          const connection = network.connection(a, b);
          connection?.cut();
          return connection !== undefined;
        });
      case "cutStream":
        return this.#between(
          device,
          step.peer,
          (a, b) =>
            network
              .connection(a, b)
              ?.cutInStream(step.bytes, step.isReset, (count) => step.bytes % count) === true,
        );
      case "block":
        return this.#block([[device.index, step.peer]], step.isOneWay, step.ms);
      case "partition": {
        const side = new Set(step.side);
        const pairs = step.side.flatMap((a) =>
          this.#deps.devices
            .filter(({ index }) => !side.has(index))
            .map((b) => [a, b.index] as const),
        );
        return this.#block(pairs, step.isOneWay, step.ms);
      }
      case "slow":
        return this.#between(device, step.peer, (a, b) => {
          const link = network.link(a, b);
          link.latencyMs = step.latencyMs;
          return this.#endAfter(step.ms, () => (link.latencyMs = 1));
        });
      case "noDial":
        network.dialFailure = step.share;
        return this.#endAfter(step.ms, () => (network.dialFailure = 0));
      case "jump":
        device.clock.offset += step.byMs;
        return true;
      case "freeze":
        device.clock.freeze();
        return this.#endAfter(step.ms, () => device.clock.thaw());
    }
  }

  #between(
    device: SimDevice,
    peer: number,
    strike: (a: SimDevice["identity"]["device"], b: SimDevice["identity"]["device"]) => boolean,
  ): boolean {
    return strike(device.identity.device, at(this.#deps.devices, peer).identity.device);
  }

  #endAfter(ms: number, end: () => void): boolean {
    this.#ends.add(end);
    this.#deps.scheduler.after(ms, "fault.end", () => {
      if (this.#ends.delete(end)) end();
    });
    return true;
  }

  #block(pairs: readonly (readonly [number, number])[], isOneWay: boolean, ms: number): boolean {
    const { network, devices } = this.#deps;
    const directions = pairs.flatMap(([a, b]) => {
      const there = [at(devices, a), at(devices, b)].map(({ identity }) => identity.device);
      return isOneWay ? [there] : [there, there.toReversed()];
    });
    for (const [from, to] of directions) if (from && to) network.block(from, to);
    return this.#endAfter(ms, () => {
      for (const [from, to] of directions) if (from && to) network.unblock(from, to);
    });
  }

  #crash(device: SimDevice, isPowerCut: boolean, downMs: number): boolean {
    if (device.running === undefined) return false;
    device.kill(isPowerCut);
    this.#startAfter(device, downMs);
    return true;
  }

  #backUp(device: SimDevice): boolean {
    const { oracle } = this.#deps;
    if (device.running === undefined) return false;
    if (this.#owns(device) && !this.#hasAllOfItsOwn(device)) return false;
    oracle.noteHeld(device.running.knowledge());
    device.backup = {
      image: device.disk.image,
      held: oracle.heldBy(device.store),
    };
    return true;
  }

  #owns(device: SimDevice): boolean {
    return this.#deps.plan.groups.some(({ owner }) => owner === device.index);
  }

  #hasAllOfItsOwn(device: SimDevice): boolean {
    const owned = this.#deps.plan.groups.filter(({ owner }) => owner === device.index);
    return (device.running?.sync.groups(SIM_DATABASE).length ?? 0) >= owned.length;
  }

  #restore(device: SimDevice, downMs: number): boolean {
    const { backup } = device;
    if (backup === undefined) return false;
    return this.#replace(device, backup.image, backup.held, downMs);
  }

  #replace(device: SimDevice, image: Image, held: Held, downMs: number): boolean {
    const { oracle } = this.#deps;
    if (device.running === undefined) return false;
    for (const { running } of this.#deps.devices)
      if (running !== undefined) oracle.noteHeld(running.knowledge());
    device.kill(true);
    device.disk.replace(image);
    oracle.wasSetBack(device.names, held);
    this.#startAfter(device, downMs);
    return true;
  }

  #copy(device: SimDevice): boolean {
    const { oracle } = this.#deps;
    const { running } = device;
    if (running === undefined || device.hasCopy) return false;
    if (this.#owns(device) && !this.#hasAllOfItsOwn(device)) return false;
    oracle.noteHeld(running.knowledge());
    device.copy();
    oracle.noteCopy(device.key, device.store);
    return true;
  }

  /** Goes on with the other copy of a device's store. Answers whether there is one. */
  swap(device: SimDevice, downMs: number): boolean {
    const { oracle } = this.#deps;
    if (device.running === undefined || !device.hasCopy) return false;
    oracle.noteHeld(device.running.knowledge());
    device.kill(false);
    device.swap();
    oracle.wasSwapped(device.key);
    this.#startAfter(device, downMs);
    return true;
  }

  #startAfter(device: SimDevice, ms: number): void {
    this.#deps.scheduler.after(ms, `${device.name} start`, () => void this.start(device));
  }

  /** Starts a device, however often it takes, and looks whether it has kept its promises. */
  start(device: SimDevice): Promise<void> {
    const known = this.#starting.get(device);
    if (known !== undefined) return known;
    const starting = this.#start(device)
      .catch(this.#deps.fail)
      .finally(() => this.#starting.delete(device));
    this.#starting.set(device, starting);
    return starting;
  }

  async #start(device: SimDevice): Promise<void> {
    const { scheduler, oracle, sometimes } = this.#deps;
    for (let tries = 0; device.isDown; tries++) {
      if (tries > STARTS_MAX) throw new SimError("D4", `${device.name} cannot be opened any more`);
      try {
        const process = await device.start();
        const view = await process.view();
        sometimes(`started ${device.name}`);
        oracle.checkAfterCrash(view);
        oracle.checkDevice(view);
        this.#deps.onStarted(device);
        return;
      } catch (error) {
        if (error instanceof SimError) throw error;
        const name = nameOfError(error);
        if (!name.startsWith("STORE_") || name === "STORE_CORRUPT")
          throw new SimError("D4", `${device.name} cannot be opened`, { cause: error });
        sometimes(`start refused ${name}`);
        await scheduler.sleep(START_AGAIN_MS, `${device.name} start again`);
      }
    }
  }

  /** Ends all faults that last, and starts who is down. */
  async heal(): Promise<void> {
    for (const end of this.#ends) end();
    this.#ends.clear();
    const starting = [...this.#starting.values()];
    const down = this.#deps.devices.filter(({ isDown }) => isDown);
    // Whoever is just starting is waited for as well: what follows passes over those that are not there.
    await Promise.all([...starting, ...down.map((device) => this.start(device))]);
  }
}
