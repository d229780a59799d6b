/** group publish, spec, members, invites, grant, eject, leave, destroy; service allow, deny, list. */

import { ask, type CommandContext } from "./context.ts";
import { checkRole, parseGroupPath } from "./paths.ts";
import { EXIT, UsageError } from "./usage.ts";

interface SpecLine {
  readonly version: string;
  readonly description: string;
  readonly isPrivate: boolean;
  readonly publishPeer: string | null;
  readonly rendezvous: readonly string[];
  readonly collections: readonly { readonly owner: string; readonly name: string }[];
}

interface MemberLine {
  readonly device: string;
  readonly user: string;
  readonly name: string;
  readonly type: string;
  readonly priority: number;
  readonly state: string;
  readonly role?: string;
}

interface InviteLine {
  readonly id: string;
  readonly role?: string;
  readonly uses: number;
  readonly usedBy: readonly string[];
  readonly notAfter?: number;
  readonly isRevoked: boolean;
}

function targetOf(path: string): string {
  const { database, group } = parseGroupPath(path);
  return `/v1/databases/${encodeURIComponent(database)}/groups/${encodeURIComponent(group)}`;
}

/** Asks for one change and prints nothing. */
async function change(
  context: CommandContext,
  target: string,
  method: string,
  body?: object,
): Promise<number> {
  await using api = await context.connect();
  await ask(api, target, { method, ...(body !== undefined && { body }) });
  return EXIT.ok;
}

export async function publishGroup(
  context: CommandContext,
  path: string,
  addresses: readonly string[],
): Promise<number> {
  const target = `${targetOf(path)}/spec`;
  await using api = await context.connect();
  await ask(api, target, { method: "PATCH", body: { publishAt: addresses } });
  if (!api.isServed)
    context.say("No peer is running here: it is published while one is (rookery serve)");
  return EXIT.ok;
}

export interface SpecFlags {
  readonly description?: string | undefined;
  readonly private?: boolean | undefined;
  readonly public?: boolean | undefined;
  readonly rendezvous?: readonly string[] | undefined;
  readonly ifVersion?: string | undefined;
}

/** Shows the spec; with flags it is changed first. */
export async function groupSpec(
  context: CommandContext,
  path: string,
  { description, private: isPrivate, public: isPublic, rendezvous, ifVersion: version }: SpecFlags,
): Promise<number> {
  const target = `${targetOf(path)}/spec`;
  if (isPrivate === true && isPublic === true)
    throw new UsageError("A group is --private or --public");
  const changes = {
    description,
    rendezvous,
    isPrivate: isPrivate === true ? true : isPublic === true ? false : undefined,
  };
  const isChange = Object.values(changes).some((value) => value !== undefined);
  await using api = await context.connect();
  const spec = (
    isChange
      ? await ask(api, target, { method: "PATCH", body: { ...changes, version } })
      : await ask(api, target)
  ) as SpecLine;
  if (context.json) {
    context.print(JSON.stringify(spec));
    return EXIT.ok;
  }
  context.print(`version\t${spec.version}`);
  context.print(`description\t${spec.description}`);
  context.print(`private\t${spec.isPrivate}`);
  if (spec.publishPeer !== null) context.print(`published at\t${spec.publishPeer}`);
  for (const address of spec.rendezvous) context.print(`rendezvous\t${address}`);
  for (const one of spec.collections) context.print(`collection\t${one.name}@${one.owner}`);
  return EXIT.ok;
}

export async function listMembers(context: CommandContext, path: string): Promise<number> {
  await using api = await context.connect();
  const { members } = (await ask(api, targetOf(path))) as {
    readonly members: readonly MemberLine[];
  };
  if (context.json) context.print(JSON.stringify(members));
  else
    for (const { device, user, name, type, state, role = "-" } of members)
      context.print([device, name, state, role, type, user].join("\t"));
  return EXIT.ok;
}

/** Lists invites, or takes one back. */
export async function groupInvites(
  context: CommandContext,
  path: string,
  { revoke }: { readonly revoke?: string | undefined },
): Promise<number> {
  const target = `${targetOf(path)}/invites`;
  if (revoke !== undefined)
    return change(context, `${target}/${encodeURIComponent(revoke)}`, "DELETE");
  await using api = await context.connect();
  const invites = (await ask(api, target)) as readonly InviteLine[];
  if (context.json) context.print(JSON.stringify(invites));
  else
    for (const { id, role = "-", uses, usedBy, notAfter, isRevoked } of invites) {
      const bound = uses === 0 ? "any number" : String(uses);
      const end = notAfter === undefined ? "no end" : new Date(notAfter).toISOString();
      context.print(
        [id, role, `${usedBy.length} of ${bound}`, isRevoked ? "taken back" : end].join("\t"),
      );
    }
  return EXIT.ok;
}

export async function grantRole(
  context: CommandContext,
  path: string,
  user: string,
  role: string,
): Promise<number> {
  checkRole(role);
  return change(context, `${targetOf(path)}/grant`, "POST", { user, role });
}

export async function ejectFromGroup(
  context: CommandContext,
  path: string,
  whom: string,
  {
    keepShared = false,
    incomplete = false,
  }: { readonly keepShared?: boolean | undefined; readonly incomplete?: boolean | undefined },
): Promise<number> {
  const who = whom.startsWith("did:key:") ? { user: whom } : { device: whom };
  const body = { ...who, keepsShared: keepShared, incomplete };
  return change(context, `${targetOf(path)}/eject`, "POST", body);
}

/** Ends with 0 also when something stays here alone: that is said. */
export async function leaveGroup(
  context: CommandContext,
  path: string,
  {
    wait = "30",
    lastAdmin = false,
  }: { readonly wait?: string | undefined; readonly lastAdmin?: boolean | undefined },
): Promise<number> {
  if (!/^\d{1,6}$/.test(wait)) throw new UsageError("--wait is a whole number of seconds");
  await using api = await context.connect();
  const left = (await ask(api, `${targetOf(path)}/leave`, {
    method: "POST",
    body: { waitMs: 1000 * Number(wait), lastAdmin },
  })) as { readonly onlyHere: readonly { readonly kind: string; readonly name: string }[] };
  if (context.json) context.print(JSON.stringify(left));
  for (const { kind, name } of left.onlyHere)
    context.say(`Of ${kind} "${name}" nobody else was seen to hold all that is here`);
  return EXIT.ok;
}

export async function destroyGroup(context: CommandContext, path: string): Promise<number> {
  return change(context, `${targetOf(path)}/destroy`, "POST");
}

const SERVICE = "/v1/service/users";

export async function allowUser(context: CommandContext, user: string): Promise<number> {
  await using api = await context.connect({ creates: true });
  await ask(api, SERVICE, { method: "POST", body: { user } });
  return EXIT.ok;
}

export async function denyUser(context: CommandContext, user: string): Promise<number> {
  return change(context, `${SERVICE}/${encodeURIComponent(user)}`, "DELETE");
}

export async function listUsers(context: CommandContext): Promise<number> {
  await using api = await context.connect();
  const users = (await ask(api, SERVICE)) as readonly string[];
  if (context.json) context.print(JSON.stringify(users));
  else for (const user of users) context.print(user);
  return EXIT.ok;
}
