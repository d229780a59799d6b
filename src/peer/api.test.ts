import { expect, test } from "vitest";
import { createApi, openPeer, type Peer } from "./index.ts";

const ROWS = "/v1/databases/app/collections/rows";

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** Asks the API in this process. */
async function ask(peer: Peer, target: string, method = "GET", body?: unknown): Promise<Answer> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const response = await createApi(peer).request(target, {
    method,
    ...(body !== undefined && { body: text }),
  });
  const answer = await response.text();
  return {
    status: response.status,
    body:
      answer === ""
        ? undefined
        : answer.includes("\n")
          ? answer
              .trim()
              .split("\n")
              .map((line) => JSON.parse(line) as unknown)
          : JSON.parse(answer),
  };
}

test("[AP3] values and keys of every kind come back as they were", async () => {
  await using peer = await openPeer();
  const values = [
    null,
    true,
    1.5,
    "text",
    [1, [2]],
    { a: { b: 1 } },
    { $bytes: "AAEC" },
    { $bigint: "12345678901234567890" },
    { $date: "2026-01-02T03:04:05.006Z" },
    { $number: "NaN" },
    { $$money: 1 },
  ];
  for (const [i, value] of values.entries()) {
    const key = encodeURIComponent(`a/b ü€ ${i}`);
    expect((await ask(peer, `${ROWS}/row?key=${key}`, "PUT", { value })).status).toBe(204);
    expect(await ask(peer, `${ROWS}/row?key=${key}`)).toEqual({ status: 200, body: { value } });
  }
  const { body } = await ask(
    peer,
    `${ROWS}/rows?prefix=${encodeURIComponent("a/b")}&limit=2&reverse=true`,
  );
  expect(body).toHaveLength(2);
});

test.for([
  ["an unknown path", "/v1/nothing", "GET", undefined, 404, "API_NOT_FOUND"],
  ["a row that is not there", `${ROWS}/row?key=none`, "GET", undefined, 404, "API_NO_ROW"],
  ["no key", `${ROWS}/row`, "GET", undefined, 400, "API_INPUT_INVALID"],
  ["an empty key", `${ROWS}/row?key=`, "PUT", { value: 1 }, 400, "DB_KEY_INVALID"],
  ["a long key", `${ROWS}/row?key=${"k".repeat(1025)}`, "PUT", { value: 1 }, 400, "DB_KEY_INVALID"],
  ["no value", `${ROWS}/row?key=a`, "PUT", {}, 400, "API_INPUT_INVALID"],
  ["no JSON", `${ROWS}/row?key=a`, "PUT", "{", 400, "API_INPUT_INVALID"],
  [
    "a form that stands for nothing",
    `${ROWS}/row?key=a`,
    "PUT",
    { value: { $nothing: 1 } },
    400,
    "DB_VALUE_MALFORMED",
  ],
  [
    "a limit that is no number",
    `${ROWS}/rows?limit=many`,
    "GET",
    undefined,
    400,
    "API_INPUT_INVALID",
  ],
  [
    "a prefix and a start",
    `${ROWS}/rows?prefix=a&start=b`,
    "GET",
    undefined,
    400,
    "API_INPUT_INVALID",
  ],
  [
    "a prefix and an end",
    `${ROWS}/rows?prefix=a&end=b`,
    "DELETE",
    undefined,
    400,
    "API_INPUT_INVALID",
  ],
  [
    "an owner that is none",
    `${ROWS}/row?key=a&owner=did:key:z1`,
    "GET",
    undefined,
    400,
    "API_INPUT_INVALID",
  ],
  [
    "a group that is not there",
    "/v1/databases/app/groups/none",
    "GET",
    undefined,
    404,
    "SYNC_NO_GROUP",
  ],
  [
    "a role that is none",
    "/v1/databases/app/groups/none/invites",
    "POST",
    { role: "king" },
    404,
    "SYNC_NO_GROUP",
  ],
  [
    "a ticket that is none",
    "/v1/databases/app/join",
    "POST",
    { ticket: "rookery:x" },
    400,
    "ACCESS_TICKET_INVALID",
  ],
  [
    "a marker that is none",
    "/v1/databases/app/collections/rows/watch?after=none",
    "GET",
    undefined,
    409,
    "DB_RESUME_MARKER_UNKNOWN",
  ],
  [
    "a device that is nobody's",
    "/v1/devices/revoke",
    "POST",
    { device: "12D3KooWNCnLW6uebw1FgNjUKMYLxbxocrHhu3u9DFuGRCSABadL" },
    404,
    "PAIR_DEVICE_UNKNOWN",
  ],
  [
    "a flag that is no flag",
    "/v1/devices/revoke",
    "POST",
    { device: "12D3KooWNCnLW6uebw1FgNjUKMYLxbxocrHhu3u9DFuGRCSABadL", incomplete: "yes" },
    400,
    "API_INPUT_INVALID",
  ],
  [
    "a ticket that is no text",
    "/v1/databases/app/join",
    "POST",
    { ticket: 1 },
    400,
    "API_INPUT_INVALID",
  ],
] as const)(
  "[AP1] [AP2] %s is refused with a code",
  async ([, target, method, body, status, code]) => {
    await using peer = await openPeer({ listen: [] });
    await peer.openDatabase("app");
    expect(await ask(peer, target, method, body)).toMatchObject({
      status,
      body: { error: { code } },
    });
    expect((await ask(peer, `${ROWS}/rows`)).body).toBeUndefined();
  },
);

