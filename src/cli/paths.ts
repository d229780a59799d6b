import { UsageError } from "./usage.ts";

/** `database/collection/key`: a key may hold slashes; a collection may say whose it is, as `name@did:key:…`. */
export interface RowPath {
  readonly database: string;
  readonly collection: string;
  readonly key: string | undefined;
}

/** @throws {UsageError} when database or collection are missing. */
export function parseRowPath(text: string): RowPath {
  const [database = "", collection = "", ...rest] = text.split("/");
  if (database === "" || collection === "")
    throw new UsageError(`"${text}" is no path: database/collection or database/collection/key`);
  const key = rest.join("/");
  return { database, collection, key: key === "" ? undefined : key };
}

/** A path that names a row. @throws {UsageError} */
export function parseRowKeyPath(text: string): RowPath & { readonly key: string } {
  const { key, ...rest } = parseRowPath(text);
  if (key === undefined) throw new UsageError(`"${text}" names no row: database/collection/key`);
  return { ...rest, key };
}

/** @throws {UsageError} for bounds of rows that do not go together. */
export function checkBounds(
  prefix: string | undefined,
  start: string | undefined,
  end: string | undefined,
): void {
  if (prefix !== undefined && (start !== undefined || end !== undefined))
    throw new UsageError("Rows are bounded by a prefix, or by --start and --end");
}

/** @throws {UsageError} when it is no role. */
export function checkRole(role: string): void {
  if (!/^(reader|writer|admin)$/.test(role))
    throw new UsageError("A role is reader, writer or admin");
}

/** `database/group`. @throws {UsageError} */
export function parseGroupPath(text: string): {
  readonly database: string;
  readonly group: string;
} {
  const slash = text.indexOf("/");
  if (slash <= 0 || slash === text.length - 1)
    throw new UsageError(`"${text}" is no path: database/group`);
  return { database: text.slice(0, slash), group: text.slice(slash + 1) };
}

/** The API's path of a collection, or of something of it, and its query. */
export function collectionTarget(
  { database, collection }: RowPath,
  what: string,
  query: Readonly<Record<string, string | undefined>> = {},
): string {
  const at = collection.lastIndexOf("@did:key:");
  const [name, owner] =
    at > 0 ? [collection.slice(0, at), collection.slice(at + 1)] : [collection, undefined];
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries({ owner, ...query }))
    if (value !== undefined) search.set(key, value);
  const suffix = search.size === 0 ? "" : `?${search.toString()}`;
  return `/v1/databases/${encodeURIComponent(database)}/collections/${encodeURIComponent(name)}${what === "" ? "" : `/${what}`}${suffix}`;
}
