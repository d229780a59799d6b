import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { platform } from "node:process";
import type { Readable } from "node:stream";
import { expect, test } from "vitest";
import { damagePack, seededRandom, tempFolder } from "../../src/testkit/index.ts";
import {
  type Ended,
  rookery,
  rookeryFed,
  rookeryInTerminal,
  rookeryInto,
  type Running,
  runRookery,
  serve,
} from "./rookery.ts";

const BYTES = seededRandom(20_261_128).bytes(900_000);

test.for(["alone", "served"])(
  "[CL13] a file is put, read whole and in part, and named (%s)",
  async (how) => {
    await using temp = await tempFolder();
    const path = temp.at("peer");
    await using _served = how === "served" ? await serve(path, "ada") : undefined;
    const file = temp.at("photo.jpg");
    await writeFile(file, BYTES);
    const put = await rookery("--path", path, "blob", "put", file, "--row", "home/album/beach");
    expect(put).toMatchObject({ code: 0, out: expect.stringMatching(/^blob:[\w-]+\n$/) as string });
    expect(put.err).toBe("900.0 kB, of which 900.0 kB are new here\n");
    const ref = put.out.trim();
    expect(JSON.parse((await rookery("--path", path, "get", "home/album/beach")).out)).toEqual({
      name: "photo.jpg",
      size: BYTES.length,
      picture: { $blob: ref },
    });
    const again = await rookery("--path", path, "--json", "blob", "put", file);
    expect(JSON.parse(again.out)).toEqual({ ref, size: BYTES.length, newBytes: 0 });
    const got = await rookeryFed({ args: ["--path", path, "blob", "get", ref] });
    expect([got.code, got.bytes.equals(BYTES)]).toEqual([0, true]);
    const part = await rookeryFed({
      args: ["--path", path, "blob", "get", ref, "--start", "1000", "--end", "500001"],
    });
    expect([part.code, part.bytes.equals(BYTES.subarray(1000, 500_001))]).toEqual([0, true]);
    const none = await rookeryFed({
      args: ["--path", path, "blob", "get", ref, "--start", "10", "--end", "10"],
    });
    expect([none.code, none.bytes.length]).toEqual([0, 0]);
    const args = ["--path", path, "--json", "blob", "get", ref, "--output", "-"];
    const shown = await rookeryFed({ args });
    expect([shown.code, shown.bytes.equals(BYTES)]).toEqual([0, true]);
    const copy = temp.at("copy.jpg");
    await writeFile(copy, "old");
    const saved = await rookery("--path", path, "--json", "blob", "get", ref, "--output", copy);
    expect(JSON.parse(saved.out)).toEqual({ ref, output: copy, bytes: BYTES.length });
    expect((await readFile(copy)).equals(BYTES)).toBe(true);
    expect((await readdir(temp.path)).toSorted()).toEqual(["copy.jpg", "peer", "photo.jpg"]);
    const status = await rookery("--path", path, "blob", "status", ref);
    expect(status).toEqual({
      code: 0,
      out: `size\t900000\nhere\t900000\twhole\ntype\timage/jpeg\n`,
      err: "",
    });
    const fetched = await rookery("--path", path, "blob", "fetch", ref);
    expect(fetched).toEqual({
      code: 0,
      out: "done\t900000\t0 fetched\t900000 were here\n",
      err: "",
    });
  },
);

test("[CL13] a pipe is put as it comes, and a blob can be piped on", async () => {
  await using temp = await tempFolder();
  const path = temp.at("peer");
  await using _served = await serve(path, "ada");
  const put = await rookeryFed({
    args: ["--path", path, "blob", "put", "-", "--type", "text/plain"],
    input: BYTES,
  });
  expect(put.code).toBe(0);
  const ref = put.bytes.toString().trim();
  const got = await rookeryFed({ args: ["--path", path, "blob", "get", ref] });
  const back = await rookeryFed({ args: ["--path", path, "blob", "put", "-"], input: got.bytes });
  expect(back.code).toBe(0);
  expect(back.err).toBe("900.0 kB, of which 0 B are new here\n");
  const both = await rookery("--path", path, "--stdin", "blob", "put", "-");
  expect(both).toMatchObject({ code: 2, out: "" });
});

