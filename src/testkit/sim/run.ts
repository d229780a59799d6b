/** One run: a plan is carried out, then everything has to come right. */

import process from "node:process";
import {
  chanceOf,
  KeyRing,
  plainSignals,
  SimNetwork,
  pump,
  Scheduler,
  type CryptoTap,
} from "../sim-ports/index.ts";
import type { Logger } from "../../base/index.ts";
import { type CommitFact, Oracle, SimError } from "../sim-oracle/index.ts";
import { SimDevice } from "./device.ts";
import { FaultMaker } from "./fault-maker.ts";
import { disowningsOf, isFault, type Plan } from "./plan.ts";
import { Rest } from "./rest.ts";
import { Workload } from "./workload.ts";

/** Events after which a run counts as endless. */
const EVENTS_MAX = 400_000;
/** Milliseconds between two looks at a device while faults go on. */
const LOOK_MS = 1_500;
/** Log events that tell of a bug, whoever caused them. */
const ALARMS: ReadonlySet<string> = new Set(["sync.sums.differ", "history.fork"]);
/** Errors that tell of what the disk did, not of a bug. */
const EXPECTED_ERRORS: ReadonlySet<string> = new Set(["store.read-only"]);

export interface RunOptions {
  /** Called with a line for each thing that happens. */
  readonly onTrace?: ((line: string) => void) | undefined;
}

/** What came of a run. */
export interface RunReport {
  readonly plan: Plan;
  /** What it found, if anything. */
  readonly error: SimError | undefined;
  /** Equal for two runs that did the same. */
  readonly trace: string;
  /** Events of the scheduler. */
  readonly events: number;
  readonly simulatedMs: number;
  /** Writes that were acknowledged. */
  readonly acknowledged: number;
  /** How often each thing happened that is worth seeing. */
  readonly seen: ReadonlyMap<string, number>;
}

/** Runs a plan. Never rejects for what the run finds. */
export async function runPlan(plan: Plan, options: RunOptions = {}): Promise<RunReport> {
  using _signals = plainSignals();
  const world = new World(plan, options);
  const { scheduler } = world;
  let error: SimError | undefined;
  const onRejection = (reason: unknown): void => world.fail(reason);
  process.on("unhandledRejection", onRejection);
  try {
    await pump(scheduler, () => world.run(), {
      eventsMax: EVENTS_MAX,
      afterEvent: () => world.throwFailure(),
    });
    // Rejections that nobody handles are told of when the event loop turns.
    await new Promise((resolve) => void setImmediate(resolve));
    world.throwFailure();
  } catch (cause) {
    error = cause instanceof SimError ? cause : bugOf(cause);
  } finally {
    process.off("unhandledRejection", onRejection);
  }
  return {
    plan,
    error,
    trace: scheduler.trace.toString(),
    events: scheduler.events,
    simulatedMs: scheduler.now,
    acknowledged: world.oracle.acknowledged,
    seen: world.seen,
  };
}

function bugOf(cause: unknown): SimError {
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  return new SimError("bug", text, { cause });
}

function fromHex(text: string): string {
  return Buffer.from(text, "hex").toString();
}

/** Everything there is in a run. */
class World {
  readonly seen = new Map<string, number>();
  readonly scheduler: Scheduler;
  readonly oracle: Oracle;
  readonly #plan: Plan;
  readonly #onTrace: ((line: string) => void) | undefined;
  readonly #devices: SimDevice[] = [];
  readonly #network: SimNetwork;
  /** When a device was first sent a commit of a log, by its key, the log and the generation. */
  readonly #firstSent = new Map<string, number>();
  #failure: unknown;
  #hasFailed = false;
  #onFreshCheckpoint: (device: string) => void = () => {};

