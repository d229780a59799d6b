/** The local API's routes for syncgroups. */

import { nodeCrypto } from "#platform";
import type { Context, Hono } from "hono";
import type { Json } from "../base/index.ts";
import type { Collection } from "../db/index.ts";
import { ticketFor } from "../sync/index.ts";
import {
  countOf,
  deviceOf,
  deviceTypeOf,
  flagOf,
  listOf,
  roleOf,
  textOf,
  userOf,
} from "./api-input.ts";
import { LEAVE_WAIT_MS_MAX } from "./limits.ts";
import type { Peer } from "./peer.ts";
import type { PeerDatabase } from "./peer-database.ts";
import type { Syncgroup } from "./syncgroup.ts";

const GROUPS = "/v1/databases/:database/groups";
const GROUP = `${GROUPS}/:group`;
const SERVICE_USERS = "/v1/service/users";

/** How the API reads what is asked. */
export interface Reading {
  readonly databaseOf: (c: Context, peer: Peer) => Promise<PeerDatabase>;
  readonly bodyOf: (c: Context) => Promise<Readonly<Record<string, Json>>>;
  readonly namedCollection: (database: PeerDatabase, text: string) => Collection;
}

export function addGroupRoutes(api: Hono, peer: Peer, reading: Reading): void {
  addGroupBasics(api, peer, reading);
  addGroupLife(api, peer, reading);
  addServiceAccess(api, peer, reading.bodyOf);
}

/** Making, inviting, joining, looking. */
function addGroupBasics(
  api: Hono,
  peer: Peer,
  { databaseOf: open, bodyOf, namedCollection }: Reading,
): void {
  const databaseOf = (c: Context): Promise<PeerDatabase> => open(c, peer);
  const groupOf = async (c: Context): Promise<Syncgroup> =>
    (await databaseOf(c)).syncgroup(c.req.param("group") ?? "");
  api.get(GROUPS, async (c) => c.json((await databaseOf(c)).syncgroups().map(groupJson)));
  api.post(GROUPS, async (c) => {
    const { name, collections, description, isPrivate, publishAt } = await bodyOf(c);
    const database = await databaseOf(c);
    const group = await database.createSyncgroup(textOf("name", name), {
      collections: listOf(collections).map((one) => namedCollection(database, one)),
      ...(description !== undefined && { description: textOf("description", description) }),
      ...(isPrivate !== undefined && { isPrivate: flagOf(isPrivate) }),
      ...(publishAt !== undefined && { publishAt: listOf(publishAt) }),
    });
    return c.json(groupJson(group), 201);
  });
  api.get(`${GROUPS}/:group`, async (c) => c.json(groupJson(await groupOf(c))));
  api.post(`${GROUPS}/:group/invites`, async (c) => {
    const { role, uses, expiresInMs } = await bodyOf(c);
    const ticket = await (
      await groupOf(c)
    ).invite({
      ...(role !== undefined && { role: roleOf(role) }),
      ...(uses !== undefined && { uses: countOf(uses) }),
      ...(expiresInMs !== undefined && { expiresInMs: countOf(expiresInMs) }),
    });
    return c.json({ ticket }, 201);
  });
  api.post("/v1/databases/:database/join", async (c) => {
    const { ticket, type } = await bodyOf(c);
    const options = type === undefined ? {} : { type: deviceTypeOf(type) };
    const text = textOf("ticket", ticket);
    // Before a database is made for it.
    ticketFor(c.req.param("database"), text, { crypto: nodeCrypto() });
    const database = await databaseOf(c);
    return c.json(groupJson(await database.joinSyncgroup(text, options)), 201);
  });
}