test("[CL13] what is not here ends with 3, what cannot be read or written with 1 and a code", async () => {
  await using temp = await tempFolder();
  const [path, other] = [temp.at("peer"), temp.at("other")];
  const put = await rookeryFed({ args: ["--path", other, "blob", "put", "-"], input: BYTES });
  await rookery("--path", path, "collection", "create", "notes/todos");
  const ref = put.bytes.toString().trim();
  const file = temp.at("out");
  expect(await rookery("--path", path, "blob", "get", ref, "--output", file)).toMatchObject({
    code: 3,
    out: "",
  });
  expect((await readdir(temp.path)).toSorted()).toEqual(["other", "peer"]);
  expect((await rookery("--path", path, "blob", "status", ref)).out).toBe(
    "size\t900000\nhere\t0\n",
  );
  const unread = await rookery("--path", path, "blob", "put", temp.at("none"));
  expect(unread).toMatchObject({ code: 1, out: "" });
  expect(unread.err).toMatch(/^FILE_NOT_READ: /);
  const unwritten = await rookery("--path", other, "blob", "get", ref, "--output", temp.path);
  expect(unwritten).toMatchObject({ code: 1, out: "" });
  expect(unwritten.err).toMatch(/^FILE_NOT_WRITTEN: /);
});

test.for(["alone", "served"])(
  "[CL13] a blob of which a part is lost breaks off, and is not here after that (%s)",
  async (how) => {
    await using temp = await tempFolder();
    const path = temp.at("peer");
    const bytes = seededRandom(20_261_133).bytes(12_000_000);
    const put = await rookeryFed({ args: ["--path", path, "blob", "put", "-"], input: bytes });
    const ref = put.bytes.toString().trim();
    await damagePack(join(path, "chunks"), bytes.subarray(-1000));
    await using served = how === "served" ? await serve(path, "ada") : undefined;
    const get = ["--path", path, "blob", "get", ref];
    const broken = await rookeryFed({ args: get });
    expect(broken.code).toBe(1);
    expect(broken.err).toMatch(
      /^(LOCAL_API_UNREACHABLE|BLOB_NOT_HERE): The download broke off: .*\n$/,
    );
    expect(broken.bytes.length).toBeLessThan(bytes.length);
    for (const range of [[], ["--start", "11999999"]]) {
      const refused = await rookeryFed({ args: [...get, ...range] });
      expect([refused.code, refused.bytes.length]).toEqual([3, 0]);
      expect(refused.err).toBe(`Not here, or not all of it: ${ref}. blob fetch gets it\n`);
    }
    const part = await rookeryFed({ args: [...get, "--end", "5000000"] });
    expect([part.code, part.bytes.equals(bytes.subarray(0, 5_000_000))]).toEqual([0, true]);
    served?.child.kill("SIGTERM");
    await served?.ended;
    // The peer's log says what was lost; a stack would say nothing more.
    const told = served?.said() ?? "";
    if (how === "served") expect(told).toMatch(/^error chunks\.lost /m);
    expect(told).not.toMatch(/^\s+at /m);
  },
);

test("[CL2] [CL13] standard output that cannot be written is told in a line", async ({ skip }) => {
  skip(platform !== "linux", "no device is always full here");
  await using temp = await tempFolder();
  const path = temp.at("peer");
  const put = await rookeryFed({ args: ["--path", path, "blob", "put", "-"], input: BYTES });
  const ref = put.bytes.toString().trim();
  for (const args of [["status"], ["blob", "get", ref], ["--version"]])
    expect(await rookeryInto("/dev/full", "--path", path, ...args), args.join(" ")).toEqual({
      code: 1,
      err: "FILE_NOT_WRITTEN: Cannot write to standard output: the system refused (ENOSPC)\n",
    });
});

test("[CL15] what is no reference, range or media type is a wrong command line", async () => {
  await using temp = await tempFolder();
  const path = temp.at("peer");
  const file = temp.at("file");
  await writeFile(file, "text");
  const ref = (await rookery("--path", temp.at("other"), "blob", "put", file)).out.trim();
  for (const args of [
    ["get", "nonsense"],
    ["get", `${ref.slice(0, -1)}${ref.endsWith("A") ? "B" : "A"}`],
    ["get", "blob:\u001b[31m"],
    ["get", ref, "--start", "5"],
    ["get", ref, "--start", "3", "--end", "2"],
    ["get", ref, "--end", "x"],
    ["fetch", "blob:AAAA"],
    ["status", "../../status"],
    ["put", file, "--type", "ü"],
    ["put", file, "--type", "x".repeat(256)],
    ["put", file, "--type", "a\nb: c"],
    ["put", file, "--row", "home"],
  ]) {
    const ended = await rookery("--path", path, "blob", ...args);
    expect(ended, args.join(" ")).toMatchObject({ code: 2, out: "" });
    expect(ended.err).not.toContain("\u001b");
  }
  expect(await readdir(temp.path)).not.toContain("peer");
});

