import { expect, test } from "vitest";
import { deviceIdOf } from "../base/index.ts";
import { Whereabouts } from "./whereabouts.ts";

test("[NE35] what is said on the local network takes no room of what is known otherwise", () => {
  const said = (name: string, count: number): string[] =>
    Array.from({ length: count }, (_, n) => `${name} ${n}`);
  const heard = said("heard", 16);
  const where = new Whereabouts(
    { found: () => heard } as never,
    { addressesOf: () => [...said("record", 3), "heard 1"] } as never,
    () => {},
  );
  const device = deviceIdOf(new Uint8Array(32));
  where.locateBy({ addressesOf: () => said("found", 2), noteUnreached: () => {} });
  const all = where.addressesOf(device);
  // A transport dials 16 of them.
  const dialled = all.slice(0, 16);
  for (const one of [...said("record", 3), ...said("found", 2)]) expect(dialled).toContain(one);
  expect(all).toHaveLength(16 + 3 + 2);
  expect(all[0]).toBe("heard 0");
});
