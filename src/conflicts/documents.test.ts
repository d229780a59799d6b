import * as Automerge from "@automerge/automerge";
import { describe, expect, test } from "vitest";
import * as Y from "yjs";
import { deviceIdOf, encodeValue, logKeyOf, type Value } from "../base/index.ts";
import { automerge } from "./automerge.ts";
import { type Head, Merges, parsePolicy, type Visible, visibleOf } from "./index.ts";
import { yjs } from "./yjs.ts";

const merges = new Merges({ clock: { monotonic: () => 0 }, logger: () => {} });
merges.register("yjs", yjs);
merges.register("automerge", automerge);

function headsOf(...values: Value[]): Head[] {
  return values.map((value, i) => ({
    log: logKeyOf({ device: deviceIdOf(new Uint8Array(32).fill(i)), incarnation: 0n }),
    generation: 1,
    timestamp: BigInt(100 - i),
    context: new Map(),
    value: encodeValue(value),
  }));
}

const shown = (name: string, heads: readonly Head[]): Visible =>
  visibleOf(parsePolicy(`merge:${name}`), heads, merges);

/** Three people edit what one of them had made. */
interface Documents {
  readonly edited: readonly Uint8Array[];
  readonly read: (bytes: Uint8Array) => string;
  readonly edit: (bytes: Uint8Array, text: string) => Uint8Array;
}

function yjsDocuments(): Documents {
  const open = (bytes: Uint8Array): Y.Doc => {
    const doc = new Y.Doc();
    Y.applyUpdate(doc, bytes);
    return doc;
  };
  const edit = (bytes: Uint8Array, text: string): Uint8Array => {
    const doc = open(bytes);
    doc.getText("t").insert(doc.getText("t").length, text);
    return Y.encodeStateAsUpdate(doc);
  };
  const made = edit(Y.encodeStateAsUpdate(new Y.Doc()), "made");
  return {
    edited: ["-ada", "-ben", "-eve"].map((text) => edit(made, text)),
    read: (bytes) => open(bytes).getText("t").toJSON(),
    edit,
  };
}

function automergeDocuments(): Documents {
  type Doc = { t: string };
  const edit = (bytes: Uint8Array, text: string): Uint8Array =>
    Automerge.save(
      Automerge.change(Automerge.load<Doc>(bytes), (doc) => {
        Automerge.splice(doc, ["t"], doc.t.length, 0, text);
      }),
    );
  const made = Automerge.save(Automerge.from<Doc>({ t: "made" }));
  return {
    edited: ["-ada", "-ben", "-eve"].map((text) => edit(made, text)),
    read: (bytes) => Automerge.load<Doc>(bytes).t,
    edit,
  };
}

describe.each([
  ["yjs", yjsDocuments],
  ["automerge", automergeDocuments],
])("%s", (name, make) => {
  test("[CO26] shows the edits of all, the same bytes whatever the order of heads", () => {
    const { edited, read, edit } = make();
    const heads = headsOf(...edited);
    const { value, conflict } = shown(name, heads);
    expect(conflict).toBe(false);
    expect(shown(name, heads.toReversed()).value).toEqual(value);
    const text = read(value as Uint8Array);
    expect(text.split("-").sort((a, b) => (a < b ? -1 : 1))).toEqual(["ada", "ben", "eve", "made"]);
    // What somebody writes who saw all of it holds all of it, and merges with what still lacks some.
    const after = edit(value as Uint8Array, "-end");
    expect(read(after)).toBe(`${text}-end`);
    const both = shown(name, headsOf(after, edited[1] as Uint8Array)).value;
    expect(read(both as Uint8Array)).toBe(`${text}-end`);
  });

  test("[CO26] [CO12] what is no document leaves the latest", () => {
    const { edited } = make();
    for (const other of [
      "text",
      Uint8Array.of(1, 2, 3, 255),
      edited[1]?.subarray(0, 20) as Uint8Array,
    ]) {
      const heads = headsOf(edited[0] as Uint8Array, other);
      expect(shown(name, heads)).toEqual({ value: edited[0], conflict: true, fallback: "failed" });
    }
  });
});
