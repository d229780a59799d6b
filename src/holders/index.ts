/**
 * Who holds a collection, what all of them have, and what may therefore be dropped: superseded versions that nobody can
 * need any more. Rules: docs/spec/holders.md.
 *
 * @module
 */

export { collectChanges, type Collecting } from "./collect.ts";
export { dropStable, type Dropping } from "./drop.ts";
export { emptyDestroyed, type Emptying, isOursToEmpty } from "./empty.ts";
export { type Holders, holderRow, readHolders, stableVector } from "./holders.ts";
export { EMPTY_ROWS_MAX, HOLDER_INTERVAL_MS, HOLDER_REST_MS } from "./limits.ts";
export { Publications } from "./publications.ts";
