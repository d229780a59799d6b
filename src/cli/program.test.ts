/** Commands as they are, in this process: what they print, say and end with. */

import { readdir, rm } from "node:fs/promises";
import { expect, test, vi } from "vitest";
import { connectToApi } from "../peer/index.ts";
import { tempFolder } from "../testkit/temp-folder.ts";
import { createProgram } from "./program.ts";
import { EXIT, exitOf, patiently } from "./usage.ts";

interface Ended {
  readonly code: number;
  readonly out: string[];
  readonly err: string[];
}

/** A command that goes on. */
interface Running extends AsyncDisposable {
  /** Its first line of data. */
  readonly first: Promise<string>;
  readonly ended: Promise<Ended>;
}

function run(path: string, ...args: readonly string[]): Running {
  const ending = new AbortController();
  const [out, err]: [string[], string[]] = [[], []];
  const first = Promise.withResolvers<string>();
  let code: number = EXIT.ok;
  const program = createProgram({
    context: (flags) => ({
      print: (line) => {
        out.push(line);
        first.resolve(line);
      },
      say: (line) => void err.push(line),
      output: () => Promise.resolve(),
      input: () => expect.unreachable(),
      terminal: undefined,
      json: flags.json === true,
      signal: ending.signal,
      path: flags.path,
      connect: ({ creates } = { creates: false }) => connectToApi(flags.path, { creates }),
    }),
    end: (ended) => (code = ended),
    version: "0",
    defaultPath: path,
  });
  program.configureOutput({ writeErr: (text) => void err.push(text) });
  const ended = program
    .parseAsync(["node", "rookery", ...args])
    .catch((error: unknown) => {
      code = exitOf(error, (line) => err.push(line), ending.signal);
    })
    .then(() => ({ code, out, err }));
  return {
    first: first.promise,
    ended,
    async [Symbol.asyncDispose]() {
      ending.abort();
      await ended;
    },
  };
}

const rookery = (path: string, ...args: readonly string[]): Promise<Ended> =>
  run(path, ...args).ended;

const LISTEN = ["--listen", "/ip4/127.0.0.1/tcp/0"];
/** Two peers meet within seconds, on a machine that has other things to do within half a minute. */
const WAIT = { timeout: 30_000, interval: 50 };

/** Serves a folder; what it has said of itself, and its address. */
async function serve(path: string, name: string): Promise<Running & { readonly address: string }> {
  const running = run(path, "--json", "serve", "--name", name, ...LISTEN);
  const { serving } = JSON.parse(await running.first) as { serving: { addresses: string[] } };
  return { ...running, address: serving.addresses[0] ?? expect.unreachable() };
}

test("[CL20] what only asks makes no peer", async () => {
  await using temp = await tempFolder();
  const path = temp.at("a");
  for (const args of [
    ["status"],
    ["peers"],
    ["pause", "notes"],
    ["get", "notes/todos/milk"],
    ["scan", "notes/todos"],
    ["watch", "notes/todos"],
    ["del", "notes/todos/milk"],
    ["group", "list", "notes"],
    ["device", "list"],
    ["collection", "list", "notes"],
    ["verify"],
    ["doctor"],
    ["backup", temp.at("file")],
  ]) {
    const { code, out, err } = await rookery(path, ...args);
    expect([code, out], args.join(" ")).toEqual([EXIT.failed, []]);
    expect(err.join()).toMatch(/^PEER_STORE_MISSING: /);
  }
  const misspelt = await rookery(path, "serve", "--name", "wrong", "--listen", "nonsense");
  expect([misspelt.code, misspelt.err.join()]).toEqual([
    EXIT.failed,
    expect.stringMatching(/^NET_ADDRESS_INVALID: /),
  ]);
  expect(await readdir(temp.path)).toEqual([]);
  expect((await rookery(path, "put", "notes/todos/milk", "1")).code).toBe(EXIT.ok);
  expect((await rookery(path, "get", "notes/todos/milk")).out).toEqual(["1"]);
});

test("[CL20] a name that comes too late is told to be so", async () => {
  await using temp = await tempFolder();
  await (await serve(temp.at("a"), "ada"))[Symbol.asyncDispose]();
  const again = await serve(temp.at("a"), "eve");
  await again[Symbol.asyncDispose]();
  expect((await again.ended).err.join()).toContain('named "ada"');
});

