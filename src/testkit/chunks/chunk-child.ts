/**
 * A process that stores chunks and is killed for it.
 *
 *     node --conditions=rookery-source src/testkit/chunks/chunk-child.ts <what> <folder> [first put]
 *
 * `append`: numbered puts, several at a time, each with a row of its own; says `ack <number>` for each. `fill`: puts of one
 * chunk until four have failed, saying `ack <number>` or `full <code>`, then one that is small, then reads all that were
 * acknowledged and says `done`.
 */

import { join } from "node:path";
import { codeOf } from "../../base/index.ts";
import { type ChunkStore, openChunkStore } from "../../chunks/index.ts";
import {
  nodeClock,
  nodeCrypto,
  nodeRandom,
  openDiskStore,
  openNodeChunkFiles,
} from "../../node/index.ts";
import { endWithParent, say } from "../child.ts";
import { put as row } from "../stores.ts";
import { chunksOfPut, FILL_BYTES, rowOfPut } from "./chunk-puts.ts";
import { holdsAll, sampleChunk } from "./chunk-world.ts";

/** Puts under way at the same time, so that groups are killed too. */
const WRITERS = 5;
/** Failures that `fill` goes through. */
const FAILURES = 4;

async function append(chunks: ChunkStore, first: number): Promise<void> {
  let next = first;
  const writer = async (): Promise<void> => {
    for (;;) {
      const number = next++;
      const made = chunksOfPut(number);
      await chunks.put(made, { with: (write) => write.add(row(rowOfPut(number))) });
      say(`ack ${number}`);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
}

async function fill(chunks: ChunkStore, first: number): Promise<void> {
  const acknowledged: number[] = [];
  let failures = 0;
  for (let number = first; failures < FAILURES; number++) {
    try {
      await chunks.put([sampleChunk(number, FILL_BYTES)]);
      acknowledged.push(number);
      say(`ack ${number}`);
    } catch (error) {
      failures += 1;
      say(`full ${codeOf(error)}`);
    }
  }
  const small = await chunks.put([sampleChunk(1_000_000, 1)]).catch(codeOf);
  say(`small ${String(small)}`);
  for (const number of acknowledged) await holdsAll(chunks, [sampleChunk(number, FILL_BYTES)]);
  await chunks.close();
  say("done");
}

const [what, folder = "", first = "0"] = process.argv.slice(2);
endWithParent();
const store = await openDiskStore(
  { clock: nodeClock(), random: nodeRandom() },
  join(folder, "store"),
);
const files = await openNodeChunkFiles(join(folder, "chunks"));
const chunks = await openChunkStore({ store, files, crypto: nodeCrypto() });
say("ready");
if (what === "append") await append(chunks, Number(first));
if (what === "fill") await fill(chunks, Number(first));
if (what === "fill") process.exit();
