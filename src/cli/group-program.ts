import type { Command } from "@commander-js/extra-typings";
import type { CommandContext } from "./context.ts";
import {
  allowUser,
  denyUser,
  destroyGroup,
  ejectFromGroup,
  grantRole,
  groupInvites,
  groupSpec,
  leaveGroup,
  listMembers,
  listUsers,
  publishGroup,
} from "./group-life-commands.ts";

/** Of what revokes. */
export const INCOMPLETE =
  "also while not everything of it is here: what they wrote that is not may be lost to everybody";

type Run = (command: (context: CommandContext) => Promise<number>) => Promise<void>;

/** What becomes of a syncgroup that is here. */
export function addGroupLifeCommands(group: Command, run: Run): void {
  group
    .command("publish")
    .description("publish a group at a peer that is usually there")
    .argument("<path>", "database/group")
    .argument("<addresses...>", "its multiaddrs, each ending in /p2p/<device>")
    .action((path, addresses) => run((context) => publishGroup(context, path, addresses)));
  group
    .command("spec")
    .description("print what a group is; with flags it is changed first")
    .argument("<path>", "database/group")
    .option("--description <text>", "for people")
    .option("--private", "its blobs are for members alone")
    .option("--public", "its blobs are for whoever has the reference")
    .option("--rendezvous <addresses...>", "where members look for each other")
    .option("--if-version <version>", "change it only while it has this version")
    .action((path, flags) => run((context) => groupSpec(context, path, flags)));
  group
    .command("members")
    .description("print who is in a group, and who was")
    .argument("<path>", "database/group")
    .action((path) => run((context) => listMembers(context, path)));
  group
    .command("invites")
    .description("print a group's invites, and how often each was used")
    .argument("<path>", "database/group")
    .option("--revoke <id>", "take this one back instead")
    .action((path, flags) => run((context) => groupInvites(context, path, flags)));
  group
    .command("grant")
    .description("give a user of a group another role")
    .argument("<path>", "database/group")
    .argument("<user>", "did:key:…")
    .argument("<role>", "reader, writer or admin")
    .action((path, user, role) => run((context) => grantRole(context, path, user, role)));
  group
    .command("eject")
    .description("take a user or a device out of a group and its collections")
    .argument("<path>", "database/group")
    .argument("<whom>", "did:key:…, or a device")
    .option("--keep-shared", "spare collections that they have by another group")
    .option("--incomplete", INCOMPLETE)
    .action((path, whom, flags) => run((context) => ejectFromGroup(context, path, whom, flags)));
  group
    .command("leave")
    .description("leave a group, when others have what is here; the copy stays")
    .argument("<path>", "database/group")
    .option("--wait <seconds>", "how long to wait for that (default 30)")
    .option("--last-admin", "also as the only admin: nobody comes in any more, you included")
    .action((path, flags) => run((context) => leaveGroup(context, path, flags)));
  group
    .command("destroy")
    .description("end a group for everybody, for ever")
    .argument("<path>", "database/group")
    .action((path) => run((context) => destroyGroup(context, path)));
}

/** Who may use this peer as a service. */
export function addServiceCommands(program: Command, run: Run): void {
  const service = program
    .command("service")
    .description("which users may publish their syncgroups at this peer");
  service
    .command("allow")
    .description("let a user publish here")
    .argument("<user>", "did:key:…")
    .action((user) => run((context) => allowUser(context, user)));
  service
    .command("deny")
    .description("take that back; what is published stays")
    .argument("<user>", "did:key:…")
    .action((user) => run((context) => denyUser(context, user)));
  service
    .command("list")
    .description("print those users")
    .action(() => run((context) => listUsers(context)));
}
