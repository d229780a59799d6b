import {
  type Stream,
  STREAM_WINDOW_BYTES,
  STREAM_WRITE_BUFFER_BYTES,
  STREAMS_PER_PROTOCOL_MAX,
} from "../../net/index.ts";
import { equal, holds, rejects, rejectsNamed, type Rule } from "../expect.ts";
import { seededRandom } from "../seeded-random.ts";
import {
  aborted,
  abortedBy,
  acceptStreams,
  connectedPair,
  pattern,
  PROTOCOL,
  readPattern,
  serveEcho,
  streamPair,
  type TransportWorld,
} from "./transport-world.ts";

/** What is sent to a reader that reads slowly: many times all windows and buffers. */
const SLOW_BYTES = 64 * 1024 * 1024;
/** What the slow reader takes at a time: little at first, so that it stops wherever a buffer has just been handed over. */
const SIPS = [...Array<number>(20).fill(200_000), 4 * 1024 * 1024];
/** Streams open at the same time on one connection. */
const MANY = 40;

/** What docs/spec/net.md says of streams. */
export const transportStreamRules: readonly Rule<TransportWorld>[] = [
  {
    id: "NE11",
    says: "bytes arrive once, in order and unchanged, both ways, however they were cut",
    async check(world) {
      const { dialled, connection } = await connectedPair(world);
      serveEcho(dialled);
      const stream = await connection.open(PROTOCOL);
      equal(stream.protocol, PROTOCOL, "protocol");
      const random = seededRandom(11);
      const sizes = [
        0,
        1,
        3 * STREAM_WRITE_BUFFER_BYTES,
        ...Array.from({ length: 60 }, () => random.below(40_000)),
      ];
      let written = 0;
      const reading = readPattern(stream);
      for (const size of sizes) {
        await stream.write(pattern(size, written));
        written += size;
      }
      await stream.closeWrite();
      equal(await reading, written, "bytes that came back");
      equal(stream.bytesOut, written, "bytes counted out");
      equal(stream.bytesIn, written, "bytes counted in");
      await abortedBy(stream.ended, "NET_CLOSED");
    },
  },
  {
    id: "NE12",
    says: "a protocol that the peer does not serve is refused by name",
    async check(world) {
      const { dialled, connection } = await connectedPair(world);
      await rejects(connection.open(PROTOCOL), "NET_PROTOCOL_UNSUPPORTED");
      const end = dialled.handle(PROTOCOL, (stream) => stream.write(pattern(10)));
      await rejects(connection.open(`${PROTOCOL}/other`), "NET_PROTOCOL_UNSUPPORTED");
      equal(await readPattern(await connection.open(PROTOCOL)), 10, "bytes while it is served");
      end();
      end();
      await rejects(connection.open(PROTOCOL), "NET_PROTOCOL_UNSUPPORTED");
    },
  },
  {
    id: "NE13",
    says: "a slow reader holds the writer back: two windows at one side, one buffer at the other",
    async check(world) {
      const { ours, theirs } = await streamPair(world);
      let mostUnread = 0;
      let mostUnsent = 0;
      const writing = (async () => {
        const bytes = pattern(SLOW_BYTES);
        for (let at = 0; at < SLOW_BYTES; at += 100_000) {
          await ours.write(bytes.subarray(at, at + 100_000));
          mostUnsent = Math.max(mostUnsent, ours.writeBuffered);
        }
        await ours.closeWrite();
      })();
      let count = 0;
      for (let sips = 0; count < SLOW_BYTES; sips++) {
        await untilStill(world, theirs);
        mostUnread = Math.max(mostUnread, theirs.readBuffered);
        mostUnsent = Math.max(mostUnsent, ours.writeBuffered);
        const sip = SIPS[Math.min(sips, SIPS.length - 1)] as number;
        count += await readPattern(theirs, Math.min(sip, SLOW_BYTES - count), count);
      }
      await writing;
      equal(await theirs.read(), undefined, "the end");
      equal(count, SLOW_BYTES, "bytes read");
      holds(mostUnread <= 2 * STREAM_WINDOW_BYTES, `at most two windows unread, had ${mostUnread}`);
      holds(
        mostUnsent <= STREAM_WRITE_BUFFER_BYTES,
        `at most one buffer unsent, had ${mostUnsent}`,
      );
      holds(mostUnread > 0 && mostUnsent > 0, "the reader to have been slow");
    },
  },
  {
    id: "NE13",
    says: "a stream that nobody reads does not hold up the others",
    async check(world) {
      const { dialled, connection, ours } = await streamPair(world);
      const stuck = rejects(fill(ours), "NET_STREAM_RESET");
      await world.breathe();
      serveEcho(dialled, `${PROTOCOL}/echo`);
      const stream = await connection.open(`${PROTOCOL}/echo`);
      const reading = readPattern(stream);
      await stream.write(pattern(3 * STREAM_WINDOW_BYTES));
      await stream.closeWrite();
      equal(await reading, 3 * STREAM_WINDOW_BYTES, "bytes that came back");
      ours.reset();
      await stuck;
    },
  },
  {
    id: "NE14",
    says: "a side that is closed for writing is read to its end, and the other side goes on",
    async check(world) {
      const { ours, theirs } = await streamPair(world);
      await ours.write(pattern(100_000));
      await ours.closeWrite();
      await ours.closeWrite();
      await rejects(ours.write(pattern(1)), "NET_CLOSED");
      equal(await readPattern(theirs), 100_000, "bytes to the end");
      equal(await theirs.read(), undefined, "the end once more");
      await theirs.write(pattern(100_000));
      equal(await readPattern(ours, 100_000), 100_000, "bytes the other way");
      holds(!ours.ended.aborted && !theirs.ended.aborted, "a stream closed on one side to be open");
      await theirs.closeWrite();
      equal(await ours.read(), undefined, "the other end");
      await Promise.all([aborted(ours.ended), aborted(theirs.ended)]);
    },
  },
  {
    id: "NE14",
    says: "what was written before both sides closed is still read after it",
    async check(world) {
      const { ours, theirs } = await streamPair(world);
      await ours.write(pattern(100_000));
      await ours.closeWrite();
      await theirs.closeWrite();
      await Promise.all([aborted(ours.ended), aborted(theirs.ended)]);
      equal(await readPattern(theirs), 100_000, "bytes");
      equal(await ours.read(), undefined, "the end");
    },
  },
  {
    id: "NE15",
    says: "a reset fails every call on both sides and leaves the connection alone",
    async check(world) {
      const { dialled, connection, ours, theirs } = await streamPair(world);
      const accepted = acceptStreams(dialled, `${PROTOCOL}/other`);
      const writing = rejects(fill(ours), "NET_STREAM_RESET");
      await world.breathe();
      const reading = rejects(ours.read(), "NET_STREAM_RESET");
      theirs.reset();
      theirs.reset();
      await Promise.all([writing, reading]);
      await rejects(theirs.read(), "NET_STREAM_RESET");
      await rejects(theirs.write(pattern(1)), "NET_STREAM_RESET");
      await rejects(ours.closeWrite(), "NET_STREAM_RESET");
      await abortedBy(ours.ended, "NET_STREAM_RESET");
      await abortedBy(theirs.ended, "NET_STREAM_RESET");
      equal(theirs.readBuffered + ours.writeBuffered, 0, "bytes kept");
      const other = await connection.open(`${PROTOCOL}/other`);
      await other.write(pattern(10));
      equal(await readPattern(await accepted(), 10), 10, "bytes of another stream");
      holds(!connection.closed.aborted, "the connection to be open");
    },
  },
  {
    id: "NE16",
    says: "a handler that throws has its stream reset, one that returns has it closed",
    async check(world) {
      const { dialled, connection } = await connectedPair(world);
      dialled.handle(`${PROTOCOL}/throws`, async (stream) => {
        await stream.read();
        throw new RangeError("a fault");
      });
      dialled.handle(`${PROTOCOL}/returns`, (stream) => stream.write(pattern(100_000)));
      const failing = await connection.open(`${PROTOCOL}/throws`);
      await failing.write(pattern(10));
      await rejects(failing.read(), "NET_STREAM_RESET");
      const answering = await connection.open(`${PROTOCOL}/returns`);
      equal(await readPattern(answering), 100_000, "all that the handler had written");
      await answering.write(pattern(2 * STREAM_WINDOW_BYTES));
      await answering.closeWrite();
      await aborted(answering.ended);
      holds(!connection.closed.aborted, "the connection to be open");
    },
  },
  {
    id: "NE17",
    says: "a stream that is silent for minutes is alive afterwards",
    async check(world) {
      const { ours, theirs } = await streamPair(world);
      const reading = readPattern(theirs, 1000);
      await world.idle();
      await ours.write(pattern(1000));
      equal(await reading, 1000, "bytes after the silence");
    },
  },
  {
    id: "NE18",
    says: `${MANY} streams at once do not mix`,
    async check(world) {
      const { dialled, connection } = await connectedPair(world);
      serveEcho(dialled);
      const counts = await Promise.all(
        Array.from({ length: MANY }, async (_, i) => {
          const stream = await connection.open(PROTOCOL);
          const reading = readPattern(stream, Number.POSITIVE_INFINITY, i);
          await stream.write(pattern(100_000 + i, i));
          await stream.closeWrite();
          return (await reading) - i;
        }),
      );
      holds(
        counts.every((count) => count === 100_000),
        "each stream's own bytes",
      );
    },
  },
  {
    id: "NE19",
    says: "streams of a protocol are bounded, and room is there again when one ends",
    async check(world) {
      const { dialled, connection } = await connectedPair(world);
      const accepted = acceptStreams(dialled);
      serveEcho(dialled, `${PROTOCOL}/echo`);
      const streams: Stream[] = [];
      for (let i = 0; i < STREAMS_PER_PROTOCOL_MAX; i++)
        streams.push(await connection.open(PROTOCOL));
      await rejects(connection.open(PROTOCOL), "NET_STREAMS_FULL");
      await connection.open(`${PROTOCOL}/echo`);
      const theirs = await accepted();
      streams[0]?.reset();
      await aborted(theirs.ended);
      await connection.open(PROTOCOL);
      await rejects(connection.open(PROTOCOL), "NET_STREAMS_FULL");
    },
  },
  {
    id: "NE20",
    says: "one reader and one writer at a time; a second is a mistake of the caller's",
    async check(world) {
      const { ours, theirs } = await streamPair(world);
      const reading = ours.read();
      await rejectsNamed(ours.read(), "AssertionError");
      const writing = rejects(fill(ours), "NET_STREAM_RESET");
      await rejectsNamed(ours.write(pattern(1)), "AssertionError");
      await theirs.write(pattern(10));
      equal((await reading)?.[0], pattern(1)[0], "what the first read answers");
      theirs.reset();
      await writing;
    },
  },
];

/** Resolves when nothing more arrives at a stream that is not read. */
async function untilStill(world: TransportWorld, stream: Stream): Promise<void> {
  for (let before = -1; before !== stream.readBuffered;) {
    before = stream.readBuffered;
    await world.breathe();
  }
}

/** Writes until it is stopped. */
async function fill(stream: Stream): Promise<never> {
  for (;;) await stream.write(pattern(100_000));
}
