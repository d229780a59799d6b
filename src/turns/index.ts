/**
 * A turn: all that one store write of a database changes, prepared aside, and what memory holds of databases and scopes once it
 * is durable.
 *
 * Start at `Turn`. What a turn may change is decided in `history`. Rules: docs/spec/history.md.
 *
 * @module
 */

export { type AsideEntry, AsideIndex, type Awaits, type HeldUpBy } from "./aside.ts";
export { ControlPlaces } from "./control-places.ts";
export { LateCommits } from "./late-commits.ts";
export { TURN_REFS_MAX } from "./limits.ts";
export { type Rival, RivalIndex, rivalText } from "./rivals.ts";
export { isWithin, type KeySpan, RecentChanges, type View } from "./recent-changes.ts";
export { RecentParts } from "./recent-parts.ts";
export { readRival } from "./staged-parts.ts";
export type { RowName, StagedRow } from "./staged-row.ts";
export { stagedRow, type StagedScope } from "./staged-scope.ts";
export { DatabaseState, type IncarnationReason, ownLogKey, ScopeState } from "./state.ts";
export { changeOfPlace, type SeenRef, Turn, type TurnDeps } from "./turn.ts";
