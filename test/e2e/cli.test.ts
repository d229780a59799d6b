import { chmod, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openPeer } from "../../src/peer/index.ts";
import { spawnChild, tempFolder } from "../../src/testkit/index.ts";
import { rookery, rookeryWith, runRookery, serve } from "./rookery.ts";

test("[CL1] without a running peer commands open the store themselves", async () => {
  await using temp = await tempFolder();
  const folder = temp.path;
  const path = join(folder, "a");
  expect(await rookery("--path", path, "put", "notes/todos/milk", '{"text":"Buy milk"}')).toEqual({
    code: 0,
    out: "",
    err: "",
  });
  expect((await rookery("--path", path, "get", "notes/todos/milk")).out).toBe(
    '{"text":"Buy milk"}\n',
  );
  expect(await rookery("--path", path, "get", "notes/todos/eggs")).toMatchObject({
    code: 3,
    out: "",
  });
  expect((await rookery("--path", path, "scan", "notes/todos")).out).toBe(
    'milk\t{"text":"Buy milk"}\n',
  );
  expect((await rookery("--path", path, "--json", "scan", "notes/todos")).out).toBe(
    '{"key":"milk","value":{"text":"Buy milk"}}\n',
  );
  const broken = await rookery("--path", path, "put", "notes/todos/odd", '{"text": ');
  expect(broken).toMatchObject({ code: 0, err: "Stored as a text: it is no JSON\n" });
  expect((await rookery("--path", path, "del", "notes/todos/odd")).code).toBe(0);
  expect((await rookery("--path", path, "group", "show", "notes/none")).code).toBe(3);
  expect((await rookery("--path", path, "del", "notes/todos/milk")).code).toBe(0);
  expect((await rookery("--path", path, "scan", "notes/todos")).out).toBe("");
});

test("[CL19] collections are made, listed, emptied and destroyed", async () => {
  await using temp = await tempFolder();
  const path = join(temp.path, "a");
  const run = (...args: string[]): ReturnType<typeof rookery> => rookery("--path", path, ...args);
  expect((await run("collection", "create", "notes/todos")).code).toBe(0);
  const again = await run("collection", "create", "notes/todos");
  expect(again).toMatchObject({ code: 1, out: "" });
  expect(again.err).toMatch(/^DB_COLLECTION_EXISTS: /);
  expect((await run("collection", "list", "notes")).out).toMatch(/^todos@did:key:\S+\tadmin\n$/);
  await run("put", "notes/todos/bb", "1");
  const cleared = await run("--json", "collection", "clear", "notes/todos", "--prefix", "b");
  expect(cleared.out).toBe('{"deleted":1}\n');
  expect((await run("collection", "destroy", "notes/todos")).code).toBe(0);
  expect((await run("get", "notes/todos/a")).err).toMatch(/^DB_COLLECTION_DESTROYED: /);
});

test("[CL2] a wrong command line ends with 2, what failed with 1 and a code on standard error", async () => {
  await using temp = await tempFolder();
  const folder = temp.path;
  const file = join(folder, "file");
  await writeFile(file, "no folder");
  for (const args of [
    ["nonsense"],
    ["get"],
    ["get", "no-slash"],
    ["scan", "a/b", "--limit", "many"],
    ["group", "show", "a"],
  ]) {
    const ended = await rookery("--path", join(folder, "a"), ...args);
    expect(ended).toMatchObject({ code: 2, out: "" });
    expect(ended.err).not.toBe("");
  }
  const refused = await rookery("--path", file, "status");
  expect(refused).toMatchObject({ code: 1, out: "" });
  expect(refused.err).toMatch(/^PEER_PATH_INVALID: /);
  const badTicket = await rookery(
    "--path",
    join(folder, "a"),
    "group",
    "join",
    "notes",
    "rookery:abc",
  );
  expect(badTicket).toMatchObject({ code: 1, out: "" });
  expect(badTicket.err).toMatch(/^ACCESS_TICKET_INVALID: /);
});

