/**
 * How a second device becomes a user's: by a ticket that the first one gives out, and a certificate that it signs.
 *
 * Start at `Pairer` (who has the user's key) and `askToPair` (who comes). Rules: docs/spec/pairing.md.
 *
 * @module
 */

export { askToPair, type PairedAs } from "./ask.ts";
export { PairError, type PairErrorCode } from "./errors.ts";
export { PAIRING_MS } from "./limits.ts";
export { formatPairTicket, type PairTicket, parsePairTicket } from "./pair-ticket.ts";
export { Pairer, type PairerDeps } from "./pairer.ts";
export { PAIR_PROTOCOL } from "./protocols.ts";
