/** group create, invite, join, list, show: sharing from the command line. */

import { ask, type CommandContext } from "./context.ts";
import { checkRole, parseGroupPath } from "./paths.ts";
import { counted, EXIT, UsageError } from "./usage.ts";

interface GroupLine {
  readonly name: string;
  readonly owner: string;
  readonly status: string;
  readonly progress: { readonly have: number; readonly need: number } | null;
  readonly collections: readonly { readonly owner: string; readonly name: string }[];
  readonly members: readonly {
    readonly device: string;
    readonly user: string;
    readonly name: string;
    readonly type: string;
    readonly state: string;
  }[];
}

function groupsTarget(database: string): string {
  return `/v1/databases/${encodeURIComponent(database)}/groups`;
}

export async function createGroup(
  context: CommandContext,
  path: string,
  collections: readonly string[],
  flags: { readonly description?: string | undefined },
): Promise<number> {
  const { database, group } = parseGroupPath(path);
  await using api = await context.connect({ creates: true });
  const created = (await ask(api, groupsTarget(database), {
    method: "POST",
    body: { name: group, collections, description: flags.description },
  })) as GroupLine;
  printGroup(context, created);
  return EXIT.ok;
}

export interface InviteFlags {
  readonly role?: string | undefined;
  readonly uses?: string | undefined;
  readonly expires?: string | undefined;
}

export async function inviteToGroup(
  context: CommandContext,
  path: string,
  { role, uses, expires }: InviteFlags,
): Promise<number> {
  const { database, group } = parseGroupPath(path);
  if (role !== undefined) checkRole(role);
  const body = {
    role,
    uses: countOf("--uses", uses),
    expiresInMs: expires === undefined ? undefined : 1000 * (countOf("--expires", expires) ?? 0),
  };
  await using api = await context.connect();
  const { ticket } = (await ask(
    api,
    `${groupsTarget(database)}/${encodeURIComponent(group)}/invites`,
    { method: "POST", body },
  )) as { ticket: string };
  if (!api.isServed)
    context.say(
      "No peer is running here: nobody can join by this ticket before one is (rookery serve)",
    );
  context.print(context.json ? JSON.stringify({ ticket }) : ticket);
  return EXIT.ok;
}

export async function joinGroup(
  context: CommandContext,
  database: string,
  ticket: string,
  { type }: { readonly type?: string | undefined } = {},
): Promise<number> {
  if (type !== undefined && !/^(normal|server|leaf)$/.test(type))
    throw new UsageError("--type is normal, server or leaf");
  await using api = await context.connect({ creates: true });
  const joined = (await ask(api, `/v1/databases/${encodeURIComponent(database)}/join`, {
    method: "POST",
    body: { ticket, type },
  })) as GroupLine;
  printGroup(context, joined);
  if (!api.isServed)
    context.say("Joined. Its rows arrive while a peer is running here (rookery serve)");
  return EXIT.ok;
}

export async function listGroups(context: CommandContext, database: string): Promise<number> {
  await using api = await context.connect();
  const groups = (await ask(api, groupsTarget(database))) as GroupLine[];
  if (context.json) context.print(JSON.stringify(groups));
  else
    for (const { name, owner, status, members, collections } of groups) {
      const isOnly = groups.every((one) => one.name !== name || one.owner === owner);
      const here = members.filter(({ state }) => state === "joined");
      context.print(
        `${isOnly ? name : `${name}@${owner}`}\t${status}\t${counted(here.length, "member")}\t${collections.map((one) => one.name).join(", ")}`,
      );
    }
  return EXIT.ok;
}

export async function showGroup(context: CommandContext, path: string): Promise<number> {
  const { database, group } = parseGroupPath(path);
  await using api = await context.connect();
  printGroup(
    context,
    (await ask(api, `${groupsTarget(database)}/${encodeURIComponent(group)}`)) as GroupLine,
  );
  return EXIT.ok;
}

function printGroup(context: CommandContext, group: GroupLine): void {
  if (context.json) {
    context.print(JSON.stringify(group));
    return;
  }
  const { name, owner, status, progress, collections, members } = group;
  context.print(
    `${name}\t${status}${progress === null ? "" : ` (${progress.have} of ${progress.need})`}`,
  );
  context.print(`owner\t${owner}`);
  for (const one of collections) context.print(`collection\t${one.name}@${one.owner}`);
  for (const member of members)
    context.print(
      `member\t${member.device}\t${member.name}${member.type === "normal" ? "" : `\t(${member.type})`}${member.state === "joined" ? "" : `\t(${member.state})`}`,
    );
}

function countOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`${flag} is a whole number`);
  return Number(text);
}
