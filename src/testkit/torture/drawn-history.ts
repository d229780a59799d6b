/**
 * Random histories of a database, as what their devices wrote: people on several devices who write, give and take away rights, meet
 * in part, come back with an old backup, and know of each other what they happen to.
 */

import type { VerifiedOp } from "../../access/index.ts";
import {
  codeOf,
  type Crypto,
  generationIn,
  type GenVector,
  type LogKey,
  logIdOf,
  type ScopeId,
  utf8,
} from "../../base/index.ts";
import {
  type PartWrite,
  type PreparedPart,
  ROW_SPACE,
  type RowWrite,
} from "../../history/index.ts";
import { asideRange, decodeAside, readRecord } from "../../records/index.ts";
import { createMemoryMedium, type MemoryMedium, openMemoryStore } from "../../store/index.ts";
import { exchange, makeDevice, type TestDevice } from "../device.ts";
import { FakeClock } from "../fake-clock.ts";
import { copyMedium } from "../medium-copy.ts";
import { type SeededRandom, seededRandom } from "../seeded-random.ts";
import { KeyRing, simCrypto } from "../sim-ports/index.ts";

/** The database of a drawn history. */
export const DRAWN_DATABASE = "notes";

/** All that the devices of a history wrote. */
export interface DrawnHistory {
  readonly seed: number;
  readonly crypto: Crypto;
  readonly scopes: readonly ScopeId[];
  /** The parts of each commit, those of one log in its order. */
  readonly logs: ReadonlyMap<LogKey, readonly (readonly PreparedPart[])[]>;
  /** How often what happened. */
  readonly tally: ReadonlyMap<string, number>;
}

/** Whose the devices are: the first user owns the collections. */
const USERS = [1, 1, 3, 3, 5, 6] as const;
const KEYS = ["a", "b", "c", "d", "e"];
const ROLES = { reader: 1, writer: 3, admin: 7 } as const;
const STEPS_MIN = 25;
const STEPS_MORE = 45;

/** A history; the same for a seed. */
export async function drawHistory(seed: number): Promise<DrawnHistory> {
  const drawing = new Drawing(seed);
  try {
    return await drawing.draw();
  } finally {
    await drawing.close();
  }
}

interface Seat {
  readonly seed: number;
  readonly user: number;
  readonly clock: FakeClock;
  medium: MemoryMedium;
  backup?: MemoryMedium;
  device: TestDevice;
}

