/**
 * JoinSyncgroupAtAdmin, both sides: an admin that admits a device, and a device that asks one.
 */

import {
  type AccessState,
  checkInvite,
  checkNotAfter,
  type CollectionName,
  type Certified,
  proveInvite,
  tagsOfKind,
  Tags,
  type Ticket,
  verifyCertificate,
  verifyInviteProof,
  type VerifiedOp,
  specFromWire,
  specToWire,
  controlIdBytes,
} from "../access/index.ts";
import {
  type Clock,
  codeOf,
  type Crypto,
  type DeviceId,
  type ScopeId,
  scopeKeyOf,
  toHex,
} from "../base/index.ts";
import type { History, PartWrite } from "../history/index.ts";
import {
  DeviceType as WireType,
  type Join,
  type Joined,
  type MessageInitShape,
  type JoinedSchema,
  scopeFromWire,
  scopeToWire,
} from "../wire/index.ts";
import type { CallClient } from "./calls.ts";
import { SyncError, claimFromWire, claimToWire, type ScopeClaim } from "../deltas/index.ts";
import { holderRow } from "../holders/index.ts";
import {
  type DeviceType,
  type Groups,
  type JoinedGroup,
  type Member,
  memberRow,
  promiseOf,
  readMember,
} from "../groups/index.ts";
import { USER_DEVICES_MAX } from "./limits.ts";

export interface AdmissionDeps {
  readonly history: History;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly groups: Groups;
  /** Whether a database does not sync now. */
  readonly isPaused: (database: string) => boolean;
}

const TYPES: Readonly<Record<DeviceType, WireType>> = {
  normal: WireType.NORMAL,
  server: WireType.SERVER,
  leaf: WireType.LEAF,
};

export function typeToWire(type: DeviceType): WireType {
  return TYPES[type];
}

/** What this version does not know is nothing special. */
export function typeFromWire(type: WireType | undefined): DeviceType {
  return (Object.keys(TYPES) as DeviceType[]).find((one) => TYPES[one] === type) ?? "normal";
}

/** Who asks to join, on which stream. */
export interface JoinCall {
  readonly peer: DeviceId;
  readonly nonce: Uint8Array;
  /** Where the caller was met. */
  readonly addresses: readonly string[];
}

/** Answers joins, one at a time: an invite's uses are counted. */
export class Admission {
  readonly #deps: AdmissionDeps;
  #last: Promise<unknown> = Promise.resolve();

  constructor(deps: AdmissionDeps) {
    this.#deps = deps;
  }

  /**
   * Admits the caller: grants, certificate and member record are durable when it resolves.
   *
   * @throws {SyncError} `SYNC_NO_ACCESS` (also for groups that are not here), `SYNC_INVITE_EXPIRED`, `SYNC_INVITE_USED_UP`,
   *   `SYNC_NOT_ADMIN`, `SYNC_PENDING`.
   */
  admit(join: Join, call: JoinCall): Promise<MessageInitShape<typeof JoinedSchema>> {
    const answer = this.#last.then(() => this.#admit(join, call));
    this.#last = answer.catch(() => {});
    return answer;
  }

