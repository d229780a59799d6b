/**
 * An admin that keeps to the rules but in one thing: what it says that it holds, when it answers who joins or asks for a fresh
 * checkpoint. [SY29] [SY125]
 */

import {
  deviceIdOf,
  type GenVector,
  type LogKey,
  logIdOf,
  logKeyOf,
  toHex,
} from "../../base/index.ts";
import { claimFromWire, claimToWire, type ScopeClaim } from "../../deltas/index.ts";
import type { StreamHandler } from "../../net/index.ts";
import {
  type CallRequest,
  CallRequestSchema,
  type CallResponse,
  CallResponseSchema,
  create,
  decode,
  encode,
  type Joined,
} from "../../wire/index.ts";
import type { SeededRandom } from "../seeded-random.ts";
import { FilteredStream } from "./filtered-stream.ts";

const CALLS = "/rookery/sync/call/1.0.0";

/** What never comes: generations that nobody ever wrote, and logs that there are not. */
const NEVER = ["beyond", "no such log"] as const;
/** What an answer may be: also the truth, and less than that. */
const ANSWERS = ["right", ...NEVER, "less", "nothing"] as const;
type Answer = (typeof ANSWERS)[number];
/** Share of those that always answer what never comes, of each scope. */
const STUBBORN = 0.5;
/** Share of scopes that a lie of others is about, one at least. */
const SCOPES = 0.6;
/** Share of a vector's logs that a lie is about, one at least. */
const LOGS = 0.4;
/** The last generation that there can be: nobody ever comes so far. */
const LAST = Number.MAX_SAFE_INTEGER;

/** Who has asked for what group. */
interface Asked {
  /** Its owner and name. */
  readonly group: string;
  /** Not so where a member asks for a fresh checkpoint. */
  readonly hasInvite: boolean;
}

export interface JoinLiesDeps {
  readonly random: SeededRandom;
  readonly sometimes: (what: string) => void;
}

export class JoinLies {
  readonly #deps: JoinLiesDeps;
  readonly #isStubborn: boolean;
  /** What it answered last for each group. */
  readonly #last = new Map<string, Joined>();
  #isOver = false;

  constructor(deps: JoinLiesDeps) {
    this.#deps = deps;
    this.#isStubborn = deps.random.chance(STUBBORN);
  }

  /** From now on it answers as others do. */
  end(): void {
    this.#isOver = true;
  }

  /** What serves a protocol, with lies in its answers to joins. */
  readonly serving = (protocol: string, handler: StreamHandler): StreamHandler => {
    if (protocol !== CALLS) return handler;
    return (stream, connection) => {
      // By the number of the request.
      const asked = new Map<number, Asked>();
      const filter = {
        seen: (frame: Uint8Array) => noteAsked(asked, decode(CallRequestSchema, frame)),
        changed: (frame: Uint8Array) => this.#answer(asked, frame),
      };
      return handler(new FilteredStream(stream, filter), connection);
    };
  };

  #answer(asked: ReadonlyMap<number, Asked>, frame: Uint8Array): Uint8Array {
    if (this.#isOver) return frame;
    const { number, response } = decode(CallResponseSchema, frame);
    const joined = this.#joined(asked.get(number), response);
    if (joined === undefined) return frame;
    const answer = this.#deps.random.pick(this.#isStubborn ? NEVER : ANSWERS);
    this.#deps.sometimes(`lie in a join: ${answer}`);
    const vectors = this.#lied(answer, joined.vectors.map(claimFromWire)).map(claimToWire);
    const value = { ...joined, vectors };
    return encode(
      CallResponseSchema,
      create(CallResponseSchema, { number, response: { case: "joined", value } }),
    );
  }

  /** What is answered; also to a member whom it may not answer any more, since it was ejected. */
  #joined(asked: Asked | undefined, response: CallResponse["response"]): Joined | undefined {
    if (asked === undefined) return undefined;
    if (response.case === "joined") {
      this.#last.set(asked.group, response.value);
      return response.value;
    }
    // Who comes with an invite, and was let in by nobody, would wait for ever.
    if (response.case !== "refused" || asked.hasInvite) return undefined;
    const last = this.#last.get(asked.group);
    if (last !== undefined) this.#deps.sometimes("lie in place of a refusal");
    return last;
  }

  #lied(answer: Answer, claims: readonly ScopeClaim[]): readonly ScopeClaim[] {
    if (answer === "right") return claims;
    const { random } = this.#deps;
    const first = random.below(claims.length);
    return claims.map((claim, i) =>
      i === first || this.#isStubborn || random.chance(SCOPES)
        ? { ...claim, vector: this.#vector(answer, claim.vector) }
        : claim,
    );
  }

  #vector(answer: Answer, vector: GenVector): GenVector {
    const { random } = this.#deps;
    if (answer === "nothing") return new Map();
    const lied = new Map(vector);
    if (answer === "no such log" || vector.size === 0) {
      lied.set(this.#noLog(vector), 1 + random.below(20));
      return lied;
    }
    const first = random.below(vector.size);
    for (const [i, [log, generation]] of [...vector].entries()) {
      if (i !== first && !random.chance(LOGS)) continue;
      // The next ones may be written yet.
      const beyond = random.chance(0.2) ? LAST : generation + 1 + random.below(20);
      const told = answer === "less" ? random.below(generation) : beyond;
      if (told === 0) lied.delete(log);
      else lied.set(log, told);
    }
    return lied;
  }

  /** A log that nobody writes: of somebody who is there, or of nobody. */
  #noLog(vector: GenVector): LogKey {
    const { random } = this.#deps;
    const logs = [...vector.keys()];
    const device =
      logs.length > 0 && random.chance(0.5)
        ? logIdOf(random.pick(logs)).device
        : deviceIdOf(random.bytes(32));
    return logKeyOf({ device, incarnation: BigInt(random.below(2 ** 32)) + 1n });
  }
}

function noteAsked(asked: Map<number, Asked>, { number, request }: CallRequest): void {
  if (request.case !== "join" || request.value.group === undefined) return;
  const { owner, name } = request.value.group;
  const group = `${toHex(owner)} ${name}`;
  asked.set(number, { group, hasInvite: request.value.proof !== undefined });
}
