import { describe, expect, test } from "vitest";
import type { CommitFact } from "./facts.ts";
import { Ledger } from "./ledger.ts";

const DEVICE = new Uint8Array(32).fill(7);
const COMMIT_CONTEXT = Buffer.from("rookery commit 1\n");
const [C0, C1] = ["c0", "c1"].map(
  (name) => `collection:${Buffer.alloc(32).toString("hex")}:${name}`,
);

/** A field of a message: a small number, or bytes of at most 255. */
function field(number: number, value: number | Uint8Array): Uint8Array {
  if (typeof value === "number") return Uint8Array.of(number << 3, value);
  const length = value.length < 128 ? [value.length] : [(value.length & 127) | 128, 1];
  return Buffer.concat([Uint8Array.of((number << 3) | 2, ...length), value]);
}

/** Signs commits of one row each into a ledger; digests are numbers that nobody has had. */
class Author {
  readonly ledger = new Ledger();
  #digests = 0;

  #hashed(...input: Uint8Array[]): Buffer {
    const digest = Buffer.alloc(32);
    digest.writeUInt32BE(++this.#digests);
    this.ledger.hashed(digest, Buffer.concat(input));
    return digest;
  }

  /** Answers what was signed behind `before`. */
  sign(before: CommitFact | undefined, name: string): CommitFact {
    const generation = (before?.generation ?? 0) + 1;
    const op = this.#hashed(Uint8Array.of(0), field(3, Buffer.from(name)));
    const scope = [field(2, 1), field(3, new Uint8Array(32)), field(4, Buffer.from(name))];
    const part = this.#hashed(Uint8Array.of(2), op, field(2, Buffer.concat(scope)));
    const digest = this.#hashed(
      COMMIT_CONTEXT,
      field(1, field(1, DEVICE)),
      field(2, generation),
      ...(before === undefined ? [] : [field(3, Buffer.from(before.digest, "hex"))]),
      Uint8Array.of((4 << 3) | 1, ++this.#digests, 0, 0, 0, 0, 0, 0, 0),
      field(5, part),
    );
    this.ledger.signed(DEVICE, digest);
    return this.ledger.byDigest(digest.toString("hex")) as CommitFact;
  }

  /** Digests of commits with parts in a scope, up to one. */
  behind(scope: string | undefined, place: Parameters<Ledger["partsBehind"]>[1]): string[] {
    const parts = [...this.ledger.partsBehind(scope ?? "", place)];
    return parts.map(({ commit }) => commit.digest).toSorted();
  }
}

describe("[SI5] what stands in a branch of a log is judged with what stands before it there", () => {
  test("and not with what the other branch has under the same generations", () => {
    const author = new Author();
    const first = author.sign(undefined, "c1");
    const ours = author.sign(first, "c0");
    author.ledger.establish(ours);
    author.ledger.setBack.add(Buffer.from(DEVICE).toString("hex"));
    author.ledger.mayNotKnow = () => true;
    const theirs = author.sign(first, "c1");
    const last = author.sign(theirs, "c1");
    expect(author.behind(C1, last)).toEqual([first, theirs, last].map(({ digest }) => digest));
    expect(author.behind(C0, last)).toEqual([]);
    expect(author.behind(C0, ours)).toEqual([ours.digest]);
    expect(author.behind(C1, ours)).toEqual([first.digest]);
  });

  test("and all that is known under its log where there are no branches, or it is not known in which", () => {
    const author = new Author();
    const first = author.sign(undefined, "c1");
    const second = author.sign(first, "c0");
    expect(author.behind(C1, second)).toEqual([first.digest]);
    const { log, generation } = second;
    expect(author.behind(C0, { log, generation })).toEqual([second.digest]);
  });
});
