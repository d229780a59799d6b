import { describe, expect, test } from "vitest";
import { fromUtf8, utf8 } from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import { FORMAT_CHANGED, type GoldenCase, goldenPairs } from "../testkit/golden.ts";
import { seededRandom } from "../testkit/seeded-random.ts";
import { memorySecrets, openIdentity } from "./identity.ts";

const FILES = ["device.key", "user.key", "device.cert"] as const;
const deps = { crypto: nodeCrypto(), clock: new FakeClock() };

/** The secret files of a new identity. */
async function fileCases(): Promise<readonly GoldenCase[]> {
  const secrets = memorySecrets();
  const random = seededRandom(7);
  const options = { name: "Hütte", hasStore: false };
  const { device, certified } = await openIdentity({ ...deps, random }, secrets, options);
  const value = { device, user: certified.user, name: certified.name, issued: certified.issued };
  return Promise.all(
    FILES.map(async (file) => {
      const bytes = await secrets.read(file);
      return {
        record: file,
        name: "of seed 7",
        value,
        output: fromUtf8(bytes as Uint8Array) ?? "",
      };
    }),
  );
}

const PAIRS = goldenPairs("peer-files", await fileCases());

describe("the secret files", () => {
  test.for(PAIRS)("[FO3] $name", ({ written, committed }) => {
    expect(written, FORMAT_CHANGED).toEqual(committed);
  });

  test("[FO3] the committed files are read as that identity", async () => {
    const secrets = memorySecrets();
    for (const { committed } of PAIRS)
      await secrets.write(committed?.record ?? "", utf8(committed?.text ?? ""));
    const random = { bytes: (): Uint8Array => expect.fail("the keys are there already") };
    const options = { name: "other", hasStore: true };
    const { device, certified } = await openIdentity({ ...deps, random }, secrets, options);
    const { user, name, issued } = certified;
    expect({ device, user, name, issued }, FORMAT_CHANGED).toEqual(PAIRS[0]?.committed?.value);
  });
});
