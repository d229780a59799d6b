import { fromUtf8, NAME_BYTES_MAX, parseUserId, ROW_KEY_BYTES_MAX, utf8 } from "../base/index.ts";
import { ROW_SPACE, type RowName } from "../history/index.ts";
import { DbError } from "./errors.ts";

/** @throws {DbError} `DB_NAME_INVALID` unless it has 1 to 1 024 bytes of UTF-8 and no NUL; {TypeError}. [DB1] */
export function checkName(what: string, name: string): void {
  if (typeof name !== "string") throw new TypeError(`A ${what}'s name is a text`);
  if (bytesWithin(name, 1, NAME_BYTES_MAX) !== undefined && !name.includes("\0")) return;
  throw new DbError(
    "DB_NAME_INVALID",
    `Cannot use ${what}: its name has 1 to ${NAME_BYTES_MAX} bytes of UTF-8 without NUL`,
  );
}

/** @throws {DbError} `DB_NAME_INVALID` unless it is a user's id; {TypeError}. [DB1] */
export function checkOwner(owner: string): void {
  if (typeof owner !== "string") throw new TypeError("A collection's owner is a user's id");
  if (parseUserId(owner) === undefined)
    throw new DbError("DB_NAME_INVALID", "Cannot use collection: its owner is no user's id");
}

/** The name of one of the application's rows. @throws {DbError} `DB_KEY_INVALID` unless the key has 1 to 1 024 bytes of UTF-8; {TypeError}. [DB2] */
export function rowName(key: string): RowName {
  return { space: ROW_SPACE.rows, key: keyBytes(key, 1), text: key };
}

/** The bytes of a text that keys are compared with: as a key, but it may be empty. @throws as `rowName`. */
export function boundBytes(bound: string): Uint8Array {
  return keyBytes(bound, 0);
}

/** The key of a row as text: what was stored has been checked. */
export function keyText(key: Uint8Array): string {
  return fromUtf8(key) ?? "";
}

function keyBytes(key: string, bytesMin: number): Uint8Array {
  if (typeof key !== "string") throw new TypeError("A row key is a text");
  const bytes = bytesWithin(key, bytesMin, ROW_KEY_BYTES_MAX);
  if (bytes !== undefined) return bytes;
  throw new DbError(
    "DB_KEY_INVALID",
    `Cannot use row key: it has ${bytesMin} to ${ROW_KEY_BYTES_MAX} bytes of UTF-8`,
  );
}

/** The UTF-8 bytes of `text`; `undefined` when they are too few or too many, or it has none. */
function bytesWithin(text: string, bytesMin: number, bytesMax: number): Uint8Array | undefined {
  if (text.length < bytesMin || text.length > bytesMax || !text.isWellFormed()) return undefined;
  const bytes = utf8(text);
  return bytes.length <= bytesMax ? bytes : undefined;
}
