import { createMemoryMedium, type Engine, type MemoryMedium } from "../store/index.ts";

/** Entries of a medium read in one step. */
const PAGE = 1000;

/**
 * A backup of a medium, which nothing has open, as a medium of its own: all that is on it, store's own keys too. `anonymous`: one
 * that does not say that it is not the other.
 */
export async function copyMedium(
  from: MemoryMedium,
  { anonymous = false }: { readonly anonymous?: boolean } = {},
): Promise<MemoryMedium> {
  const to = createMemoryMedium();
  const [source, target] = [await from.openEngine(), await to.openEngine()];
  await copyEntries(source, target);
  await source.close();
  await target.close();
  return anonymous ? { openEngine: () => to.openEngine() } : to;
}

async function copyEntries(source: Engine, target: Engine): Promise<void> {
  const entries = source.iterator({ reverse: false, limit: -1, highWaterMarkBytes: 2 ** 20 });
  for (let page = await entries.nextv(PAGE); page.length > 0; page = await entries.nextv(PAGE)) {
    const ops = page.map(([key, value]) => ({ type: "put", key, value }) as const);
    await target.batch(ops, { sync: true });
  }
  await entries.close();
}
