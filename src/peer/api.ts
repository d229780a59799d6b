/**
 * The local API: what the command line uses. JSON; row values in their lossless JSON form; lists and watches as one JSON value a
 * line. Rules: docs/spec/api.md.
 */

import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import {
  codeOf,
  fromJson,
  type Json,
  parseUserId,
  parseJson,
  toJson,
  type Value,
} from "../base/index.ts";
import type { Collection } from "../db/index.ts";
import type { Looked } from "../doctor/index.ts";
import { hasEnded } from "../groups/index.ts";
import { API_BODY_BYTES_MAX } from "./limits.ts";
import { addBlobRoutes, UPLOADS } from "./api-blobs.ts";
import { addDeviceRoutes } from "./api-devices.ts";
import { addGroupRoutes } from "./api-groups.ts";
import { ApiError, boundsOf, countOf, fieldsOf, listOf, textOf } from "./api-input.ts";
import { errorBody, lines } from "./api-lines.ts";
import type { Peer } from "./peer.ts";
import type { PeerDatabase } from "./peer-database.ts";
import { streamOf } from "./streams.ts";

const COLLECTION = "/v1/databases/:database/collections/:collection";

/** The routes over a peer. */
export function createApi(peer: Peer): Hono {
  const api = new Hono();
  const limited = bodyLimit({
    maxSize: API_BODY_BYTES_MAX,
    onError: (c) => c.json(errorBody("API_BODY_TOO_LARGE", "The request is too large"), 413),
  });
  // What is put as a blob goes to the disk as it comes: it has no limit, and must not be read whole here.
  api.use((c, next) => (c.req.path === UPLOADS ? next() : limited(c, next)));
  api.onError((error, c) =>
    c.json(errorBody(codeOf(error) ?? "API_INTERNAL", error.message), statusOf(error)),
  );
  api.notFound((c) => c.json(errorBody("API_NOT_FOUND", "No such path"), 404));
  addPeerRoutes(api, peer);
  addRowRoutes(api, peer);
  addVersionRoutes(api, peer);
  addBlobRoutes(api, peer);
  addGroupRoutes(api, peer, { databaseOf, bodyOf, namedCollection });
  addDeviceRoutes(api, peer, bodyOf);
  return api;
}

/** What is found, then how much was gone through where that is asked for: not all who read know of it. */
async function* verifiedLines(peer: Peer, isLookedAsked: boolean): AsyncGenerator<object> {
  const last: object[] = [];
  const onLooked = (looked: Looked): void => void last.push({ looked });
  for await (const { fix, ...finding } of peer.verify({ onLooked }))
    yield { ...finding, fix: fix && { type: fix.type } };
  if (isLookedAsked) yield* last;
}

function addPeerRoutes(api: Hono, peer: Peer): void {
  api.get("/v1/status", async (c) => c.json(await peer.status()));
  api.get("/v1/verify", (c) =>
    lines(c, verifiedLines(peer, c.req.query("looked") === "true"), (line) => line),
  );
  api.get("/v1/backup", (c) => {
    const isAsked = (name: string): boolean => c.req.query(name) === "true";
    const { signal } = c.req.raw;
    const options = { identity: isAsked("identity"), blobs: isAsked("blobs"), signal };
    return c.body(streamOf(peer.backupBytes(options)));
  });
  api.get("/v1/peers", (c) => c.json(peer.peers()));
  api.get("/v1/databases/:database/collections", async (c) =>
    c.json((await databaseOf(c, peer)).collections()),
  );
  api.post("/v1/databases/:database/collections", async (c) => {
    const { name } = await bodyOf(c);
    const made = await (await databaseOf(c, peer)).createCollection(textOf("name", name));
    return c.json({ owner: made.owner, name: made.name }, 201);
  });
  api.delete(COLLECTION, async (c) => {
    const collection = await collectionOf(c, peer);
    // In a program that is nothing to be told; here it is a name that was not typed right.
    if (!collection.exists())
      throw new ApiError("API_NO_COLLECTION", `No collection "${collection.name}" here`, 404);
    await collection.destroy();
    return c.body(null, 204);
  });
  api.post("/v1/databases/:database/pause", async (c) => {
    await peer.pause(knownDatabase(c, peer));
    return c.body(null, 204);
  });
  api.post("/v1/databases/:database/resume", async (c) => {
    await peer.resume(knownDatabase(c, peer));
    return c.body(null, 204);
  });
}

