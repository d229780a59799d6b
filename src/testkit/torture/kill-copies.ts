/** Backups and restores of a real peer, killed at any moment. [TO7] */

import { access, rm } from "node:fs/promises";
import { join } from "node:path";
import { BlobRef, equalBytes } from "../../base/index.ts";
import { nodeClock } from "../../node/index.ts";
import { openPeer, restorePeer, verifyFolder } from "../../peer/index.ts";
import { spawnChild } from "../child.ts";
import { type SeededRandom, seededRandom } from "../seeded-random.ts";
import { tempFolder } from "../temp-folder.ts";

const CHILD = new URL("./kill-copies-child.ts", import.meta.url);
const DATABASE = "torture";
const ROWS = 3000;
const BLOB_BYTES = 2_000_000;
/** The latest moment of a kill, by how long the same took in a process that had begun: some are over by then. */
const LATEST = 3;
/** Times that one restore is killed before it is let through, at most. */
const KILLED_TIMES_MAX = 3;

export interface CopyKillReport {
  readonly kills: number;
  /** By what was killed and what it had come to. */
  readonly outcomes: ReadonlyMap<string, number>;
}

export interface CopyKillOptions {
  readonly kills: number;
  readonly seed: number;
  readonly onKill?: ((report: CopyKillReport) => void) | undefined;
}

/**
 * Kills as many backups and restores. A backup's file is there whole or not at all, and its peer has lost nothing; after a restore the store is there whole
 * or not at all, and another restore goes on from there to all that the backup holds.
 *
 * @throws Error that says what was lost, or half there.
 */
export async function killCopies({
  kills,
  seed,
  onKill,
}: CopyKillOptions): Promise<CopyKillReport> {
  await using temp = await tempFolder();
  const killing = new CopyKilling(temp.path, seededRandom(seed));
  await killing.begin();
  while (killing.kills < kills) {
    await killing.killBackup();
    onKill?.(killing.report());
    await killing.killRestores();
    onKill?.(killing.report());
  }
  return killing.report();
}

class CopyKilling {
  kills = 0;
  readonly #path: string;
  readonly #whole: string;
  readonly #file: string;
  readonly #to: string;
  readonly #random: SeededRandom;
  readonly #outcomes = new Map<string, number>();
  readonly #blob: Uint8Array;
  #device = "";
  #ref: BlobRef | undefined;
  #backupMs = 0;
  #restoreMs = 0;

  constructor(folder: string, random: SeededRandom) {
    this.#path = join(folder, "peer");
    this.#whole = join(folder, "whole");
    this.#file = join(folder, "backup");
    this.#to = join(folder, "restored");
    this.#random = random;
    // No two chunks are alike.
    this.#blob = Uint8Array.from({ length: BLOB_BYTES }, () => random.below(256));
  }

  report(): CopyKillReport {
    return { kills: this.kills, outcomes: this.#outcomes };
  }

  /** A peer with rows and a blob, and a backup of it; and how long both take here, to know when to kill. */
  async begin(): Promise<void> {
    {
      await using peer = await openPeer({ path: this.#path });
      this.#device = peer.device;
      const { ref } = await peer.blobs.put([this.#blob]);
      this.#ref = ref;
      const database = await peer.openDatabase(DATABASE);
      const rows = database.collection("rows");
      await database.batch((batch) => {
        batch.put(rows, "blob", ref);
        for (let i = 1; i < ROWS; i++)
          batch.put(rows, `row ${i}`, { number: i, text: "x".repeat(i % 300) });
      });
      const began = performance.now();
      await peer.backup(this.#whole, { identity: true, blobs: true });
      this.#backupMs = performance.now() - began;
    }
    const began = performance.now();
    await restorePeer(this.#whole, this.#to);
    this.#restoreMs = performance.now() - began;
    await this.#checkRestored();
  }

  async killBackup(): Promise<void> {
    const isDone = await this.#kill("backup", this.#path, this.#file, this.#backupMs);
    const isThere = await exists(this.#file);
    if (isDone && !isThere) throw new Error("A backup that was done is not there");
    this.#note("backup", isThere);
    await this.#checkPeer(this.#path);
    if (!isThere) return;
    await restorePeer(this.#file, this.#to);
    await this.#checkRestored();
    await rm(this.#file);
  }

  async killRestores(): Promise<void> {
    for (let times = 1 + this.#random.below(KILLED_TIMES_MAX); times > 0; times--) {
      const isDone = await this.#kill("restore", this.#to, this.#whole, this.#restoreMs);
      const isThere = await exists(join(this.#to, "store"));
      if (isDone && !isThere) throw new Error("A restore that was done is not there");
      this.#note("restore", isThere);
      if (isThere) return this.#checkRestored();
    }
    await restorePeer(this.#whole, this.#to);
    await this.#checkRestored();
  }

  /** Answers whether it was done when it was killed. Some are killed so late that they often are. */
  async #kill(what: string, path: string, file: string, ms: number): Promise<boolean> {
    await using child = spawnChild(CHILD, { args: [what, path, file] });
    const line = await child.line();
    if (line !== "begun") throw new Error(`The ${what} did not begin: ${child.errorText}`);
    await nodeClock().sleep(this.#random.below(Math.ceil(LATEST * ms) + 1));
    await child.kill();
    this.kills += 1;
    return (await child.rest()).includes("done");
  }

  #note(what: string, isThere: boolean): void {
    const outcome = `${what} ${isThere ? "whole" : "not there"}`;
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1);
  }

  /** Looks at all of the restored peer, and removes it. */
  async #checkRestored(): Promise<void> {
    await this.#checkPeer(this.#to);
    await rm(this.#to, { recursive: true });
  }

  async #checkPeer(path: string): Promise<void> {
    for await (const finding of verifyFolder(path))
      throw new Error(`It does not keep to ${finding.rule}`);
    await using peer = await openPeer({ path });
    if (peer.device !== this.#device) throw new Error("It is another device");
    const rows = (await peer.openDatabase(DATABASE)).collection("rows");
    let count = 0;
    for await (const { key, value } of rows.scan()) {
      count += 1;
      if (key === "blob") {
        if (!(value instanceof BlobRef) || this.#ref?.equals(value) !== true)
          throw new Error("A row is another");
        if (!equalBytes(await peer.blobs.get(value).bytes(), this.#blob))
          throw new Error("A blob is another");
      } else if ((value as { number: number }).number !== Number(key.slice(4)))
        throw new Error("A row is another");
    }
    if (count !== ROWS) throw new Error(`${count} rows of ${ROWS} are there`);
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
