/** The local API's routes for the devices of this peer's user. */

import type { Context, Hono } from "hono";
import { type Json, parseDeviceId } from "../base/index.ts";
import { ApiError, countOf, flagOf, textOf } from "./api-input.ts";
import type { Peer } from "./peer.ts";

type ReadBody = (c: Context) => Promise<Readonly<Record<string, Json>>>;

export function addDeviceRoutes(api: Hono, peer: Peer, bodyOf: ReadBody): void {
  api.get("/v1/devices", (c) => c.json(peer.devices()));
  api.post("/v1/devices/pair", async (c) => {
    const { expiresInMs } = await bodyOf(c);
    const options = expiresInMs === undefined ? {} : { expiresInMs: countOf(expiresInMs) };
    return c.json({ ticket: await peer.pair(options) }, 201);
  });
  api.post("/v1/devices/revoke", async (c) => {
    const { device: name, incomplete } = await bodyOf(c);
    const device = parseDeviceId(textOf("device", name));
    if (device === undefined) throw new ApiError("API_INPUT_INVALID", "That names no device", 400);
    const options = incomplete === undefined ? {} : { incomplete: flagOf(incomplete) };
    return c.json({ scopes: await peer.revokeDevice(device, options) });
  });
  api.post("/v1/devices/link", async (c) => {
    const { ticket } = await bodyOf(c);
    return c.json(await peer.linkTo(textOf("ticket", ticket)));
  });
}
