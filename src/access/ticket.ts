/**
 * Tickets: what an admin hands to somebody out of band so that they can join a group.
 */

import {
  concatBytes,
  type Crypto,
  equalBytes,
  fromBase64Url,
  type ScopeId,
  toBase64Url,
  utf8,
} from "../base/index.ts";
import {
  create,
  decodeCanonical,
  encode,
  scopeFromWire,
  scopeToWire,
  TicketSchema,
} from "../wire/index.ts";
import { AccessError } from "./errors.ts";
import { INVITE_SECRET_SIZE } from "./invite.ts";
import {
  TICKET_ADDRESS_BYTES_MAX,
  TICKET_ADDRESSES_MAX,
  TICKET_BYTES_MAX,
  TICKET_TEXT_MAX,
} from "./limits.ts";

/** What a ticket says. */
export interface Ticket {
  readonly group: ScopeId;
  /** Multiaddr texts of admins. */
  readonly addresses: readonly string[];
  /** Whoever knows it may join: `createInviteKeys`. */
  readonly secret: Uint8Array;
}

export interface TicketDeps {
  readonly crypto: Pick<Crypto, "sha256">;
}

const SCHEME = "rookery:";
const CHECKSUM_SIZE = 4;
/** The secret stands last in a ticket: its field's tag and size, then 32 bytes. */
const SECRET_HEAD = Uint8Array.of(0x1a, INVITE_SECRET_SIZE);

/** Bytes that an address adds to a ticket beside its own: its field's tag, and a size of up to two bytes. */
const ADDRESS_HEAD_SIZE = 3;

/**
 * The text of a ticket: `rookery:` and base64url of its bytes with a checksum. Of the addresses it holds the first ones
 * that fit: one that can be reached is enough. [AC25]
 *
 * @throws {RangeError} when the secret is not 32 bytes or the group is no syncgroup.
 */
export function formatTicket(ticket: Ticket, { crypto }: TicketDeps): string {
  const { group, secret } = ticket;
  if (secret.length !== INVITE_SECRET_SIZE) {
    throw new RangeError(`A ticket's secret has ${INVITE_SECRET_SIZE} bytes, not ${secret.length}`);
  }
  if (group.kind !== "syncgroup") throw new RangeError("A ticket is for a syncgroup");
  const message = create(TicketSchema, { group: scopeToWire(group), secret });
  let size = encode(TicketSchema, message).length;
  for (const address of ticket.addresses) {
    const addressSize = utf8(address).length;
    const fits =
      addressSize <= TICKET_ADDRESS_BYTES_MAX &&
      size + ADDRESS_HEAD_SIZE + addressSize <= TICKET_BYTES_MAX;
    if (!fits || !address.isWellFormed() || message.addresses.length === TICKET_ADDRESSES_MAX)
      continue;
    message.addresses.push(address);
    size += ADDRESS_HEAD_SIZE + addressSize;
  }
  const bytes = encode(TicketSchema, message);
  return SCHEME + toBase64Url(concatBytes(bytes, checksum(bytes, crypto)));
}

/**
 * The ticket in `text`, blanks around it ignored. [AC25] [AC26]
 *
 * @throws {AccessError} `ACCESS_TICKET_INVALID`; its message says in what way, and never repeats the text.
 */
export function parseTicket(text: string, { crypto }: TicketDeps): Ticket {
  const trimmed = text.trim();
  if (trimmed.length > TICKET_TEXT_MAX) throw invalid("it is longer than any ticket");
  if (!trimmed.startsWith(SCHEME)) {
    if (/^rookery[0-9]+:/.test(trimmed)) throw invalid("another version of this program made it");
    if (trimmed.startsWith("rookery-pair:"))
      throw invalid("it pairs a device with its user's others, and opens no syncgroup");
    throw invalid(`it does not begin with "${SCHEME}"`);
  }
  const all = fromBase64Url(trimmed.slice(SCHEME.length));
  if (all === undefined) throw invalid("it was altered or cut, it is not base64url");
  const bytes = all.subarray(0, Math.max(0, all.length - CHECKSUM_SIZE));
  const sum = all.subarray(bytes.length);
  if (!equalBytes(checksum(bytes, crypto), sum))
    throw invalid(isCut(bytes) ? "it was cut" : "it was altered");
  try {
    const { group, addresses, secret } = decodeCanonical(TicketSchema, bytes);
    if (group === undefined) throw new RangeError("A ticket names a group");
    const scope = scopeFromWire(group);
    if (scope.kind !== "syncgroup") throw new RangeError("A ticket is for a syncgroup");
    return { group: scope, addresses, secret };
  } catch (cause) {
    throw invalid("another version of this program made it", { cause });
  }
}

function checksum(bytes: Uint8Array, crypto: Pick<Crypto, "sha256">): Uint8Array {
  return crypto.sha256(bytes).subarray(0, CHECKSUM_SIZE);
}

/** Whether the end is missing, as far as one can tell: the secret does not stand where it does in a whole ticket. */
function isCut(bytes: Uint8Array): boolean {
  const at = bytes.length - INVITE_SECRET_SIZE - SECRET_HEAD.length;
  return at < 0 || !equalBytes(bytes.subarray(at, at + SECRET_HEAD.length), SECRET_HEAD);
}

function invalid(reason: string, options?: ErrorOptions): AccessError {
  return new AccessError("ACCESS_TICKET_INVALID", `Cannot read ticket: ${reason}`, options);
}
