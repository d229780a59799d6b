import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { spawnChild, tempFolder } from "./index.ts";

const ECHO = new URL("echo-child.ts", import.meta.url);

/** Whether a process of this id runs. One that has ended stays listed until its new parent has looked. */
async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const status = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return !/^\d+ \(.*\) Z/.test(status);
}

test("a child talks in lines and ends when its input is closed or it is killed", async () => {
  await using child = spawnChild(ECHO, { args: ["hello"], env: { ECHO_ENV: "there" } });
  expect(await child.line(), child.errorText).toBe("hello there");
  child.send("one");
  child.send("two");
  expect([await child.line(), await child.line()]).toEqual(["one", "two"]);
  expect(await child.kill()).toEqual({ code: null, signal: "SIGKILL" });
  expect(await child.line()).toBeUndefined();
  expect(await child.kill()).toEqual({ code: null, signal: "SIGKILL" });
  child.send("to nobody");
});

test("commands of the shell hold for the child, which is the process that is killed", async () => {
  await using folder = await tempFolder();
  await using child = spawnChild(ECHO, {
    args: ["in"],
    prelude: `cd '${folder.path}'`,
    env: { ECHO_ENV: "$PWD" },
  });
  expect(await child.line(), child.errorText).toBe("in $PWD");
  child.send("cwd");
  expect(await child.line()).toBe(folder.path);
  child.send("pid");
  expect(await child.line()).toBe(String(child.pid));
});

test("what a child cries is kept for the test's message", async () => {
  await using child = spawnChild(ECHO, { args: ["hello"] });
  await child.line();
  child.send("throw");
  expect((await child.ended).code).toBe(1);
  expect(child.errorText).toContain("thrown on demand");
});

test("a child whose parent is killed ends", async () => {
  await using parent = spawnChild(ECHO, { args: ["parent"] });
  await parent.line();
  parent.send("spawn");
  const pid = Number(await parent.line());
  expect(await isRunning(pid)).toBe(true);
  await parent.kill();
  while (await isRunning(pid)) await new Promise((resolve) => setTimeout(resolve, 5));
});
