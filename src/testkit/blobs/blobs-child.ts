/**
 * A process that puts files as blobs, and is killed for it.
 *
 *     node --conditions=rookery-source src/testkit/blobs/blobs-child.ts
 *
 * Says `ready`, then takes lines: `open <folder>` opens blobs there and says `opened`; `put <file>` puts a file and says
 * `begun`, `writing` when the first bytes that were not here are durable, then `put <BlobRef> <new bytes>` or `failed <code>`; `read <BlobRef>` says `read <SHA-256>` or `failed <code>`.
 */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { codeOf, formatBlobRef, parseBlobRef } from "../../base/index.ts";
import { endWithParent, say } from "../child.ts";
import { openBlobsIn, type OpenBlobs } from "./blobs-world.ts";

let opened: OpenBlobs | undefined;

async function put(path: string): Promise<void> {
  say("begun");
  const source = createReadStream(path, { highWaterMark: 256 * 1024 });
  let isWriting = false;
  const onProgress = ({ newBytes }: { readonly newBytes: number }): void => {
    if (newBytes > 0 && !isWriting) say("writing");
    isWriting ||= newBytes > 0;
  };
  const done = await opened?.blobs.put(source, { onProgress });
  if (done !== undefined) say(`put ${formatBlobRef(done.ref)} ${done.newBytes}`);
}

async function read(text: string): Promise<void> {
  const ref = parseBlobRef(text);
  if (ref === undefined || opened === undefined) throw new Error("There is nothing to read");
  const hash = createHash("sha256");
  for await (const piece of opened.blobs.read(ref)) hash.update(piece);
  say(`read ${hash.digest("hex")}`);
}

const told = endWithParent();
say("ready");
for await (const line of told) {
  const [what, argument = ""] = line.split(" ");
  try {
    if (what === "open") {
      opened = await openBlobsIn(argument);
      say("opened");
    }
    if (what === "put") await put(argument);
    if (what === "read") await read(argument);
  } catch (error) {
    say(`failed ${codeOf(error) ?? String(error)}`);
  }
}
