/**
 * Checks a store against the rules of docs/spec, and sets right what can be without inventing anything.
 *
 * Start at `verifyStore`. Rules: docs/spec/doctor.md.
 *
 * @module
 */

export { type DoctorDeps, treatStore, type Treated } from "./doctor.ts";
export type { Finding, Looked } from "./finding.ts";
export type { VerifyDeps } from "./scope-view.ts";
export { verifyStore } from "./verify.ts";
