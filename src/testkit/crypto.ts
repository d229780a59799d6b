import type { Crypto } from "../base/index.ts";
import { nodeCrypto } from "../node/index.ts";
import { KeyRing, simCrypto } from "./sim-ports/index.ts";

/**
 * That of Node.js, but it signs on this thread. Tests with a clock of their own look again when all has run that waits for nothing
 * outside this process (`settle`): a signature on another thread would come after that, now and then.
 */
export function cryptoAtOnce(): Crypto {
  const atOnce = simCrypto(new KeyRing(true));
  return { ...nodeCrypto(), sign: (seed, message) => atOnce.sign(seed, message) };
}