test("[CL11] who comes while a watch has the store to itself is told what to do", async () => {
  await using temp = await tempFolder();
  const path = temp.at("a");
  expect((await rookery(path, "put", "notes/todos/milk", "1")).code).toBe(EXIT.ok);
  await using watching = run(path, "watch", "notes/todos");
  await watching.first;
  const told: readonly [RegExp, ...string[]][] = [
    [
      /^STORE_LOCKED: .*; another command has it.*: end that command.*$/,
      "put",
      "notes/todos/a",
      "2",
    ],
    [/^STORE_LOCKED: .*end whatever else has it open, first$/, "serve"],
    [/^STORE_LOCKED: .*end whatever else has it open, first$/, "doctor", "--fix"],
  ];
  for (const [help, ...args] of told) {
    const { code, err } = await rookery(path, ...args);
    expect([code, err.join("\n")]).toEqual([EXIT.failed, expect.stringMatching(help)]);
  }
});

test("[CL11] what needs the store to itself is told to stop the peer that runs", async () => {
  await using temp = await tempFolder();
  const path = temp.at("a");
  await using _peer = await serve(path, "ada");
  for (const args of [["serve"], ["doctor", "--fix"]]) {
    const { code, err } = await rookery(path, ...args);
    expect([code, err.join("\n")]).toEqual([
      EXIT.failed,
      expect.stringMatching(/^STORE_LOCKED: .*: stop the peer that is running here .*$/),
    ]);
  }
});

test("[CL3] a role that is none is a wrong command line", async () => {
  await using temp = await tempFolder();
  for (const args of [
    ["group", "invite", "notes/home", "--role", "king"],
    ["group", "grant", "notes/home", "did:key:z6Mk", "king"],
  ]) {
    const { code, err } = await rookery(temp.at("a"), ...args);
    expect([code, err.join()]).toEqual([EXIT.usage, "A role is reader, writer or admin"]);
  }
});

test("[CL2] bounds that do not go together are a wrong command line", async () => {
  await using temp = await tempFolder();
  const path = temp.at("a");
  for (const args of [
    ["scan", "notes/todos", "--prefix", "a", "--start", "b"],
    ["scan", "notes/todos/a", "--end", "b"],
    ["collection", "clear", "notes/todos", "--prefix", "a", "--end", "b"],
  ]) {
    const { code, err } = await rookery(path, ...args);
    expect([code, err.join()]).toEqual([
      EXIT.usage,
      "Rows are bounded by a prefix, or by --start and --end",
    ]);
  }
});

test("[CL2] what is asked of a database that is not there is absent", async () => {
  await using temp = await tempFolder();
  const path = temp.at("a");
  expect((await rookery(path, "put", "notes/todos/milk", "1")).code).toBe(EXIT.ok);
  for (const args of [
    ["get", "none/todos/milk"],
    ["scan", "none/todos"],
    ["conflicts", "none/todos/milk"],
    ["collection", "list", "none"],
    ["group", "list", "none"],
  ]) {
    const { code, out } = await rookery(path, ...args);
    expect([code, out], args.join(" ")).toEqual([EXIT.absent, []]);
  }
});

test("[CL25] a command waits for a store that another one has for a moment", async () => {
  await using temp = await tempFolder();
  const path = temp.at("a");
  const first = await connectToApi(path);
  const second = patiently(() => connectToApi(path));
  await new Promise((resolve) => setTimeout(resolve, 200));
  await first[Symbol.asyncDispose]();
  await using api = await second;
  expect(api.isServed).toBe(false);
});

test("[CL23] nobody is paired by a peer that would end with the command", async () => {
  await using temp = await tempFolder();
  const path = temp.at("a");
  expect(await rookery(path, "device", "pair")).toMatchObject({ code: EXIT.failed, out: [] });
  expect((await rookery(path, "put", "notes/todos/milk", "1")).code).toBe(EXIT.ok);
  expect(await rookery(path, "device", "pair")).toMatchObject({ code: EXIT.usage, out: [] });
});

test("[CL24] a scan says which rows are in conflict", async () => {
  await using temp = await tempFolder();
  const [a, b] = [temp.at("a"), temp.at("b")];
  const put = async (path: string, value: string): Promise<void> =>
    expect((await rookery(path, "put", "notes/todos/milk", value)).code).toBe(EXIT.ok);
  await using _ada = await serve(a, "ada");
  await put(a, "1");
  expect((await rookery(a, "group", "create", "notes/home", "todos")).code).toBe(EXIT.ok);
  const [ticket = ""] = (await rookery(a, "group", "invite", "notes/home", "--role", "writer")).out;
  {
    await using _ben = await serve(b, "ben");
    expect((await rookery(b, "group", "join", "notes", ticket)).code).toBe(EXIT.ok);
    await vi.waitFor(async () => {
      expect((await rookery(b, "scan", "notes/todos")).out).toEqual(["milk\t1"]);
    }, WAIT);
  }
  await put(b, "3");
  await put(a, "2");
  await using _ben = await serve(b, "ben");
  await vi.waitFor(async () => {
    const { out } = await rookery(a, "scan", "notes/todos");
    expect(out[0]).toMatch(/^milk\t[23]\t\(conflict\)$/);
  }, WAIT);
  const [line = ""] = (await rookery(a, "--json", "scan", "notes/todos")).out;
  expect(JSON.parse(line)).toMatchObject({ key: "milk", conflict: true });
});

