/**
 * `npm run vectors`: adds the golden vectors that are missing to `vectors/`. It runs the tests that hold code and vectors
 * together and lets them write (src/testkit/golden.ts); a vector that is there is never written again, and one that is
 * wrong fails as ever. Rules: docs/spec/formats.md.
 */

import process from "node:process";
import { run } from "./run.ts";

process.exitCode = await run(["vitest", "run", "--project", "unit", "vectors.test.ts"], {
  ROOKERY_VECTORS: "add",
});
