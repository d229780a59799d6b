/**
 * A backup or a restore that is killed for it.
 *
 *     node --conditions=rookery-source src/testkit/torture/kill-copies-child.ts backup | restore <path> <file>
 *
 * Says `begun`, then `done` when it is.
 */

import { openPeer, restorePeer } from "../../peer/index.ts";
import { endWithParent, say } from "../child.ts";

endWithParent();
const [what, path = "", file = ""] = process.argv.slice(2);
if (what === "backup") {
  await using peer = await openPeer({ path });
  say("begun");
  await peer.backup(file, { identity: true, blobs: true });
} else {
  say("begun");
  await restorePeer(file, path);
}
say("done");
