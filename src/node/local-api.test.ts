import { Server } from "node:http";
import { expect, test, vi } from "vitest";
import { tempFolder } from "../testkit/index.ts";
import { type FetchHandler, requestLocal, serveLocal } from "./local-api.ts";

const PIECE = new Uint8Array(64 * 1024).fill(7);
const PIECES = 640;

/** Asks a handler through a socket of its own. */
async function through<T>(handler: FetchHandler, use: (path: string) => Promise<T>): Promise<T> {
  await using folder = await tempFolder();
  const path = folder.at("api.sock");
  const server = await serveLocal(path, handler);
  try {
    return await use(path);
  } finally {
    await server.close();
  }
}

async function* piecesOf(
  count: number,
  onPiece: () => void = () => {},
): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) {
    onPiece();
    yield PIECE;
  }
}

async function sizeOf(stream: ReadableStream<Uint8Array> | null): Promise<number> {
  let size = 0;
  for await (const piece of stream ?? []) size += piece.length;
  return size;
}

test("[AP6] a sender is held back until what it has sent is taken", async () => {
  const { promise: reading, resolve: read } = Promise.withResolvers<void>();
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
  const handler: FetchHandler = async (request) => {
    arrive();
    await reading;
    return Response.json({ size: await sizeOf(request.body) });
  };
  await through(handler, async (path) => {
    let sent = 0;
    const answer = requestLocal(path, "/", {
      method: "POST",
      body: piecesOf(PIECES, () => (sent += 1)),
    });
    await arrived;
    // Whatever the system's buffers take, it is not all.
    for (let last = -1; last !== sent;) {
      last = sent;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(sent).toBeLessThan(PIECES / 4);
    read();
    expect(await (await answer).json()).toEqual({ size: PIECES * PIECE.length });
    expect(sent).toBe(PIECES);
  });
});

test("[AP6] a refusal is heard though the body has not been sent, and the rest of it never is", async () => {
  const handler: FetchHandler = () => Response.json({ error: { code: "NO" } }, { status: 400 });
  await through(handler, async (path) => {
    let ended = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield PIECE;
      } finally {
        ended = true;
      }
    }
    const answer = await requestLocal(path, "/", { method: "POST", body: endless() });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toEqual({ error: { code: "NO" } });
    expect(ended).toBe(true);
  });
});

test("[AP6] a source that fails fails the request with its own error, and the receiver sees no end", async () => {
  const { promise: seen, resolve: see } = Promise.withResolvers<unknown>();
  const handler: FetchHandler = async (request) => {
    await sizeOf(request.body).then(() => see("an end"), see);
    return new Response();
  };
  await through(handler, async (path) => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield PIECE;
      throw new Error("the disk is gone");
    }
    await expect(requestLocal(path, "/", { method: "POST", body: failing() })).rejects.toThrow(
      "the disk is gone",
    );
    expect(await seen).toBeInstanceOf(Error);
  });
});

test("[AP7] an answer is read as it comes, with its headers, and one that is cut off fails its reader", async () => {
  let produced = 0;
  const handler: FetchHandler = ({ url }) => {
    const isCut = url.endsWith("/cut");
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          produced += 1;
          if (isCut && produced > 3) controller.error(new Error("lost"));
          else if (produced > PIECES) controller.close();
          else controller.enqueue(PIECE);
        },
      },
      { highWaterMark: 0 },
    );
    const headers = { "content-type": "image/jpeg", "content-length": `${PIECES * PIECE.length}` };
    return new Response(body, { headers });
  };
  await through(handler, async (path) => {
    const answer = await requestLocal(path, "/whole");
    expect(answer.headers.get("content-type")).toBe("image/jpeg");
    for (let last = -1; last !== produced;) {
      last = produced;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(produced).toBeLessThan(PIECES / 4);
    expect(await sizeOf(answer.body)).toBe(PIECES * PIECE.length);
    produced = 0;
    await expect(
      requestLocal(path, "/cut").then(({ body }) => sizeOf(body as ReadableStream<Uint8Array>)),
    ).rejects.toThrow();
  });
});

test("a request is ended by its signal, with the signal's reason", async () => {
  const handler: FetchHandler = () => new Promise(() => {});
  await through(handler, async (path) => {
    const reason = new Error("enough");
    const ending = new AbortController();
    const answer = requestLocal(path, "/", { signal: ending.signal });
    ending.abort(reason);
    await expect(answer).rejects.toBe(reason);
  });
});

test("where nobody answers that is told with a code", async () => {
  await using folder = await tempFolder();
  await expect(requestLocal(folder.at("none.sock"), "/")).rejects.toMatchObject({
    code: "LOCAL_API_UNREACHABLE",
  });
});

test("[AP6] an upload may take as long as it likes, headers may not", async () => {
  const listen = vi.spyOn(Server.prototype, "listen");
  await through(
    () => new Response(null, { status: 204 }),
    async (path) => {
      const server = listen.mock.contexts[0] as Server;
      expect([server.requestTimeout, server.headersTimeout > 0]).toEqual([0, true]);
      expect((await requestLocal(path, "/")).status).toBe(204);
    },
  );
});
