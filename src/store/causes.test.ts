import { expect, test } from "vitest";
import { codeOf } from "../base/index.ts";
import { openError, readError, writeError } from "./causes.ts";
import { StoreError } from "./errors.ts";

const coded = (code: string, message = "x", cause?: unknown): Error =>
  Object.assign(new Error(message, { cause }), { code });

test.for([
  ["STORE_LOCKED", coded("LEVEL_DATABASE_NOT_OPEN", "x", coded("LEVEL_LOCKED"))],
  ["STORE_CORRUPT", coded("LEVEL_DATABASE_NOT_OPEN", "x", coded("LEVEL_CORRUPTION"))],
  [
    "STORE_FULL",
    coded(
      "LEVEL_DATABASE_NOT_OPEN",
      "x",
      coded("LEVEL_IO_ERROR", "IO error: No space left on device"),
    ),
  ],
  ["STORE_FULL", coded("ENOSPC")],
  ["STORE_OPEN_FAILED", coded("EACCES")],
  ["STORE_OPEN_FAILED", "not even an error"],
  ["STORE_OPEN_FAILED", undefined],
] as const)(
  "[ST34] the code of a failed opening follows from the chain of causes: %s",
  ([code, cause]) => {
    const error = openError(cause);
    expect([error.code, error.cause]).toEqual([code, cause]);
  },
);

test("[ST34] what the operating system said last is in the message, and an error of ours stays what it is", () => {
  const refused = coded(
    "LEVEL_DATABASE_NOT_OPEN",
    "x",
    coded("LEVEL_IO_ERROR", "IO error: LOCK: Permission denied"),
  );
  expect(openError(refused).message).toBe("Cannot open store: IO error: LOCK: Permission denied");
  const ours = new StoreError("STORE_CLOSED", "x");
  expect(openError(ours)).toBe(ours);
  expect(readError(ours)).toBe(ours);
});

test("[ST16] a chain of causes that goes round in a circle is not followed for ever", () => {
  const circle = new Error("x");
  circle.cause = circle;
  expect(codeOf(writeError(circle))).toBe("STORE_WRITE_FAILED");
  expect(codeOf(readError(circle))).toBe("STORE_READ_FAILED");
  expect(codeOf(openError(circle))).toBe("STORE_OPEN_FAILED");
});

test("[ST42] damage found while reading is told as such", () => {
  expect(codeOf(readError(coded("LEVEL_CORRUPTION")))).toBe("STORE_CORRUPT");
});
