/**
 * What happens in a run, as data: devices, and a list of timed operations and faults. A seed makes a plan; the plan is
 * what is run, shrunk and kept.
 */

/** What somebody does at a device. Numbers name devices, groups, collections, rows and families of rows. */
export type Operation =
  | { readonly op: "put" | "delete" | "change"; readonly collection: number; readonly row: number }
  | { readonly op: "family" | "unfamily"; readonly collection: number; readonly family: number }
  | { readonly op: "scan" | "watch"; readonly collection: number }
  | { readonly op: "create"; readonly group: number }
  /** One batch over all collections. */
  | { readonly op: "pair"; readonly row: number }
  /** Deletes a family as a range of keys. */
  | { readonly op: "clear"; readonly collection: number; readonly family: number }
  /** Adds to a row that is a set, to one that counts, or writes the device's field of one that is a map. */
  | {
      readonly op: "add" | "count" | "field";
      readonly collection: number;
      readonly row: number;
    }
  /** Makes rows of a collection sets, counters and maps. */
  | { readonly op: "policy"; readonly collection: number }
  | { readonly op: "describe" | "leave"; readonly group: number }
  | { readonly op: "pause" | "resume" }
  | { readonly op: "grant"; readonly group: number; readonly whom: number }
  | {
      readonly op: "eject";
      readonly group: number;
      readonly whom: number;
      /** Spares what other groups share in which they are. */
      readonly keepsShared?: boolean;
    }
  /** Publishes a group at a device, which takes those of its owner only if it was allowed to. */
  | {
      readonly op: "publish";
      readonly group: number;
      readonly whom: number;
      readonly isAllowed: boolean;
    }
  /** By the key of their user a device takes another one out for good, wherever it knows of it. */
  | { readonly op: "disown"; readonly whom: number }
  /** From now on the device does whatever its keys let it do. */
  | { readonly op: "lie" }
  | {
      readonly op: "admit";
      readonly group: number;
      readonly joiner: number;
      readonly role: "reader" | "writer" | "admin";
    };

/** What goes wrong at a device, or between it and `peer`. Times in milliseconds. */
export type Fault =
  | { readonly fault: "crash"; readonly isPowerCut: boolean; readonly downMs: number }
  | { readonly fault: "eio"; readonly afterWrites: number; readonly isApplied: boolean }
  | { readonly fault: "full"; readonly ms: number }
  | { readonly fault: "noOpen"; readonly times: number }
  | { readonly fault: "slowDisk"; readonly ms: number; readonly factor: number }
  | { readonly fault: "backup" }
  | { readonly fault: "restore"; readonly downMs: number }
  | { readonly fault: "wipe"; readonly downMs: number }
  /** The store is copied; from then on one of the two is in use, and `swap` brings the other. */
  | { readonly fault: "copy" }
  | { readonly fault: "swap"; readonly downMs: number }
  | { readonly fault: "cut"; readonly peer: number }
  | {
      readonly fault: "cutStream";
      readonly peer: number;
      readonly bytes: number;
      readonly isReset: boolean;
    }
  | {
      readonly fault: "block";
      readonly peer: number;
      readonly ms: number;
      readonly isOneWay: boolean;
    }
  | {
      readonly fault: "partition";
      readonly side: readonly number[];
      readonly ms: number;
      readonly isOneWay: boolean;
    }
  | {
      readonly fault: "slow";
      readonly peer: number;
      readonly ms: number;
      readonly latencyMs: number;
    }
  | { readonly fault: "noDial"; readonly ms: number; readonly share: number }
  | { readonly fault: "jump"; readonly byMs: number }
  | { readonly fault: "freeze"; readonly ms: number };

export type Step = {
  /** Milliseconds since the run began. */
  readonly at: number;
  readonly device: number;
} & (Operation | Fault);

export interface DevicePlan {
  /** Devices with equal numbers belong to one user. */
  readonly user: number;
  /** Milliseconds that its wall clock is ahead. */
  readonly clockAheadMs: number;
  /** How much faster than time its clocks run: 0.0001 is 100 parts in a million. */
  readonly drift: number;
  /** Whether what it answers to who joins may be made up, though it keeps to the rules otherwise. */
  readonly liesInJoins?: boolean;
}

export interface GroupPlan {
  /** The device whose user makes it. */
  readonly owner: number;
  readonly collections: readonly number[];
}

export interface Plan {
  readonly format: 1;
  /** Whatever is not in the plan is drawn by it: latencies, ties, keys. */
  readonly seed: number;
  readonly profile: string;
  /** Whether signatures are Ed25519 instead of the stand-in. */
  readonly isRealCrypto: boolean;
  readonly devices: readonly DevicePlan[];
  /** Owner, a device, of each collection. */
  readonly collections: readonly { readonly owner: number }[];
  readonly groups: readonly GroupPlan[];
  /** By time. */
  readonly steps: readonly Step[];
  /** When faults stop and everything has to come right. */
  readonly endMs: number;
}

/** Whether a step is something that goes wrong. */
export function isFault(step: Step): step is Step & Fault {
  return "fault" in step;
}

/** What a step is called in counts and traces. */
export function nameOfStep(step: Step): string {
  return "fault" in step ? step.fault : step.op;
}

/** What a plan names by a number. @throws {RangeError} when it is not there. */
export function at<T>(list: readonly T[], index: number): T {
  const one = list[index];
  if (one === undefined) throw new RangeError(`A plan names what is not in it: ${index}`);
  return one;
}

/** One device of a user takes another one out for good. */
interface Disowning {
  readonly by: number;
  readonly whom: number;
}

/** Those that are taken out for good at some time, and by whom. */
export function disowningsOf({ steps, devices }: Plan): readonly Disowning[] {
  return steps.flatMap((step) => {
    if (!("op" in step) || step.op !== "disown") return [];
    const [by, whom] = [step.device, step.whom];
    const isOfOneUser = devices[by]?.user === at(devices, whom).user && by !== whom;
    return isOfOneUser ? [{ by, whom }] : [];
  });
}

/** Whether a device is taken out for good at some time: nothing is expected of it then. */
export function isDisowned(plan: Plan, device: number): boolean {
  return disowningsOf(plan).some(({ whom }) => whom === device);
}