/** What becomes of a group that is here. */
function addGroupLife(api: Hono, peer: Peer, { databaseOf, bodyOf }: Reading): void {
  const groupOf = async (c: Context): Promise<Syncgroup> =>
    (await databaseOf(c, peer)).syncgroup(c.req.param("group") ?? "");
  api.get(`${GROUP}/invites`, async (c) => c.json((await groupOf(c)).invites()));
  api.delete(`${GROUP}/invites/:invite`, async (c) => {
    await (await groupOf(c)).revokeInvite(c.req.param("invite"));
    return c.body(null, 204);
  });
  api.get(`${GROUP}/spec`, async (c) => c.json(specJson(await groupOf(c))));
  api.patch(`${GROUP}/spec`, async (c) => {
    const { version, description, rendezvous, isPrivate, publishAt } = await bodyOf(c);
    const group = await groupOf(c);
    const changes = {
      ...(description !== undefined && { description: textOf("description", description) }),
      ...(rendezvous !== undefined && { rendezvous: listOf(rendezvous) }),
      ...(isPrivate !== undefined && { isPrivate: flagOf(isPrivate) }),
      ...(publishAt !== undefined && { publishAt: listOf(publishAt) }),
    };
    await group.setSpec(
      changes,
      version === undefined ? {} : { version: textOf("version", version) },
    );
    return c.json(specJson(group));
  });
  api.patch(`${GROUP}/member`, async (c) => {
    const { name, type, priority } = await bodyOf(c);
    await (
      await groupOf(c)
    ).updateMember({
      ...(name !== undefined && { name: textOf("name", name) }),
      ...(type !== undefined && { type: deviceTypeOf(type) }),
      ...(priority !== undefined && { priority: countOf(priority) }),
    });
    return c.body(null, 204);
  });
  api.post(`${GROUP}/grant`, async (c) => {
    const { user, role } = await bodyOf(c);
    await (await groupOf(c)).grant(userOf(user), roleOf(role ?? null));
    return c.body(null, 204);
  });
  api.post(`${GROUP}/eject`, async (c) => {
    const { user, device, keepsShared, incomplete } = await bodyOf(c);
    const whom = device === undefined ? { user: userOf(user) } : { device: deviceOf(device) };
    const options = {
      ...(keepsShared !== undefined && { keepsShared: flagOf(keepsShared) }),
      ...(incomplete !== undefined && { incomplete: flagOf(incomplete) }),
    };
    await (await groupOf(c)).eject(whom, options);
    return c.body(null, 204);
  });
  api.post(`${GROUP}/leave`, async (c) => {
    const { waitMs, lastAdmin } = await bodyOf(c);
    const signals = [c.req.raw.signal];
    // A longer timer would end at once.
    if (waitMs !== undefined)
      signals.push(AbortSignal.timeout(Math.min(countOf(waitMs), LEAVE_WAIT_MS_MAX)));
    const signal = AbortSignal.any(signals);
    const options = lastAdmin === undefined ? {} : { lastAdmin: flagOf(lastAdmin) };
    const { onlyHere } = await (await groupOf(c)).leave({ signal, ...options });
    return c.json({ onlyHere: onlyHere.map(({ kind, owner, name }) => ({ kind, owner, name })) });
  });
  api.post(`${GROUP}/destroy`, async (c) => {
    await (await groupOf(c)).destroy();
    return c.body(null, 204);
  });
}

/** Who may publish syncgroups at this peer. */
function addServiceAccess(api: Hono, peer: Peer, bodyOf: Reading["bodyOf"]): void {
  api.get(SERVICE_USERS, async (c) => c.json(await peer.serviceAccess.list()));
  api.post(SERVICE_USERS, async (c) => {
    const { user } = await bodyOf(c);
    await peer.serviceAccess.grant(userOf(user));
    return c.body(null, 204);
  });
  api.delete(`${SERVICE_USERS}/:user`, async (c) => {
    await peer.serviceAccess.revoke(userOf(c.req.param("user")));
    return c.body(null, 204);
  });
}

function specJson(group: Syncgroup): object {
  const { collections, publishPeer, ...spec } = group.spec();
  return {
    ...spec,
    publishPeer: publishPeer ?? null,
    collections: collections.map(({ owner, name }) => ({ owner, name })),
  };
}

function groupJson(group: Syncgroup): object {
  const { name, owner } = group;
  return {
    name,
    owner,
    status: group.status(),
    progress: group.progress() ?? null,
    collections: group.collections().map((one) => ({ owner: one.owner, name: one.name })),
    members: group.members(),
  };
}
