/**
 * Which parts count. A part counts by the control log alone, whatever way it came; only what counts is merged into rows,
 * shown, claimed and served.
 */

import type { AccessState, ControlId } from "../access/index.ts";
import { type DeviceId, logIdOf, type LogKey, type UserId } from "../base/index.ts";
import type { Interner } from "../records/index.ts";
import type { StagedScope } from "../turns/index.ts";
import { mayWriteRow } from "./authority.ts";
import { DEVICE_LOGS_MAX, SCOPE_LOGS_MAX, STRANGER_LOGS_MAX, USER_LOGS_MAX } from "./limits.ts";
import type { PreparedPart } from "./prepare.ts";

/** What decides about a part, apart from its rows. */
export interface PartPlace {
  readonly author: DeviceId;
  readonly log: LogKey;
  readonly generation: number;
  /** The control heads that it names, and the last of its own control ops if it has any. */
  readonly heads: readonly ControlId[];
}

/** What a part writes: the row's space and its key as text. */
export interface WrittenRow {
  readonly space: number;
  readonly text: string;
}

/** Whether a part has the right to what it writes, by what is known about access. [HI11] */
export function isAllowed(
  access: AccessState,
  { author, log, generation, heads }: PartPlace,
  rows: readonly WrittenRow[],
): boolean {
  if (access.userOf(author) === undefined && !access.isRevoked(author)) return false;
  const tags = access.tagsOfPart({ device: author, log, generation, heads });
  // Beyond a freeze control ops alone need a right too: whoever has lost it could go on with them without end.
  if (tags === 0 && generation > access.frozenAfter(log)) return false;
  return rows.every(({ space, text }) => mayWriteRow(tags, author, space, text));
}

/** Whether all control ops that the part names are in the control log. */
export function hasParents({ controlHeads }: PreparedPart, access: AccessState): boolean {
  return controlHeads.every((id) => access.has(id));
}

/** Whether a part counts, as far as access goes: what it builds on is held, and it has the right to what it writes. */
export function isCounted({ access }: StagedScope, part: PreparedPart): boolean {
  if (!hasParents(part, access) || !part.controls.every(({ id }) => access.has(id))) return false;
  const { author, log, generation, controlHeads, controls, rows } = part;
  const last = controls.at(-1);
  const heads = last === undefined ? controlHeads : [...controlHeads, last.id];
  return isAllowed(
    access,
    { author, log, generation, heads },
    rows.map(({ name }) => name),
  );
}

/**
 * Whether all that the part's contexts name counts here, or lies beyond a freeze: its writer saw that count before its right
 * was taken away. A context that names what is yet to be written would make that superseded before it is there, and its
 * author's next context one that covers its own version. [HI21]
 */
export function isSeen(deps: LogDeps, part: PreparedPart, scope: StagedScope): boolean {
  return unseenOf(deps, part, scope).length === 0;
}

/** What the part's contexts name and has still to count here, by log: what it waits for. */
export function unseenOf(
  deps: LogDeps,
  { logs, seen }: PreparedPart,
  scope: StagedScope,
): readonly (readonly [LogKey, number])[] {
  const { state, access, vector } = scope;
  const room = new LogRoom(deps, scope);
  return logs.flatMap((log, i) => {
    const generation = seen[i] as number;
    const isCounted = generation <= state.generationIn(vector, log);
    if (isCounted || generation > access.frozenAfter(log)) return [];
    // What there is no room for here may be known elsewhere, and is never to come.
    return room.has(log) ? [[log, generation] as const] : [];
  });
}

interface LogDeps {
  readonly interner: Interner;
}

/** Whether there is room for a log in a scope. [HI32] */
export function mayHaveLog(deps: LogDeps, log: LogKey, scope: StagedScope): boolean {
  return new LogRoom(deps, scope).has(log);
}

/**
 * Places for logs in a scope: knowledge names each in every request. A device begins a new one only when its store was set
 * back, or its right was given back.
 */
class LogRoom {
  readonly #interner: Interner;
  readonly #scope: StagedScope;
  #counts: LogCounts | undefined;

  constructor({ interner }: LogDeps, scope: StagedScope) {
    this.#interner = interner;
    this.#scope = scope;
  }

  has(log: LogKey): boolean {
    const { vector, access } = this.#scope;
    const number = this.#interner.knownLog(log);
    if (number !== undefined && vector.has(number)) return true;
    if (vector.size >= SCOPE_LOGS_MAX) return false;
    // Few enough for everybody.
    if (vector.size < DEVICE_LOGS_MAX) return true;
    const { device } = logIdOf(log);
    const user = access.userOf(device);
    this.#counts ??= this.#count();
    const { ofDevices, ofUsers, ofStrangers } = this.#counts;
    if ((ofDevices.get(device) ?? 0) >= DEVICE_LOGS_MAX) return false;
    if (user !== undefined && (ofUsers.get(user) ?? 0) >= USER_LOGS_MAX) return false;
    return !this.#isStranger(user) || ofStrangers < STRANGER_LOGS_MAX;
  }

  #isStranger(user: UserId | undefined): boolean {
    return user === undefined || this.#scope.access.tagsOf(user) === 0;
  }

  #count(): LogCounts {
    const ofDevices = new Map<DeviceId, number>();
    for (const known of this.#scope.vector.keys()) {
      const { device } = logIdOf(this.#interner.logOf(known));
      ofDevices.set(device, (ofDevices.get(device) ?? 0) + 1);
    }
    const ofUsers = new Map<UserId, number>();
    let ofStrangers = 0;
    for (const [device, logs] of ofDevices) {
      const user = this.#scope.access.userOf(device);
      if (user !== undefined) ofUsers.set(user, (ofUsers.get(user) ?? 0) + logs);
      if (this.#isStranger(user)) ofStrangers += logs;
    }
    return { ofDevices, ofUsers, ofStrangers };
  }
}

interface LogCounts {
  readonly ofDevices: ReadonlyMap<DeviceId, number>;
  readonly ofUsers: ReadonlyMap<UserId, number>;
  readonly ofStrangers: number;
}
