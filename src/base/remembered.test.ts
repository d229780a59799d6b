import { expect, test } from "vitest";
import { deviceIdOf, deviceKeyOf, parseDeviceId, parseUserId } from "./ids.ts";
import { remembered } from "./remembered.ts";

test("[BA1] what is senseless is asked about anew each time, and drives nothing out that is remembered", () => {
  const asked: string[] = [];
  const upper = remembered(2, (text: string) => {
    asked.push(text);
    return text === "" ? undefined : text.toUpperCase();
  });
  expect([upper("a"), upper("b"), upper(""), upper(""), upper("a"), upper("b")]).toEqual([
    "A",
    "B",
    undefined,
    undefined,
    "A",
    "B",
  ]);
  expect(asked).toEqual(["a", "b", "", ""]);
});

test("[BA1] a name is what it was when it is read a second time, and what is none stays none", () => {
  const key = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);
  const device = deviceIdOf(key);
  for (let i = 0; i < 2; i++) {
    expect(parseDeviceId(device)).toBe(device);
    expect(deviceKeyOf(device)).toEqual(key);
    expect(parseDeviceId(`${device}1`)).toBe(undefined);
    expect(parseUserId(device)).toBe(undefined);
  }
});
