import { expect, test } from "vitest";

import { BlobRef, type DeviceId, deviceIdOf, type ScopeId, userIdOf } from "../base/index.ts";
import type { Connection } from "../net/index.ts";
import { ASKED_AT_ONCE_MAX } from "./limits.ts";
import { Locator, type LocatorDeps } from "./locator.ts";

const key = (n: number): Uint8Array => new Uint8Array(32).fill(n);
const group: ScopeId = { database: "d", kind: "syncgroup", owner: userIdOf(key(1)), name: "g" };
const ref = new BlobRef({ root: key(9), size: 5, depth: 0, chunker: 1 });

/** Peers of one group, connected in this order; what the locator asks of the layers below, and nothing more. */
function locatorOver(peers: number, roles: { server: number; author: number; has: number }) {
  const devices = Array.from({ length: peers }, (_, i) => deviceIdOf(key(20 + i)));
  const at = (i: number): DeviceId => devices[i] as DeviceId;
  const asked: DeviceId[] = [];
  const closed = new AbortController().signal;
  const deps = {
    logger: () => {},
    transport: { connections: () => devices.map((peer) => ({ peer, closed }) as Connection) },
    access: {
      appearance: () => Promise.resolve({ groups: [group], authors: new Set([at(roles.author)]) }),
    },
    sync: {
      isBlocked: () => false,
      sharing: {
        groups: () => [group],
        members: () =>
          devices.map((device, i) => ({ device, type: i === roles.server ? "server" : "normal" })),
      },
      call: (peer: DeviceId) => {
        asked.push(peer);
        const size = peer === at(roles.has) ? 5n : undefined;
        return Promise.resolve({ case: "blobHeld", value: { size } });
      },
    },
  };
  return { locator: new Locator(deps as unknown as LocatorDeps), asked, at };
}

test("[EX8] storage peers are asked first, then authors, so many at a time, until one has it", async () => {
  const peers = 2 * ASKED_AT_ONCE_MAX + 1;
  const server = peers - 1;
  const author = peers - 2;
  const { signal } = new AbortController();

  const none = locatorOver(peers, { server, author, has: -1 });
  expect(await none.locator.find(ref, () => false, signal)).toBeUndefined();
  const others = Array.from({ length: peers - 2 }, (_, i) => i);
  expect(none.asked).toEqual([server, author, ...others].map((i) => none.at(i)));

  const held = locatorOver(peers, { server, author, has: author });
  expect((await held.locator.find(ref, () => false, signal))?.peer).toBe(held.at(author));
  expect(held.asked).toEqual(none.asked.slice(0, ASKED_AT_ONCE_MAX));

  const rests = locatorOver(peers, { server, author, has: author });
  expect(
    await rests.locator.find(ref, (peer) => peer === rests.at(author), signal),
  ).toBeUndefined();
  expect(rests.asked).not.toContain(rests.at(author));
});
