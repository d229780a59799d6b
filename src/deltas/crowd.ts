import { type Clock, type DeviceId, deviceOfLog, type LogKey } from "../base/index.ts";
import {
  ASKED_MS_MAX,
  CROWD_DEVICES_MIN,
  GATHER_MS,
  HELD_BACK_MS,
  PACE_MS_A_DEVICE,
  PACE_MS_MAX,
  TELL_EVERY_MS,
} from "./limits.ts";

export interface CrowdDeps {
  readonly clock: Clock;
  /** Aborted when sync closes. */
  readonly ending: AbortSignal;
}

/**
 * The streams on which one database is served, and what they do together where there are many: each pair of n devices would else send,
 * write and answer for each commit by itself, n² times. [SY86] to [SY89]
 */
export class Crowd {
  readonly #deps: CrowdDeps;
  /** Streams by the device that pulls. */
  readonly #streams = new Map<DeviceId, number>();
  /** Those that have something to tell, by the device that they would tell. */
  readonly #toTell = new Map<DeviceId, () => void>();
  #lastTold: DeviceId;
  #isTelling = false;
  #stepping: Promise<void> | undefined;
  #gathering: Promise<void> | undefined;
  /** When what had been received was last written, by the monotonic clock. */
  #gathered = Number.NEGATIVE_INFINITY;
  /** Who is being asked for what it has offered, and until when others wait for that. */
  #asked: { readonly by: object; readonly until: number } | undefined;
  /** Who has asked and not been answered. */
  readonly #unanswered = new WeakSet<object>();

  /** `own`: our device. */
  constructor(deps: CrowdDeps, own: DeviceId) {
    this.#deps = deps;
    this.#lastTold = own;
  }

  /** Notes a stream on which `peer` pulls. Answers a function that ends it. */
  serve(peer: DeviceId): () => void {
    this.#count(peer, 1);
    return () => this.#count(peer, -1);
  }

  #count(peer: DeviceId, by: 1 | -1): void {
    const streams = (this.#streams.get(peer) ?? 0) + by;
    if (streams > 0) this.#streams.set(peer, streams);
    else this.#streams.delete(peer);
  }

  /** Whether a device pulls from us. */
  serves(peer: DeviceId): boolean {
    return this.#streams.has(peer);
  }

  get isCrowd(): boolean {
    return this.#streams.size >= CROWD_DEVICES_MIN;
  }

  /** Whether a log's device pulls from us: it is connected with us, and so with the others too, as far as we can tell. */
  hasAuthor(log: LogKey): boolean {
    return this.serves(deviceOfLog(log));
  }

  /** Milliseconds that a stream rests after a page of news. */
  get pace(): number {
    return this.isCrowd ? Math.min(PACE_MS_MAX, this.#streams.size * PACE_MS_A_DEVICE) : 0;
  }

  /** Resolves in `left` milliseconds, or before, when others who wait for that go on: one timer for all streams. */
  step(left: number): Promise<void> {
    const { clock, ending } = this.#deps;
    const over = (): void => {
      this.#stepping = undefined;
    };
    return (this.#stepping ??= clock.sleep(left, ending).then(over, over));
  }

  /**
   * Resolves when what has been received is to be written: at once, unless something else was a moment ago. All who wait go on in one
   * tick, and so share a turn.
   */
  gathered(): Promise<void> {
    if (this.#gathering !== undefined) return this.#gathering;
    const { clock, ending } = this.#deps;
    const now = clock.monotonic();
    const left = this.isCrowd ? this.#gathered + GATHER_MS - now : 0;
    if (left <= 0) {
      this.#gathered = now;
      return AT_ONCE;
    }
    const over = (): void => {
      this.#gathering = undefined;
      this.#gathered = clock.monotonic();
    };
    return (this.#gathering = clock.sleep(left, ending).then(over, over));
  }

  /** Calls `tell` when it is the turn of a stream to `peer` to tell what is held back; once, however often this is called before. */
  tellLater(peer: DeviceId, tell: () => void): void {
    this.#toTell.set(peer, tell);
    if (!this.#isTelling) void this.#tellAll();
  }

  /** One after the other, in the order of their names from ours on: so each is told by others at another time. */
  async #tellAll(): Promise<void> {
    this.#isTelling = true;
    const { clock, ending } = this.#deps;
    try {
      await clock.sleep(HELD_BACK_MS, ending);
      while (this.#toTell.size > 0) {
        const next = this.#nextToTell();
        this.#lastTold = next;
        const tell = this.#toTell.get(next);
        this.#toTell.delete(next);
        tell?.();
        await clock.sleep(TELL_EVERY_MS, ending);
      }
    } catch {
      return; // Sync closes.
    }
    this.#isTelling = false;
  }

  #nextToTell(): DeviceId {
    const [first = this.#lastTold, ...others] = [...this.#toTell.keys()].toSorted();
    return [first, ...others].find((peer) => peer > this.#lastTold) ?? first;
  }

  /** The stream for which `tellLater` was called has ended. */
  forget(peer: DeviceId, tell: () => void): void {
    if (this.#toTell.get(peer) === tell) this.#toTell.delete(peer);
  }

  /**
   * Whether `by` may ask its peer for what that has offered: one at a time, since each answer may bring what others have offered too.
   * Who may ask says so by `answered` when it has been answered, or others ask after a while. Before that it does not ask again: a
   * peer that goes on offering and never answers would else keep all others from being asked.
   */
  mayAsk(by: object): boolean {
    const now = this.#deps.clock.monotonic();
    if (this.#unanswered.has(by)) return false;
    if (this.#asked !== undefined && now < this.#asked.until) return false;
    this.#asked = { by, until: now + ASKED_MS_MAX };
    this.#unanswered.add(by);
    return true;
  }

  answered(by: object): void {
    this.#unanswered.delete(by);
    if (this.#asked?.by === by) this.#asked = undefined;
  }
}

const AT_ONCE: Promise<void> = Promise.resolve();

/** The crowds of a device, by database. */
export class Crowds {
  readonly #deps: CrowdDeps;
  readonly #own: DeviceId;
  readonly #crowds = new Map<string, Crowd>();

  constructor(deps: CrowdDeps, own: DeviceId) {
    this.#deps = deps;
    this.#own = own;
  }

  of(database: string): Crowd {
    let crowd = this.#crowds.get(database);
    if (crowd === undefined) this.#crowds.set(database, (crowd = new Crowd(this.#deps, this.#own)));
    return crowd;
  }

  /** Whether a device pulls any database from us. */
  serves(peer: DeviceId): boolean {
    return [...this.#crowds.values()].some((crowd) => crowd.serves(peer));
  }
}
