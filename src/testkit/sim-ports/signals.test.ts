import { expect, test } from "vitest";
import { plainSignals } from "./signals.ts";

test("combined signals of a run end as the others do, and are gone after it", () => {
  const anyNow = (): unknown => Object.getOwnPropertyDescriptor(AbortSignal, "any")?.value;
  const before = anyNow();
  {
    using _signals = plainSignals();
    expect(anyNow()).not.toBe(before);
    const [one, other] = [new AbortController(), new AbortController()];
    const both = AbortSignal.any([one.signal, other.signal]);
    const nested = AbortSignal.any([both]);
    expect(nested.aborted).toBe(false);
    other.abort("over");
    expect([both.reason, nested.reason]).toEqual(["over", "over"]);
    one.abort("late");
    expect(nested.reason).toBe("over");
    expect(AbortSignal.any([one.signal, other.signal]).reason).toBe("late");
  }
  expect(anyNow()).toBe(before);
});
