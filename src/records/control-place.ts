/** Control ops as the control log takes them and as the store keeps them. */

import {
  type ControlEntry,
  type ControlId,
  controlIdBytes,
  controlIdOf,
  decodeControlOp,
  trustControlOp,
  type VerifiedOp,
} from "../access/index.ts";
import { assert, type DeviceId, logIdOf, type LogKey } from "../base/index.ts";
import { decodeOp } from "../wire/index.ts";
import type { Interner } from "./interner.ts";
import type { ControlRecord } from "./records.ts";
import type { LogNumber } from "./version.ts";

/** Where a control op stands. */
export interface ControlDot {
  readonly log: LogNumber;
  readonly logKey: LogKey;
  readonly generation: number;
  readonly timestamp: bigint;
}

/** A control op as the control log takes it. */
export function controlEntry(
  id: ControlId,
  op: VerifiedOp,
  device: DeviceId,
  dot: ControlDot,
  parents: readonly ControlId[],
): ControlEntry {
  return {
    id,
    op: op.type === "forkProof" ? { ...op, ...PROVEN } : op,
    device,
    log: dot.logKey,
    generation: dot.generation,
    timestamp: dot.timestamp,
    parents,
  };
}

const NOTHING = new Uint8Array();

/** Of a fork proof that was checked: control logs are in memory, and go on without the bytes that show it, up to 60 KB each. */
const PROVEN = {
  headerA: NOTHING,
  signatureA: NOTHING,
  headerB: NOTHING,
  signatureB: NOTHING,
  parts: undefined,
};

/** A control op as the store keeps it. */
export function controlRecord(
  entry: ControlEntry,
  log: LogNumber,
  index: number,
  op: Uint8Array,
): ControlRecord {
  return {
    log,
    generation: entry.generation,
    index,
    timestamp: entry.timestamp,
    parents: entry.parents.map(controlIdBytes),
    op,
  };
}

/** A control op of our own store, checked before it came there. */
export function storedControl(
  interner: Interner,
  id: Uint8Array,
  record: ControlRecord,
): ControlEntry {
  const { control } = decodeOp(record.op);
  assert(control !== undefined, "a control record holds a control op");
  const { generation, timestamp } = record;
  const logKey = interner.logOf(record.log);
  const dot: ControlDot = { log: record.log, logKey, generation, timestamp };
  const op = trustControlOp(decodeControlOp(control));
  return controlEntry(
    controlIdOf(id),
    op,
    logIdOf(logKey).device,
    dot,
    record.parents.map(controlIdOf),
  );
}
