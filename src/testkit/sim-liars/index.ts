/** Devices that break every rule that their keys let them break. */

export { JoinLies } from "./join-lies.ts";
export { Liar, type LiarDeps } from "./liar.ts";
