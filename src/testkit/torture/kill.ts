/** Real peers over libp2p, one of them killed again and again. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fromHex } from "../../base/index.ts";
import type { Collection } from "../../db/index.ts";
import { nodeClock, nodeRandom, openDiskStore } from "../../node/index.ts";
import { openPeer, type Peer, type PeerDatabase } from "../../peer/index.ts";
import { type Child, spawnChild } from "../child.ts";
import { type SeededRandom, seededRandom } from "../seeded-random.ts";
import { tempFolder } from "../temp-folder.ts";
import { checkKnowledge } from "./check-knowledge.ts";
import {
  fillSlot,
  KILL_COLLECTIONS,
  KILL_DATABASE,
  readSlots,
  type Slots,
  SLOTS,
  wholeBatches,
} from "./kill-child.ts";

const CHILD = new URL("./kill-child.ts", import.meta.url);
/** Kills between two checks of all that the killed peer's store claims: it reads everything. */
const KNOWLEDGE_EACH = 10;
/** Milliseconds between two batches of the peer that lives. */
const PAUSE_MS = 10;

export interface KillReport {
  readonly kills: number;
  /** Kills by what the peer was doing: starting, or joining, or writing and receiving. */
  readonly during: ReadonlyMap<string, number>;
  /** Batches that the killed peer acknowledged, all of which were found again. */
  readonly acknowledged: number;
  /** Batches of the peer that lives. */
  readonly received: number;
  /** Parts whose knowledge was checked. */
  readonly parts: number;
}

export interface KillOptions {
  readonly kills: number;
  readonly seed: number;
  readonly onKill?: ((report: KillReport) => void) | undefined;
}

/**
 * Kills a peer that writes and receives at random moments, as often as is said, looks after each kill at what is on its disk, and lets both come to the
 * same in the end.
 *
 * @throws Error that says what was lost, or half there, or claimed and not there.
 */
export async function killPeers({ kills, seed, onKill }: KillOptions): Promise<KillReport> {
  await using temp = await tempFolder();
  await using peer = await openPeer({ path: temp.at("lives"), listen: ["/ip4/127.0.0.1/tcp/0"] });
  const killing = new Killing(peer, temp.at("killed"), seededRandom(seed));
  await killing.begin();
  for (let kill = 0; kill < kills; kill++) {
    await killing.kill();
    onKill?.(killing.report());
  }
  await killing.end();
  return killing.report();
}

class Killing {
  readonly #peer: Peer;
  readonly #path: string;
  readonly #random: SeededRandom;
  readonly #during = new Map<string, number>();
  #database!: PeerDatabase;
  #collections: readonly Collection<number>[] = [];
  #ticket = "";
  #kills = 0;
  /** The last batch that the killed peer has acknowledged. */
  #acknowledged = 0;
  /** The last one that was found on its disk: not written again. */
  #found = 0;
  #received = 0;
  #parts = 0;

  constructor(peer: Peer, path: string, random: SeededRandom) {
    this.#peer = peer;
    this.#path = path;
    this.#random = random;
  }

  async begin(): Promise<void> {
    this.#database = await this.#peer.openDatabase(KILL_DATABASE);
    this.#collections = KILL_COLLECTIONS.map((name) => this.#database.collection<number>(name));
    const spec = { collections: this.#collections };
    const group = await this.#database.createSyncgroup("torture", spec);
    this.#ticket = await group.invite({ role: "writer", uses: 0 });
  }

  report(): KillReport {
    return {
      kills: this.#kills,
      during: this.#during,
      acknowledged: this.#acknowledged,
      received: this.#received,
      parts: this.#parts,
    };
  }

  async kill(): Promise<void> {
    const random = this.#random;
    await using child = this.#spawn();
    const stop = new AbortController();
    const writing = this.#writeUntil(stop.signal);
    try {
      const roll = random.below(10);
      // Most while it writes; some while it starts or joins.
      const moment = roll < 1 ? "starting" : roll < 3 ? "joining" : "writing";
      if (moment !== "starting") await this.#meetChild(child, moment === "writing");
      await nodeClock().sleep(random.below(moment === "starting" ? 800 : 60));
      await child.kill();
      for (const line of await child.rest()) this.#note(line);
      this.#during.set(moment, (this.#during.get(moment) ?? 0) + 1);
    } finally {
      stop.abort();
      await writing;
    }
    this.#kills += 1;
    // Also where it came to: no half of anything.
    wholeBatches(await readSlots(this.#database, this.#collections));
    if (this.#kills % KNOWLEDGE_EACH === 0) await this.#checkDisk();
  }

  /** Lets the peer live, until both have all that the other has. */
  async end(): Promise<void> {
    await this.#checkDisk();
    await using child = this.#spawn();
    await this.#meetChild(child, true);
    for (;;) {
      child.send("slots");
      const theirs = wholeBatches(JSON.parse(await this.#told(child, "slots")) as Slots);
      const ours = wholeBatches(await readSlots(this.#database, this.#collections));
      this.#demandAcknowledged(theirs);
      if (isSame(theirs, ours)) return;
      await nodeClock().sleep(20);
    }
  }

  #spawn(): Child {
    const next = Math.max(this.#acknowledged, this.#found) + 1;
    return spawnChild(CHILD, { args: [this.#path, this.#ticket, String(next)] });
  }

  /** What it finds must hold all that it has acknowledged. */
  async #meetChild(child: Child, untilWriting: boolean): Promise<void> {
    const found = wholeBatches(JSON.parse(await this.#told(child, "found")) as Slots);
    this.#demandAcknowledged(found);
    if (untilWriting) await this.#told(child, "ack");
  }

  #demandAcknowledged(found: ReadonlyMap<string, number>): void {
    const last = this.#acknowledged;
    for (let number = Math.max(1, last - SLOTS + 1); number <= last; number++) {
      const there = found.get(`child ${number % SLOTS}`) ?? 0;
      if (there < number)
        throw new Error(`Batch ${number} was acknowledged, and ${there} is there`);
    }
    for (const [slot, number] of found)
      if (slot.startsWith("child ")) this.#found = Math.max(this.#found, number);
  }

  async #told(child: Child, word: string): Promise<string> {
    for (let line = await child.line(); line !== undefined; line = await child.line()) {
      this.#note(line);
      if (line.startsWith(`${word} `) || line === word) return line.slice(word.length + 1);
    }
    throw new Error(`The child ended before it said "${word}": ${child.errorText}`);
  }

  #note(line: string): void {
    const [, number] = /^ack (\d+)$/.exec(line) ?? [];
    if (number !== undefined) this.#acknowledged = Math.max(this.#acknowledged, Number(number));
  }

  async #writeUntil(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const number = ++this.#received;
      await this.#database.batch((batch) => fillSlot(batch, this.#collections, "peer", number));
      await nodeClock().sleep(PAUSE_MS);
    }
  }

  async #checkDisk(): Promise<void> {
    const deps = { clock: nodeClock(), random: nodeRandom(), logger: (): void => {} };
    await using store = await openDiskStore(deps, join(this.#path, "store"));
    const key = await readFile(join(this.#path, "device.key"), "utf8");
    const seed = fromHex(key.trim()) ?? new Uint8Array();
    this.#parts += await checkKnowledge(store, seed);
  }
}

function isSame(one: ReadonlyMap<string, number>, other: ReadonlyMap<string, number>): boolean {
  return one.size === other.size && [...one].every(([slot, number]) => other.get(slot) === number);
}
