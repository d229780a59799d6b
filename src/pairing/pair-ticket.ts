/** Pairing tickets: what one device of a user shows, and another that is to be theirs is given. */

import {
  concatBytes,
  type Crypto,
  equalBytes,
  fromBase64Url,
  KEY_SIZE,
  toBase64Url,
  type UserId,
  userIdOf,
  userKeyOf,
  utf8,
} from "../base/index.ts";
import { create, decodeCanonical, encode, PairTicketSchema } from "../wire/index.ts";
import { PairError } from "./errors.ts";
import { PAIR_ADDRESS_BYTES_MAX, PAIR_ADDRESSES_MAX, PAIR_TICKET_TEXT_MAX } from "./limits.ts";

export interface PairTicket {
  /** Whose the new device will be. */
  readonly user: UserId;
  /** Where the device that answers is reached, each ending in its name. */
  readonly addresses: readonly string[];
  /** 32 bytes: whoever knows them may become a device of the user. */
  readonly secret: Uint8Array;
}

const SCHEME = "rookery-pair:";
const CHECKSUM_SIZE = 4;

type Hash = Pick<Crypto, "sha256">;

/** The text of a ticket. Addresses that are too long or too many are left out. [PR1] */
export function formatPairTicket(ticket: PairTicket, crypto: Hash): string {
  const { user, secret } = ticket;
  if (secret.length !== KEY_SIZE) throw new RangeError("A pairing ticket's secret has 32 bytes");
  const addresses = ticket.addresses
    .filter((text) => text.isWellFormed() && utf8(text).length <= PAIR_ADDRESS_BYTES_MAX)
    .slice(0, PAIR_ADDRESSES_MAX);
  const message = create(PairTicketSchema, { user: userKeyOf(user), addresses, secret });
  const bytes = encode(PairTicketSchema, message);
  return SCHEME + toBase64Url(concatBytes(bytes, checksum(bytes, crypto)));
}

/** The ticket in `text`, blanks around it ignored. @throws {PairError} `PAIR_TICKET_INVALID`, whose message never repeats the text. [PR1] */
export function parsePairTicket(text: string, crypto: Hash): PairTicket {
  const trimmed = text.trim();
  if (trimmed.startsWith("rookery:"))
    throw invalid("it is an invite to a syncgroup, and pairs no device");
  const isOne = trimmed.length <= PAIR_TICKET_TEXT_MAX && trimmed.startsWith(SCHEME);
  if (!isOne) throw invalid(`it does not begin with "${SCHEME}", or is longer than any`);
  const all = fromBase64Url(trimmed.slice(SCHEME.length));
  const bytes = all?.subarray(0, Math.max(0, all.length - CHECKSUM_SIZE));
  if (all === undefined || bytes === undefined) throw invalid("it was altered or cut");
  if (!equalBytes(checksum(bytes, crypto), all.subarray(bytes.length)))
    throw invalid("it was altered or cut");
  try {
    const { user, addresses, secret } = decodeCanonical(PairTicketSchema, bytes);
    return { user: userIdOf(user), addresses, secret };
  } catch (cause) {
    throw invalid("another version of this program made it", { cause });
  }
}

function checksum(bytes: Uint8Array, crypto: Hash): Uint8Array {
  return crypto.sha256(bytes).subarray(0, CHECKSUM_SIZE);
}

function invalid(reason: string, options?: ErrorOptions): PairError {
  return new PairError("PAIR_TICKET_INVALID", `Cannot read pairing ticket: ${reason}`, options);
}
