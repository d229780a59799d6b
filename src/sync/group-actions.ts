/**
 * What people ask of syncgroups: making one, inviting into it, joining it.
 */

import {
  createInviteKeys,
  formatTicket,
  INVITE_SECRET_SIZE,
  parseTicket,
  type Role,
  Tags,
  tagsOfRole,
  type Ticket,
  type TicketDeps,
  type VerifiedOp,
} from "../access/index.ts";
import {
  type Clock,
  type Crypto,
  type DeviceId,
  NAME_BYTES_MAX,
  deviceInAddress,
  type Random,
  type ScopeId,
  scopeKeyOf,
  utf8,
} from "../base/index.ts";
import type { History } from "../history/index.ts";
import type { Transport } from "../net/index.ts";
import { askToJoin } from "./admission.ts";
import { withCalls } from "./calling.ts";
import { INVITE_USES_MAX } from "./limits.ts";
import { RefusalError, SyncError, REQUEST_SCOPES_MAX } from "../deltas/index.ts";
import {
  ADDRESSES_MAX,
  adminAccess,
  type DeviceType,
  GROUP_COLLECTIONS_MAX,
  type Groups,
  type Member,
  memberRow,
  publishTargetOf,
  refuseEnded,
  specFault,
} from "../groups/index.ts";

export interface GroupActionsDeps {
  readonly history: History;
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly random: Random;
  readonly transport: Transport;
  readonly groups: Groups;
  /** Whether a database does not sync now. */
  readonly isPaused: (database: string) => boolean;
  /** Aborted when sync closes. */
  readonly ending: AbortSignal;
}

/** What to create a syncgroup with. */
export interface GroupOptions {
  /** At least one; fixed from then on. */
  readonly collections: readonly ScopeId[];
  readonly description?: string | undefined;
  /** Its blobs are for members alone; else also for any connected device that presents the reference. Default false. */
  readonly isPrivate?: boolean | undefined;
  /** Multiaddrs where members look for each other. */
  readonly rendezvous?: readonly string[] | undefined;
  /** Multiaddrs of a device to publish the group at, or its bare name: one that is usually there. Default: none. */
  readonly publishAt?: readonly string[] | undefined;
  /** What this device is in it. Default `normal`. */
  readonly type?: DeviceType | undefined;
}

export interface InviteOptions {
  /** Default `writer`. */
  readonly role?: Role | undefined;
  /** Users that it admits; 0: no bound. Default 1. */
  readonly uses?: number | undefined;
  /** Milliseconds from now after which it admits nobody. Default: no end. */
  readonly expiresInMs?: number | undefined;
}

