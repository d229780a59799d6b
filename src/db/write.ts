import { codeOf } from "../base/index.ts";
import type { WriteOutcome, WriteRequest } from "../history/index.ts";
import { DbError } from "./errors.ts";
import { closedError, type DbWorld, refuseClosed, refuseDestroyed } from "./world.ts";

/** @throws {TypeError} unless it is a text or absent. Its length is the history's to judge. */
export function checkHint(hint: string | undefined): void {
  if (hint !== undefined && typeof hint !== "string") throw new TypeError("A hint is a text");
}

/** Commits through the history, with refusals in this layer's words. What the store refuses passes through. [DB13] */
export async function commit(world: DbWorld, request: WriteRequest): Promise<WriteOutcome> {
  refuseClosed(world);
  for (const { scope } of request.parts) {
    refuseDestroyed(world, scope);
    const reason = world.readOnlyReason(scope);
    if (reason === undefined) continue;
    throw new DbError("DB_READ_ONLY", `Cannot write to collection "${scope.name}": ${reason}`);
  }
  const committing = world.history.write(request);
  world.commits.add(committing);
  try {
    return await committing;
  } catch (cause) {
    throw inOurWords(world, request, cause);
  } finally {
    world.commits.delete(committing);
  }
}

function inOurWords(world: DbWorld, { parts }: WriteRequest, cause: unknown): unknown {
  switch (codeOf(cause)) {
    case "HISTORY_UNAUTHORISED":
      return new DbError("DB_NO_ACCESS", `Cannot write to ${namesOf(parts)}: our user may not`, {
        cause,
      });
    case "HISTORY_TOO_LARGE":
      return new DbError(
        "DB_BATCH_TOO_LARGE",
        "Cannot write: its ops, their history or its hint are more than one batch may hold",
        { cause },
      );
    case "HISTORY_CONTEXT_FULL":
      return new DbError("DB_CONTEXT_FULL", "Cannot write: too many devices have written a row", {
        cause,
      });
    case "HISTORY_CLOSED":
      return closedError(world, cause);
    default:
      return cause;
  }
}

function namesOf(parts: WriteRequest["parts"]): string {
  const names = parts.map(({ scope }) => `"${scope.name}"`);
  return names.length === 1 ? `collection ${names.join()}` : `collections ${names.join(", ")}`;
}