class Drawing {
  readonly #random: SeededRandom;
  readonly #crypto = simCrypto(new KeyRing(false));
  readonly #seats: Seat[] = [];
  readonly #scopes: ScopeId[] = [];
  readonly #parts = new Map<string, PreparedPart>();
  readonly #tally = new Map<string, number>();
  readonly #seed: number;
  #openings = 0;
  #value = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = seededRandom(seed);
  }

  async draw(): Promise<DrawnHistory> {
    const random = this.#random;
    const count = 3 + random.below(USERS.length - 2);
    for (let i = 0; i < count; i++) await this.#addSeat(i + 1, USERS[i] as number);
    const { user: owner } = (this.#seats[0] as Seat).device;
    for (const name of ["list", "moves"])
      this.#scopes.push({ database: DRAWN_DATABASE, kind: "collection", owner, name });
    await this.#begin();
    const steps = STEPS_MIN + random.below(STEPS_MORE);
    for (let step = 0; step < steps; step++) await this.#step();
    for (const { device } of this.#seats) await this.#collect(device);
    return {
      seed: this.#seed,
      crypto: this.#crypto,
      scopes: this.#scopes,
      logs: this.#byLog(),
      tally: this.#tally,
    };
  }

  async close(): Promise<void> {
    for (const { device } of this.#seats) await this.#closeDevice(device);
  }

  /** Most may write, and know it. */
  async #begin(): Promise<void> {
    const [owner, ...others] = this.#seats as [Seat, ...Seat[]];
    for (const scope of this.#scopes) {
      for (const { device } of others)
        if (device.user !== owner.device.user && this.#random.chance(0.8))
          await this.#control(owner, scope, this.#grantTo(device));
    }
    for (const { device } of others)
      if (this.#random.chance(0.8)) await exchange(owner.device, device, this.#scopes);
  }

  async #addSeat(seed: number, user: number): Promise<void> {
    const medium = createMemoryMedium();
    const clock = new FakeClock();
    const device = await this.#open(medium, { seed, user, clock });
    await device.history.createDatabase(DRAWN_DATABASE);
    this.#seats.push({ seed, user, clock, medium, device });
  }

  async #open(
    medium: MemoryMedium,
    { seed, user, clock }: Pick<Seat, "seed" | "user" | "clock">,
  ): Promise<TestDevice> {
    const random = seededRandom(this.#seed * 1000 + ++this.#openings);
    const store = await openMemoryStore({ medium, random });
    const opening = this.#seed * 100 + this.#openings;
    return makeDevice(seed, { user, clock, store, opening, crypto: this.#crypto });
  }

  async #closeDevice(device: TestDevice): Promise<void> {
    await device.close();
    await device.store.close();
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const seat = random.pick(this.#seats);
    const roll = random.below(100);
    seat.clock.jump(random.chance(0.05) ? random.below(7_200_000) - 3_600_000 : random.below(50));
    if (roll < 46) return this.#write(seat);
    if (roll < 78) return this.#meet(seat);
    if (roll < 92) return this.#changeAccess(seat);
    if (roll < 95) return this.#restart(seat);
    return roll < 97 ? this.#backUp(seat) : this.#restore(seat);
  }

  async #write(seat: Seat): Promise<void> {
    const random = this.#random;
    const scopes = random.chance(0.15) ? this.#scopes : [random.pick(this.#scopes)];
    const rows = (): RowWrite[] =>
      random
        .shuffled(KEYS)
        .slice(0, 1 + random.below(3))
        .map((key) => this.#rowOf(key));
    const parts = scopes.map((scope) => ({ scope, rows: rows() }));
    await this.#commit(seat, parts, scopes.length > 1 ? "commits over two collections" : "commits");
  }

  #rowOf(key: string): RowWrite {
    const name = { space: ROW_SPACE.rows, key: utf8(key), text: key };
    if (this.#random.chance(0.2)) {
      this.#note("deletes");
      return { name, value: undefined };
    }
    const text = utf8(`v${++this.#value}`);
    return { name, value: Uint8Array.of(0x60 + text.length, ...text) };
  }

  async #meet(seat: Seat): Promise<void> {
    const random = this.#random;
    const other = random.pick(this.#seats);
    if (other === seat) return;
    const scopes = random.chance(0.7) ? this.#scopes : [random.pick(this.#scopes)];
    const limit = random.pick([1, 2, 5, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
    await this.#may("meetings", () => exchange(seat.device, other.device, scopes, { limit }));
  }

  async #changeAccess(seat: Seat): Promise<void> {
    const random = this.#random;
    const scope = random.pick(this.#scopes);
    // Mostly somebody who may; now and then somebody who may not, or does not know that it may not.
    const by = random.chance(0.7) ? random.pick(this.#seats.slice(0, 2)) : seat;
    const { device } = random.pick(this.#seats);
    const roll = random.below(10);
    if (roll < 4) return this.#control(by, scope, this.#grantTo(device));
    if (roll < 7) {
      const freeze = this.#freezeOf(by, scope, ({ user }) => user === device.user);
      return this.#control(by, scope, { type: "revoke", user: device.user, freeze });
    }
    if (roll < 8) {
      const freeze = this.#freezeOf(by, scope, (one) => one.device === device.device);
      return this.#control(by, scope, { type: "revokeDevice", device: device.device, freeze });
    }
    const policy = random.pick(["keepAll", "lastWriteWins"]);
    return this.#control(by, scope, { type: "policy", prefix: random.pick(["", "a"]), policy });
  }

  #grantTo({ user }: TestDevice): VerifiedOp {
    const role = this.#random.pick(["writer", "writer", "writer", "admin", "reader"] as const);
    return { type: "grant", user, tags: ROLES[role] };
  }

  /** What `by` holds of the logs of some devices; now and then less. */
  #freezeOf(by: Seat, scope: ScopeId, isNamed: (device: TestDevice) => boolean): GenVector {
    const named = this.#seats.filter(({ device }) => isNamed(device));
    const freeze = new Map<LogKey, number>();
    for (const [log, generation] of by.device.history.scope(scope)?.vector() ?? []) {
      if (!named.some(({ device }) => device.device === logIdOf(log).device)) continue;
      const less = this.#random.chance(0.2) ? this.#random.below(3) : 0;
      if (generation > less) freeze.set(log, generation - less);
    }
    return freeze;
  }

  async #control(seat: Seat, scope: ScopeId, op: VerifiedOp): Promise<void> {
    await this.#commit(seat, [{ scope, rows: [], controls: [op] }], op.type);
  }

  async #commit({ device }: Seat, parts: readonly PartWrite[], what: string): Promise<void> {
    await this.#may(what, () => device.history.write({ parts }));
  }

  async #restart(seat: Seat): Promise<void> {
    this.#note("restarts");
    await this.#closeDevice(seat.device);
    seat.device = await this.#open(seat.medium, seat);
  }

  async #backUp(seat: Seat): Promise<void> {
    this.#note("backups");
    await this.#closeDevice(seat.device);
    seat.backup = await copyMedium(seat.medium);
    seat.device = await this.#open(seat.medium, seat);
  }

  /** What it wrote since then and gave to nobody is lost to it, and counts among what was written all the same. */
  async #restore(seat: Seat): Promise<void> {
    if (seat.backup === undefined) return this.#backUp(seat);
    this.#note("restores");
    await this.#collect(seat.device);
    await this.#closeDevice(seat.device);
    seat.medium = await copyMedium(seat.backup);
    seat.device = await this.#open(seat.medium, seat);
  }

  /** Does what may be refused for want of a right. */
  async #may(what: string, action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
      this.#note(what);
    } catch (error) {
      if (codeOf(error) !== "HISTORY_UNAUTHORISED") throw error;
      this.#note("refusals");
    }
  }

  #note(what: string): void {
    this.#tally.set(what, (this.#tally.get(what) ?? 0) + 1);
  }

  /** Takes what a device holds whole, counted or aside. */
  async #collect({ history, store }: TestDevice): Promise<void> {
    for (const scope of history.scopes(DRAWN_DATABASE)) {
      for await (const { part } of history.partsAbove([{ scope, vector: new Map() }]))
        this.#take(history.prepare(part));
      for await (const { value } of store.scan(asideRange(scope.number))) {
        const { part, isLoose } = readRecord("part aside", value, decodeAside);
        if (!isLoose) this.#take(history.prepare(part));
      }
    }
  }

  #take(part: PreparedPart): void {
    this.#parts.set(`${part.log} ${part.generation} ${part.scopeKey}`, part);
  }

  #byLog(): Map<LogKey, PreparedPart[][]> {
    const logs = new Map<LogKey, PreparedPart[][]>();
    const parts = [...this.#parts.values()].sort((a, b) => a.generation - b.generation);
    for (const [log, ofLog] of Map.groupBy(parts, (part) => part.log)) {
      const commits = Map.groupBy(ofLog, ({ generation }) => generation);
      logs.set(log, [...commits.values()]);
    }
    return logs;
  }
}

/** The vector that a delivery of these parts claims, by scope. */
export function claimsOf(
  parts: readonly PreparedPart[],
): { readonly scope: ScopeId; readonly vector: GenVector }[] {
  const claims = new Map<string, { scope: ScopeId; vector: Map<LogKey, number> }>();
  for (const { scope, scopeKey, log, generation } of parts) {
    let claim = claims.get(scopeKey);
    if (claim === undefined) claims.set(scopeKey, (claim = { scope, vector: new Map() }));
    claim.vector.set(log, Math.max(generation, generationIn(claim.vector, log)));
  }
  return [...claims.values()];
}