test("[CL17] the version is that of the package, and needs no folder", async () => {
  await using temp = await tempFolder();
  const text = await readFile(new URL("../../package.json", import.meta.url), "utf8");
  const { version } = JSON.parse(text) as { version: string };
  const ended = await rookery("--path", temp.at("a"), "--version");
  expect(ended).toEqual({ code: 0, out: `${version}\n`, err: "" });
  expect(await readdir(temp.path)).toEqual([]);
});

test("[CL3] two served peers share a group by the command line alone", async () => {
  await using temp = await tempFolder();
  const folder = temp.path;
  const [a, b] = [join(folder, "a"), join(folder, "b")];
  await using _first = await serve(a, "ada");
  await using second = await serve(b, "ben");
  await rookery("--path", a, "put", "notes/todos/milk", '"one"');
  expect((await rookery("--path", a, "group", "create", "notes/home", "todos")).code).toBe(0);
  const ticket = (await rookery("--path", a, "group", "invite", "notes/home")).out.trim();
  const joined = await rookery("--path", b, "--json", "group", "join", "notes", ticket);
  expect(joined.code).toBe(0);
  await using watching = runRookery("--path", b, "--json", "--stdin", "watch", "notes/todos");
  await untilLine(watching, (line) => line.includes('"milk"'));
  await rookery("--path", a, "put", "notes/todos/eggs", "6");
  await untilLine(watching, (line) => line.includes('"eggs"') && line.includes('"fromSync":true'));
  expect((await rookery("--path", b, "get", "notes/todos/eggs")).out).toBe("6\n");
  const shown = JSON.parse(
    (await rookery("--path", b, "--json", "group", "show", "notes/home")).out,
  ) as { members: { name: string }[]; status: string };
  expect(shown.members.map(({ name }) => name).sort()).toEqual(["ada", "ben"]);
  const peers = JSON.parse((await rookery("--path", b, "--json", "peers")).out) as {
    name: string;
    isConnected: boolean;
  }[];
  expect(peers).toMatchObject([{ name: "ada", isConnected: true }]);
  const usedUp = await rookery("--path", join(folder, "c"), "group", "join", "notes", ticket);
  expect(usedUp).toMatchObject({ code: 1 });
  expect(usedUp.err).toMatch(/^SYNC_INVITE_USED_UP: /);
  const altered = await rookery(
    "--path",
    b,
    "group",
    "join",
    "notes",
    `${ticket.slice(0, -1)}${ticket.endsWith("A") ? "B" : "A"}`,
  );
  expect(altered.err).toMatch(/^ACCESS_TICKET_INVALID: /);
  // Ends though a watch is open.
  second.child.kill("SIGTERM");
  expect(await second.ended).toBe(0);
});

test("[CL4] a second owner of a folder is told so, and the first goes on", async () => {
  await using temp = await tempFolder();
  const folder = temp.path;
  const path = join(folder, "a");
  await using _first = await serve(path, "ada");
  const second = await rookery("--path", path, "serve", "--listen", "/ip4/127.0.0.1/tcp/0");
  expect(second).toMatchObject({ code: 1, out: "" });
  expect(second.err).toMatch(/^STORE_LOCKED: /);
  expect(second.err.trim().split("\n")).toHaveLength(1);
  expect((await rookery("--path", path, "put", "a/b/c", "1")).code).toBe(0);
});

test("[CL5] a port that is taken is told so", async () => {
  await using temp = await tempFolder();
  const folder = temp.path;
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  try {
    const ended = await rookery(
      "--path",
      join(folder, "a"),
      "serve",
      "--listen",
      `/ip4/127.0.0.1/tcp/${port}`,
    );
    expect(ended).toMatchObject({ code: 1, out: "" });
    expect(ended.err).toMatch(/^NET_ADDRESS_IN_USE: /);
  } finally {
    server.close();
  }
});

test("[CL6] keys, folder and socket are this user's alone", async () => {
  await using temp = await tempFolder();
  const folder = temp.path;
  const path = join(folder, "a");
  await using _peer = await serve(path, "ada");
  const mode = async (name: string): Promise<number> => (await stat(join(path, name))).mode & 0o777;
  expect(await mode(".")).toBe(0o700);
  for (const name of ["device.key", "user.key", "device.cert", "api.sock"])
    expect(await mode(name)).toBe(0o600);
});

