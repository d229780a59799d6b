/** get, put, del, scan, watch, conflicts: rows from the command line. */

import { parseJson } from "../base/index.ts";
import { ask, askLines, ApiFailure, type CommandContext } from "./context.ts";
import { checkBounds, collectionTarget, parseRowKeyPath, parseRowPath } from "./paths.ts";
import { EXIT, UsageError } from "./usage.ts";

interface RowLine {
  readonly key: string;
  readonly value: unknown;
  /** Absent: it is in none. */
  readonly conflict?: true;
}

export async function get(context: CommandContext, path: string): Promise<number> {
  const row = parseRowKeyPath(path);
  await using api = await context.connect();
  try {
    const { value } = (await ask(api, collectionTarget(row, "row", { key: row.key }))) as {
      value: unknown;
    };
    context.print(JSON.stringify(value));
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof ApiFailure) || error.status !== 404) throw error;
    context.say(`No such row: ${path}`);
    return EXIT.absent;
  }
}

/** The value is JSON; what is no JSON is taken as a text, so that quotes are not needed twice. */
export async function put(context: CommandContext, path: string, text: string): Promise<number> {
  const row = parseRowKeyPath(path);
  const value = parseValue(text);
  await using api = await context.connect({ creates: true });
  await ask(api, collectionTarget(row, "row", { key: row.key }), {
    method: "PUT",
    body: { value },
  });
  if (value === text && /^\s*[[{"]/.test(text)) context.say("Stored as a text: it is no JSON");
  return EXIT.ok;
}

export async function del(context: CommandContext, path: string): Promise<number> {
  const row = parseRowKeyPath(path);
  await using api = await context.connect();
  await ask(api, collectionTarget(row, "row", { key: row.key }), { method: "DELETE" });
  return EXIT.ok;
}

export interface ScanFlags {
  readonly prefix?: string | undefined;
  readonly start?: string | undefined;
  readonly end?: string | undefined;
  readonly limit?: string | undefined;
  readonly reverse?: true | undefined;
}

export async function scan(
  context: CommandContext,
  path: string,
  flags: ScanFlags,
): Promise<number> {
  const collection = parseRowPath(path);
  const prefix = flags.prefix ?? collection.key;
  if (flags.limit !== undefined && !/^\d+$/.test(flags.limit))
    throw new UsageError("--limit is a whole number");
  const { start, end, limit } = flags;
  checkBounds(prefix, start, end);
  const query = { prefix, start, end, limit, reverse: flags.reverse === true ? "true" : undefined };
  await using api = await context.connect();
  for await (const line of askLines(
    api,
    collectionTarget(collection, "rows", query),
    context.signal,
  )) {
    const { key, value, conflict = false } = line as RowLine;
    context.print(
      context.json
        ? JSON.stringify({ key, value, ...(conflict && { conflict }) })
        : `${key}\t${JSON.stringify(value)}${conflict ? "\t(conflict)" : ""}`,
    );
  }
  return EXIT.ok;
}

interface PageLine {
  readonly changes: readonly {
    readonly type: "put" | "delete";
    readonly key: string;
    readonly value?: unknown;
    readonly conflict: boolean;
  }[];
  readonly caughtUp: boolean;
  readonly fromSync: boolean;
}

export async function watch(context: CommandContext, path: string): Promise<number> {
  const collection = parseRowPath(path);
  await using api = await context.connect();
  if (!api.isServed) context.say("No peer is running here: this one ends with the watch");
  for await (const line of askLines(
    api,
    collectionTarget(collection, "watch", { prefix: collection.key }),
    context.signal,
  )) {
    if (context.json) {
      context.print(JSON.stringify(line));
      continue;
    }
    const { changes, fromSync } = line as PageLine;
    for (const { type, key, value, conflict } of changes) {
      context.print(
        `${type === "put" ? "+" : "-"} ${key}${type === "put" ? `\t${JSON.stringify(value)}` : ""}${conflict ? "\t(conflict)" : ""}${fromSync ? "\t(from a peer)" : ""}`,
      );
    }
  }
  return EXIT.ok;
}

interface ConflictLine {
  readonly winner: boolean;
  readonly device: string;
  readonly timestampMs: number;
  readonly value?: unknown;
}

export async function conflicts(context: CommandContext, path: string): Promise<number> {
  const row = parseRowKeyPath(path);
  await using api = await context.connect();
  const found = (await ask(
    api,
    collectionTarget(row, "conflicts", { key: row.key }),
  )) as ConflictLine[];
  if (context.json) context.print(JSON.stringify(found));
  else
    for (const { winner, device, timestampMs, value } of found) {
      context.print(
        `${winner ? "*" : " "} ${value === undefined ? "(deleted)" : JSON.stringify(value)}\t${device}\t${new Date(timestampMs).toISOString()}`,
      );
    }
  return EXIT.ok;
}

function parseValue(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw new UsageError((error as Error).message);
    return text;
  }
}