function addRowRoutes(api: Hono, peer: Peer): void {
  api.get(`${COLLECTION}/row`, async (c) => {
    const value = await (await collectionOf(c, peer)).get(keyOf(c));
    if (value === undefined) throw new ApiError("API_NO_ROW", "No such row", 404);
    return c.json({ value: toJson(value) });
  });
  api.put(`${COLLECTION}/row`, async (c) => {
    const { value } = await bodyOf(c);
    if (value === undefined) throw new ApiError("API_INPUT_INVALID", "A row has a value", 400);
    await (await collectionOf(c, peer)).put(keyOf(c), fromJson(value));
    return c.body(null, 204);
  });
  api.delete(`${COLLECTION}/row`, async (c) => {
    await (await collectionOf(c, peer)).delete(keyOf(c));
    return c.body(null, 204);
  });
  api.post(`${COLLECTION}/batch`, async (c) => {
    const { puts, deletes } = await bodyOf(c);
    const collection = await collectionOf(c, peer);
    await (
      await databaseOf(c, peer)
    ).batch((batch) => {
      for (const [key, value] of Object.entries(fieldsOf(puts ?? {})))
        batch.put(collection, key, fromJson(value));
      for (const key of listOf(deletes ?? [])) batch.delete(collection, key);
    });
    return c.body(null, 204);
  });
  api.get(`${COLLECTION}/rows`, async (c) => {
    const { limit, reverse, ...query } = c.req.query();
    const bounds = boundsOf(query);
    const collection = await collectionOf(c, peer);
    const rows = collection.scan({
      ...bounds,
      reverse: reverse === "true",
      ...(limit !== undefined && { limit: countOf(limit) }),
    });
    return lines(c, rows, (row) => ({ ...row, value: toJson(row.value) }));
  });
  api.delete(`${COLLECTION}/rows`, async (c) => {
    const bounds = boundsOf(c.req.query());
    // Nothing said is more likely a mistake than a wish for all: that is the empty prefix.
    if (Object.values(bounds).every((bound) => bound === undefined))
      throw new ApiError("API_INPUT_INVALID", "A prefix, a start or an end is wanted", 400);
    const deleted = await (await collectionOf(c, peer)).deleteRange(bounds);
    return c.json({ deleted });
  });
  api.get(`${COLLECTION}/watch`, async (c) => {
    const { prefix, after } = c.req.query();
    const { signal } = c.req.raw;
    const pages = (await collectionOf(c, peer)).watch({ prefix, after, signal });
    return lines(c, pages, ({ changes, ...rest }) => ({
      ...rest,
      changes: changes.map((change) =>
        change.type === "put" ? { ...change, value: toJson(change.value) } : change,
      ),
    }));
  });
}

/** What was written and is not what a row shows. */
function addVersionRoutes(api: Hono, peer: Peer): void {
  api.get(`${COLLECTION}/conflicts`, async (c) => {
    const conflicts = await (await collectionOf(c, peer)).conflicts(keyOf(c));
    return c.json(conflicts.map(versionJson));
  });
  api.get(`${COLLECTION}/quarantined`, async (c) => {
    const rows = (await collectionOf(c, peer)).quarantined();
    return lines(c, rows, versionJson);
  });
}

/** What somebody wrote, without a value where it deleted. */
function versionJson({ value, ...rest }: { readonly value: Value | undefined }): object {
  return { ...rest, ...(value !== undefined && { value: toJson(value) }) };
}

function param(c: Context, name: string): string {
  return c.req.param(name) ?? "";
}

/** What begins something in a database, or waits for it, by its method and the end of its path. */
const BEGINS = new Set([
  "PUT row",
  "POST batch",
  "POST collections",
  "POST groups",
  "POST join",
  "GET watch",
]);

