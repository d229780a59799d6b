/** What stands in the pack files when a store of chunks is opened, and what is made of it. */

import { ChunkError } from "./errors.ts";
import { type Pack, Packs, type PacksDeps, readPackRecords } from "./packs.ts";
import { PACK_HEADER_SIZE, type PackOwner, packOwner } from "./pack-format.ts";
import type { PackRecord } from "./records.ts";

/**
 * Looks at every file: cuts what no record counts, leaves alone what is damaged, and sets everything aside when it belongs
 * to another store.
 *
 * @throws {ChunkError} `CHUNKS_READ_FAILED`, `CHUNKS_WRITE_FAILED`, `CHUNKS_FULL`, `CHUNKS_CORRUPT`; `CHUNKS_OPEN_FAILED` when a later
 *   version of the program wrote one; {StoreError}.
 */
export async function openPacks(deps: PacksDeps): Promise<Packs> {
  const { files, logger } = deps;
  const records = await readPackRecords(deps.store);
  let owners = await readOwners(deps);
  if (isAnotherStores(owners)) {
    logger?.("error", "chunks.set-aside", { packs: owners.size });
    await files.setAside("foreign");
    owners = new Map();
  }
  const packs = new Map<number, Pack>();
  for (const [number, owner] of owners) {
    const record = records.get(number);
    if (record !== undefined) packs.set(number, await openPack(deps, number, owner, record));
    else await removeUncounted(deps, number, owner);
  }
  for (const [number, record] of records) {
    if (packs.has(number)) continue;
    // Its chunks are lost, each when it is read.
    logger?.("error", "chunks.pack-missing", { pack: number, bytes: record.length });
    packs.set(number, { record, end: 0, isSealed: true });
  }
  return new Packs(deps, packs, Math.max(0, ...owners.keys(), ...records.keys()));
}

async function readOwners(deps: PacksDeps): Promise<Map<number, PackOwner>> {
  const owners = new Map<number, PackOwner>();
  for (const number of await deps.files.list()) {
    const header = await deps.files.read(number, 0, PACK_HEADER_SIZE);
    const owner = packOwner(deps.crypto, deps.store.id, number, header);
    if (owner === "newer") {
      throw new ChunkError(
        "CHUNKS_OPEN_FAILED",
        `Cannot open chunks: a later version of this program wrote pack ${number}`,
      );
    }
    owners.set(number, owner);
  }
  return owners;
}

/** One file of ours shows that the others came there by a mistake that does not concern it. */
function isAnotherStores(owners: ReadonlyMap<number, PackOwner>): boolean {
  const found = [...owners.values()];
  return found.includes("foreign") && !found.includes("ours");
}

async function openPack(
  deps: PacksDeps,
  number: number,
  owner: PackOwner,
  record: PackRecord,
): Promise<Pack> {
  const size = await deps.files.size(number);
  if (owner !== "ours" || size < record.length) {
    const why = owner === "ours" ? "short" : owner;
    deps.logger?.("error", "chunks.pack-damaged", {
      pack: number,
      why,
      bytes: record.length,
      size,
    });
    return { record, end: size, isSealed: true };
  }
  if (size > record.length) {
    deps.logger?.("warn", "chunks.tail-cut", { pack: number, bytes: size - record.length });
    await deps.files.truncate(number, record.length);
  }
  return { record, end: record.length, isSealed: false };
}

/** A file that the process made last before it died. One that says it is somebody else's is not ours to remove. */
async function removeUncounted(deps: PacksDeps, number: number, owner: PackOwner): Promise<void> {
  deps.logger?.("warn", "chunks.pack-uncounted", { pack: number, owner });
  if (owner !== "foreign") await deps.files.remove(number);
}
