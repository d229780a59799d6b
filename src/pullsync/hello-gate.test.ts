import { expect, test } from "vitest";
import { type DeviceId, deviceIdOf } from "../base/index.ts";
import { createMemoryNetwork, FramedStream, type Transport } from "../net/index.ts";
import { FakeClock, rejects, settle } from "../testkit/index.ts";
import { PULL_NETWORK } from "../testkit/pullsync/pull-world.ts";
import { HelloGate } from "./hello-gate.ts";
import { PEER_STALL_MS } from "./limits.ts";
import { ROOKERY_PROFILE } from "./profile.ts";

const CURSORS = "/rookery/pullsync/1.4.0/cursors";

/** A device that serves one network to `members`, and one that is connected to it. */
async function world(members: (other: DeviceId) => boolean = () => true) {
  const clock = new FakeClock();
  const network = createMemoryNetwork({ clock });
  const [here, there] = [1, 2].map((n) =>
    network.transport(deviceIdOf(new Uint8Array(32).fill(n))),
  ) as [Transport, Transport];
  const connection = await there.connect(here.device, here.addresses());
  const gate = new HelloGate({ transport: here, clock }, ROOKERY_PROFILE);
  const streamer = gate.streamer(PULL_NETWORK, members);
  let served = 0;
  streamer.handle(CURSORS, async (stream) => {
    served += 1;
    await stream.send(Uint8Array.of(1));
    while ((await stream.receive()) !== undefined);
  });
  const raw = async (hello: Uint8Array | undefined): Promise<FramedStream> => {
    const stream = new FramedStream({ stream: await connection.open(CURSORS), clock });
    if (hello !== undefined) await stream.send(hello);
    return stream;
  };
  return { clock, gate, streamer, here, there, raw, served: () => served };
}

const hello = (network: Uint8Array): Uint8Array => Uint8Array.of(0x0a, network.length, ...network);

test("[PS6] a stream that names the network is served", async () => {
  const { raw, served } = await world();
  const stream = await raw(hello(PULL_NETWORK));
  expect(await stream.receive()).toEqual(Uint8Array.of(1));
  expect(served()).toBe(1);
});

test("[PS6] another network, a name that is none, and nothing are reset before an answer", async () => {
  const { raw, served, clock } = await world();
  for (const name of [
    hello(new Uint8Array(32)),
    hello(PULL_NETWORK.subarray(1)),
    Uint8Array.of(),
    Uint8Array.of(0xff),
    new Uint8Array(65),
  ]) {
    const stream = await raw(name);
    await rejects(stream.receive(), "NET_STREAM_RESET");
  }
  const silent = await raw(undefined);
  await clock.advance(PEER_STALL_MS);
  await rejects(silent.receive(), "NET_STREAM_RESET");
  expect(served()).toBe(0);
});

test("[PS7] who is no member is reset before an answer, and looks like one who asks for a network that is not here", async () => {
  const { raw, served } = await world(() => false);
  const stream = await raw(hello(PULL_NETWORK));
  await rejects(stream.receive(), "NET_STREAM_RESET");
  expect(served()).toBe(0);
});

test("[PS7] streams of who is a member no more end when that is told, others go on", async () => {
  const members = new Set<DeviceId>();
  const { raw, streamer, there } = await world((device) => members.has(device));
  members.add(there.device);
  const stream = await raw(hello(PULL_NETWORK));
  await stream.receive();
  streamer.recheck();
  await settle();
  expect(stream.ended.aborted).toBe(false);
  members.clear();
  streamer.recheck();
  await rejects(stream.receive(), "NET_STREAM_RESET");
});

test("[PS6] a network that is closed here serves nothing, and one that is opened again does", async () => {
  const { raw, streamer, gate } = await world();
  const open = await raw(hello(PULL_NETWORK));
  await open.receive();
  streamer.close();
  await rejects(open.receive(), "NET_STREAM_RESET");
  await rejects((await raw(hello(PULL_NETWORK))).receive(), "NET_STREAM_RESET");
  gate
    .streamer(PULL_NETWORK, () => true)
    .handle(CURSORS, (stream) => stream.send(Uint8Array.of(2)));
  expect(await (await raw(hello(PULL_NETWORK))).receive()).toEqual(Uint8Array.of(2));
  gate.close();
  await rejects(raw(hello(PULL_NETWORK)), "NET_PROTOCOL_UNSUPPORTED");
});

test("[PS7] nobody asks a device that is no member, or not connected", async () => {
  const { streamer, there } = await world((device) => device !== deviceIdOf(new Uint8Array(32)));
  await rejects(streamer.open(deviceIdOf(new Uint8Array(32)), CURSORS), "PULLSYNC_REFUSED");
  const other = deviceIdOf(new Uint8Array(32).fill(9));
  await rejects(streamer.open(other, CURSORS), "NET_UNREACHABLE");
  await rejects(streamer.open(there.device, CURSORS), "NET_PROTOCOL_UNSUPPORTED");
});
