/** A process that serves a folder by a child of its own, says the child's number, and waits to be killed. */

import { say } from "../../src/testkit/child.ts";
import { serve } from "./rookery.ts";

const { child } = await serve(process.argv[2] ?? "", "orphan");
say(String(child.pid));