test("[CL3] groups of one name are listed with their owners", async () => {
  await using temp = await tempFolder();
  const [a, b] = [temp.at("a"), temp.at("b")];
  await using _ada = await serve(a, "ada");
  await using _ben = await serve(b, "ben");
  expect((await rookery(a, "group", "create", "notes/home", "todos")).code).toBe(EXIT.ok);
  const [ticket = ""] = (await rookery(a, "group", "invite", "notes/home")).out;
  for (const args of [
    ["join", "notes", ticket],
    ["create", "notes/home", "mine"],
    ["create", "notes/work", "mine"],
  ])
    expect(await rookery(b, "group", ...args)).toMatchObject({ code: EXIT.ok });
  const users = await Promise.all(
    [a, b].map(async (path) => {
      const [line = ""] = (await rookery(path, "--json", "status")).out;
      return (JSON.parse(line) as { readonly user: string }).user;
    }),
  );
  const listed = (await rookery(b, "group", "list", "notes")).out;
  const names = listed.map((line) => line.split("\t")[0]);
  expect(new Set(names)).toEqual(new Set([...users.map((user) => `home@${user}`), "work"]));
  const { code, err } = await rookery(b, "group", "show", "notes/home");
  expect([code, err.join()]).toEqual([EXIT.absent, expect.stringContaining("say whose")]);
});

test("[CL19] one row is one row, and one member one member", async () => {
  await using temp = await tempFolder();
  const path = temp.at("a");
  for (const key of ["a", "b", "c"]) await rookery(path, "put", `notes/todos/${key}`, "1");
  const clear = ["collection", "clear", "notes/todos"];
  expect((await rookery(path, ...clear, "--prefix", "a")).out).toEqual(["1 row deleted"]);
  expect((await rookery(path, ...clear)).out).toEqual(["2 rows deleted"]);
  await rookery(path, "group", "create", "notes/home", "todos");
  expect((await rookery(path, "group", "list", "notes")).out.join()).toContain("\t1 member\t");
});

test("[CL3] [CL19] what asks for something of a database or collection that is not there makes none, and says so", async () => {
  await using temp = await tempFolder();
  const path = temp.at("a");
  await rookery(path, "put", "notes/todos/milk", "1");
  for (const args of [
    ["del", "ghost/todos/milk"],
    ["collection", "clear", "ghost/todos"],
    ["collection", "destroy", "ghost/todos"],
    ["group", "invite", "ghost/home"],
    ["group", "leave", "ghost/home"],
    ["group", "destroy", "ghost/home"],
  ]) {
    const { code, err } = await rookery(path, ...args);
    expect([code, err.join()], args.join(" ")).toEqual([
      EXIT.absent,
      expect.stringMatching(/^API_NO_DATABASE: /),
    ]);
  }
  const join = await rookery(path, "group", "join", "ghost", "rookery:hello");
  expect([join.code, join.err.join()]).toEqual([
    EXIT.failed,
    expect.stringMatching(/^ACCESS_TICKET_INVALID: /),
  ]);
  const typo = await rookery(path, "collection", "destroy", "notes/todo");
  expect([typo.code, typo.err.join()]).toEqual([
    EXIT.absent,
    expect.stringMatching(/^API_NO_COLLECTION: /),
  ]);
  expect((await rookery(path, "status")).out.join("\n")).not.toContain("ghost");
  expect((await rookery(path, "collection", "destroy", "notes/todos")).code).toBe(EXIT.ok);
});

test("[CL21] a number that would be another one is refused", async () => {
  await using temp = await tempFolder();
  const path = temp.at("a");
  expect((await rookery(path, "put", "notes/todos/far", "1e400")).code).toBe(EXIT.usage);
  expect((await rookery(path, "put", "notes/todos/zero", "-0")).code).toBe(EXIT.ok);
  expect((await rookery(path, "get", "notes/todos/zero")).out).toEqual(['{"$number":"-0"}']);
  const refused = await rookery(path, "put", "notes/todos/big", "9007199254740993");
  expect([refused.code, refused.err.join()]).toEqual([
    EXIT.usage,
    expect.stringContaining("$bigint"),
  ]);
  const big = '{"$bigint":"9007199254740993"}';
  expect((await rookery(path, "put", "notes/todos/big", big)).code).toBe(EXIT.ok);
  expect((await rookery(path, "get", "notes/todos/big")).out).toEqual([big]);
});

