import type { Random } from "./ports.ts";

/** A wait of `ms` milliseconds, give or take a quarter by chance: so that many who failed at once do not try again at once. */
export function spread(random: Random, ms: number): number {
  const [byte] = random.bytes(1);
  return ms * (0.75 + (byte as number) / 512);
}
