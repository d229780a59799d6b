/** Transports over real sockets. Apart from the index, whose every importer would load libp2p with it. */

export { libp2pWorld, Relay } from "./net/transport-libp2p-world.ts";