  async #admit(join: Join, call: JoinCall): Promise<MessageInitShape<typeof JoinedSchema>> {
    const { history, groups } = this.#deps;
    const certified = await certifiedCaller(this.#deps, join.certificate, call.peer);
    const group = join.group === undefined ? undefined : scopeFromWire(join.group);
    if (group === undefined) throw noAccess();
    // Before the group is looked for: a false proof has one answer, whether the group is here or not.
    const invite = await this.#provedInvite(group, join, call);
    const scope = group.kind === "syncgroup" ? history.scope(group) : undefined;
    if (scope?.access.spec === undefined || !groups.isActive(group)) throw noAccess();
    const admitted = this.#rights(scope.access, invite, certified);
    // Only now: that the database is here is not for everybody to know.
    if (this.#deps.isPaused(group.database))
      throw new SyncError("SYNC_OFFLINE", "Cannot join: the database does not sync now");
    const { device } = history.identity;
    if (!scope.access.may(device, Tags.ADMIN) && history.identity.certified.user !== group.owner) {
      throw new SyncError(
        "SYNC_NOT_ADMIN",
        "Cannot join: the device asked is no admin of the group",
      );
    }
    if (groups.isPending(group)) {
      throw new SyncError("SYNC_PENDING", "Cannot join: the device asked is catching up itself");
    }
    const member = await this.#record(group, join, certified, call);
    if (member !== undefined) this.#refuseMany(group, certified);
    // Who comes with a ticket may come with a new store; a member without one asks for a checkpoint alone.
    const isNew = member !== undefined || join.proof !== undefined;
    const drafts = groups
      .collections(group)
      .map((collection) => this.#draft(collection, certified, { ...admitted, isNew }));
    drafts.push(this.#draft(group, certified, { ...admitted, isNew }, member));
    // The group's last: until it is written the invite is not used up, and who is cut off may come again.
    for (const draft of drafts)
      if (draft.controls.length > 0 || draft.rows.length > 0)
        await history.write({ parts: [draft] });

    const { value, version } = scope.access.spec;
    return {
      spec: specToWire(value),
      version: controlIdBytes(version),
      vectors: promiseOf(history, groups, group).map(claimToWire),
      certificate: history.identity.certified.bytes,
    };
  }

  /** Each device is written by us, into control logs that have an end. @throws {SyncError} `SYNC_NO_ACCESS`. */
  #refuseMany(group: ScopeId, { user }: Certified): void {
    const { history, groups } = this.#deps;
    const count = groups.members(group).filter((member) => member.user === user).length;
    if (count < USER_DEVICES_MAX || user === history.identity.certified.user) return;
    throw new SyncError(
      "SYNC_NO_ACCESS",
      "Cannot join: the user has too many devices in the group",
    );
  }

  /** The key of the invite that the caller knows the secret of, if they name one. @throws {AccessError} a false proof. */
  async #provedInvite(group: ScopeId, join: Join, call: JoinCall): Promise<Uint8Array | undefined> {
    const { proof } = join;
    if (proof === undefined) return undefined;
    const { crypto, history } = this.#deps;
    const { publicKey, signature } = proof;
    const admin = history.identity.device;
    const binding = { nonce: call.nonce, joiner: call.peer, admin, group };
    await verifyInviteProof({ crypto }, { publicKey, signature, ...binding });
    return publicKey;
  }

  /** What the caller's user is to hold: by an invite, or because they hold it already. */
  #rights(
    access: AccessState,
    invite: Uint8Array | undefined,
    { device, user }: Certified,
  ): Admitted {
    if (access.isRevoked(device, user)) throw noAccess();
    const isReader = (access.tagsOf(user) & Tags.READ) !== 0;
    if (invite === undefined) {
      if (isReader) return { tags: undefined, invite: undefined };
      throw noAccess();
    }
    try {
      return { tags: checkInvite(access, invite, user, this.#deps.clock.now()).tags, invite };
    } catch (error) {
      // Whom the group knows needs no invite any more: another device of theirs, or this one anew.
      if (isReader) return { tags: undefined, invite: undefined };
      switch (codeOf(error)) {
        case "ACCESS_INVITE_EXPIRED":
          throw new SyncError(
            "SYNC_INVITE_EXPIRED",
            "Cannot join: the invite's end has passed, or it was taken back",
          );
        case "ACCESS_INVITE_USED_UP":
          throw new SyncError(
            "SYNC_INVITE_USED_UP",
            "Cannot join: the invite has admitted as many as it may",
          );
        default:
          throw noAccess();
      }
    }
  }

  /** What one scope lacks of the caller's certificate and grant, and the member record. */
  #draft(
    scope: ScopeId,
    certified: Certified,
    { tags, invite, isNew }: Admitted & { readonly isNew: boolean },
    member?: Member,
  ): PartWrite & { readonly controls: readonly VerifiedOp[] } {
    const { identity } = this.#deps.history;
    const access = this.#deps.history.scope(scope)?.access;
    const isOwner = identity.certified.user === scope.owner;
    const controls: VerifiedOp[] = [];
    // Once: whose a device is by then, more of the same does not change.
    if (access?.isIntroducedAs(certified.device, certified.user) !== true) {
      controls.push({ type: "device", certificate: certified.bytes, certified });
    }
    const held = access?.tagsOf(certified.user) ?? 0;
    const wanted = tags === undefined ? held : tags & tagsOfKind(scope.kind);
    const cited = scope.kind === "syncgroup" ? invite : undefined;
    const isCited = cited === undefined || isCounted(access, cited, certified);
    if ((held & wanted) !== wanted || !isCited) {
      if (access === undefined && !isOwner) {
        throw new SyncError(
          "SYNC_PENDING",
          "Cannot join: the device asked has not caught up with the group's collections itself",
        );
      }
      if (access?.mayGrant(identity.device, wanted) === false && !isOwner) {
        throw new SyncError(
          "SYNC_NOT_ADMIN",
          "Cannot join: the device asked may not grant what the invite promises",
        );
      }
      controls.push({
        type: "grant",
        user: certified.user,
        tags: wanted,
        ...(cited !== undefined && { invite: cited }),
      });
    }
    const rows = member === undefined ? [] : [memberRow(member)];
    const isAdmin = isOwner || access?.may(identity.device, Tags.ADMIN) === true;
    // Also of one that has joined before. It says itself what it has. [HO1]
    if (scope.kind === "collection" && isAdmin && isNew)
      rows.push(holderRow(certified.device, new Map()));
    return { scope, controls, rows };
  }

  /** The caller's member record, unless it stands already. */
  async #record(
    group: ScopeId,
    join: Join,
    { user, device }: Certified,
    call: JoinCall,
  ): Promise<Member | undefined> {
    const known = await readMember(this.#deps.history, group, device);
    const isKnown =
      known?.user === user ||
      this.#deps.history.scope(group)?.access.isIntroducedAs(device, user) === true;
    if (known !== undefined && !known.hasLeft && isKnown) return undefined;
    const type = typeFromWire(join.info?.type);
    const priority = join.info?.syncPriority ?? 0;
    const joined = this.#deps.clock.now();
    return {
      device,
      user,
      name: join.joinerName,
      type,
      priority,
      joined,
      hasLeft: false,
      addresses: call.addresses,
    };
  }
}

interface Admitted {
  /** As a role means them in a collection; `undefined`: what the user holds already. */
  readonly tags: Tags | undefined;
  readonly invite: Uint8Array | undefined;
}

function isCounted(
  access:
    | { readonly invites: ReadonlyMap<string, { readonly usedBy: ReadonlySet<string> }> }
    | undefined,
  invite: Uint8Array,
  { user }: Certified,
): boolean {
  return access?.invites.get(toHex(invite))?.usedBy.has(user) === true;
}

/**
 * The certificate of who calls, checked.
 *
 * @throws {AccessError} a false certificate; {SyncError} `SYNC_PROTOCOL` for another device's, `SYNC_NO_ACCESS` for one that has ended.
 */
export async function certifiedCaller(
  { crypto, clock }: AdmissionDeps,
  certificate: Uint8Array,
  peer: DeviceId,
): Promise<Certified> {
  const certified = await verifyCertificate({ crypto }, certificate);
  if (certified.device !== peer)
    throw new SyncError("SYNC_PROTOCOL", "Cannot answer: the certificate is another device's");
  try {
    checkNotAfter(certified, clock.now());
  } catch {
    throw noAccess();
  }
  return certified;
}

function noAccess(): SyncError {
  return new SyncError("SYNC_NO_ACCESS", "Cannot join: no such group, or no access to it");
}

/** What a device says when it asks to be admitted. */
export interface JoinRequest {
  /** Without the secret: as one whose user may read the group already. */
  readonly ticket: Omit<Ticket, "secret"> & { readonly secret: Uint8Array | undefined };
  readonly name: string;
  readonly type: DeviceType;
  readonly priority: number;
  readonly admin: DeviceId;
  readonly signal: AbortSignal;
}

/** Asks an admin. Nothing is kept here yet. @throws {SyncError} the admin's refusal, or `SYNC_PROTOCOL`. */
export async function askToJoin(
  deps: AdmissionDeps,
  client: CallClient,
  request: JoinRequest,
): Promise<JoinedGroup> {
  const { history, crypto } = deps;
  const { ticket, name, type, priority, admin, signal } = request;
  const { group, secret, addresses } = ticket;
  const binding = { nonce: client.nonce, joiner: history.identity.device, admin, group };
  const proof =
    secret === undefined ? undefined : await proveInvite({ crypto }, { secret, ...binding });
  const value = {
    group: scopeToWire(group),
    joinerName: name,
    info: { type: typeToWire(type), syncPriority: priority },
    certificate: history.identity.certified.bytes,
    ...(proof !== undefined && { proof }),
  };
  const response = await client.call({ case: "join", value }, signal);
  if (response.case !== "joined")
    throw new SyncError("SYNC_PROTOCOL", "Cannot join: the admin answered something else");
  return checkJoined(deps, group, admin, addresses, response.value);
}

function checkJoined(
  { history }: AdmissionDeps,
  group: ScopeId,
  admin: DeviceId,
  addresses: readonly string[],
  joined: Joined,
): JoinedGroup {
  if (joined.spec === undefined)
    throw new SyncError("SYNC_PROTOCOL", "Cannot join: the admin's answer lacks the spec");
  const { collections } = specFromWire(joined.spec);
  const checkpoint = joined.vectors.map(claimFromWire);
  const scopes = checkCheckpoint(group, collections, checkpoint);
  const fresh = scopes.filter((scope) => history.scope(scope) === undefined);
  return { group, checkpoint, fresh, admin, addresses };
}

/** The collections of a group whose checkpoint names its scope and theirs. @throws {SyncError} `SYNC_PROTOCOL` otherwise. */
export function checkCheckpoint(
  group: ScopeId,
  collections: readonly CollectionName[],
  checkpoint: readonly ScopeClaim[],
): ScopeId[] {
  const scopes: ScopeId[] = collections.map(({ owner, name }) => ({
    database: group.database,
    kind: "collection",
    owner,
    name,
  }));
  const expected = new Set([group, ...scopes].map(scopeKeyOf));
  if (
    checkpoint.length !== expected.size ||
    !checkpoint.every(({ scope }) => expected.has(scopeKeyOf(scope)))
  ) {
    throw new SyncError("SYNC_PROTOCOL", "Cannot take group: the checkpoint is not that of it");
  }
  return scopes;
}
