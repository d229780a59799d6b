/** What the simulator needs of the oracle. */

export { type CommitFact, type ScopeName, scopeNameOf } from "./facts.ts";
export { Oracle } from "./oracle.ts";
export { SimError } from "./sim-error.ts";
export type { DeviceView, RowView, ScopeView } from "./views.ts";
