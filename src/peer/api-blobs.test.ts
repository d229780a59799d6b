import { expect, test } from "vitest";
import { damagePack, seededRandom, tempFolder } from "../testkit/index.ts";
import { createApi, openPeer, type Peer } from "./index.ts";

const BYTES = seededRandom(20_261_127).bytes(700_000);

interface Put {
  readonly ref: string;
  readonly size: number;
  readonly newBytes: number;
}

type Body = string | Uint8Array<ArrayBuffer> | AsyncIterable<Uint8Array>;

async function upload(
  peer: Peer,
  body: Body,
  headers: Record<string, string> = {},
): Promise<Response> {
  const init = { method: "POST", headers, body: body as string, duplex: "half" as const };
  return await createApi(peer).request("/v1/blobs", init);
}

async function put(peer: Peer, bytes: Uint8Array, type?: string): Promise<Put> {
  const headers = type === undefined ? {} : { "content-type": type };
  const answer = await upload(peer, bytes as Uint8Array<ArrayBuffer>, headers);
  expect(answer.status).toBe(201);
  return (await answer.json()) as Put;
}

function get(peer: Peer, ref: string, headers: Record<string, string> = {}): Promise<Response> {
  return Promise.resolve(
    createApi(peer).request(`/v1/blobs/${encodeURIComponent(ref)}`, { headers }),
  );
}

test("[AP6] [AP7] what is uploaded is downloaded, with its type and length, and not stored twice", async () => {
  await using peer = await openPeer();
  const { ref, size, newBytes } = await put(peer, BYTES, "image/jpeg");
  expect(size).toBe(BYTES.length);
  expect(newBytes).toBe(BYTES.length);
  const answer = await get(peer, ref);
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toBe("image/jpeg");
  expect(answer.headers.get("content-length")).toBe(String(BYTES.length));
  expect(answer.headers.get("accept-ranges")).toBe("bytes");
  expect(Buffer.from(await answer.arrayBuffer()).equals(BYTES)).toBe(true);
  expect(await put(peer, BYTES, "image/jpeg")).toEqual({ ref, size, newBytes: 0 });
  const plain = await put(peer, BYTES);
  expect(plain.newBytes).toBe(0);
  expect((await get(peer, plain.ref)).headers.get("content-type")).toBe("application/octet-stream");
  const head = await createApi(peer).request(`/v1/blobs/${encodeURIComponent(ref)}`, {
    method: "HEAD",
  });
  expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([
    200,
    String(BYTES.length),
    "",
  ]);
});

test("[AP6] an upload has no limit", async () => {
  await using peer = await openPeer();
  const piece = new Uint8Array(1024 * 1024);
  async function* zeros(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 8; i++) yield piece;
  }
  const answer = await upload(peer, zeros());
  expect(await answer.json()).toMatchObject({ size: 8 * piece.length });
});

test("[AP6] an upload that breaks off leaves nothing visible", async () => {
  await using peer = await openPeer();
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield BYTES;
    throw new Error("cut");
  }
  const answer = await upload(peer, failing());
  expect(answer.status).toBeGreaterThanOrEqual(500);
  const whole = await put(peer, BYTES);
  expect(await (await get(peer, whole.ref)).bytes()).toEqual(BYTES);
});

test("[AP7] an empty blob is one", async () => {
  await using peer = await openPeer();
  const { ref, size, newBytes } = await put(peer, new Uint8Array());
  expect([size, newBytes]).toEqual([0, 0]);
  const answer = await get(peer, ref);
  expect([answer.status, (await answer.bytes()).length]).toEqual([200, 0]);
  expect((await get(peer, ref, { range: "bytes=0-" })).status).toBe(416);
});

test.for([
  ["bytes=0-0", 206, 0, 1],
  ["bytes=100000-500000", 206, 100_000, 500_001],
  ["bytes=699999-", 206, 699_999, 700_000],
  ["bytes=699000-9999999", 206, 699_000, 700_000],
  ["bytes=-5", 206, 699_995, 700_000],
  ["bytes=-9999999", 206, 0, 700_000],
  ["bytes=5-4", 200, 0, 700_000],
  ["bytes=0-1,5-6", 200, 0, 700_000],
  ["rows=0-1", 200, 0, 700_000],
  ["bytes=", 200, 0, 700_000],
  ["bytes=x-2", 200, 0, 700_000],
] as const)("[AP7] range %s", async ([range, status, start, end]) => {
  await using peer = await openPeer();
  const { ref } = await put(peer, BYTES);
  const answer = await get(peer, ref, { range });
  expect(answer.status).toBe(status);
  expect(answer.headers.get("content-length")).toBe(String(end - start));
  expect(answer.headers.get("content-range")).toBe(
    status === 206 ? `bytes ${start}-${end - 1}/700000` : null,
  );
  expect(Buffer.from(await answer.arrayBuffer()).equals(BYTES.subarray(start, end))).toBe(true);
});

