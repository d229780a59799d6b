import { codeOf } from "../base/index.ts";
import type { WriteOutcome, WriteRequest } from "../history/index.ts";
import { DbError } from "./errors.ts";
import type { DbWorld } from "./world.ts";

/** Commits through the history, with refusals in this layer's words. What the store refuses passes through. */
export async function commit(world: DbWorld, request: WriteRequest): Promise<WriteOutcome> {
  if (world.isClosed())
    throw new DbError("DB_CLOSED", `Cannot write: database "${world.name}" is closed`);
  const reason = world.readOnlyReason(request.scope);
  if (reason !== undefined)
    throw new DbError(
      "DB_READ_ONLY",
      `Cannot write to collection "${request.scope.name}": ${reason}`,
    );
  try {
    return await world.history.write(request);
  } catch (cause) {
    switch (codeOf(cause)) {
      case "HISTORY_UNAUTHORISED":
        throw new DbError(
          "DB_NO_ACCESS",
          `Cannot write to collection "${request.scope.name}": our user may not`,
          { cause },
        );
      case "HISTORY_TOO_LARGE":
        throw new DbError("DB_BATCH_TOO_LARGE", "Cannot write: more than one batch may hold", {
          cause,
        });
      case "HISTORY_CONTEXT_FULL":
        throw new DbError(
          "DB_CONTEXT_FULL",
          "Cannot write: too many devices have written this row",
          { cause },
        );
      case "HISTORY_CLOSED":
        throw new DbError("DB_CLOSED", `Cannot write: database "${world.name}" is closed`, {
          cause,
        });
      default:
        throw cause;
    }
  }
}