  constructor(plan: Plan, { onTrace }: RunOptions) {
    this.#plan = plan;
    this.#onTrace = onTrace;
    this.scheduler = new Scheduler(chanceOf(plan.seed, "ties"));
    const byKey = (key: string): SimDevice | undefined =>
      this.#devices.find((device) => device.key === key);
    const out = new Set(disowningsOf(plan).map(({ whom }) => whom));
    this.oracle = new Oracle({
      userOf: (key) => byKey(key)?.user,
      controlHeads: (key, scope) => byKey(key)?.running?.controlHeads(scope) ?? [],
      isOut: (key) => out.has(byKey(key)?.index ?? -1),
      mayNotKnow: (key, commit) => this.#mayNotKnow(byKey(key), commit),
      onSent: (to, log, generation) => {
        const what = `${to} ${log} ${generation}`;
        if (!this.#firstSent.has(what)) this.#firstSent.set(what, this.scheduler.now);
      },
      name: (key) => byKey(key)?.name ?? key,
      sometimes: (what) => this.sometimes(what),
    });
    this.#network = new SimNetwork({
      scheduler: this.scheduler,
      random: chanceOf(plan.seed, "network"),
      onFault: (name) => this.sometimes(name),
      tap: {
        wrote: ({ from, to, protocol, stream, isOpener, bytes }) => {
          this.scheduler.trace.number(bytes.length);
          if (isOpener || !protocol.startsWith("/rookery/sync/deltas/")) return;
          const [sender, receiver] = [from, to].map((id) =>
            this.#devices.find(({ identity }) => identity.device === id),
          );
          if (sender === undefined || receiver === undefined) return;
          this.#guarded(() => this.oracle.wrote(sender.key, receiver.key, stream, bytes));
        },
      },
    });
  }

  /** Milliseconds of a connection within which a peer has said what it knows, and since it came to know it. */
  static readonly WORD_MS = 3000;

  #mayNotKnow(device: SimDevice | undefined, { log, generation, parts }: CommitFact): boolean {
    const transport = device?.running?.transport;
    if (transport?.hasMet !== true) return false;
    return transport.connections().every(({ peer, since, isCutOff }) => {
      const other = this.#devices.find(({ identity }) => identity.device === peer);
      const servesSince = other?.running?.servesSince ?? Number.POSITIVE_INFINITY;
      // Its word may have been on its way when it heard of more.
      const heard = this.#firstSent.get(`${other?.key} ${log} ${generation}`) ?? 0;
      if (isCutOff || this.scheduler.now - Math.max(since, servesSince, heard) < World.WORD_MS)
        return true;
      const known = other?.running?.knowledge().scopes ?? [];
      return parts.every(({ scope }) => {
        const vector = known.find((one) => one.scope === scope)?.vector;
        return (vector?.get(log) ?? 0) < generation;
      });
    });
  }

  sometimes(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
    this.#onTrace?.(`${this.scheduler.now.toFixed(1).padStart(9)} ${what}`);
  }

  /** The run has found something; it ends with the event under way. */
  fail(error: unknown): void {
    if (!this.#hasFailed) this.#failure = error;
    this.#hasFailed = true;
  }

  throwFailure(): void {
    if (this.#hasFailed) throw this.#failure;
  }

  /** Runs what must not throw into the code that is being judged. */
  #guarded(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.fail(error);
    }
  }

  async run(): Promise<void> {
    const { devices, seed } = { devices: this.#plan.devices, seed: this.#plan.seed };
    const tap: CryptoTap = {
      hashed: (digest, input) => this.oracle.ledger.hashed(digest, input),
      signed: (key, message) => this.#guarded(() => this.oracle.ledger.signed(key, message)),
    };
    if (this.#onTrace !== undefined)
      this.oracle.ledger.onSigned = (c) => this.#traceCommit("signed", c);
    const keys = new KeyRing(this.#plan.isRealCrypto);
    const deps = {
      seed,
      scheduler: this.scheduler,
      network: this.#network,
      keys,
      tap,
      onChecked: (device: SimDevice, message: Uint8Array) => {
        const { running } = device;
        if (running === undefined) return;
        const generationIn = running.generationIn.bind(running);
        this.#guarded(() => this.oracle.checksSignature(device.name, generationIn, message));
      },
      logger: this.#logger,
      onFault: (name: string) => this.sometimes(name),
    };
    for (const [i, device] of devices.entries())
      this.#devices.push(await SimDevice.create(deps, i, device));

    const shared = {
      plan: this.#plan,
      devices: this.#devices,
      network: this.#network,
      scheduler: this.scheduler,
      oracle: this.oracle,
      sometimes: (what: string) => this.sometimes(what),
      fail: (error: unknown) => this.fail(error),
    };
    const workload = new Workload(shared);
    this.#onFreshCheckpoint = (name) => workload.checkpoints.replaced(name);
    const onStarted = (device: SimDevice): void => workload.started(device);
    const faults = new FaultMaker({ ...shared, onStarted });
    await Promise.all(this.#devices.map((device) => faults.start(device)));
    this.#schedule(workload, faults);
    await this.scheduler.sleep(this.#plan.endMs - this.scheduler.now, "end of faults");
    this.sometimes("healed");
    await faults.heal();
    // Nobody can eject an owner, who may be the only admin: whoever was told what never comes is to be told something else.
    for (const { owner } of this.#plan.groups) this.#devices[owner]?.endJoinLies();
    await new Rest(shared, workload, faults).come();
  }

  #schedule(workload: Workload, faults: FaultMaker): void {
    for (const step of this.#plan.steps) {
      const label = `step ${"fault" in step ? step.fault : step.op}`;
      this.scheduler.at(step.at, label, () => {
        if (isFault(step)) return faults.strike(step);
        void workload.perform(step);
      });
    }
    for (const device of this.#devices) {
      for (let at = LOOK_MS * (1 + device.index / 10); at < this.#plan.endMs; at += LOOK_MS)
        this.scheduler.at(
          at,
          "look",
          () => void this.#look(device).catch((e: unknown) => this.fail(e)),
        );
    }
  }

  async #look(device: SimDevice): Promise<void> {
    const { running } = device;
    if (running === undefined || running.store.state !== "open") return;
    const view = await running.view();
    this.oracle.checkDevice(view);
    const foreign = view.scopes.find(({ scope }) => scope.endsWith(":made up"));
    if (foreign !== undefined)
      throw new SimError("C2", `${device.name} took ${foreign.scope}, for which it never asked`);
  }

  /** Only liars are ever at fault. */
  #checkBlame(peer: unknown): void {
    const blamed = this.#devices.find(({ identity }) => identity.device === peer);
    if (blamed !== undefined && !blamed.isLiar)
      this.fail(new SimError("B2", `${blamed.name} is blamed for what it has not done`));
  }

  #traceCommit(what: string, { log, generation, parts }: CommitFact): void {
    const said = parts.map(({ scope, versions, controls }) => {
      const rows = versions.map(
        ({ key, value }) => `${fromHex(key)}${value === undefined ? "-" : ""}`,
      );
      return `${scope.replace(/:.*:/, ":")} [${rows.join()}] +${controls.length}`;
    });
    const name = this.#devices.find(({ key }) => log.startsWith(key))?.name;
    this.#onTrace?.(
      `          ${name} ${what} ${log.slice(65, 69)}#${generation} ${said.join("; ")}`,
    );
  }

  readonly #logger: Logger = (level, event, fields) => {
    const code = fields?.["code"];
    const text = typeof code === "string" ? `${event} ${code}` : event;
    this.sometimes(`log ${text}`);
    if (this.#onTrace !== undefined)
      this.#onTrace(`          ${level} ${event} ${JSON.stringify(fields)}`);
    if (event === "sync.checkpoint.fresh") this.#onFreshCheckpoint(String(fields?.["device"]));
    if (event === "sync.peer.fault") this.#checkBlame(fields?.["peer"]);
    const isLiarThere = this.#devices.some(({ isLiar }) => isLiar);
    // What two branches of a log bring to light is no bug, nor that one that lies leaves rows of a commit out to some.
    const isExcused = isLiarThere || this.oracle.ledger.hasForks;
    const isAlarm = ALARMS.has(event)
      ? !isExcused
      : level === "error" && !EXPECTED_ERRORS.has(event);
    if (isAlarm) this.fail(new SimError("bug", `${event} ${JSON.stringify(fields)}`));
  };
}