test.for(["bytes=700000-", "bytes=700000-700001", "bytes=-0"])(
  "[AP7] range %s is none that it has",
  async (range) => {
    await using peer = await openPeer();
    const { ref } = await put(peer, BYTES);
    const answer = await get(peer, ref, { range });
    expect(answer.status).toBe(416);
    expect(await answer.json()).toMatchObject({ error: { code: "API_RANGE_INVALID" } });
  },
);

test("[AP7] what is not here is refused before an answer has begun, and its status says so", async () => {
  await using other = await openPeer();
  const { ref } = await put(other, BYTES, "image/jpeg");
  await using peer = await openPeer();
  const answer = await get(peer, ref);
  expect(answer.status).toBe(404);
  expect(await answer.json()).toMatchObject({ error: { code: "BLOB_NOT_HERE" } });
  const status = (at: Peer): Promise<unknown> =>
    Promise.resolve(createApi(at).request(`/v1/blobs/${encodeURIComponent(ref)}/status`)).then(
      (found) => found.json(),
    );
  const size = BYTES.length;
  expect(await status(peer)).toEqual({ size, here: 0, isWhole: false, mediaType: "image/jpeg" });
  expect(await status(other)).toEqual({ size, here: size, isWhole: true, mediaType: "image/jpeg" });
});

test("[AP7] what is lost cuts a download off, and is refused before the next has begun", async () => {
  await using folder = await tempFolder();
  await using peer = await openPeer({ path: folder.path });
  const { ref } = await put(peer, BYTES);
  await damagePack(folder.at("chunks"), BYTES.subarray(-1000));
  const answer = await get(peer, ref);
  expect(answer.status).toBe(200);
  await expect(answer.bytes()).rejects.toMatchObject({ code: "BLOB_NOT_HERE" });
  for (const headers of [{}, { range: "bytes=-1" }, { range: "bytes=5-" }]) {
    const refused = await get(peer, ref, headers);
    expect(refused.status).toBe(404);
    expect(await refused.json()).toMatchObject({ error: { code: "BLOB_NOT_HERE" } });
  }
  const part = await get(peer, ref, { range: "bytes=5-99999" });
  expect([part.status, await part.bytes()]).toEqual([206, BYTES.slice(5, 100_000)]);
});

test("[AP8] a page that a blob holds is not run", async () => {
  await using peer = await openPeer();
  const { ref } = await put(peer, new TextEncoder().encode("<script>1</script>"), "text/html");
  const { headers } = await get(peer, ref);
  expect(headers.get("content-security-policy")).toBe("sandbox; default-src 'none'");
  expect(headers.get("x-content-type-options")).toBe("nosniff");
});

test.for(["nonsense", "blob:", "blob:AAAA", `blob:${"A".repeat(5000)}`, "blob:%00", "../status"])(
  "[AP8] %s is no reference",
  async (ref) => {
    await using peer = await openPeer();
    for (const what of ["", "/status"]) {
      const answer = await createApi(peer).request(`/v1/blobs/${encodeURIComponent(ref)}${what}`);
      expect(answer.status).toBe(400);
      expect(await answer.json()).toMatchObject({ error: { code: "API_INPUT_INVALID" } });
    }
  },
);

test.for(["ü", "x".repeat(256)])("[AP8] %s is no media type", async (type) => {
  await using peer = await openPeer();
  const answer = await upload(peer, "text", { "content-type": type });
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ error: { code: "API_INPUT_INVALID" } });
});

test("[AP4] [AP7] a fetch that nobody can answer says so, and ends with its reader", async () => {
  await using other = await openPeer();
  const { ref } = await put(other, BYTES);
  await using peer = await openPeer({ listen: [] });
  const answer = await createApi(peer).request(`/v1/blobs/${encodeURIComponent(ref)}/fetch`, {
    method: "POST",
  });
  const reader = answer.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  const first: unknown = JSON.parse(new TextDecoder().decode((await reader.read()).value));
  expect(first).toMatchObject({ received: 0, fromLocal: 0, total: BYTES.length });
  await reader.cancel();
  // Closing waits for what is under way: nothing is.
  await peer.close();
});
