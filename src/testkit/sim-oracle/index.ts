/** What the simulator needs of the oracle. */

export {
  type CommitFact,
  type LogName,
  type ScopeName,
  scopeNameOf,
  type VersionFact,
} from "./facts.ts";
export { hex, latin1 } from "./fields.ts";
export { copyOf, type Held } from "./holdings.ts";
export { Oracle } from "./oracle.ts";
export { SimError } from "./sim-error.ts";
export type { DeviceView, RowView, ScopeView } from "./views.ts";
