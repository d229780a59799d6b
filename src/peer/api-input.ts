/** What requests may hold: checked here, once. */

import type { ContentfulStatusCode } from "hono/utils/http-status";
import {
  CodedError,
  type DeviceId,
  type Json,
  parseDeviceId,
  parseUserId,
  type UserId,
} from "../base/index.ts";
import type { KeyBounds } from "../db/index.ts";

export type ApiErrorCode =
  | "API_BODY_TOO_LARGE"
  | "API_INTERNAL"
  | "API_INPUT_INVALID"
  | "API_NO_COLLECTION"
  | "API_NO_DATABASE"
  | "API_NO_ROW"
  | "API_NOT_FOUND"
  | "API_RANGE_INVALID";

/** A request that cannot be answered, with its HTTP status. */
export class ApiError extends CodedError<ApiErrorCode> {
  readonly status: ContentfulStatusCode;

  constructor(code: ApiErrorCode, message: string, status: ContentfulStatusCode) {
    super(code, message);
    this.status = status;
  }
}

export function fieldsOf(json: Json): Readonly<Record<string, Json>> {
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw invalid("An object is wanted");
  return json as Readonly<Record<string, Json>>;
}

export function textOf(name: string, json: Json | undefined): string {
  if (typeof json !== "string") throw invalid(`"${name}" is a text`);
  return json;
}

export function listOf(json: Json | undefined): readonly string[] {
  if (!Array.isArray(json) || !json.every((one) => typeof one === "string"))
    throw invalid("A list of texts is wanted");
  return json;
}

/** A whole number from 0 to 2^53 - 1, as JSON or as text of a query. */
export function countOf(json: Json): number {
  const count = typeof json === "string" && /^\d{1,16}$/.test(json) ? Number(json) : json;
  if (typeof count !== "number" || !Number.isSafeInteger(count) || count < 0)
    throw invalid("A whole number is wanted");
  return count;
}

/** Bounds of rows, as the query says them. */
export function boundsOf({
  prefix,
  start,
  end,
}: Readonly<Partial<Record<string, string>>>): KeyBounds {
  if (prefix !== undefined && (start !== undefined || end !== undefined))
    throw invalid("Rows are bounded by a prefix, or by a start and an end");
  return { prefix, start, end };
}

export function roleOf(json: Json): "reader" | "writer" | "admin" {
  if (json === "reader" || json === "writer" || json === "admin") return json;
  throw invalid("A role is reader, writer or admin");
}

export function flagOf(json: Json): boolean {
  if (typeof json === "boolean") return json;
  throw invalid("A yes or no is wanted");
}

/** A user as `did:key:…`. */
export function userOf(json: Json | undefined): UserId {
  const user = typeof json === "string" ? parseUserId(json) : undefined;
  if (user === undefined) throw invalid("A user is a did:key");
  return user;
}

export function deviceOf(json: Json | undefined): DeviceId {
  const device = typeof json === "string" ? parseDeviceId(json) : undefined;
  if (device === undefined)
    throw invalid("A device is named by its key, 12D3Koo…, and a user by did:key:…");
  return device;
}

export function deviceTypeOf(json: Json): "normal" | "server" | "leaf" {
  if (json === "normal" || json === "server" || json === "leaf") return json;
  throw invalid("A device is normal, server or leaf");
}

/**
 * The bytes that a Range header asks for, `end` not included; `undefined` when it asks for all: it is not there, or is none
 * that we know (RFC 9110, 14.2), several ranges among them.
 */
export function rangeOf(
  header: string | undefined,
  size: number,
): { readonly start: number; readonly end: number } | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "");
  const [, first = "", last = ""] = match ?? [];
  if (first === "" && last === "") return undefined;
  const [start, end] =
    first === ""
      ? [Math.max(0, size - Number(last)), size]
      : [Number(first), last === "" ? size : Math.min(size, Number(last) + 1)];
  // A last byte before the first makes it no range at all.
  if (last !== "" && first !== "" && Number(last) < start) return undefined;
  if (start < end) return { start, end };
  throw new ApiError("API_RANGE_INVALID", `No such range: it has ${size} bytes`, 416);
}

function invalid(message: string): ApiError {
  return new ApiError("API_INPUT_INVALID", message, 400);
}
