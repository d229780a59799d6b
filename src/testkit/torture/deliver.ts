/** The parts of a history, brought to a device that has nothing, in some order. */

import { codeOf, type LogKey, scopeKeyOf } from "../../base/index.ts";
import type { PreparedPart, WaitingLog } from "../../history/index.ts";
import { controlsOnly } from "../../records/index.ts";
import { openMemoryStore } from "../../store/index.ts";
import { makeDevice, type TestDevice } from "../device.ts";
import { type SeededRandom, seededRandom } from "../seeded-random.ts";
import { claimsOf, DRAWN_DATABASE, type DrawnHistory } from "./drawn-history.ts";
import { stateText } from "./state-digest.ts";

/** Rounds in which what is left is brought again: a part may wait for a grant that waits for another. */
const ROUNDS_MAX = 60;
/** A device that is nobody's in the history: hands on what others wrote. */
const RELAY = 900;
const RECEIVER = 901;

/** What came of a delivery. */
export interface Delivered {
  /** As `stateText`. */
  readonly state: string;
  /** How often what happened on the way. */
  readonly tally: ReadonlyMap<string, number>;
}

/** Brings all of a history to a new device. The same seed gives the same order. */
export async function deliver(history: DrawnHistory, seed: number): Promise<Delivered> {
  const delivery = new Delivering(history, seededRandom(seed));
  await delivery.open();
  try {
    await delivery.run();
    return { state: await delivery.state(), tally: delivery.tally };
  } finally {
    await delivery.close();
  }
}

/** What is brought together or not at all: a commit's parts, or one of them. */
type Unit = readonly PreparedPart[];

class Delivering {
  readonly tally = new Map<string, number>();
  readonly #history: DrawnHistory;
  readonly #random: SeededRandom;
  readonly #asked: ReadonlySet<ReturnType<typeof scopeKeyOf>>;
  #device!: TestDevice;
  #relay!: TestDevice["device"];
  /** Units that have to be brought by somebody else than who wrote them. */
  #left: Unit[] = [];

  constructor(history: DrawnHistory, random: SeededRandom) {
    this.#history = history;
    this.#random = random;
    this.#asked = new Set(history.scopes.map(scopeKeyOf));
  }

  async open(): Promise<void> {
    const { crypto } = this.#history;
    const relay = await makeDevice(RELAY, { crypto });
    this.#relay = relay.device;
    await relay.close();
    const store = await openMemoryStore();
    this.#device = await makeDevice(RECEIVER, { crypto, store, opening: 1 });
    await this.#device.history.createDatabase(DRAWN_DATABASE);
  }

  async close(): Promise<void> {
    await this.#device.close();
    await this.#device.store.close();
  }

  state(): Promise<string> {
    return stateText(this.#device.history, DRAWN_DATABASE);
  }

  async run(): Promise<void> {
    const queue = this.#order();
    while (queue.length > 0) {
      const units = queue.splice(0, 1 + this.#random.below(6));
      // Some come twice.
      if (this.#random.chance(0.1)) queue.splice(this.#random.below(queue.length + 1), 0, ...units);
      if (this.#random.chance(0.05)) await this.#bringLoose(this.#random.pick(units));
      await this.#bring(units, this.#random.chance(0.7));
      if (this.#random.chance(0.02)) await this.#restart();
    }
    await this.#bringRest();
  }

  /** By logs, by scopes, or all in a heap. */
  #order(): Unit[] {
    const random = this.#random;
    const logs = [...this.#history.logs.values()].map((commits) =>
      random.chance(0.2) ? commits.flatMap((parts) => parts.map((part) => [part])) : [...commits],
    );
    const all = logs.flat();
    const kind = random.below(10);
    if (kind < 2) return random.shuffled(all);
    if (kind < 4) return random.shuffled(logs).flat();
    if (kind < 5) {
      const [first] = random.shuffled(this.#history.scopes);
      const key = first === undefined ? undefined : scopeKeyOf(first);
      const parts = random.shuffled(logs).flat(2);
      return [...parts.filter((part) => part.scopeKey === key), ...parts].map((part) => [part]);
    }
    // Each log in its order, some further than others.
    const order: Unit[] = [];
    const rest = logs.filter(({ length }) => length > 0).map((units) => ({ units, next: 0 }));
    while (rest.length > 0) {
      const log = rest[random.below(1 + random.below(rest.length))] ?? rest[0];
      if (log === undefined) break;
      for (let left = 1 + random.below(4); left > 0 && log.next < log.units.length; left--)
        order.push(log.units[log.next++] as Unit);
      if (log.next === log.units.length) rest.splice(rest.indexOf(log), 1);
    }
    return order;
  }

  /** What waited or was refused, until nothing does. */
  async #bringRest(): Promise<void> {
    for (let round = 0; this.#left.length > 0; round++) {
      if (round === ROUNDS_MAX) throw new Error(`${this.#left.length} commits wait for ever`);
      const units = this.#random.shuffled(this.#left);
      this.#left = [];
      await this.#bring(units, true);
    }
  }

  async #bring(units: readonly Unit[], byRelay: boolean): Promise<void> {
    const parts = inOrder(units.flat());
    const author = parts[0]?.author;
    const from = byRelay || author === undefined ? this.#relay : author;
    try {
      const delivery = { from, asked: this.#asked, parts, claims: claimsOf(parts) };
      const receipt = await this.#device.history.receive(DRAWN_DATABASE, delivery);
      this.#note("parts", parts.length);
      this.#note("aside", receipt.aside);
      this.#note("duplicates", receipt.duplicates);
      this.#note("waiting", receipt.waiting.length);
      this.#left.push(
        ...units.filter((unit) =>
          unit.some((part) => part.author === from || waits(receipt, part)),
        ),
      );
    } catch (error) {
      if (byRelay || codeOf(error) !== "HISTORY_UNAUTHORISED") throw error;
      this.#note("refused");
      this.#left.push(...units);
    }
  }

  /** The control ops of a commit, without its rows. */
  async #bringLoose(unit: Unit): Promise<void> {
    const { history } = this.#device;
    const loose = unit
      .filter(({ controls }) => controls.length > 0)
      .map(({ raw }) => history.prepare(controlsOnly(this.#history.crypto, raw)));
    if (loose.length === 0) return;
    const delivery = { from: this.#relay, asked: this.#asked, parts: [], loose, claims: [] };
    await history.receive(DRAWN_DATABASE, delivery);
    this.#note("loose", loose.length);
  }

  async #restart(): Promise<void> {
    const { crypto } = this.#history;
    const { store } = this.#device;
    await this.#device.close();
    this.#device = await makeDevice(RECEIVER, { crypto, store, opening: 2 });
    this.#note("restarts");
  }

  #note(what: string, count = 1): void {
    this.tally.set(what, (this.tally.get(what) ?? 0) + count);
  }
}

function waits(
  { waiting }: { readonly waiting: readonly WaitingLog[] },
  part: PreparedPart,
): boolean {
  return waiting.some(
    ({ scope, log, generation }) =>
      scope === part.scopeKey && log === part.log && generation <= part.generation,
  );
}

/** Each part once, a log's by generation, otherwise as they came. */
function inOrder(parts: readonly PreparedPart[]): PreparedPart[] {
  const byLog = new Map<LogKey, PreparedPart[]>();
  for (const part of new Set(parts)) {
    const ofLog = byLog.get(part.log);
    if (ofLog === undefined) byLog.set(part.log, [part]);
    else ofLog.push(part);
  }
  return [...byLog.values()].flatMap((ofLog) => ofLog.sort((a, b) => a.generation - b.generation));
}
