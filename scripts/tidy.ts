/**
 * What no other tool checks: specs against tests, errors and limits against their documents, the layer table against
 * its drawing, the walks against the code, and what must not stand in any source. Prints one line per finding; exits 1 when there is one.
 */

import { join } from "node:path";
import process from "node:process";
import { behaviours } from "./tidy/behaviours.ts";
import { errors } from "./tidy/errors.ts";
import { layers } from "./tidy/layers.ts";
import { limits } from "./tidy/limits.ts";
import { source } from "./tidy/source.ts";
import { specs } from "./tidy/specs.ts";
import { type Check, type Finding, type Tree, treeOf } from "./tidy/tree.ts";
import { walks } from "./tidy/walks.ts";

const CHECKS: readonly Check[] = [layers, walks, specs, behaviours, errors, limits, source];

/** Everything wrong with the files of `tree`. */
export function tidy(tree: Tree): readonly Finding[] {
  return CHECKS.flatMap((check) => [...check(tree)]);
}

if (import.meta.main) {
  const findings = tidy(treeOf(join(import.meta.dirname, "..")));
  for (const finding of findings) console.log(finding);
  if (findings.length > 0) {
    console.log(`tidy: ${findings.length} findings`);
    process.exitCode = 1;
  }
}
