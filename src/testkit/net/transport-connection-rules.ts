import type { Connection } from "../../net/index.ts";
import { equal, holds, rejects, rejectsNamed, type Rule } from "../expect.ts";
import {
  abortedBy,
  acceptStreams,
  connectedPair,
  isPattern,
  pattern,
  PROTOCOL,
  readPattern,
  serveEcho,
  streamPair,
  type TransportWorld,
  until,
} from "./transport-world.ts";

/** Devices that dial one at the same time, as a group does when its server comes back. */
const CROWD = 20;
/** How a stream ends that was not finished. Which of them comes first is a race when a connection is closed. */
const FAILURES: ReadonlySet<string> = new Set(["NET_STREAM_RESET", "NET_CLOSED"]);

/** What docs/spec/net.md says of connections and of transports as a whole. */
export const transportConnectionRules: readonly Rule<TransportWorld>[] = [
  {
    id: "NE1",
    says: "each side knows by proof which device the other is",
    async check(world) {
      const { dialled, dialler, connection } = await connectedPair(world);
      equal(connection.peer, dialled.device, "peer of the dialler's end");
      equal(connection.direction, "outbound", "direction of the dialler's end");
      await until(world, () => dialled.connections().length > 0);
      const [inbound] = dialled.connections();
      equal(inbound?.peer, dialler.device, "peer of the dialled end");
      equal(inbound?.direction, "inbound", "direction of the dialled end");
      holds(
        dialled.addresses().every((text) => text.endsWith(`/p2p/${dialled.device}`)),
        "addresses that name the device",
      );
    },
  },
  {
    id: "NE2",
    says: "where another device answers, there is no connection",
    async check(world) {
      const [there, absent, dialler] = [
        await world.open(),
        await world.open({ listen: false }),
        await world.open(),
      ];
      const addresses = world.addressesOf(there).map((text) => text.replace(/\/p2p\/.*/, ""));
      await rejects(dialler.connect(absent.device, addresses), "NET_PEER_MISMATCH");
      equal(dialler.connections().length, 0, "connections of the dialler");
      await world.breathe();
      // The other side may have seen one for a moment: it cannot know whom the dialler wanted.
      await until(world, () => there.connections().length === 0);
    },
  },
  {
    id: "NE3",
    says: "where nobody answers, it says so in time, and one address that answers is enough",
    async check(world) {
      const [listener, dialler] = [await world.open(), await world.open({ listen: false })];
      await rejects(dialler.connect(listener.device, []), "NET_UNREACHABLE");
      await rejects(
        dialler.connect(listener.device, [world.deadAddress, "no address"]),
        "NET_UNREACHABLE",
      );
      const addresses = [
        world.deadAddress,
        "no address",
        "/ip4/1.2.3.4/udp/1",
        ...world.addressesOf(listener),
      ];
      const connection = await dialler.connect(listener.device, addresses);
      equal(connection.peer, listener.device, "peer");
    },
  },
  {
    id: "NE4",
    says: "a connection that is open is taken again",
    async check(world) {
      const { dialled, dialler, connection } = await connectedPair(world);
      equal(
        await dialler.connect(dialled.device, []),
        connection,
        "the dialler's second connection",
      );
      await until(world, () => dialled.connections().length > 0);
      equal(
        await dialled.connect(dialler.device, []),
        dialled.connections()[0],
        "the connection back",
      );
    },
  },
  {
    id: "NE4",
    says: "two devices that dial each other at once have one connection, and streams both ways",
    async check(world) {
      const [a, b] = [await world.open(), await world.open()];
      serveEcho(a);
      serveEcho(b);
      const [fromA, fromB] = await Promise.all([
        a.connect(b.device, world.addressesOf(b)),
        b.connect(a.device, world.addressesOf(a)),
      ]);
      await Promise.all([echoes(fromA), echoes(fromB)]);
      await world.breathe();
      equal(a.connections().length, 1, "connections of one");
      equal(b.connections().length, 1, "connections of the other");
      holds(
        !fromA.closed.aborted && !fromB.closed.aborted,
        "what connect answered to be open still",
      );
      await Promise.all([echoes(fromA), echoes(fromB)]);
    },
  },
  {
    id: "NE5",
    says: "listeners of both sides are told of a connection once, until they end it",
    async check(world) {
      const [a, b, c] = [await world.open(), await world.open(), await world.open()];
      const told: string[] = [];
      const end = a.onConnection((connection) => told.push(`a ${connection.peer === b.device}`));
      b.onConnection((connection) => told.push(`b ${connection.peer === a.device}`));
      await b.connect(a.device, world.addressesOf(a));
      await until(world, () => told.length === 2);
      equal(told.sort().join(), "a true,b true", "what was told");
      end();
      await c.connect(a.device, world.addressesOf(a));
      await until(world, () => a.connections().length === 2);
      equal(told.length, 2, "times told");
    },
  },
  {
    id: "NE6",
    says: `${CROWD} devices that dial one at the same time are all let in`,
    async check(world) {
      const server = await world.open();
      serveEcho(server);
      const crowd = await Promise.all(
        Array.from({ length: CROWD }, () => world.open({ listen: false })),
      );
      const connections = await Promise.all(
        crowd.map((device) => device.connect(server.device, world.addressesOf(server))),
      );
      await Promise.all(connections.map(echoes));
      equal(server.connections().length, CROWD, "connections of the one");
    },
  },
  {
    id: "NE7",
    says: "a line that is cut ends the connection and its streams on both sides",
    async check(world) {
      const { dialled, dialler, connection, ours, theirs } = await streamPair(world);
      const inbound = dialled.connections()[0] as Connection;
      const [reading, writing] = [
        rejects(ours.read(), "NET_CLOSED"),
        rejects(writeForEver(ours), "NET_CLOSED"),
      ];
      await world.breathe();
      await world.cut();
      await Promise.all([
        abortedBy(connection.closed, "NET_CLOSED"),
        abortedBy(inbound.closed, "NET_CLOSED"),
      ]);
      await Promise.all([reading, writing]);
      await abortedBy(ours.ended, "NET_CLOSED");
      await abortedBy(theirs.ended, "NET_CLOSED");
      await rejects(theirs.read(), "NET_CLOSED");
      await rejects(connection.open(PROTOCOL), "NET_CLOSED");
      equal(dialler.connections().length + dialled.connections().length, 0, "connections left");
      const again = await dialler.connect(dialled.device, world.addressesOf(dialled));
      holds(again !== connection, "a new connection");
    },
  },
  {
    id: "NE8",
    says: "a lost connection never looks like the end of a stream",
    async check(world) {
      const { ours, theirs } = await streamPair(world);
      await ours.write(pattern(1000));
      equal(await readPattern(theirs, 1000), 1000, "bytes before the cut");
      const reading = rejects(theirs.read(), "NET_CLOSED");
      await world.cut();
      await reading;
      await rejects(theirs.read(), "NET_CLOSED");
    },
  },
  {
    id: "NE8",
    says: "closing a connection resets what is not closed for writing and lets the rest arrive",
    async check(world) {
      const { dialled, connection, ours, theirs } = await streamPair(world);
      const accepted = acceptStreams(dialled, `${PROTOCOL}/done`);
      const done = await connection.open(`${PROTOCOL}/done`);
      const doneThere = await accepted();
      await done.write(pattern(1000));
      await done.closeWrite();
      await ours.write(pattern(1000));
      await until(world, () => theirs.readBuffered === 1000 && doneThere.readBuffered === 1000);
      const reading = readToFailure(theirs);
      await connection.close();
      await connection.close();
      await abortedBy(connection.closed, "NET_CLOSED");
      holds(FAILURES.has(await reading), "the open one to fail at the peer");
      equal(await readPattern(doneThere), 1000, "bytes of the closed one, and its end");
      await rejects(ours.write(pattern(1)), "NET_STREAM_RESET");
    },
  },
  {
    id: "NE9",
    says: "waiting for a connection or a stream ends with the caller's signal",
    async check(world) {
      const { dialled, dialler, connection } = await connectedPair(world);
      const signal = AbortSignal.abort(new RangeError("enough"));
      await rejectsNamed(connection.open(PROTOCOL, { signal }), "RangeError");
      const other = await world.open({ listen: false });
      await rejectsNamed(
        other.connect(dialled.device, world.addressesOf(dialled), { signal }),
        "RangeError",
      );
      equal(other.connections().length, 0, "connections");
      equal(dialler.connections().length, 1, "connections that were there");
    },
  },
  {
    id: "NE10",
    says: "closing a transport ends everything on it and refuses everything new",
    async check(world) {
      const { dialled, dialler, connection, ours, theirs } = await streamPair(world);
      const endings = [readToFailure(ours), readToFailure(theirs)];
      await Promise.all([dialled.close(), dialled.close()]);
      await dialled.close();
      await abortedBy(connection.closed, "NET_CLOSED");
      for (const code of await Promise.all(endings))
        holds(FAILURES.has(code), "pending calls to fail");
      equal(dialled.addresses().length, 0, "addresses");
      equal(dialled.connections().length, 0, "connections");
      await rejects(dialled.connect(dialler.device, world.addressesOf(dialler)), "NET_CLOSED");
      await rejects(dialler.connect(dialled.device, world.addressesOf(dialled)), "NET_UNREACHABLE");
    },
  },
];

async function echoes(connection: Connection): Promise<void> {
  const stream = await connection.open(PROTOCOL);
  await stream.write(pattern(10_000));
  await stream.closeWrite();
  equal(await readPattern(stream), 10_000, "bytes that came back");
}

async function writeForEver(stream: { write(bytes: Uint8Array): Promise<void> }): Promise<void> {
  for (;;) await stream.write(new Uint8Array(100_000));
}

/** The code with which reading ends; whatever comes before it must be the pattern. */
async function readToFailure(stream: { read(): Promise<Uint8Array | undefined> }): Promise<string> {
  try {
    for (let at = 0; ;) {
      const piece = await stream.read();
      if (piece === undefined) return "an end";
      isPattern(piece, at);
      at += piece.length;
    }
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}
