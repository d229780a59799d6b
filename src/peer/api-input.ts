/** What requests may hold: checked here, once. */

import type { ContentfulStatusCode } from "hono/utils/http-status";
import { CodedError, type Json } from "../base/index.ts";

export type ApiErrorCode =
  | "API_BODY_TOO_LARGE"
  | "API_INTERNAL"
  | "API_INPUT_INVALID"
  | "API_NO_DATABASE"
  | "API_NO_ROW"
  | "API_NOT_FOUND";

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

export function roleOf(json: Json): "reader" | "writer" | "admin" {
  if (json === "reader" || json === "writer" || json === "admin") return json;
  throw invalid("A role is reader, writer or admin");
}

function invalid(message: string): ApiError {
  return new ApiError("API_INPUT_INVALID", message, 400);
}
