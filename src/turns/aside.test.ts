import { describe, expect, test } from "vitest";
import { AsideIndex, type Awaits } from "./aside.ts";
import { ASIDE_SCOPE_BYTES_MAX, ASIDE_SCOPE_PARTS_MAX } from "./limits.ts";

describe("[HI41] the quota of what lies aside", () => {
  const WHO: readonly { readonly of: string; readonly awaits: Awaits | undefined }[] = [
    { of: "whose parents are not held", awaits: "aa".repeat(32) as Awaits },
    { of: "that nobody vouches for", awaits: "vouch" },
    { of: "of a later version", awaits: "version" },
  ];
  const flags = { isVouched: false, hasCounted: false };

  for (const { of, awaits } of WHO) {
    test(`bounds control ops without their rows too, ${of}`, () => {
      const aside = new AsideIndex();
      const size = Math.floor(ASIDE_SCOPE_BYTES_MAX / 100);
      // Each in a log of its own, as who makes up devices can.
      for (let log = 1; log <= 100; log++)
        if (aside.hasRoom(undefined, size))
          aside.put(log, { ...flags, generation: 1, size, isLoose: true, awaits });
      expect([...aside.logs()]).toHaveLength(100);
      expect(aside.hasRoom(undefined, size)).toBe(false);

      const small = new AsideIndex();
      for (let log = 1; log <= ASIDE_SCOPE_PARTS_MAX; log++)
        small.put(log, { ...flags, generation: 1, size: 300, isLoose: true, awaits });
      expect(small.hasRoom(undefined, 300)).toBe(false);
    });
  }

  test("does not count control ops that are in the control log, which has bounds of its own", () => {
    const aside = new AsideIndex();
    const entry = { ...flags, generation: 1, size: ASIDE_SCOPE_BYTES_MAX, isLoose: true };
    aside.put(1, { ...entry, awaits: "vouch" });
    expect(aside.hasRoom(2, 1)).toBe(false);
    aside.put(1, { ...entry, awaits: undefined });
    expect(aside.hasRoom(2, 1)).toBe(true);
  });
});
