import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../../scripts/run.ts";
import { Workshop } from "./workshop.ts";

const GENERATED = "src/wire/generated";

/** The files under a folder with their text. */
function contents(folder: string): Record<string, string> {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) =>
    path.endsWith(".ts"),
  );
  return Object.fromEntries(
    paths.toSorted().map((path) => [path, readFileSync(join(folder, path), "utf8")]),
  );
}

test("the generated messages are what proto/ makes", async () => {
  using workshop = new Workshop();
  workshop.copy("proto", "buf.yaml", "buf.gen.yaml");
  const ran = await workshop.run(["buf", "generate"]);
  expect(ran.code, ran.stderr).toBe(0);
  const due = contents(join(workshop.path, GENERATED));
  expect(Object.keys(due).length).toBeGreaterThan(0);
  expect(contents(join(ROOT, GENERATED)), "npm run generate writes it anew").toEqual(due);
});

test("proto/ keeps to the rules of buf", async () => {
  using workshop = new Workshop();
  workshop.copy("proto", "buf.yaml");
  expect(await workshop.run(["buf", "lint"])).toEqual({ code: 0, stdout: "", stderr: "" });
});
