/** A child that says its first argument and an environment variable, then what it is told, and does some things by name. */

import { endWithParent, say, spawnChild } from "./child.ts";

const told = endWithParent();
say(`${process.argv[2] ?? ""} ${process.env["ECHO_ENV"] ?? ""}`);
for await (const line of told) {
  if (line === "cwd") say(process.cwd());
  else if (line === "pid") say(String(process.pid));
  else if (line === "throw") throw new Error("thrown on demand");
  else if (line === "spawn") await spawnItself();
  else say(line);
}

async function spawnItself(): Promise<void> {
  const child = spawnChild(import.meta.filename, { args: ["grandchild"] });
  await child.line();
  say(String(child.pid));
}
