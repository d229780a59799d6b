/** The simulated world that a run takes place in: time, chance, disks, keys and a network. */

export { between, chanceOf } from "./chance.ts";
export { MachineClock, SIM_EPOCH, SimClock } from "./clock.ts";
export { type CryptoTap, KeyRing, simCrypto } from "./crypto.ts";
export { SimDisk } from "./disk.ts";
export { DyingDisk } from "./dying-disk.ts";
export { Image } from "./image.ts";
export { SimNetwork } from "./network.ts";
export { pump } from "./pump.ts";
export { Scheduler } from "./scheduler.ts";
export { plainSignals } from "./signals.ts";
export type { SimTransport } from "./transport.ts";
