/** The commands: their names, arguments and flags. What they do is in functions of a context. */

import { Command } from "@commander-js/extra-typings";
import { blobStatus, fetchBlob, getBlob, putBlob } from "./blob-commands.ts";
import { backup, doctor, restore, verify } from "./care-commands.ts";
import { chunksStatus } from "./chunk-commands.ts";
import {
  clearCollection,
  createCollection,
  destroyCollection,
  listCollections,
  listQuarantined,
} from "./collection-commands.ts";
import type { CommandContext } from "./context.ts";
import { conflicts, del, get, put, scan, watch } from "./data-commands.ts";
import { linkDevice, listDevices, pairDevice, revokeDevice } from "./device-commands.ts";
import { demo } from "./demo.ts";
import { addGroupLifeCommands, addServiceCommands, INCOMPLETE } from "./group-program.ts";
import { createGroup, inviteToGroup, joinGroup, listGroups, showGroup } from "./group-commands.ts";
import { serve } from "./serve-command.ts";
import { pause, peers, resume, status } from "./status-commands.ts";

/** What the command line is read with. */
export interface ProgramWorld {
  /** A context for a command with these global flags. */
  context(flags: GlobalFlags): CommandContext;
  /** Takes what a command ends with. */
  end(code: number): void;
  readonly version: string;
  readonly defaultPath: string;
}

// A type, not an interface: the library wants an index signature, which only types have by themselves.
export type GlobalFlags = {
  readonly path: string;
  readonly json?: true | undefined;
  readonly stdin?: true | undefined;
};

/** The program. Nothing runs before `parseAsync`. */
export function createProgram(world: ProgramWorld): Command<[], GlobalFlags> {
  const program = new Command("rookery")
    .description("A local-first database that synchronises peer to peer, rows and files alike")
    .version(world.version, "--version", "print the version of this package")
    .option("--path <folder>", "the peer's folder", world.defaultPath)
    .option("--json", "data as JSON")
    .option("--stdin", "end when standard input ends: for processes that start this one")
    .exitOverride();
  const run = async (command: (context: CommandContext) => Promise<number>): Promise<void> => {
    world.end(await command(world.context(program.opts())));
  };

  program
    .command("demo")
    .description(
      "a small flock on this machine: rows and photographs travelling, a device offline, a conflict",
    )
    .option("--once", "end after the proof instead of staying up")
    .action((flags) => run((context) => demo(context, { once: flags.once === true })));
  program
    .command("serve")
    .description("run a peer until Ctrl-C; the other commands then talk to it")
    .option("--name <name>", "the device's name, taken when it is first opened")
    .option("--listen <multiaddr...>", "where to listen, like /ip4/0.0.0.0/tcp/4001")
    .option("--no-fetch", "as a storage peer, keep what neighbours bring and fetch nothing")
    .option("--chunk-bytes <count>", "bytes that the chunks of blobs may take on the disk")
    .option("--mdns", "be found on the local network, which learns this device's key and addresses")
    .option("--relay", "relay others to each other: for peers that are always on")
    .option("--through <multiaddr...>", "relays to be reached through, each ending in /p2p/…")
    .option(
      "--rendezvous <multiaddr...>",
      "where members of syncgroups find each other, each ending in /p2p/…",
    )
    .option("--rendezvous-server", "be such a place for others: for peers that are always on")
    .option("--ntp <server...>", "NTP servers to ask for the time, like pool.ntp.org")
    .action((flags) => run((context) => serve(context, { ...flags, path: program.opts().path })));
  program
    .command("status")
    .description("what this peer is")
    .action(() => run(status));
  program
    .command("peers")
    .description("whom it shares with, and how far each is")
    .action(() => run(peers));
  program
    .command("pause")
    .description("send and take nothing of a database until it is resumed, also after a restart")
    .argument("<database>")
    .action((database) => run((context) => pause(context, database)));
  program
    .command("resume")
    .description("sync a database again that was paused")
    .argument("<database>")
    .action((database) => run((context) => resume(context, database)));
  addDataCommands(program, run);
  addCollectionCommands(program, run);
  addBlobCommands(program, run);
  addGroupCommands(program, run);
  addServiceCommands(program, run);
  addDeviceCommands(program, run);
  return program;
}

type Run = (command: (context: CommandContext) => Promise<number>) => Promise<void>;

function addDeviceCommands(program: Command<[], GlobalFlags>, run: Run): void {
  const device = program.command("device").description("the devices of this peer's user");
  device
    .command("pair")
    .description(
      "print a ticket by which another device becomes this user's: show it to nobody else",
    )
    .option("--expires <seconds>", "how long it is good: ten minutes unless said, a day at most")
    .action((flags) => run((context) => pairDevice(context, flags)));
  device
    .command("link")
    .description(
      "make this device, on which there is nothing yet, another one of the ticket's user",
    )
    .argument("<ticket>")
    .action((ticket) => run((context) => linkDevice(context, ticket)));
  device
    .command("revoke")
    .description("take a device out, for good: nothing that it writes from now on counts")
    .argument("<device>")
    .option("--incomplete", INCOMPLETE)
    .action((name, flags) => run((context) => revokeDevice(context, name, flags)));
  device
    .command("list")
    .description("this user's devices, as far as their syncgroups know them")
    .action(() => run(listDevices));
}

