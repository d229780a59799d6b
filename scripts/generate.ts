/** `npm run generate`: everything in the repository that is made from something else in it. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { lintConfig } from "./generate-lint.ts";
import { ROOT, run } from "./run.ts";
import { limitsDocument } from "./tidy/limits.ts";
import { treeOf } from "./tidy/tree.ts";

writeFileSync(join(ROOT, ".oxlintrc.json"), lintConfig());
writeFileSync(join(ROOT, "docs/limits.md"), limitsDocument(treeOf(ROOT)));
process.exitCode = await run(["buf", "generate"]);
