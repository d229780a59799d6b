/** Answers of the local API that come a line at a time. */

import type { Context } from "hono";
import { stream } from "hono/streaming";
import { codeOf } from "../base/index.ts";

/**
 * One JSON value a line, as they come; the reader's going away ends the source, also one that is waiting, where it minds
 * `ending`.
 */
export function lines<T>(
  c: Context,
  source: AsyncIterable<T>,
  toLine: (one: T) => object,
  ending?: AbortController,
): Response {
  return stream(c, async (out) => {
    const items = source[Symbol.asyncIterator]();
    out.onAbort(() => {
      ending?.abort();
      void items.return?.();
    });
    try {
      for (let next = await items.next(); next.done !== true; next = await items.next()) {
        await out.writeln(JSON.stringify(toLine(next.value)));
        if (out.aborted) break;
      }
    } catch (error) {
      await out.writeln(
        JSON.stringify(
          errorBody(codeOf(error) ?? "API_INTERNAL", error instanceof Error ? error.message : ""),
        ),
      );
    } finally {
      await items.return?.();
    }
  });
}

export function errorBody(
  code: string,
  message: string,
): { error: { code: string; message: string } } {
  return { error: { code, message } };
}