test("[CL7] a peer killed leaves a socket behind, and the next takes it over", async () => {
  await using temp = await tempFolder();
  const folder = temp.path;
  const path = join(folder, "a");
  {
    await using killed = await serve(path, "ada");
    await rookery("--path", path, "put", "a/b/c", "1");
    killed.child.kill("SIGKILL");
    await killed.ended;
  }
  expect(await readdir(path)).toContain("api.sock");
  await using _again = await serve(path, "ada");
  expect((await rookery("--path", path, "get", "a/b/c")).out).toBe("1\n");
});

test("[CL8] a key that is no key, or gone, is refused before anything is made", async () => {
  await using temp = await tempFolder();
  const folder = temp.path;
  const path = join(folder, "a");
  await rookery("--path", path, "put", "a/b/c", "1");
  await chmod(join(path, "device.key"), 0o600);
  await writeFile(join(path, "device.key"), "no key");
  expect((await rookery("--path", path, "status")).err).toMatch(/^PEER_IDENTITY_INVALID: /);
  await rm(join(path, "device.key"));
  expect((await rookery("--path", path, "status")).err).toMatch(/^PEER_IDENTITY_MISSING: /);
});

test("[CL9] the demo proves its steps and leaves nothing behind", async () => {
  await using temp = await tempFolder();
  const { code, out } = await rookeryWith({ TMPDIR: temp.path }, "--json", "demo", "--once");
  const result = JSON.parse(out) as { ok: boolean; steps: { name: string; proved: string }[] };
  expect(result, out).toMatchObject({ ok: true });
  expect(result.steps.map(({ name }) => name)).toEqual([
    "start",
    "write",
    "join by ticket",
    "rows both ways",
    "offline and back",
    "conflict",
    "pictures",
    "fetch",
    "edit",
    "storage peers",
    "writer gone",
  ]);
  expect(result.steps.find(({ name }) => name === "fetch")?.proved).toContain("nuthatch.jpg");
  expect(code).toBe(0);
  expect(await readdir(temp.path)).toEqual([]);
});

async function untilLine(
  running: { line(): Promise<string | undefined> },
  isIt: (line: string) => boolean,
): Promise<void> {
  for (let line = await running.line(); line !== undefined; line = await running.line())
    if (isIt(line)) return;
  throw new Error("The command ended before it said so");
}

test("[CL11] a watch without a running peer goes on until it is ended", async () => {
  await using temp = await tempFolder();
  await rookery("--path", temp.path, "collection", "create", "notes/todos");
  await using watching = runRookery("--path", temp.path, "--json", "watch", "notes/todos");
  expect(await watching.line()).toContain('"caughtUp":true');
  // Long enough for a process that nothing keeps alive to end by itself.
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(watching.child.exitCode).toBeNull();
  watching.child.kill("SIGTERM");
  expect(await watching.ended).toBe(0);
});

test("[CL12] what others have named cannot steer the terminal, and a reader that goes away is no failure", async () => {
  await using temp = await tempFolder();
  {
    await using peer = await openPeer({ path: temp.path });
    const database = await peer.openDatabase("notes");
    const todos = database.collection<string>("todos");
    await todos.put("a\u001b[31m\nforged", "\u001b[0m");
    await database.batch((batch) => {
      for (let i = 0; i < 5000; i++) batch.put(todos, `z ${i}`, "x".repeat(100));
    });
  }
  const { out } = await rookery("--path", temp.path, "scan", "notes/todos", "--limit", "1");
  expect(out).toBe('a\\u001b[31m\\u000aforged\t"\\u001b[0m"\n');
  await using scanning = runRookery("--path", temp.path, "scan", "notes/todos");
  await scanning.line();
  scanning.child.stdout?.destroy();
  expect(await scanning.ended).toBe(0);
});

test("[CL10] a peer started by a process that is killed ends too", async () => {
  await using temp = await tempFolder();
  await using parent = spawnChild(new URL("./parent-child.ts", import.meta.url), {
    args: [temp.path],
  });
  const pid = Number(await parent.line());
  expect(isRunning(pid)).toBe(true);
  await parent.kill();
  while (isRunning(pid)) await new Promise((resolve) => setTimeout(resolve, 50));
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
