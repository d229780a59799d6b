import { chmod, mkdir, readdir, stat, symlink, writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { rejects, rejectsNamed, tempFolder } from "../testkit/index.ts";
import { makeFolder, readSecretFile, writeSecretFile } from "./index.ts";
import { SECRET_BYTES_MAX } from "./limits.ts";

const SEED = Uint8Array.from({ length: 32 }, (_, i) => i);

test("[ST39] a secret is read as it was written, and only its owner may read it", async () => {
  await using folder = await tempFolder();
  expect(await readSecretFile(folder.at("seed"))).toBeUndefined();
  await writeSecretFile(folder.at("seed"), SEED);
  expect(await readSecretFile(folder.at("seed"))).toEqual(SEED);
  expect((await stat(folder.at("seed"))).mode & 0o777).toBe(0o600);
  expect(await readdir(folder.path)).toEqual(["seed"]);
});

test("[ST39] a secret is never overwritten, of several who write one the first wins", async () => {
  await using folder = await tempFolder();
  const secrets = [1, 2, 3, 4].map((fill) => new Uint8Array(32).fill(fill));
  const written = await Promise.allSettled(
    secrets.map((secret) => writeSecretFile(folder.at("seed"), secret)),
  );
  const winner = written.findIndex((result) => result.status === "fulfilled");
  expect(written.filter((result) => result.status === "fulfilled")).toHaveLength(1);
  expect(await readSecretFile(folder.at("seed"))).toEqual(secrets[winner]);
  const error = await rejects(writeSecretFile(folder.at("seed"), SEED), "STORE_WRITE_FAILED");
  expect(error.message).toContain("there is one already");
  expect(await readdir(folder.path)).toEqual(["seed"]);
});

test("[ST39] a secret that cannot be written leaves nothing behind", async () => {
  await using folder = await tempFolder();
  await writeFile(folder.at("file"), "x");
  await rejects(writeSecretFile(folder.at("file/seed"), SEED), "STORE_WRITE_FAILED");
  await rejects(writeSecretFile(folder.at("no such folder/seed"), SEED), "STORE_WRITE_FAILED");
  await rejectsNamed(
    writeSecretFile(folder.at("seed"), new Uint8Array(SECRET_BYTES_MAX + 1)),
    "RangeError",
  );
  await writeSecretFile(folder.at("seed"), new Uint8Array(SECRET_BYTES_MAX));
  expect((await readdir(folder.path)).toSorted()).toEqual(["file", "seed"]);
});

test("[ST40] a secret that others may read is refused, and what to do is said", async () => {
  await using folder = await tempFolder();
  await writeSecretFile(folder.at("seed"), SEED);
  for (const mode of [0o640, 0o604, 0o620, 0o644]) {
    await chmod(folder.at("seed"), mode);
    const error = await rejects(readSecretFile(folder.at("seed")), "STORE_READ_FAILED");
    expect(error.message).toContain("chmod 600");
  }
  await chmod(folder.at("seed"), 0o400);
  expect(await readSecretFile(folder.at("seed"))).toEqual(SEED);
});

test("[ST40] what is no plain file, or too large, is refused", async () => {
  await using folder = await tempFolder();
  await mkdir(folder.at("folder"), { mode: 0o700 });
  await rejects(readSecretFile(folder.at("folder")), "STORE_READ_FAILED");
  await symlink("/dev/zero", folder.at("endless"));
  await rejects(readSecretFile(folder.at("endless")), "STORE_READ_FAILED");
  await writeFile(folder.at("large"), new Uint8Array(SECRET_BYTES_MAX + 1), { mode: 0o600 });
  await rejects(readSecretFile(folder.at("large")), "STORE_READ_FAILED");
  await writeFile(folder.at("file"), "x");
  await rejects(readSecretFile(folder.at("file/seed")), "STORE_READ_FAILED");
});

test("[ST41] a folder that the system will not have, and one in the place of a file, is refused", async ({
  skip,
}) => {
  await using folder = await tempFolder();
  await writeFile(folder.at("file"), "");
  await expect(makeFolder(folder.at("file"))).rejects.toMatchObject({ code: "ENOTDIR" });
  await expect(makeFolder(folder.at("file/a"))).rejects.toMatchObject({ code: "ENOTDIR" });
  skip(process.platform !== "linux", "no /proc here");
  await expect(makeFolder("/proc/rookery/a/b")).rejects.toMatchObject({ code: "ENOENT" });
});

test("[ST41] a folder is made with those above it, for the owner only; one that is there stays as it is", async () => {
  await using folder = await tempFolder();
  await makeFolder(folder.at("a/b/c"));
  for (const name of ["a", "a/b", "a/b/c"])
    expect((await stat(folder.at(name))).mode & 0o777).toBe(0o700);
  await chmod(folder.at("a"), 0o755);
  await makeFolder(folder.at("a"));
  await makeFolder(folder.at("a/b"));
  expect((await stat(folder.at("a"))).mode & 0o777).toBe(0o755);
});
