/**
 * `main.ts [--part I/N] [--child] [NAME…]`: runs the canaries of these names, or all, or every Nth from the Ith on. Says what came of
 * each as a line of JSON. With `--child` it ends when its parent does.
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { endWithParent } from "../child.ts";
import { CANARIES } from "./canaries.ts";
import { runCanary } from "./run-canary.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { part: { type: "string" }, child: { type: "boolean" } },
});
const [part = 0, parts = 1] = (values.part ?? "0/1").split("/").map(Number);
if (values.child === true) endWithParent();
let missed = 0;
for (const [i, canary] of CANARIES.entries()) {
  const isChosen = positionals.length === 0 || positionals.includes(canary.name);
  if (!isChosen || i % parts !== part) continue;
  const outcome = await runCanary(canary);
  if (outcome.seed === undefined) missed += 1;
  console.log(JSON.stringify(outcome));
}
process.exitCode = missed === 0 ? 0 : 1;
// Nothing else keeps a child.
if (values.child === true) process.stdin.unref();
