import { open, readdir, readFile, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { ByteWriter, codeOf } from "../base/index.ts";
import type { Witness } from "../store/index.ts";
import { syncFolder } from "./files.ts";

/** The file whose identity names the folder. */
const WITNESS_FILE = "WITNESS";
/** Files of LevelDB that it writes to, or whose bytes change, each time it is open. */
const LEVEL_STATE = /^(CURRENT|MANIFEST-\d+|\d+\.log)$/;
/** Nanoseconds by which a file's change of state may follow its change of content, as it does when it is renamed. */
const RENAME_NS_MAX = 2_000_000_000n;

/**
 * Tells a store's folder from its copies by a file that is made anew at each opening: no tool that copies a file gives it the
 * inode, and the time of birth and of the last change of state, of another. Where LevelDB's own files have been given back
 * times of an earlier day, as tools do that restore, the folder is a copy also if that file was left alone. What copies below the
 * file system, snapshots of a disk or a virtual machine, is not seen.
 */
export function diskWitness(folder: string): Witness {
  const path = join(folder, WITNESS_FILE);
  return {
    async look() {
      if (await isRestored(folder)) return NOBODY;
      try {
        return await nameOf(path, await readFile(path));
      } catch (error) {
        if (codeOf(error) === "ENOENT") return NOBODY;
        throw error;
      }
    },
    async renew(nonce) {
      const aside = `${path}.new`;
      const file = await open(aside, "w");
      {
        await using _closing = { [Symbol.asyncDispose]: () => file.close() };
        await file.writeFile(nonce);
        await file.sync();
      }
      await rename(aside, path);
      await syncFolder(folder);
      return nameOf(path, nonce);
    },
  };
}

/** The name of a folder that is no store's: equals none that was noted. */
const NOBODY = new Uint8Array();

async function nameOf(path: string, nonce: Uint8Array): Promise<Uint8Array> {
  const { ino, birthtimeNs, ctimeNs } = await stat(path, { bigint: true });
  const out = new ByteWriter(24 + nonce.length);
  for (const number of [ino, birthtimeNs, ctimeNs]) out.u64(BigInt.asUintN(64, number));
  out.bytes(nonce);
  return out.finish();
}

async function isRestored(folder: string): Promise<boolean> {
  for (const name of await readdir(folder)) {
    if (!LEVEL_STATE.test(name)) continue;
    const times = await timesOf(join(folder, name));
    if (times !== undefined && times.ctimeNs - times.mtimeNs > RENAME_NS_MAX) return true;
  }
  return false;
}

/** `undefined`: it is gone, since somebody else has the store open. The engine's lock will say so. */
async function timesOf(
  path: string,
): Promise<{ readonly ctimeNs: bigint; readonly mtimeNs: bigint } | undefined> {
  try {
    return await stat(path, { bigint: true });
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