test("[CL12] a media type that others have made up cannot steer the terminal", async () => {
  await using temp = await tempFolder();
  const put = await rookeryFed({
    args: ["--path", temp.at("peer"), "blob", "put", "-", "--type", 'text/x; a="~" \\'],
    input: BYTES.subarray(0, 10),
  });
  const ref = put.bytes.toString().trim();
  const { out } = await rookery("--path", temp.at("peer"), "blob", "status", ref);
  expect(out).toBe('size\t10\nhere\t10\twhole\ntype\ttext/x; a="~" \\\n');
});

test("[CL14] a bar is on standard error where that is a terminal, without colour where none is wanted", async ({
  skip,
}) => {
  await using temp = await tempFolder();
  const file = temp.at("file");
  await writeFile(file, BYTES);
  const args = ["--path", temp.at("peer"), "blob", "put", file];
  const piped = await rookery(...args);
  expect(piped.err).not.toContain("\r");
  const inTerminal = (env: Readonly<Record<string, string>>): Promise<string | undefined> =>
    rookeryInTerminal({ TERM: "xterm", ...env }, ...args);
  const coloured = await inTerminal({ NO_COLOR: "" });
  skip(coloured === undefined, "no terminal can be made here");
  expect(coloured).toContain("\r\u001b[36mput [");
  expect(await inTerminal({ NO_COLOR: "1" })).toContain("\rput [");
  expect(await inTerminal({ TERM: "dumb" })).not.toContain("\rput [");
});

/** Serves a folder as a member of `home/family`, joined by the ticket that `from` gives. */
async function member(
  path: string,
  { name, from, type }: { name: string; from: string; type: string },
  ...flags: readonly string[]
): Promise<Running> {
  const running = await serve(path, name, ...flags);
  const invited = await rookery("--path", from, "group", "invite", "home/family");
  const joining = ["group", "join", "home", invited.out.trim(), "--type", type];
  const joined = await rookery("--path", path, "--json", ...joining);
  expect(joined).toMatchObject({ code: 0 });
  return running;
}

interface ChunksLine {
  readonly store: { readonly chunks: number };
  readonly kept?: { readonly whole: number };
  readonly networks: readonly {
    readonly group: { readonly name: string };
    readonly chunks: number;
    readonly sum: string;
    readonly delivered: { readonly chunks: number };
  }[];
}

async function chunksAt(path: string): Promise<ChunksLine> {
  const status = await rookery("--path", path, "--json", "chunks", "status");
  expect(status).toMatchObject({ code: 0, err: "" });
  return JSON.parse(status.out) as ChunksLine;
}

