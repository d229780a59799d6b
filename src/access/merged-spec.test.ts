import { describe, expect, test } from "vitest";
import { ControlWorld, namedDevice, namedUser } from "../testkit/control-world.ts";
import type { ControlEntry } from "./control-entry.ts";
import { ControlLog } from "./control-log.ts";
import { SPEC_RENDEZVOUS_MAX } from "./limits.ts";
import type { SpecState } from "./merged-spec.ts";
import type { Spec } from "./spec.ts";

const SPEC: Spec = {
  description: "Chess",
  collections: [{ owner: namedUser("ada"), name: "games" }],
  rendezvous: ["/b"],
  isPrivate: false,
};

/** A group of ada's, and what edits of its spec come to. */
class Edits {
  readonly world = new ControlWorld("syncgroup");
  readonly created: ControlEntry;

  constructor() {
    this.world.introduce("laptop", "laptop", "ada");
    this.created = this.edit(SPEC, this.world.entries, 1n);
  }

  edit(spec: Partial<Spec>, parents: readonly ControlEntry[], timestamp: bigint): ControlEntry {
    return this.world.add(
      "laptop",
      { type: "spec", ...SPEC, ...spec },
      { parents: [...parents], timestamp },
    );
  }

  get state(): SpecState {
    const { spec } = ControlLog.of(this.world.scope, this.world.entries).state;
    if (spec === undefined) throw new Error("The group has been created");
    return spec;
  }
}

describe("specs that are edited at the same time", () => {
  test("[AC27] each field is the latest of those who changed it", () => {
    const edits = new Edits();
    const peer = namedDevice("server");
    edits.edit({ description: "Go", publishPeer: peer }, [edits.created], 2n);
    edits.edit({ isPrivate: true }, [edits.created], 9n);
    expect(edits.state.value).toEqual({
      ...SPEC,
      description: "Go",
      publishPeer: peer,
      isPrivate: true,
    });
    edits.edit({ description: "Draughts" }, [edits.created], 3n);
    expect(edits.state.value.description).toBe("Draughts");
  });

  test("[AC27] an op that has seen all others says what the group is", () => {
    const edits = new Edits();
    const both = [
      edits.edit({ description: "Go" }, [edits.created], 5n),
      edits.edit({ description: "Draughts", isPrivate: true }, [edits.created], 9n),
    ];
    edits.edit({ description: "Go", rendezvous: ["/z", "/a"] }, both, 1n);
    expect(edits.state.value).toEqual({ ...SPEC, description: "Go", rendezvous: ["/z", "/a"] });
  });

  test("[AC28] addresses that one adds and another removes are added and removed", () => {
    const edits = new Edits();
    const left = edits.edit({ rendezvous: ["/b", "/c"] }, [edits.created], 2n);
    edits.edit({ rendezvous: ["/a"] }, [edits.created], 3n);
    expect(edits.state.value.rendezvous).toEqual(["/a", "/c"]);
    // Added again by somebody who has not seen it removed, though it was there: no change, so it stays removed.
    edits.edit({ rendezvous: ["/b", "/c", "/d"] }, [left], 4n);
    expect(edits.state.value.rendezvous).toEqual(["/a", "/c", "/d"]);
  });

  test("[AC28] more addresses than a spec holds are cut alike everywhere", () => {
    const edits = new Edits();
    const many = (from: string): string[] =>
      Array.from({ length: SPEC_RENDEZVOUS_MAX }, (_, i) => `/${from}/${i}`);
    edits.edit({ rendezvous: many("y") }, [edits.created], 2n);
    edits.edit({ rendezvous: many("x") }, [edits.created], 3n);
    expect(edits.state.value.rendezvous).toEqual(many("x").toSorted());
  });

  test("[AC29] the version is another one after each edit, and that of the op where there is one", () => {
    const edits = new Edits();
    const versions = [edits.state.version];
    expect(versions).toEqual([edits.created.id]);
    const one = edits.edit({ description: "Go" }, [edits.created], 2n);
    versions.push(edits.state.version);
    const other = edits.edit({ isPrivate: true }, [edits.created], 3n);
    versions.push(edits.state.version);
    const last = edits.edit({ description: "Go", isPrivate: true }, [one, other], 4n);
    versions.push(edits.state.version);
    expect(new Set(versions).size).toBe(4);
    expect(versions[1]).toBe(one.id);
    expect(versions[3]).toBe(last.id);
  });
});
