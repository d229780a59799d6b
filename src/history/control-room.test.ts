import { expect, test } from "vitest";
import { LOG_CONTROLS_MAX, SCOPE_CONTROLS_FREE, SCOPE_CONTROLS_MAX } from "./limits.ts";
import { hasControlRoom } from "./recount.ts";

test("[HI44] whoever is no admin leaves room in the control log for those who are, and none takes all", () => {
  const room = (isAdmin: boolean, size: number, ofLog = 0): boolean =>
    hasControlRoom({ size, ofLog, count: 1, isAdmin });
  expect([room(false, SCOPE_CONTROLS_FREE - 1), room(false, SCOPE_CONTROLS_FREE)]).toEqual([
    true,
    false,
  ]);
  expect([room(true, SCOPE_CONTROLS_FREE), room(true, SCOPE_CONTROLS_MAX - 1)]).toEqual([
    true,
    true,
  ]);
  expect(room(true, SCOPE_CONTROLS_MAX)).toBe(false);
  for (const isAdmin of [true, false])
    expect([room(isAdmin, 0, LOG_CONTROLS_MAX - 1), room(isAdmin, 0, LOG_CONTROLS_MAX)]).toEqual([
      true,
      false,
    ]);
});