export interface JoinOptions {
  readonly type?: DeviceType | undefined;
  /** 0 to 255. Default 0. */
  readonly priority?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class GroupActions {
  readonly #deps: GroupActionsDeps;

  constructor(deps: GroupActionsDeps) {
    this.#deps = deps;
  }

  /** Makes a syncgroup over collections that this device's user administers. @throws {SyncError} */
  async create(database: string, name: string, options: GroupOptions): Promise<ScopeId> {
    const { history, clock } = this.#deps;
    const { user, device } = history.identity.certified;
    const group: ScopeId = { database, kind: "syncgroup", owner: user, name };
    checkGroup(group, options.collections);
    refuseTooMany(this.#deps.groups, group, options.collections);
    if (this.#deps.groups.has(group))
      throw new SyncError(
        "SYNC_GROUP_EXISTS",
        `Cannot create syncgroup "${name}": there is one already (${this.#deps.groups.status(group)}), which \`syncgroup("${name}")\` gives`,
      );
    const { publishAt = [] } = options;
    const target = publishAt.length === 0 ? undefined : publishTargetOf(publishAt);
    const fault = specFault({ description: options.description, rendezvous: options.rendezvous });
    if (fault !== undefined)
      throw new SyncError("SYNC_SPEC_INVALID", `Cannot create syncgroup "${name}": ${fault}`);
    for (const collection of options.collections) {
      const tags =
        history.scope(collection)?.access.tagsOf(user) ??
        (collection.owner === user ? Tags.ADMIN : 0);
      if ((tags & Tags.ADMIN) === 0) {
        throw new SyncError(
          "SYNC_NO_ACCESS",
          `Cannot create syncgroup "${name}": collection "${collection.name}" is not ours to share`,
        );
      }
    }
    const spec = {
      description: options.description ?? "",
      collections: options.collections.map(({ owner, name: collection }) => ({
        owner,
        name: collection,
      })),
      rendezvous: options.rendezvous ?? [],
      publishPeer: target?.peer,
      isPrivate: options.isPrivate ?? false,
    };
    const member: Member = {
      device,
      user,
      name: history.identity.certified.name,
      type: options.type ?? "normal",
      priority: 0,
      joined: clock.now(),
      hasLeft: false,
      addresses: addressesOf(this.#deps.transport),
    };
    const controls: readonly VerifiedOp[] = [
      { type: "spec", ...spec },
      { type: "status", state: target === undefined ? "running" : "publishPending" },
    ];
    // Kept before the group is: from then on the peer is to be found.
    if (target !== undefined) await this.#deps.groups.records.setIntent({ group, ...target });
    await history.write({ parts: [{ scope: group, controls, rows: [memberRow(member)] }] });
    return group;
  }

  /** A ticket for others to join by. Its holder may join: give it only to whom it is meant for. @throws {SyncError} */
  async invite(group: ScopeId, options: InviteOptions = {}): Promise<string> {
    const { history, crypto, random, clock } = this.#deps;
    const { access } = adminAccess(this.#deps, group);
    const { role = "writer", uses = 1, expiresInMs } = options;
    checkInvite({ uses, expiresInMs });
    const tags = tagsOfRole(role, "collection");
    if (!access.mayGrant(history.identity.device, tags)) {
      throw new SyncError(
        "SYNC_NOT_ADMIN",
        `Cannot invite into syncgroup "${group.name}": this device's user may not admit ${role === "admin" ? "an" : "a"} ${role}`,
      );
    }
    const addresses = this.#adminAddresses(group, tags);
    if (addresses.length === 0)
      throw new SyncError(
        "SYNC_OFFLINE",
        "Cannot invite: neither this device nor another admin says where it is reached",
      );
    const secret = random.bytes(INVITE_SECRET_SIZE);
    const { publicKey } = await createInviteKeys({ crypto }, secret);
    const notAfter =
      expiresInMs === undefined ? {} : { notAfter: Math.floor(clock.now() + expiresInMs) };
    const controls: readonly VerifiedOp[] = [
      { type: "invite", publicKey, tags, uses, ...notAfter },
    ];
    await history.write({ parts: [{ scope: group, controls, rows: [] }] });
    return formatTicket({ group, addresses, secret }, { crypto });
  }

  /** Where to join: at this device, and at other admins who may answer such an invite, an address of each in turn. */
  #adminAddresses(group: ScopeId, tags: Tags): string[] {
    const { history, groups, transport } = this.#deps;
    const access = history.scope(group)?.access;
    const others = groups
      .members(group)
      .filter(
        ({ device, hasLeft }) =>
          !hasLeft &&
          device !== history.identity.device &&
          access?.may(device, Tags.ADMIN) === true &&
          access.mayGrant(device, tags),
      )
      .map(({ device, addresses }) => addresses.filter((one) => one.endsWith(`/p2p/${device}`)));
    const lists = [addressesOf(transport), ...others];
    const longest = Math.max(...lists.map((list) => list.length));
    return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list.slice(i, i + 1)))
      .flat()
      .slice(0, ADDRESSES_MAX);
  }

  /**
   * Joins by a ticket: at the first of its admins that answers. The group is kept, pending, when it resolves.
   *
   * @throws {AccessError} `ACCESS_TICKET_INVALID`; {SyncError} an admin's refusal, `SYNC_JOIN_FAILED` when none could be reached,
   *   `SYNC_WRONG_DATABASE`, `SYNC_CLOSED`; the signal's reason.
   */
  async join(database: string, ticketText: string, options: JoinOptions = {}): Promise<ScopeId> {
    const ticket = ticketFor(database, ticketText, this.#deps);
    const { group } = ticket;
    // Whoever has left or was ejected comes back by a ticket; nobody comes back to what is gone.
    const { groups } = this.#deps;
    const isPending = groups.has(group) && groups.status(group) === "pending";
    if (groups.has(group)) {
      if (groups.status(group) === "destroyed") refuseEnded(groups, group);
      if (groups.isActive(group) && !isPending && this.#isAdmitted(group)) return group;
    }
    let failure: unknown;
    for (const [admin, addresses] of byDevice(ticket.addresses)) {
      // A ticket of our own, from before this store: another admin may know us.
      if (admin === this.#deps.history.identity.device) continue;
      this.#deps.ending.throwIfAborted();
      options.signal?.throwIfAborted();
      try {
        await this.#joinAt(ticket, admin, addresses, options);
        return group;
      } catch (error) {
        this.#deps.ending.throwIfAborted();
        options.signal?.throwIfAborted();
        // A refusal is the group's answer; who cannot answer for it leaves that to another admin.
        if (error instanceof RefusalError && !mayAnotherAnswer(error)) throw error;
        if (!(failure instanceof RefusalError)) failure = error;
      }
    }
    // One was reached, and says why it could not.
    if (failure instanceof RefusalError) throw failure;
    // It goes on waiting, as it would have without being asked.
    if (isPending) return group;
    throw new SyncError(
      "SYNC_JOIN_FAILED",
      `Cannot join syncgroup "${group.name}": no admin in the ticket could be reached`,
      { cause: failure },
    );
  }

  /** Not so where all that is here of the group came out of another device's backup. [BK6] */
  #isAdmitted(group: ScopeId): boolean {
    const { history } = this.#deps;
    return history.scope(group)?.access.may(history.identity.device, Tags.READ) === true;
  }

  async #joinAt(
    ticket: Ticket,
    admin: DeviceId,
    addresses: readonly string[],
    options: JoinOptions,
  ): Promise<void> {
    const { history, groups, ending } = this.#deps;
    const asked = options.signal === undefined ? [ending] : [ending, options.signal];
    const signal = AbortSignal.any(asked);
    await withCalls(this.#deps, admin, addresses, signal, async (client) => {
      const { type = "normal", priority = 0 } = options;
      const { name } = history.identity.certified;
      const request = { ticket, name, type, priority, admin, signal };
      const joined = await askToJoin(this.#deps, client, request);
      signal.throwIfAborted();
      const collections = joined.checkpoint.filter(({ scope }) => scope.kind === "collection");
      refuseTooMany(
        groups,
        ticket.group,
        collections.map(({ scope }) => scope),
      );
      await history.createDatabase(ticket.group.database);
      await groups.addJoined(joined);
    });
  }
}

/** What a program without types may get wrong: an invite that admits nobody is of no use. */
function checkInvite({ uses = 1, expiresInMs = 1 }: InviteOptions): void {
  if (!Number.isInteger(uses) || uses < 0 || uses > INVITE_USES_MAX)
    throw new RangeError(`An invite admits 0 to ${INVITE_USES_MAX} users, 0 for any number`);
  if (!Number.isFinite(expiresInMs) || expiresInMs < 0)
    throw new RangeError("An invite expires in 0 or more milliseconds");
}

/** Where we are reached now, as member records and tickets say it. */
export function addressesOf(transport: Transport): readonly string[] {
  return transport.addresses().slice(0, ADDRESSES_MAX);
}

/** Whether another admin may answer where this one did not. */
function mayAnotherAnswer({ code }: RefusalError): boolean {
  return (
    code === "SYNC_OFFLINE" ||
    // It may not know of the invite yet.
    code === "SYNC_NO_ACCESS" ||
    code === "SYNC_NOT_ADMIN" ||
    code === "SYNC_PENDING" ||
    code === "SYNC_BUSY" ||
    code === "SYNC_UNSUPPORTED"
  );
}

/** Addresses by the device that each ends with. */
function byDevice(addresses: readonly string[]): Map<DeviceId, string[]> {
  const devices = new Map<DeviceId, string[]>();
  for (const address of addresses) {
    const device = deviceInAddress(address);
    if (device === undefined) continue;
    devices.set(device, [...(devices.get(device) ?? []), address]);
  }
  return devices;
}

/** A request for deltas names every scope that two peers share: more than it may hold would never be pulled. */
export function refuseTooMany(groups: Groups, group: ScopeId, added: readonly ScopeId[]): void {
  const known = groups.all(group.database);
  const collections = new Set(
    [...known.flatMap((one) => groups.collections(one)), ...added].map(scopeKeyOf),
  );
  if (collections.size <= REQUEST_SCOPES_MAX && known.length < REQUEST_SCOPES_MAX) return;
  throw new SyncError(
    "SYNC_SPEC_INVALID",
    `Cannot share "${group.name}": a database shares at most ${REQUEST_SCOPES_MAX} collections in ${REQUEST_SCOPES_MAX} syncgroups`,
  );
}

function checkGroup(group: ScopeId, collections: readonly ScopeId[]): void {
  const size = utf8(group.name).length;
  const invalid = (why: string): SyncError =>
    new SyncError("SYNC_SPEC_INVALID", `Cannot create syncgroup "${group.name}": ${why}`);
  if (size === 0 || size > NAME_BYTES_MAX || !group.name.isWellFormed())
    throw invalid(`its name has 1 to ${NAME_BYTES_MAX} bytes of UTF-8`);
  if (collections.length === 0) throw invalid("it has no collections");
  if (collections.length > GROUP_COLLECTIONS_MAX)
    throw invalid(`it has over ${GROUP_COLLECTIONS_MAX} collections`);
  if (new Set(collections.map(scopeKeyOf)).size !== collections.length)
    throw invalid("a collection stands twice");
  if (
    collections.some(({ kind, database }) => kind !== "collection" || database !== group.database)
  )
    throw invalid("its collections are of another database");
}

/** The ticket in a text, for a database. @throws {AccessError} `ACCESS_TICKET_INVALID`; {SyncError} `SYNC_WRONG_DATABASE`. */
export function ticketFor(database: string, text: string, deps: TicketDeps): Ticket {
  const ticket = parseTicket(text, deps);
  if (ticket.group.database === database) return ticket;
  throw new SyncError(
    "SYNC_WRONG_DATABASE",
    `Cannot join: the ticket is for database "${ticket.group.database}", not "${database}"`,
  );
}
