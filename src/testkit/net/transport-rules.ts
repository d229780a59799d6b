import type { Rule } from "../expect.ts";
import { transportConnectionRules } from "./transport-connection-rules.ts";
import { transportStreamRules } from "./transport-stream-rules.ts";
import type { TransportWorld } from "./transport-world.ts";

/** The transport contract (docs/spec/net.md): a transport is finished when its world keeps all of these. */
export const transportRules: readonly Rule<TransportWorld>[] = [
  ...transportConnectionRules,
  ...transportStreamRules,
];