test("[CL3] [CL19] [CL22] [CL26] a group is shared, published, paused, ended for one, and comes back from a backup", async () => {
  await using temp = await tempFolder();
  const [a, b, c, file] = ["a", "b", "c", "file"].map((name) => temp.at(name)) as [
    string,
    string,
    string,
    string,
  ];
  const ok = async (path: string, ...args: readonly string[]): Promise<string> => {
    const { code, out, err } = await rookery(path, ...args);
    expect([code, args.join(" "), code === EXIT.ok ? "" : err.join()]).toEqual([
      EXIT.ok,
      args.join(" "),
      "",
    ]);
    return out.join();
  };
  const until = async (path: string, args: readonly string[], text: string): Promise<void> => {
    while (!(await rookery(path, ...args)).out.join().includes(text))
      await new Promise((resolve) => setTimeout(resolve, 20));
  };
  await using server = await serve(c, "always on");
  await using ben = await serve(b, "ben");
  let ada = await serve(a, "ada");
  try {
    await ok(a, "put", "notes/todos/milk", '"one"');
    const { user } = JSON.parse(await ok(a, "--json", "status")) as { user: string };
    await ok(c, "service", "allow", user);
    await ok(a, "group", "create", "notes/home", "todos");
    await ok(a, "group", "publish", "notes/home", server.address);
    await until(a, ["--json", "group", "show", "notes/home"], '"status":"running"');
    const ticket = await ok(a, "group", "invite", "notes/home");
    await ok(b, "group", "join", "notes", ticket);
    await until(b, ["scan", "notes/todos"], "milk");
    await ok(b, "pause", "notes");
    expect(await ok(b, "status")).toContain("database\tnotes\tpaused");
    await ok(a, "put", "notes/todos/tea", "1");
    await until(c, ["scan", "notes/todos"], "tea");
    expect(await ok(b, "scan", "notes/todos")).not.toContain("tea");
    await ok(b, "resume", "notes");
    await until(b, ["scan", "notes/todos"], "tea");
    const typo = await rookery(b, "pause", "note");
    expect(typo.err.join()).toMatch(/^API_NO_DATABASE: /);
    await ok(a, "backup", file, "--identity");
    expect((await rookery(a, "restore", file)).err.join()).toMatch(/^BACKUP_OCCUPIED: /);
    expect([await ok(a, "verify"), await ok(c, "verify")]).toEqual(["", ""]);
    expect((await rookery(a, "doctor", "--fix")).err.join()).toMatch(/^STORE_LOCKED: /);
    await ada[Symbol.asyncDispose]();
    await ok(a, "doctor", "--fix");
    await rm(a, { recursive: true });
    await ok(a, "restore", file);
    const verified = await rookery(a, "verify");
    expect([verified.code, verified.out.join()]).toEqual([EXIT.ok, ""]);
    // Milk and tea; what the group has of itself is no row of a collection.
    expect(verified.err.join("\n")).toMatch(
      /^looked at 1 database, 1 collection, 1 syncgroup, 2 rows, \d+ parts of commits, notes of 0 chunks\nnothing found$/,
    );
    ada = await serve(a, "ada");
    expect(JSON.parse(await ok(a, "--json", "status"))).toMatchObject({ user, name: "ada" });
    await ok(a, "put", "notes/todos/eggs", "6");
    await until(b, ["scan", "notes/todos"], "eggs");
    const { user: theirs } = JSON.parse(await ok(b, "--json", "status")) as { user: string };
    await ok(b, "pause", "notes");
    await ok(b, "put", "notes/todos/late", '"on the train"');
    await ok(a, "group", "eject", "notes/home", theirs);
    await ok(b, "resume", "notes");
    await until(b, ["--json", "group", "show", "notes/home"], '"status":"ejected"');
    expect((await rookery(b, "get", "notes/todos/late")).code).toBe(EXIT.absent);
    expect(await ok(b, "collection", "quarantined", "notes/todos")).toMatch(
      /^late\t"on the train"\t20\d\d-/,
    );
    expect(await ok(a, "collection", "quarantined", "notes/todos")).toBe("");
    // Who was ejected is shown, and not counted: there are the owner and the peer that is always on.
    expect(await ok(a, "group", "show", "notes/home")).toContain("(ejected)");
    expect(await ok(a, "group", "list", "notes")).toContain("\t2 members\t");
    const late = await rookery(b, "put", `notes/todos@${user}/late`, "1");
    expect([late.code, late.err.join()]).toEqual([EXIT.failed, expect.stringMatching(/^DB_/)]);
    const wrong = await rookery(b, "group", "join", "notes", "rookery:abc");
    expect([wrong.code, wrong.err.join()]).toEqual([
      EXIT.failed,
      expect.stringMatching(/^ACCESS_TICKET_INVALID: /),
    ]);
  } finally {
    await ada[Symbol.asyncDispose]();
  }
  expect((await ben.first).length).toBeGreaterThan(0);
});