test("[AP2] a body over the limit is refused", async () => {
  await using peer = await openPeer();
  const value = "x".repeat(5 * 1024 * 1024);
  expect(await ask(peer, `${ROWS}/row?key=a`, "PUT", { value })).toMatchObject({
    status: 413,
    body: { error: { code: "API_BODY_TOO_LARGE" } },
  });
});

test("[AP1] a batch is one, and refused whole", async () => {
  await using peer = await openPeer();
  expect((await ask(peer, `${ROWS}/batch`, "POST", { puts: { a: 1, b: 2 } })).status).toBe(204);
  expect((await ask(peer, `${ROWS}/batch`, "POST", { puts: { a: 9, "": 2 } })).status).toBe(400);
  expect(
    (await ask(peer, `${ROWS}/batch`, "POST", { puts: { c: 3 }, deletes: ["b"] })).status,
  ).toBe(204);
  expect((await ask(peer, `${ROWS}/rows`)).body).toEqual([
    { key: "a", value: 1 },
    { key: "c", value: 3 },
  ]);
});

test("[AP1] [AP2] collections are made, emptied and destroyed", async () => {
  await using peer = await openPeer();
  const collections = "/v1/databases/app/collections";
  const made = await ask(peer, collections, "POST", { name: "rows" });
  expect(made).toMatchObject({ status: 201, body: { name: "rows" } });
  expect((await ask(peer, collections, "POST", { name: "rows" })).status).toBe(409);
  for (const key of ["a", "b", "ba"])
    await ask(peer, `${ROWS}/row?key=${key}`, "PUT", { value: key });
  expect((await ask(peer, ROWS + "/rows", "DELETE")).status).toBe(400);
  expect(await ask(peer, `${ROWS}/rows?prefix=b`, "DELETE")).toMatchObject({
    body: { deleted: 2 },
  });
  expect(await ask(peer, `${ROWS}/rows?prefix=`, "DELETE")).toMatchObject({ body: { deleted: 1 } });
  expect((await ask(peer, ROWS, "DELETE")).status).toBe(204);
  expect((await ask(peer, collections)).body).toEqual([]);
  const gone = { status: 409, body: { error: { code: "DB_COLLECTION_DESTROYED" } } };
  expect(await ask(peer, `${ROWS}/row?key=a`)).toMatchObject(gone);
});

test("[AP4] a watch tells the state and what follows, and ends with its reader", async () => {
  await using peer = await openPeer();
  const rows = (await peer.openDatabase("app")).collection<number>("rows");
  await rows.put("a", 1);
  const response = await createApi(peer).request(`${ROWS}/watch`);
  const reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  const read = async (): Promise<unknown> =>
    JSON.parse(new TextDecoder().decode((await reader.read()).value)) as unknown;
  expect(await read()).toMatchObject({
    changes: [{ type: "put", key: "a", value: 1, conflict: false }],
    caughtUp: true,
  });
  await rows.delete("a");
  const page = await read();
  expect(page).toMatchObject({ changes: [{ type: "delete", key: "a" }], fromSync: false });
  await reader.cancel();
  await rows.put("b", 2);
  expect(await rows.get("b")).toBe(2);
});

test("[AP5] a list is whole, and reading makes no database", async () => {
  await using peer = await openPeer();
  const database = await peer.openDatabase("app");
  const rows = database.collection<number>("rows");
  for (const round of [0, 1]) {
    await database.batch((batch) => {
      for (let i = 0; i < 6000; i++) batch.put(rows, `${round}-${i}`, i);
    });
  }
  expect((await ask(peer, `${ROWS}/rows`)).body).toHaveLength(12_000);
  expect(await ask(peer, "/v1/databases/typo/collections/rows/row?key=a")).toMatchObject({
    status: 404,
    body: { error: { code: "API_NO_DATABASE" } },
  });
  expect(peer.databases()).toEqual(["app"]);
});
