import { defineConfig } from "vitest/config";

/** Tests that start processes or tools of their own; `npm run check` leaves them out. */
const PROCESS_TESTS = ["src/**/*.process.test.ts", "test/**/*.test.ts"];

/** Imports of "rookery" and "#platform" find the sources, so that nothing has to be built before a test. */
const conditions = ["rookery-source"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    allowOnly: false,
    // Two cores are what everything must run on.
    maxWorkers: 2,
    pool: "forks",
    // Mebibytes for what is new: the simulator makes much that is soon gone, and takes 0.87 of the time that it takes with V8's own measure.
    execArgv: [
      "--conditions=rookery-source",
      "--min-semi-space-size=16",
      "--max-semi-space-size=32",
    ],
    reporters: ["default", "./scripts/reporter.ts"],
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["src/**/*.test.ts"],
          // A machine that does other work too is slow, not wrong.
          testTimeout: 60_000,
          exclude: ["src/**/*.process.test.ts"],
        },
      },
      {
        extends: true,
        test: {
          name: "process",
          include: PROCESS_TESTS,
          // Tools and processes compete for the same two cores: slow is not wrong.
          testTimeout: 300_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
