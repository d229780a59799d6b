import { expect, test } from "vitest";
import { createApi, openPeer, type Peer, type SyncgroupOptions } from "./index.ts";

const GROUP = "/v1/databases/app/groups/home";

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** Asks the API in this process. */
async function ask(peer: Peer, target: string, method = "GET", body?: unknown): Promise<Answer> {
  const response = await createApi(peer).request(target, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
}

const open = (name: string): Promise<Peer> => openPeer({ name, listen: ["/ip4/127.0.0.1/tcp/0"] });

test("[AP9] a syncgroup's whole life goes through the API", async () => {
  await using ada = await open("ada");
  await using bea = await open("bea");
  await (await ada.openDatabase("app")).collection("rows").put("a", 1);
  const made = { name: "home", collections: ["rows"], isPrivate: true };
  expect(await ask(ada, "/v1/databases/app/groups", "POST", made)).toMatchObject({
    status: 201,
    body: { name: "home", status: "running" },
  });
  const { body: invited } = await ask(ada, `${GROUP}/invites`, "POST", { role: "reader", uses: 2 });
  const { ticket } = invited as { readonly ticket: string };
  const joined = await ask(bea, "/v1/databases/app/join", "POST", { ticket });
  expect(joined).toMatchObject({ status: 201, body: { name: "home", owner: ada.user } });
  await (await bea.openDatabase("app")).syncgroup("home").ready();

  const { body: spec } = await ask(ada, `${GROUP}/spec`);
  expect(spec).toMatchObject({ isPrivate: true, publishPeer: null, description: "" });
  const { version } = spec as { readonly version: string };
  const described = { description: "Home", version };
  expect(await ask(ada, `${GROUP}/spec`, "PATCH", described)).toMatchObject({
    status: 200,
    body: { description: "Home" },
  });
  expect(await ask(ada, `${GROUP}/spec`, "PATCH", described)).toMatchObject({
    status: 409,
    body: { error: { code: "SYNC_BAD_VERSION" } },
  });
  expect(await ask(bea, `${GROUP}/spec`, "PATCH", { description: "Mine" })).toMatchObject({
    status: 403,
    body: { error: { code: "SYNC_NOT_ADMIN" } },
  });
  expect(await ask(ada, `${GROUP}/spec`, "PATCH", { isPrivate: "yes" })).toMatchObject({
    status: 400,
  });

  const { body: invites } = await ask(ada, `${GROUP}/invites`);
  expect(invites).toMatchObject([{ role: "reader", uses: 2, usedBy: [bea.user] }]);
  const [{ id }] = invites as [{ readonly id: string }];
  expect(await ask(ada, `${GROUP}/invites/${id}`, "DELETE")).toMatchObject({ status: 204 });
  expect(await ask(ada, `${GROUP}/invites/none`, "DELETE")).toMatchObject({ status: 404 });

  const writer = { user: bea.user, role: "writer" };
  expect(await ask(ada, `${GROUP}/grant`, "POST", writer)).toMatchObject({ status: 204 });
  expect(await ask(ada, `${GROUP}/grant`, "POST", { ...writer, user: "me" })).toMatchObject({
    status: 400,
  });
  expect(await ask(bea, `${GROUP}/member`, "PATCH", { name: "Bea's" })).toMatchObject({
    status: 204,
  });
  // Longer than a timer can be.
  expect(await ask(ada, `${GROUP}/leave`, "POST", { waitMs: 1 })).toMatchObject({
    status: 409,
    body: { error: { code: "SYNC_LAST_ADMIN" } },
  });
  expect(await ask(bea, `${GROUP}/leave`, "POST", { waitMs: 3_000_000_000 })).toEqual({
    status: 200,
    body: { onlyHere: [] },
  });
  expect(await ask(bea, GROUP)).toMatchObject({ body: { status: "left" } });
  const { body: after } = await ask(ada, GROUP);
  expect((after as { readonly members: object[] }).members).toContainEqual(
    expect.objectContaining({ device: bea.device, name: "Bea's", state: "left" }),
  );
  const ejected = { user: bea.user, incomplete: true };
  expect(await ask(ada, `${GROUP}/eject`, "POST", { ...ejected, incomplete: "yes" })).toMatchObject(
    { status: 400 },
  );
  expect(await ask(ada, `${GROUP}/eject`, "POST", ejected)).toMatchObject({ status: 204 });
  expect(await ask(ada, `${GROUP}/eject`, "POST", { device: ada.device })).toMatchObject({
    status: 403,
  });
  expect(await ask(ada, `${GROUP}/destroy`, "POST")).toMatchObject({ status: 204 });
  expect(await ask(ada, GROUP)).toMatchObject({ body: { status: "destroyed" } });
  expect(await ask(ada, `${GROUP}/destroy`, "POST")).toMatchObject({
    status: 409,
    body: { error: { code: "SYNC_GROUP_ENDED" } },
  });
});

test("[AP9] whom this device takes groups from is a list, and such a group comes here by itself", async () => {
  await using server = await open("server");
  await using ada = await open("ada");
  const users = "/v1/service/users";
  expect(await ask(server, users)).toEqual({ status: 200, body: [] });
  expect(await ask(server, users, "POST", { user: ada.user })).toMatchObject({ status: 204 });
  expect(await ask(server, users, "POST", { user: "ada" })).toMatchObject({ status: 400 });
  expect(await ask(server, users)).toEqual({ status: 200, body: [ada.user] });
  await server.connect();
  const { addresses } = await server.status();
  const database = await ada.openDatabase("app");
  const rows = database.collection("rows");
  await rows.put("a", 1);
  const group = await database.createSyncgroup("home", {
    collections: [rows],
    publishAt: addresses,
  });
  while (group.status() !== "running") await new Promise((resolve) => setTimeout(resolve, 20));
  const copy = (await server.openDatabase("app")).syncgroup("home");
  await copy.ready();
  expect(await copy.collection("rows").get("a")).toBe(1);
  expect(await ask(server, `${users}/${ada.user}`, "DELETE")).toMatchObject({ status: 204 });
  expect(await ask(server, users)).toEqual({ status: 200, body: [] });
});

test("[CL3] a plain name is the only one that is here or shared, and several must be told apart", async () => {
  await using ada = await open("ada");
  await using bea = await open("bea");
  const rows = (await ada.openDatabase("app")).collection("rows");
  await rows.put("a", 1);
  const group = await (
    await ada.openDatabase("app")
  ).createSyncgroup("home", { collections: [rows] });
  const ticket = await group.invite();
  // Joined, and nothing comes.
  await bea.pause("app");
  expect(await ask(bea, "/v1/databases/app/join", "POST", { ticket })).toMatchObject({
    status: 201,
    body: { status: "pending" },
  });
  const row = "/v1/databases/app/collections/rows/row?key=b";
  expect(await ask(bea, row, "PUT", { value: 2 })).toMatchObject({
    body: { error: { code: "DB_READ_ONLY" } },
  });
  const database = await bea.openDatabase("app");
  expect(database.collections()).toEqual([]);
  // Nobody has one of this name: ours.
  const other = "/v1/databases/app/collections/other/row?key=b";
  expect(await ask(bea, other, "PUT", { value: 2 })).toMatchObject({ status: 204 });
  await database.collection("rows").put("mine", 3);
  const several = { status: 400, body: { error: { code: "API_INPUT_INVALID" } } };
  expect(await ask(bea, row, "PUT", { value: 2 })).toMatchObject(several);
  expect(await ask(bea, row)).toMatchObject(several);
  const { body } = await ask(bea, row);
  expect(JSON.stringify(body)).toContain("say whose, as rows@did:key:…");
  const shared = { name: "mine", collections: ["rows"] };
  expect(await ask(bea, "/v1/databases/app/groups", "POST", shared)).toMatchObject(several);
  const owner = encodeURIComponent(bea.user);
  const mine = `/v1/databases/app/collections/rows/row?key=mine&owner=${owner}`;
  expect(await ask(bea, mine)).toEqual({ status: 200, body: { value: 3 } });
  // What is shared no more is no other of that name.
  await database.syncgroup("home").leave({ signal: AbortSignal.timeout(10) });
  expect(await ask(bea, row.replace("=b", "=mine"))).toEqual({ status: 200, body: { value: 3 } });
});

test("[SY66] groups of one name are told apart by their owner, and what shares no collections is none", async () => {
  await using ada = await open("ada");
  await using bea = await open("bea");
  const [theirs, ours] = [await ada.openDatabase("app"), await bea.openDatabase("app")];
  const shared = await theirs.createSyncgroup("home", { collections: [theirs.collection("a")] });
  await ours.joinSyncgroup(await shared.invite());
  await ours.createSyncgroup("home", { collections: [ours.collection("b")] });
  expect(() => ours.syncgroup("home")).toThrow("say whose, as home@did:key:…");
  expect(ours.syncgroup(`home@${ada.user}`).owner).toBe(ada.user);
  expect(() => ours.syncgroup("none")).toThrow('No syncgroup "none" in database "app"');
  for (const wrong of [undefined, {}, { collections: "b" }, { collections: ["b"] }]) {
    const made = ours.createSyncgroup("other", wrong as unknown as SyncgroupOptions);
    const says = "A syncgroup shares collections: { collections: [db.collection(…)] }";
    await expect(made).rejects.toThrow(new TypeError(says));
  }
  expect(ours.syncgroups()).toHaveLength(2);
});