/** Made unless it is there by what begins something; what reads, changes or ends something finds nothing. */
async function databaseOf(c: Context, peer: Peer): Promise<PeerDatabase> {
  const { method, path } = c.req;
  const isMade = BEGINS.has(`${method} ${path.slice(path.lastIndexOf("/") + 1)}`);
  return peer.openDatabase(isMade ? param(c, "database") : knownDatabase(c, peer));
}

/** The name of a database that is here. */
function knownDatabase(c: Context, peer: Peer): string {
  const name = param(c, "database");
  if (peer.databases().includes(name)) return name;
  throw new ApiError("API_NO_DATABASE", `No database "${name}" here`, 404);
}

/** By `?owner=`, or the only one of that name that is here or shared with us; ours where there is none. */
async function collectionOf(c: Context, peer: Peer): Promise<Collection> {
  const owner = c.req.query("owner");
  const name = param(c, "collection");
  return namedCollection(
    await databaseOf(c, peer),
    owner === undefined ? name : `${name}@${owner}`,
  );
}

/** By `name@did:key:…` or a plain name. Ours does not win over another's: which one is meant nobody could see. */
function namedCollection(database: PeerDatabase, text: string): Collection {
  const at = text.lastIndexOf("@did:key:");
  if (at > 0) {
    const owner = parseUserId(text.slice(at + 1));
    if (owner === undefined) throw new ApiError("API_INPUT_INVALID", "An owner is a did:key", 400);
    return database.collection({ owner, name: text.slice(0, at) });
  }
  const own = database.collection(text);
  // What a syncgroup shares may hold nothing yet, as while its rows are on their way.
  const groups = database.syncgroups().filter((group) => !hasEnded(group.status()));
  const shared = groups.flatMap((group) => group.collections());
  const named = [...database.collections(), ...shared].filter(({ name }) => name === text);
  const [owner, ...others] = new Set(named.map((one) => one.owner));
  if (owner === undefined) return own;
  if (others.length === 0) return database.collection({ owner, name: text });
  throw new ApiError(
    "API_INPUT_INVALID",
    `Several collections are named "${text}": say whose, as ${text}@did:key:…`,
    400,
  );
}

function keyOf(c: Context): string {
  const key = c.req.query("key");
  if (key === undefined) throw new ApiError("API_INPUT_INVALID", "A row has a key", 400);
  return key;
}

async function bodyOf(c: Context): Promise<Readonly<Record<string, Json>>> {
  const text = await c.req.text();
  try {
    return fieldsOf(parseJson(text));
  } catch (cause) {
    if (cause instanceof SyntaxError)
      throw new ApiError("API_INPUT_INVALID", "The request is no JSON", 400);
    throw cause;
  }
}

function statusOf(error: Error): ContentfulStatusCode {
  if (error instanceof ApiError) return error.status;
  const code = codeOf(error) ?? "";
  if (error instanceof TypeError || error instanceof RangeError) return 400;
  if (
    /_(INVALID|UNSUPPORTED|TOO_LARGE|MALFORMED|WRONG_DATABASE|BATCH_SCOPES|CONTEXT_FULL|CONTROLS_FULL)$/.test(
      code,
    )
  )
    return 400;
  if (/_(NO_ACCESS|NOT_ADMIN|NO_USER_KEY|READ_ONLY|REFUSED|EXPIRED|USED|USED_UP)$/.test(code))
    return code === "STORE_READ_ONLY" ? 503 : 403;
  if (/_(NO_GROUP|NO_INVITE|NO_MEMBER|NO_ROW|NOT_HERE|DEVICE_UNKNOWN)$/.test(code)) return 404;
  if (
    /_(BAD_VERSION|DUP_PUBLISH|ENDED|EXISTS|DESTROYED|CONCURRENT_BATCH|PENDING|MARKER_UNKNOWN|NOT_FRESH|NOT_EVERYWHERE|LAST_ADMIN)$/.test(
      code,
    )
  )
    return 409;
  return code === "" ? 500 : 503;
}
