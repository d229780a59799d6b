import { open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Changes one byte of these bytes, of which there are over 100, where they lie in a pack of the folder. @throws when they do not. */
export async function damagePack(folder: string, bytes: Uint8Array): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const at = (await readFile(path)).indexOf(bytes);
    if (at < 0) continue;
    await using file = await open(path, "r+");
    await file.write(Uint8Array.of((bytes[100] as number) ^ 1), 0, 1, at + 100);
    return;
  }
  throw new Error("The bytes lie in no pack");
}
