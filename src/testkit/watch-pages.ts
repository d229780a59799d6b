/** Reading watches page by page, for tests of them. */

import type {
  Collection,
  Database,
  DatabaseChange,
  DatabaseWatchOptions,
  WatchPage,
} from "../db/index.ts";
import { createMemoryMedium, type MemoryMedium, openMemoryStore } from "../store/index.ts";
import { makeDevice, type TestDevice } from "./device.ts";

type Pages<C> = AsyncGenerator<WatchPage<unknown, C>, void, undefined>;

export interface Opened extends AsyncDisposable {
  readonly ada: TestDevice;
  readonly db: Database;
  readonly rows: Collection<unknown>;
}

/** A device of its own with the database `app` and a collection. */
export async function opened(
  seed = 1,
  medium: MemoryMedium = createMemoryMedium(),
): Promise<Opened> {
  const store = await openMemoryStore({ medium });
  const ada = await makeDevice(seed, { store, user: 1 });
  const db = await ada.db("app");
  const close = async (): Promise<void> => {
    await db.close();
    await ada.close();
    await store.close();
  };
  return { ada, db, rows: db.collection<unknown>("rows"), [Symbol.asyncDispose]: close };
}

/** The next page. */
export async function next<C>(pages: Pages<C>): Promise<WatchPage<unknown, C>> {
  const { value } = await pages.next();
  if (value === undefined) throw new Error("The watch has ended");
  return value;
}

/** Pages up to the first that is caught up. */
export async function beginning<C>(pages: Pages<C>): Promise<WatchPage<unknown, C>[]> {
  const told = [];
  do told.push(await next(pages));
  while (told.at(-1)?.caughtUp !== true);
  return told;
}

/** What a watch over a database tells before it has caught up. */
export async function sinceIn(
  db: Database,
  options: DatabaseWatchOptions,
): Promise<DatabaseChange<unknown>[]> {
  const pages = db.watch<unknown>(options);
  const told = await beginning(pages);
  await pages.return();
  return told.flatMap(({ changes }) => changes);
}

export const keysOf = (changes: readonly { readonly key: string }[]): string[] =>
  changes.map(({ key }) => key);
/** A change as a short text. */
export const textOf = (change: DatabaseChange<unknown>): string =>
  change.type === "destroy"
    ? `${change.collection.name} destroyed`
    : `${change.collection.name}/${change.key}`;
