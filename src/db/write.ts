import { codeOf } from "../base/index.ts";
import type { WriteOutcome, WriteRequest } from "../history/index.ts";
import { DbError } from "./errors.ts";
import { closedError, type DbWorld, refuseClosed, refuseDestroyed } from "./world.ts";

/** @throws {TypeError} unless it is a text or absent. Its length is the history's to judge. */
export function checkHint(hint: string | undefined): void {
  if (hint !== undefined && typeof hint !== "string") throw new TypeError("A hint is a text");
}

/** Commits through the history, with refusals in this layer's words. What the store refuses passes through. [DB13] */
export function commit(world: DbWorld, request: WriteRequest): Promise<WriteOutcome> {
  return begun(world, request, (outcome) => outcome);
}

/** As `commit`, of what has been read of nothing and so is never in conflict. */
export function committed(world: DbWorld, request: WriteRequest): Promise<void> {
  return begun(world, request, () => {});
}

function begun<T>(
  world: DbWorld,
  request: WriteRequest,
  answer: (outcome: WriteOutcome) => T,
): Promise<T> {
  // One promise beside the history's own: each async function would cost a single write as much again.
  try {
    refuseUnwritable(world, request);
  } catch (error) {
    return refused(error);
  }
  const committing = world.history.write(request);
  world.commits.add(committing);
  return committing.then(
    (outcome) => {
      world.commits.delete(committing);
      return answer(outcome);
    },
    (cause: unknown) => {
      world.commits.delete(committing);
      throw inOurWords(world, request, cause);
    },
  );
}

/** A refusal as a promise. */
async function refused(error: unknown): Promise<never> {
  throw error;
}

function refuseUnwritable(world: DbWorld, { parts }: WriteRequest): void {
  refuseClosed(world);
  for (const { scope, controls = [] } of parts) {
    refuseDestroyed(world, scope);
    // Whether somebody may be revoked was asked before, by rules of its own. [DB33]
    if (controls.some(({ type }) => type === "revoke")) continue;
    const reason = world.readOnlyReason(scope);
    if (reason === undefined) continue;
    throw new DbError("DB_READ_ONLY", `Cannot write to collection "${scope.name}": ${reason}`);
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
    case "HISTORY_CONTROLS_FULL":
      return new DbError(
        "DB_CONTROLS_FULL",
        `Cannot write to ${namesOf(parts)}: the access list has no room for what it would add`,
        { cause },
      );
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
