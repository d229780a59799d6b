/**
 * A peer that is killed for it.
 *
 *     node --conditions=rookery-source test/e2e/device-child.ts <write | receive> <path> [first batch | ticket]
 *
 * `write`: says `found <counts>` (rows of each batch that is there), then writes batches and says `ack <number>` for each, or
 * `refused <code>` and then `read <count>` once. `receive`: joins by the ticket unless it has, says `joined`, then `ready <rows>` when
 * all that there was is here.
 */

import { codeOf, type Collection, openPeer, type PeerDatabase } from "../../src/peer/index.ts";
import { endWithParent, say } from "../../src/testkit/child.ts";

/** Rows of one batch: all carry its number. */
export const BATCH_ROWS = 5;
/** Text that makes batches large enough to fill a disk soon. */
const PADDING = "x".repeat(2000);

interface Row {
  readonly batch: number;
  readonly padding?: string;
}

export function batchKey(batch: number, row: number): string {
  return `${String(batch).padStart(6, "0")}-${row}`;
}

async function countBatches(collection: Collection<Row>): Promise<[batch: number, rows: number][]> {
  const counts = new Map<number, number>();
  for await (const { value } of collection.scan())
    counts.set(value.batch, (counts.get(value.batch) ?? 0) + 1);
  return [...counts];
}

async function write(database: PeerDatabase, first: number, padding: string): Promise<void> {
  const rows = database.collection<Row>("rows");
  say(`found ${JSON.stringify(await countBatches(rows))}`);
  for (let number = first; ; number++) {
    try {
      await database.batch((batch) => {
        for (let i = 0; i < BATCH_ROWS; i++)
          batch.put(rows, batchKey(number, i), { batch: number, padding });
      });
      say(`ack ${number}`);
    } catch (error) {
      say(`refused ${codeOf(error) ?? String(error)}`);
      say(`read ${(await countBatches(rows)).length}`);
      return;
    }
  }
}

async function receive(database: PeerDatabase, ticket: string): Promise<void> {
  const group = database.syncgroups()[0] ?? (await database.joinSyncgroup(ticket));
  say("joined");
  await group.ready();
  let count = 0;
  for await (const _ of group.collection("rows").scan()) count += 1;
  say(`ready ${count}`);
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  endWithParent();
  const [what, path = "", third = ""] = process.argv.slice(2);
  const peer = await openPeer({
    path,
    ...(what === "receive" && { listen: ["/ip4/127.0.0.1/tcp/0"] }),
  });
  const database = await peer.openDatabase("e2e");
  if (what === "receive") await receive(database, third);
  else await write(database, Number(third), what === "fill" ? PADDING : "");
}
