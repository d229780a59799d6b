/** collection list, create, clear, destroy, quarantined: collections as a whole. */

import { ask, askLines, type CommandContext } from "./context.ts";
import { checkBounds, collectionTarget, parseRowPath } from "./paths.ts";
import { counted, EXIT, UsageError } from "./usage.ts";

interface CollectionLine {
  readonly owner: string;
  readonly name: string;
  readonly role?: string | undefined;
  readonly readOnly?: string | undefined;
}

export async function listCollections(context: CommandContext, database: string): Promise<number> {
  await using api = await context.connect();
  const target = `/v1/databases/${encodeURIComponent(database)}/collections`;
  const collections = (await ask(api, target)) as CollectionLine[];
  if (context.json) context.print(JSON.stringify(collections));
  else
    for (const { owner, name, role, readOnly } of collections)
      context.print(`${name}@${owner}\t${role ?? "no role"}${readOnly ? `\t${readOnly}` : ""}`);
  return EXIT.ok;
}

export async function createCollection(context: CommandContext, path: string): Promise<number> {
  const { database, collection } = collectionIn(path);
  await using api = await context.connect({ creates: true });
  const target = `/v1/databases/${encodeURIComponent(database)}/collections`;
  await ask(api, target, { method: "POST", body: { name: collection } });
  return EXIT.ok;
}

interface QuarantinedLine {
  readonly key: string;
  /** Left out: it deleted the row. */
  readonly value?: unknown;
  readonly timestampMs: number;
  readonly hint?: string | undefined;
}

/** What this device wrote and counts no more, the way `scan` prints rows, and when it was written. */
export async function listQuarantined(context: CommandContext, path: string): Promise<number> {
  const collection = collectionIn(path);
  await using api = await context.connect();
  const target = collectionTarget(collection, "quarantined");
  for await (const line of askLines(api, target, context.signal)) {
    const { key, value, timestampMs } = line as QuarantinedLine;
    const what = value === undefined ? "(deleted)" : JSON.stringify(value);
    context.print(
      context.json
        ? JSON.stringify(line)
        : [key, what, new Date(timestampMs).toISOString()].join("\t"),
    );
  }
  return EXIT.ok;
}

export interface ClearFlags {
  readonly prefix?: string | undefined;
  readonly start?: string | undefined;
  readonly end?: string | undefined;
}

/** Deletes rows, all of them unless bounds are given, and says how many. */
export async function clearCollection(
  context: CommandContext,
  path: string,
  { prefix, start, end }: ClearFlags,
): Promise<number> {
  const collection = collectionIn(path);
  checkBounds(prefix, start, end);
  const bounds =
    prefix === undefined && start === undefined && end === undefined
      ? { prefix: "" }
      : { prefix, start, end };
  await using api = await context.connect();
  const { deleted } = (await ask(api, collectionTarget(collection, "rows", bounds), {
    method: "DELETE",
  })) as { readonly deleted: number };
  if (context.json) context.print(JSON.stringify({ deleted }));
  else context.print(`${counted(deleted, "row")} deleted`);
  return EXIT.ok;
}

export async function destroyCollection(context: CommandContext, path: string): Promise<number> {
  const collection = collectionIn(path);
  await using api = await context.connect();
  await ask(api, collectionTarget(collection, ""), { method: "DELETE" });
  return EXIT.ok;
}

function collectionIn(path: string): ReturnType<typeof parseRowPath> {
  const parsed = parseRowPath(path);
  if (parsed.key !== undefined)
    throw new UsageError(`"${path}" is no collection: database/collection`);
  return parsed;
}
