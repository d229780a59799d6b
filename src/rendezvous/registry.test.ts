import { expect, test } from "vitest";
import { codeOf, deviceIdOf, type DeviceId } from "../base/index.ts";
import { FakeClock } from "../testkit/fake-clock.ts";
import {
  DEVICE_REGISTRATIONS_MAX,
  FOUND_PAGE_MAX,
  REGISTRATION_BYTES_MAX,
  REGISTRATIONS_MAX,
  TOKEN_REGISTRATIONS_MAX,
  TTL_MS_MAX,
  TTL_MS_MIN,
} from "./limits.ts";
import { Registry } from "./registry.ts";
import type { SignedBytes } from "./registration.ts";

function numbered(number: number): Uint8Array {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}
const device = (number: number): DeviceId => deviceIdOf(numbered(number));
function signed(number: number, size = 4): SignedBytes {
  const registration = new Uint8Array(size);
  new DataView(registration.buffer).setUint32(0, number);
  return { registration, signature: new Uint8Array(64) };
}

/** Keeps registrations until one is refused, `count` at most; answers how many were kept. */
function fill(count: number, keep: (number: number) => void): number {
  for (let i = 0; i < count; i++) {
    try {
      keep(i);
    } catch (error) {
      expect(codeOf(error)).toBe("RENDEZVOUS_FULL");
      return i;
    }
  }
  return count;
}

test("[RV3] a registration is kept as long as was asked, within bounds, and then told to nobody and taken away", async () => {
  const clock = new FakeClock();
  const registry = new Registry(clock);
  const token = numbered(1);
  expect(registry.keep(token, device(1), signed(1), 0)).toBe(TTL_MS_MIN);
  expect(registry.keep(token, device(2), signed(2), 2 ** 32 - 1)).toBe(TTL_MS_MAX);
  expect(registry.keep(token, device(3), signed(3), 600_000)).toBe(600_000);
  await clock.advance(TTL_MS_MIN);
  expect(registry.page(token, 0).registrations).toEqual([signed(2), signed(3)]);
  await clock.advance(600_000);
  expect(registry.page(token, 0).registrations).toEqual([signed(2)]);
  await clock.advance(TTL_MS_MAX);
  expect(registry.page(token, 0)).toEqual({ registrations: [], cursor: undefined });
  expect([registry.size, registry.bytes]).toEqual([0, 0]);
});

test("[RV3] what a device says takes the place of what it said before, and counts once", () => {
  const registry = new Registry(new FakeClock());
  const token = numbered(1);
  registry.keep(token, device(1), signed(1, 1000), TTL_MS_MAX);
  const before = registry.bytes;
  registry.keep(token, device(1), signed(2, 10), TTL_MS_MAX);
  expect(registry.page(token, 0).registrations).toEqual([signed(2, 10)]);
  expect([registry.size, before - registry.bytes]).toEqual([1, 990]);
  // Other tokens show nothing of it.
  expect(registry.page(numbered(2), 0).registrations).toEqual([]);
});

test("[RV3] there are only so many under a token, of a device, in all, and so many bytes; who is there already may come again", () => {
  const clock = new FakeClock();
  const byToken = new Registry(clock);
  const keep = (registry: Registry, token: number, by: number, size = 4): number =>
    registry.keep(numbered(token), device(by), signed(by, size), TTL_MS_MAX);
  expect(fill(1000, (i) => keep(byToken, 1, i))).toBe(TOKEN_REGISTRATIONS_MAX);
  keep(byToken, 1, 0);
  keep(byToken, 2, 5000);
  const byDevice = new Registry(clock);
  expect(fill(1000, (i) => keep(byDevice, i, 1))).toBe(DEVICE_REGISTRATIONS_MAX);
  keep(byDevice, 0, 1);
  const byCount = new Registry(clock);
  expect(fill(REGISTRATIONS_MAX + 100, (i) => keep(byCount, i >> 7, i))).toBe(REGISTRATIONS_MAX);
  const byBytes = new Registry(clock);
  const kept = fill(REGISTRATIONS_MAX, (i) => keep(byBytes, i >> 7, i, 4400));
  expect(kept).toBeLessThan(REGISTRATIONS_MAX);
  expect(byBytes.bytes).toBeLessThanOrEqual(REGISTRATION_BYTES_MAX);
});

test("[RV4] all under a token are told page by page, each once", () => {
  const registry = new Registry(new FakeClock());
  const token = numbered(1);
  const all = Array.from({ length: 3 * FOUND_PAGE_MAX }, (_, i) => signed(i));
  for (const [i, one] of all.entries()) registry.keep(token, device(i), one, TTL_MS_MAX);
  const told: SignedBytes[] = [];
  let cursor: number | undefined = 0;
  while (cursor !== undefined) {
    const page: ReturnType<Registry["page"]> = registry.page(token, cursor);
    expect(page.registrations.length).toBeLessThanOrEqual(FOUND_PAGE_MAX);
    told.push(...page.registrations);
    cursor = page.cursor;
  }
  expect(told).toEqual(all);
});