test("[CL13] [CL16] a picture is fetched from another peer, and a storage peer has it when that one is gone", async () => {
  await using temp = await tempFolder();
  const [a, b, n, l] = [temp.at("a"), temp.at("b"), temp.at("n"), temp.at("l")];
  await using ada = await serve(a, "ada");
  expect((await rookery("--path", a, "group", "create", "home/family", "album")).code).toBe(0);
  const photo = temp.at("first.jpg");
  const picture = temp.at("second.jpg");
  await writeFile(photo, BYTES);
  await writeFile(
    picture,
    BYTES.map((byte) => byte ^ 1),
  );
  const put = (file: string, key: string): Promise<Ended> =>
    rookery("--path", a, "blob", "put", file, "--row", `home/album/${key}`);
  const ref = (await put(photo, "first")).out.trim();
  const other = (await put(picture, "second")).out.trim();
  await using _nest = await member(n, { name: "nest", from: a, type: "server" });
  await using _ben = await member(b, { name: "ben", from: a, type: "normal" });

  const fetched = await rookery("--path", b, "--json", "blob", "fetch", ref);
  expect(fetched).toMatchObject({ code: 0, err: "" });
  const progress = fetched.out.trim().split("\n");
  expect(JSON.parse(progress.at(-1) ?? "")).toMatchObject({
    state: "done",
    received: BYTES.length,
    total: BYTES.length,
    fromLocal: 0,
  });
  const got = await rookeryFed({ args: ["--path", b, "blob", "get", ref] });
  expect(got.bytes.equals(BYTES)).toBe(true);

  // Nobody has told the storage peer to fetch. Another has been told not to, and gets the same chunk by chunk.
  while ((await chunksAt(n)).kept?.whole !== 2);
  const lofts = { name: "loft", from: a, type: "server" };
  await using _loft = await member(l, lofts, "--no-fetch");
  let [first, second] = [await chunksAt(n), await chunksAt(l)];
  while (second.networks[0]?.sum !== first.networks[0]?.sum)
    [first, second] = [await chunksAt(n), await chunksAt(l)];
  const [network] = second.networks;
  expect(network).toMatchObject({ group: { name: "family" }, chunks: second.store.chunks });
  expect(network?.delivered.chunks).toBe(network?.chunks);
  expect(first.store.chunks).toBe(second.store.chunks);
  expect((await chunksAt(b)).networks).toEqual([]);
  const shown = await rookery("--path", n, "chunks", "status");
  const lines = shown.out.split("\n").map((line) => line.split("\t"));
  expect(lines.map(([word]) => word)).toEqual([
    ...["chunks", "packs", "blobs", "network", "sum", "bins", "neighbour", ""],
  ]);
  expect(lines[0]?.[2]).toBe("1.8 MB");
  expect(lines[2]).toEqual(["blobs", "2 of 2 whole", "0 being fetched"]);
  expect(lines[3]?.[1]).toBe("home/family");
  expect(lines[6]?.[1]).toBe("loft");
  ada.child.kill("SIGTERM");
  await ada.ended;
  expect((await rookery("--path", b, "blob", "fetch", other)).code).toBe(0);
  const last = await rookeryFed({ args: ["--path", b, "blob", "get", other] });
  expect(last.bytes.equals(BYTES.map((byte) => byte ^ 1))).toBe(true);
});

test("[CL13] a fetch that nobody can answer waits, and ends with the command", async () => {
  await using temp = await tempFolder();
  const put = await rookeryFed({
    args: ["--path", temp.at("other"), "blob", "put", "-"],
    input: BYTES,
  });
  const path = temp.at("peer");
  await using _served = await serve(path, "ben");
  const ref = put.bytes.toString().trim();
  await using fetching = runRookery("--path", path, "--json", "blob", "fetch", ref);
  expect(JSON.parse((await fetching.line()) ?? "")).toMatchObject({ received: 0, peers: 0 });
  const waiting = "Nobody who is connected has it, or may give it to us; still waiting\n";
  while (fetching.said() !== waiting) await once(fetching.child.stderr as Readable, "data");
  fetching.child.kill("SIGTERM");
  expect(await fetching.ended).toBe(1);
  // Once, however long it waits.
  expect(fetching.said()).toBe(
    `${waiting}Not all of it is here yet. Another fetch goes on from there\n`,
  );
});

test("[CL13] a put that is ended says so in a line, and the next one goes on from there", async () => {
  await using temp = await tempFolder();
  const path = temp.at("peer");
  await using _served = await serve(path, "ada");
  const bytes = seededRandom(20_261_132).bytes(12_000_000);
  await using putting = runRookery("--path", path, "blob", "put", "-");
  // What it has not read when it is ended comes back as an error of the pipe.
  putting.child.stdin?.on("error", () => {});
  putting.child.stdin?.write(bytes.subarray(0, 11_000_000));
  for (let chunks = 0; chunks === 0;) {
    const { out } = await rookery("--path", path, "--json", "chunks", "status");
    ({ chunks } = (JSON.parse(out) as { store: { chunks: number } }).store);
  }
  putting.child.kill("SIGINT");
  expect(await putting.ended).toBe(1);
  expect(putting.said()).toBe(
    "Not all of it is stored yet. Another put of the same bytes goes on from there\n",
  );
  const again = await rookeryFed({
    args: ["--path", path, "--json", "blob", "put", "-"],
    input: bytes,
  });
  const put = JSON.parse(again.bytes.toString()) as { size: number; newBytes: number };
  expect(put.size).toBe(bytes.length);
  expect(put.newBytes).toBeLessThan(bytes.length);
});
