import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { parseDeviceId } from "../base/index.ts";
import {
  abortedBy,
  connectedPair,
  pattern,
  PROTOCOL,
  readPattern,
  rejects,
  serveEcho,
  transportRules,
} from "../testkit/index.ts";
import { libp2pWorld } from "../testkit/libp2p-world.ts";

const CHILD = fileURLToPath(new URL("../testkit/net/transport-child.ts", import.meta.url));

test.for(transportRules.filter(({ id }) => id === "NE17"))("[$id] libp2p: $says", async (rule) => {
  await using world = libp2pWorld({
    pingIntervalMs: 500,
    pingTimeoutMs: 400,
    socketSilenceMs: 2000,
  });
  await rule.check(world);
});

test("[NE17] without pings the same silence ends the connection", async () => {
  await using world = libp2pWorld({ pingIntervalMs: 60_000, socketSilenceMs: 500 });
  const { connection } = await connectedPair(world);
  await abortedBy(connection.closed, "NET_CLOSED");
});

test("[NE23] a peer that falls silent is given up", async () => {
  await using world = libp2pWorld({ pingIntervalMs: 500, pingTimeoutMs: 400 });
  const { dialled, connection } = await connectedPair(world);
  serveEcho(dialled);
  const stream = await connection.open(PROTOCOL);
  await stream.write(pattern(1000));
  expect(await readPattern(stream, 1000)).toBe(1000);
  const reading = rejects(stream.read(), "NET_CLOSED");
  await world.freeze();
  await abortedBy(connection.closed, "NET_CLOSED");
  await reading;
});

test("[NE7] a peer whose process is killed is gone at once", async () => {
  await using world = libp2pWorld();
  const here = await world.open({ listen: false });
  const first = await spawnPeer();
  try {
    const connection = await here.connect(first.device, [first.address]);
    const stream = await connection.open(PROTOCOL);
    const writing = rejects(writeForEver(stream), "NET_CLOSED");
    await readPattern(stream, 5_000_000);
    first.process.kill("SIGKILL");
    await abortedBy(connection.closed, "NET_CLOSED");
    await writing;
    await rejects(here.connect(first.device, [first.address]), "NET_UNREACHABLE");
  } finally {
    first.process.kill("SIGKILL");
  }
});

test("[NE10] a process that closes its transport ends by itself, streams open or not", async () => {
  const peer = await spawnPeer();
  const ended = once(peer.process, "exit") as Promise<[number | null]>;
  await using world = libp2pWorld();
  const here = await world.open({ listen: false });
  const connection = await here.connect(peer.device, [peer.address]);
  const stream = await connection.open(PROTOCOL);
  await stream.write(pattern(1000));
  await stream.closeWrite();
  peer.process.stdin?.write("close\n");
  const [code] = await ended;
  expect(code).toBe(0);
  await abortedBy(connection.closed, "NET_CLOSED");
});

async function spawnPeer() {
  const process_: ChildProcess = spawn(process.execPath, ["--conditions=rookery-source", CHILD], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [line] = (await once(process_.stdout!, "data")) as [Buffer];
  const address = line.toString().trim();
  const device = parseDeviceId(address.split("/p2p/")[1] ?? "");
  return { process: process_, address, device: device! };
}

async function writeForEver(stream: { write(bytes: Uint8Array): Promise<void> }): Promise<never> {
  for (let at = 0; ; at += 100_000) await stream.write(pattern(100_000, at));
}
