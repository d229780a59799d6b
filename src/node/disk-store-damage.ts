/** Stores that LevelDB cannot read, or reads with holes: told apart from sound ones, and set aside. */

import { readFile, rename } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { codeOf, type Logger } from "../base/index.ts";
import { StoreError } from "../store/index.ts";
import { logsIn } from "./disk-store-folder.ts";
import { syncFolder } from "./files.ts";
import { isDamagedBeforeEnd } from "./level-log.ts";
import { SET_ASIDE_MAX } from "./limits.ts";

/** Links of a chain of causes looked at: there are two or three. */
const CAUSE_DEPTH_MAX = 8;
/** LevelDB has no code for a lost manifest. */
const LOST_PART = /(MANIFEST-\d+|\d+\.(ldb|sst)): No such file or directory/;

/** Whether LevelDB refused because what it read makes no sense. */
export function isDamaged(error: unknown): boolean {
  let link = error;
  for (let depth = 0; depth < CAUSE_DEPTH_MAX && link instanceof Error; depth++) {
    if (codeOf(link) === "LEVEL_CORRUPTION" || LOST_PART.test(link.message)) return true;
    link = link.cause;
  }
  return false;
}

/** Whether LevelDB, if it opened `folder`, would drop what had been acknowledged. Reads its logs, some megabytes. */
export async function hasHoles(folder: string): Promise<boolean> {
  for (const log of await logsIn(folder)) {
    try {
      if (isDamagedBeforeEnd(await readFile(log))) return true;
    } catch (error) {
      // Another process has the store open and is done with this log: then ours is refused anyway.
      if (codeOf(error) !== "ENOENT")
        throw new StoreError("STORE_OPEN_FAILED", "Cannot open store: its log cannot be read", {
          cause: error,
        });
    }
  }
  return false;
}

/**
 * Renames a store that cannot be read, so that nothing of it is lost and the next opening creates a new one. Answers the
 * error that says so.
 */
export async function setAside(
  folder: string,
  cause: unknown,
  logger: Logger | undefined,
): Promise<StoreError> {
  for (let number = 1; number <= SET_ASIDE_MAX; number++) {
    const aside = `${folder}.corrupt-${number}`;
    try {
      await rename(folder, aside);
      await syncFolder(dirname(folder));
    } catch (error) {
      if (["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(codeOf(error) ?? "")) continue;
      break;
    }
    logger?.("error", "store.set-aside", { folder: aside });
    const message = `Cannot open store: what it holds is damaged. It was kept as ${basename(aside)}; opening again creates a new one`;
    return new StoreError("STORE_CORRUPT", message, { cause });
  }
  return new StoreError(
    "STORE_CORRUPT",
    "Cannot open store: what it holds is damaged, and it could not be renamed",
    { cause },
  );
}
