/**
 * A peer that is killed for it.
 *
 *     node --conditions=rookery-source src/testkit/torture/kill-child.ts <path> <ticket> <first batch>
 *
 * Says `found <slots>` (what was on its disk), joins unless it has, says `joined`, then writes batches and says `ack <number>` for each. For each
 * line it is sent it says `slots <slots>`; from the first one on it writes no more.
 */

import type { Batch, Collection } from "../../db/index.ts";
import { openPeer, type PeerDatabase } from "../../peer/index.ts";
import { endWithParent, say } from "../child.ts";

export const KILL_DATABASE = "torture";
/** The collections that a batch is written over. */
export const KILL_COLLECTIONS = ["left", "right"] as const;
/** Rows of a batch in each of them, all with its number. */
const ROWS = 3;
/** Batches are written over those of so many before. */
export const SLOTS = 32;

/** What a batch that fills a slot wrote: the same number in each row, or there is half of one. */
export type Slots = Readonly<Record<string, readonly number[]>>;

/** Writes the batch of a number: all of its slot's rows, in both collections. */
export function fillSlot(
  batch: Batch,
  collections: readonly Collection<number>[],
  writer: string,
  number: number,
): void {
  for (const collection of collections)
    for (let row = 0; row < ROWS; row++)
      batch.put(collection, `${writer} ${number % SLOTS} ${row}`, number);
}

/** The rows of all slots, read at one moment. Of a slot that holds a batch whole there is one number, `ROWS` times in each collection. */
export async function readSlots(
  database: PeerDatabase,
  collections: readonly Collection<number>[],
): Promise<Slots> {
  const slots: Record<string, number[]> = {};
  const read = async (batch: Batch): Promise<void> => {
    for (const collection of collections)
      for await (const { key, value } of batch.scan(collection))
        (slots[key.slice(0, key.lastIndexOf(" "))] ??= []).push(value);
  };
  await database.batch(read, { readOnly: true });
  return slots;
}

/** The batches that are there whole, by slot. @throws Error that names a slot with half of one. */
export function wholeBatches(slots: Slots): Map<string, number> {
  const whole = new Map<string, number>();
  for (const [slot, numbers] of Object.entries(slots)) {
    const [number] = numbers;
    const isWhole = numbers.length === ROWS * KILL_COLLECTIONS.length;
    if (number === undefined || !isWhole || numbers.some((one) => one !== number))
      throw new Error(`Half a batch in slot ${slot}: ${numbers.join(" ")}`);
    whole.set(slot, number);
  }
  return whole;
}

async function main(path: string, ticket: string, first: number): Promise<void> {
  const told = endWithParent();
  const peer = await openPeer({ path, listen: ["/ip4/127.0.0.1/tcp/0"] });
  const database = await peer.openDatabase(KILL_DATABASE);
  const known = database.syncgroups()[0];
  if (known === undefined) say("found {}");
  else {
    const here = KILL_COLLECTIONS.map((name) => known.collection<number>(name));
    say(`found ${JSON.stringify(await readSlots(database, here))}`);
  }
  const group = known ?? (await database.joinSyncgroup(ticket));
  const collections = KILL_COLLECTIONS.map((name) => group.collection<number>(name));
  await group.ready();
  say("joined");
  let isWriting = true;
  let writing = Promise.resolve();
  const answer = async (): Promise<void> => {
    for await (const _ of told) {
      isWriting = false;
      // What is acknowledged before the answer is in it.
      await writing;
      say(`slots ${JSON.stringify(await readSlots(database, collections))}`);
    }
  };
  void answer();
  for (let number = first; isWriting; number++) {
    writing = database
      .batch((batch) => fillSlot(batch, collections, "child", number))
      .then(() => say(`ack ${number}`));
    await writing;
  }
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const [path = "", ticket = "", first = "1"] = process.argv.slice(2);
  await main(path, ticket, Number(first));
}
