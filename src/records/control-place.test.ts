import { expect, test } from "vitest";
import { controlIdOf, type VerifiedOp } from "../access/index.ts";
import { deviceIdOf, logKeyOf } from "../base/index.ts";
import { controlEntry, type LogNumber } from "./index.ts";

test("[AC55] once a fork proof is checked, memory holds what it shows and not its bytes", () => {
  const device = deviceIdOf(new Uint8Array(32).fill(1));
  const logKey = logKeyOf({ device, incarnation: 1n });
  const header = new Uint8Array(9216).fill(1);
  const signature = new Uint8Array(64).fill(1);
  const part = { index: 0, root: new Uint8Array(32), header: new Uint8Array(20_480) };
  const forked = { log: logKey, generation: 3 };
  const proof: VerifiedOp = {
    type: "forkProof",
    headerA: header,
    signatureA: signature,
    headerB: header,
    signatureB: signature,
    parts: [part, part],
    forked,
  };
  const dot = { log: 1 as LogNumber, logKey, generation: 7, timestamp: 0n };
  const { op } = controlEntry(controlIdOf(new Uint8Array(32)), proof, device, dot, []);
  expect(op).toMatchObject({ type: "forkProof", forked });
  let bytes = 0;
  JSON.stringify(op, (_, value: unknown) => {
    if (value instanceof Uint8Array) bytes += value.buffer.byteLength;
    return value;
  });
  expect(bytes).toBe(0);
});