function addDataCommands(program: Command<[], GlobalFlags>, run: Run): void {
  program
    .command("get")
    .description("print a row")
    .argument("<path>", "database/collection/key")
    .action((path) => run((context) => get(context, path)));
  program
    .command("put")
    .description("write a row")
    .argument("<path>", "database/collection/key")
    .argument("<value>", "JSON, or a text")
    .action((path, value) => run((context) => put(context, path, value)));
  program
    .command("del")
    .description("delete a row")
    .argument("<path>", "database/collection/key")
    .action((path) => run((context) => del(context, path)));
  program
    .command("scan")
    .description("print rows in key order")
    .argument("<path>", "database/collection, or with a key prefix")
    .option("--prefix <text>", "only keys that begin with it")
    .option("--start <key>", "first key")
    .option("--end <key>", "key before which it ends")
    .option("--limit <count>", "rows at most")
    .option("--reverse", "from the last key to the first")
    .action((path, flags) => run((context) => scan(context, path, flags)));
  program
    .command("watch")
    .description("print rows and every change until Ctrl-C")
    .argument("<path>", "database/collection, or with a key prefix")
    .action((path) => run((context) => watch(context, path)));
  program
    .command("conflicts")
    .description("print the values of a row that was written at the same time")
    .argument("<path>", "database/collection/key")
    .action((path) => run((context) => conflicts(context, path)));
}

function addCollectionCommands(program: Command<[], GlobalFlags>, run: Run): void {
  const collection = program.command("collection").description("collections as a whole");
  collection
    .command("list")
    .description("print those that are here, and what this peer's user may do in each")
    .argument("<database>")
    .action((database) => run((context) => listCollections(context, database)));
  collection
    .command("create")
    .description("make one that is not there yet")
    .argument("<path>", "database/collection")
    .action((path) => run((context) => createCollection(context, path)));
  collection
    .command("clear")
    .description("delete its rows, or those within bounds")
    .argument("<path>", "database/collection")
    .option("--prefix <text>", "only keys that begin with it")
    .option("--start <key>", "first key")
    .option("--end <key>", "key before which it ends")
    .action((path, flags) => run((context) => clearCollection(context, path, flags)));
  collection
    .command("quarantined")
    .description("print what this device wrote there and counts no more")
    .argument("<path>", "database/collection")
    .action((path) => run((context) => listQuarantined(context, path)));
  collection
    .command("destroy")
    .description("take it from everybody who has it, for ever")
    .argument("<path>", "database/collection")
    .action((path) => run((context) => destroyCollection(context, path)));
}

function addBlobCommands(program: Command<[], GlobalFlags>, run: Run): void {
  const blob = program.command("blob").description("files as blobs, named by their content");
  blob
    .command("put")
    .description("store a file and print its reference")
    .argument("<file>", "a file, or - for standard input")
    .option("--type <media type>", "what it is (default: by the file's name)")
    .option("--row <path>", "also put a row that names it: database/collection/key")
    .action((file, flags) => run((context) => putBlob(context, file, flags)));
  blob
    .command("get")
    .description("print a blob's bytes")
    .argument("<ref>", "blob:…")
    .option("--output <file>", "into a file, there whole or not at all; - is standard output")
    .option("--start <byte>", "first byte")
    .option("--end <byte>", "byte before which it ends")
    .action((ref, flags) => run((context) => getBlob(context, ref, flags)));
  blob
    .command("fetch")
    .description("get what is not here from whoever has it")
    .argument("<ref>", "blob:…")
    .action((ref) => run((context) => fetchBlob(context, ref)));
  blob
    .command("status")
    .description("print how much of a blob is here")
    .argument("<ref>", "blob:…")
    .action((ref) => run((context) => blobStatus(context, ref)));
  program
    .command("backup")
    .description("write a backup of all that is here, also of a running peer")
    .argument("<file>")
    .option("--identity", "with the keys of this device: whoever has the file is the device")
    .option("--blobs", "with the bytes of blobs")
    .action((file, flags) => run((context) => backup(context, file, flags)));
  program
    .command("restore")
    .description("make the folder of --path from a backup")
    .argument("<file>")
    .action((file) => run((context) => restore(context, file)));
  program
    .command("verify")
    .description("look through the store: does all of it keep to the rules?")
    .action(() => run(verify));
  program
    .command("doctor")
    .description("set right what can be in a store that no peer has open")
    .option("--fix", "do it, instead of saying what would be done")
    .action((flags) => run((context) => doctor(context, flags.fix === true)));
  program
    .command("chunks")
    .description("what blobs are made of")
    .command("status")
    .description("print what is stored of them, and how far storage networks are")
    .action(() => run(chunksStatus));
}

function addGroupCommands(program: Command<[], GlobalFlags>, run: Run): void {
  const group = program.command("group").description("syncgroups: sharing collections");
  group
    .command("create")
    .description("share collections")
    .argument("<path>", "database/group")
    .argument("<collections...>", "names of collections")
    .option("--description <text>", "for people")
    .action((path, collections, flags) =>
      run((context) => createGroup(context, path, collections, flags)),
    );
  group
    .command("invite")
    .description("print a ticket to join by")
    .argument("<path>", "database/group")
    .option("--role <role>", "reader, writer or admin (default writer)")
    .option("--uses <count>", "users it admits; 0 for any number (default 1)")
    .option("--expires <seconds>", "seconds from now after which it admits nobody")
    .action((path, flags) => run((context) => inviteToGroup(context, path, flags)));
  group
    .command("join")
    .description("join by a ticket")
    .argument("<database>")
    .argument("<ticket>")
    .option(
      "--type <type>",
      "normal, leaf, or server: a storage peer, which keeps all of its blobs",
    )
    .action((database, ticket, flags) =>
      run((context) => joinGroup(context, database, ticket, flags)),
    );
  group
    .command("list")
    .description("print the groups of a database")
    .argument("<database>")
    .action((database) => run((context) => listGroups(context, database)));
  group
    .command("show")
    .description("print a group's members and progress")
    .argument("<path>", "database/group")
    .action((path) => run((context) => showGroup(context, path)));
  addGroupLifeCommands(group, run);
}
