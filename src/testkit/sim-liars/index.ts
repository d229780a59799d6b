/** Devices that break every rule that their keys let them break. */

export { Liar, type LiarDeps } from "./liar.ts";
