/**
 * Where members of a syncgroup find each other's addresses: a device that is always on, and that need be no member.
 *
 * Start at `RendezvousClient` (who registers and looks) and `RendezvousServer` (who keeps). Rules: docs/spec/rendezvous.md.
 *
 * @module
 */

export { RendezvousClient, type RendezvousClientDeps } from "./client.ts";
export { RendezvousError, type RendezvousErrorCode } from "./errors.ts";
export { checkRendezvous } from "./place.ts";
export { RENDEZVOUS_PROTOCOL } from "./protocols.ts";
export { RendezvousServer, type RendezvousServerDeps } from "./server.ts";
