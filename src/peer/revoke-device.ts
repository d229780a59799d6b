import { type AccessState, signDeviceRevocation, Tags, type VerifiedOp } from "../access/index.ts";
import type { Crypto, DeviceId, ScopeId } from "../base/index.ts";
import { type History, HistoryError, type ScopeState } from "../history/index.ts";
import { PairError } from "../pairing/index.ts";
import type { OwnIdentity } from "./identity.ts";
import { REVOKED_SCOPES_AT_ONCE } from "./limits.ts";

export interface RevokeDeps {
  readonly history: History;
  readonly identity: Pick<OwnIdentity, "device" | "certified" | "userSeed">;
  readonly crypto: Crypto;
  /** Why nobody may be revoked in a scope now, or `undefined`. [SY120] */
  readonly whyNotRevoke: (scope: ScopeId) => string | undefined;
}

export interface RevokeDeviceOptions {
  /**
   * Also where not all is here that is to come. What the device has written and is not here is taken back for everybody, and where
   * others have dropped what that superseded, nobody has it any more. Default false. [SY120]
   */
  readonly incomplete?: boolean | undefined;
}

/** A device is taken out of one scope. */
interface Revocation {
  readonly scope: ScopeId;
  readonly op: VerifiedOp;
}

/** Where it stays as it is, and why. */
interface Kept {
  readonly scope: ScopeId;
  readonly why: string;
}

interface Outcome {
  readonly revoked: readonly ScopeId[];
  readonly refusals: readonly HistoryError[];
}

/**
 * Takes a device out wherever that is ours to do: a device of our own user's by the user's key, another's where we are admin. What it
 * wrote and is here stays; what else it has written, or will, counts nowhere. Answers the scopes, durable when it resolves.
 *
 * @throws {PairError} `PAIR_NO_USER_KEY`; `PAIR_DEVICE_UNKNOWN` when it is this device, or none that we may take out; `PAIR_NOT_EVERYWHERE` when
 *   it is in scopes in which nobody may be revoked now, its cause one that has refused it; {HistoryError} one scope has refused it. All others are done then; {StoreError}.
 */
export async function revokeDevice(
  deps: RevokeDeps,
  device: DeviceId,
): Promise<readonly ScopeId[]> {
  const { history, identity } = deps;
  const revoked: ScopeId[] = [];
  const refusals: HistoryError[] = [];
  const kept: Kept[] = [];
  for (const database of device === identity.device ? [] : history.databases()) {
    const revocations: Revocation[] = [];
    for (const state of history.scopes(database)) {
      const op = await revocationIn(deps, state, device);
      if (op === undefined) continue;
      const why = deps.whyNotRevoke(state.id);
      if (why === undefined) revocations.push({ scope: state.id, op });
      else kept.push({ scope: state.id, why });
    }
    // A few scopes a commit: together in time, and small enough for any scope's readers.
    for (let at = 0; at < revocations.length; at += REVOKED_SCOPES_AT_ONCE) {
      const some = revocations.slice(at, at + REVOKED_SCOPES_AT_ONCE);
      const outcome = await writeAll(history, some);
      revoked.push(...outcome.revoked);
      refusals.push(...outcome.refusals);
    }
  }
  const [refusal] = refusals;
  if (kept.length > 0) throw notEverywhere(kept, refusal);
  if (refusal !== undefined) throw refusal;
  if (revoked.length > 0) return revoked;
  throw new PairError(
    "PAIR_DEVICE_UNKNOWN",
    "Cannot revoke device: it is this one, or none that this device's user may take out",
  );
}

function notEverywhere(kept: readonly Kept[], cause: HistoryError | undefined): PairError {
  const all = kept.map(({ scope, why }) => `${scope.kind} "${scope.name}" (${why})`);
  const others = cause === undefined ? "" : `, nor where it was refused: ${cause.message}`;
  return new PairError(
    "PAIR_NOT_EVERYWHERE",
    `Cannot revoke device everywhere: it was not taken out of ${all.join(", ")}${others}`,
    { cause },
  );
}

/** In one commit; scope by scope where that is refused, so that none keeps the device in all others. */
async function writeAll(history: History, all: readonly Revocation[]): Promise<Outcome> {
  const parts = all.map(({ scope, op }) => ({ scope, rows: [], controls: [op] }));
  try {
    await history.write({ parts });
    return { revoked: all.map(({ scope }) => scope), refusals: [] };
  } catch (error) {
    if (!(error instanceof HistoryError)) throw error;
    if (all.length === 1) return { revoked: [], refusals: [error] };
  }
  const outcomes: Outcome[] = [];
  for (const one of all) outcomes.push(await writeAll(history, [one]));
  return {
    revoked: outcomes.flatMap(({ revoked }) => revoked),
    refusals: outcomes.flatMap(({ refusals }) => refusals),
  };
}

async function revocationIn(
  { history, crypto, identity }: RevokeDeps,
  state: ScopeState,
  device: DeviceId,
): Promise<VerifiedOp | undefined> {
  const { id: scope, access } = state;
  const user = access.userOf(device);
  if (user === undefined) return undefined;
  // Who has lost all rights can write nothing here, and neither can the device.
  if (access.tagsOf(identity.certified.user) === 0) return undefined;
  const freeze = history.freezeOf(scope, { device });
  if (user !== identity.certified.user)
    return mayRevoke(access, identity, scope, user)
      ? { type: "revokeDevice", device, freeze }
      : undefined;
  const seed = await identity.userSeed();
  if (seed === undefined)
    throw new PairError(
      "PAIR_NO_USER_KEY",
      "Cannot revoke device: the user's key is on the device that was their first, not on this one",
    );
  return signDeviceRevocation({ crypto }, seed, { scope, device, freeze });
}

function mayRevoke(
  access: AccessState,
  { device, certified }: RevokeDeps["identity"],
  { owner }: ScopeId,
  user: string,
): boolean {
  if (user === owner) return false;
  return certified.user === owner || access.may(device, Tags.ADMIN);
}
