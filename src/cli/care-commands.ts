/** verify, doctor, backup, restore: the care of a store. */

import {
  checkBackup,
  type Finding,
  type Looked,
  restorePeer,
  treatFolder,
  verifyFolder,
  writeUserFile,
} from "../peer/index.ts";
import { askBytes, type CommandContext } from "./context.ts";
import { sizeText } from "./progress.ts";
import { alone, counted, EXIT } from "./usage.ts";

/** Tells what is found; beside a running peer too. */
export async function verify(context: CommandContext): Promise<number> {
  let found = 0;
  const looked: Looked[] = [];
  const onLooked = (one: Looked): void => void looked.push(one);
  const { path, signal } = context;
  for await (const finding of verifyFolder(path, { signal, onLooked })) {
    found += 1;
    print(context, finding, finding.fix === undefined ? {} : { fix: finding.fix.type });
  }
  if (!context.json) {
    for (const one of looked) context.say(lookedText(one));
    context.say(found === 0 ? "nothing found" : `${found} found`);
  }
  return found === 0 ? EXIT.ok : EXIT.failed;
}

function lookedText({ databases, collections, syncgroups, rows, parts, chunks }: Looked): string {
  const all = [
    counted(databases, "database"),
    counted(collections, "collection"),
    counted(syncgroups, "syncgroup"),
    counted(rows, "row"),
    `${counted(parts, "part")} of commits`,
    // Their bytes are checked when they are read.
    `notes of ${counted(chunks, "chunk")}`,
  ];
  return `looked at ${all.join(", ")}`;
}

/** Tells what is found and would be done about it, or does it. */
export async function doctor(context: CommandContext, fixes: boolean): Promise<number> {
  if (!fixes) return verify(context);
  const left = await alone(() => treat(context));
  if (!context.json) context.say(left === 0 ? "nothing left" : `${left} left as they are`);
  return left === 0 ? EXIT.ok : EXIT.failed;
}

/** Answers how many findings are left as they are. */
async function treat(context: CommandContext): Promise<number> {
  const { path, signal } = context;
  let left = 0;
  for await (const { isFixed, ...finding } of treatFolder(path, { signal })) {
    if (!isFixed) left += 1;
    print(context, finding, { fixed: isFixed });
  }
  return left;
}

function print(
  context: CommandContext,
  { rule, says, key, database, scope, row }: Finding,
  more: { readonly fix?: string; readonly fixed?: boolean },
): void {
  if (context.json) {
    context.print(JSON.stringify({ rule, says, key, database, scope, row, ...more }));
    return;
  }
  const where = [database, scope, row].filter((one) => one !== undefined).join(" ");
  const what = more.fixed === undefined ? (more.fix ?? "-") : more.fixed ? "fixed" : "left";
  context.print([rule, what, says, where === "" ? key : where].join("\t"));
}

export interface BackupFlags {
  readonly identity?: boolean | undefined;
  readonly blobs?: boolean | undefined;
}

/** Of a running peer too. What was cut off takes no other backup's place. */
export async function backup(
  context: CommandContext,
  file: string,
  { identity = false, blobs = false }: BackupFlags,
): Promise<number> {
  await using api = await context.connect();
  const target = `/v1/backup?identity=${identity}&blobs=${blobs}`;
  const source = askBytes(api, target, { signal: context.signal });
  const bytes = await writeUserFile(file, checkBackup(source), { isSecret: true });
  if (context.json) context.print(JSON.stringify({ file, bytes, identity, blobs }));
  else context.say(`${sizeText(bytes)} in ${file}`);
  return EXIT.ok;
}

export async function restore(context: CommandContext, file: string): Promise<number> {
  const manifest = await restorePeer(file, context.path);
  if (context.json) context.print(JSON.stringify(manifest));
  else {
    const made = new Date(manifest.madeAt).toISOString();
    context.say(`restored what ${manifest.name} (${manifest.device}) held at ${made}`);
    if (!manifest.identity)
      context.say("as another device and user: to write and sync it has to be invited");
  }
  return EXIT.ok;
}
