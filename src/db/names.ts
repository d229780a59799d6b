import { fromUtf8, NAME_BYTES_MAX, ROW_KEY_BYTES_MAX, utf8 } from "../base/index.ts";
import { ROW_SPACE, type RowName } from "../history/index.ts";
import { DbError } from "./errors.ts";

/** @throws {DbError} `DB_NAME_INVALID` unless it has 1 to 1 024 bytes of UTF-8 and no NUL. [DB1] */
export function checkName(what: string, name: string): void {
  if (typeof name !== "string") throw new TypeError(`A ${what}'s name is a text`);
  if (isWithin(name, NAME_BYTES_MAX) && !name.includes("\0")) return;
  throw new DbError(
    "DB_NAME_INVALID",
    `Cannot use ${what}: its name has 1 to ${NAME_BYTES_MAX} bytes of UTF-8 without NUL`,
  );
}

/** The name of one of the application's rows. @throws {DbError} `DB_KEY_INVALID` unless the key has 1 to 1 024 bytes of UTF-8. [DB2] */
export function rowName(key: string): RowName {
  if (typeof key !== "string") throw new TypeError("A row key is a text");
  if (isWithin(key, ROW_KEY_BYTES_MAX)) return { space: ROW_SPACE.rows, key: utf8(key), text: key };
  throw new DbError(
    "DB_KEY_INVALID",
    `Cannot use row: its key has 1 to ${ROW_KEY_BYTES_MAX} bytes of UTF-8`,
  );
}

/** The key of a row as text: what was stored has been checked. */
export function keyText(key: Uint8Array): string {
  return fromUtf8(key) ?? "";
}

function isWithin(text: string, bytes: number): boolean {
  return (
    text.length > 0 && text.length <= bytes && text.isWellFormed() && utf8(text).length <= bytes
  );
}
