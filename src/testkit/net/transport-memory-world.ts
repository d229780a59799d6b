import { deviceIdOf } from "../../base/index.ts";
import { createMemoryNetwork, type MemoryNetwork, type Transport } from "../../net/index.ts";
import { FakeClock, settle } from "../fake-clock.ts";
import { seededRandom } from "../seeded-random.ts";
import type { TransportWorld } from "./transport-world.ts";

/** Silence that every line has to stand. */
const IDLE_MS = 5 * 60_000;

export interface MemoryWorldOptions {
  /** Given: bytes travel in pieces of chance sizes. */
  readonly seed?: number | undefined;
  /** Given: time passes by itself, as fast as nothing else is to be done. */
  readonly latencyMs?: number | undefined;
}

/** A world on the memory network. */
export function memoryWorld(options: MemoryWorldOptions = {}): TransportWorld {
  const clock = new FakeClock();
  const random = options.seed === undefined ? undefined : seededRandom(options.seed);
  const network: MemoryNetwork = createMemoryNetwork(
    { clock, random },
    { latencyMs: options.latencyMs },
  );
  const transports: Transport[] = [];
  let isOpen = true;
  if (options.latencyMs !== undefined) {
    void (async () => {
      while (isOpen) {
        await settle();
        await clock.advance(1);
      }
    })();
  }
  return {
    async open({ listen } = {}) {
      const key = new Uint8Array(32).fill(transports.length + 1);
      const transport = network.transport(deviceIdOf(key), { listen });
      transports.push(transport);
      return transport;
    },
    addressesOf: (transport) => transport.addresses(),
    deadAddress: "/memory/9999",
    async cut() {
      for (const transport of transports) {
        for (const { peer } of transport.connections()) network.cut(transport.device, peer);
      }
    },
    async breathe() {
      const until = clock.monotonic() + 4 * (options.latencyMs ?? 0);
      do await settle();
      while (clock.monotonic() < until);
    },
    idle: () => clock.advance(IDLE_MS),
    async [Symbol.asyncDispose]() {
      await Promise.all(transports.map((transport) => transport.close()));
      isOpen = false;
    },
  };
}
