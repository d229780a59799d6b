import { expect, test } from "vitest";
import { type LogKey, logKeyOf, type ScopeId, type UserId } from "../base/index.ts";
import { makeDevice } from "../testkit/device.ts";
import { create, DeltaMode, DeltaRequestSchema, encode } from "../wire/index.ts";
import { REQUEST_SCOPES_MAX } from "./limits.ts";
import { fittingClaims, knowledgeToWire, type ScopeClaim } from "./page.ts";

test("[SY117] requests hold some of many scopes, and all have their turn", async () => {
  await using ada = await makeDevice(1);
  const claimOf = (name: string, logs: number): ScopeClaim => ({
    scope: scopeOf(ada.user, name),
    vector: new Map(
      Array.from({ length: logs }, (_, i): [LogKey, number] => [
        logKeyOf({ device: ada.device, incarnation: 2n ** 62n + BigInt(i) }),
        Number.MAX_SAFE_INTEGER,
      ]),
    ),
  });
  const few = [claimOf("a", 3), claimOf("b", 4)];
  expect(fittingClaims(few, 1)).toBe(few);
  expect(fittingClaims([], 5)).toEqual([]);
  for (const [count, logs] of [
    [30, 1024],
    [6, 4096],
    [REQUEST_SCOPES_MAX + 50, 1],
  ] as const) {
    const claims = Array.from({ length: count }, (_, i) =>
      claimOf(`scope ${"ü".repeat(50)} ${i}`, logs),
    );
    const names = new Set<string>();
    let first = 0;
    for (let request = 0; names.size < count; request++) {
      expect(request).toBeLessThan(4);
      const some = fittingClaims(claims, first);
      const scopes = some.map((claim) => knowledgeToWire(claim, new Uint8Array(32), true));
      const message = { round: 2 ** 31, mode: DeltaMode.DATA, scopes, live: true };
      expect(() => encode(DeltaRequestSchema, create(DeltaRequestSchema, message))).not.toThrow();
      for (const { scope } of some) names.add(scope.name);
      first += some.length;
    }
  }
});

function scopeOf(owner: UserId, name: string): ScopeId {
  return { database: "notes", kind: "collection", owner, name };
}
