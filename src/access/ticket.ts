/**
 * Tickets: what an admin hands to somebody out of band so that they can join a group.
 */

import {
  type Crypto,
  decodeBase64Url,
  encodeBase64Url,
  concatBytes,
  equalBytes,
  type ScopeId,
  utf8,
} from "../base/index.ts";
import { create, encode, scopeFromWire, scopeToWire, TicketSchema } from "../wire/index.ts";
import { decodeCanonical } from "./canonical.ts";
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

/**
 * The text of a ticket: `rookery:` and base64url of its bytes with a checksum. [AC25]
 *
 * @throws {RangeError} for more or longer addresses than a ticket holds, or a secret that is not 32 bytes.
 */
export function formatTicket(ticket: Ticket, { crypto }: TicketDeps): string {
  const { group, addresses, secret } = ticket;
  if (secret.length !== INVITE_SECRET_SIZE) {
    throw new RangeError(`A ticket's secret has ${INVITE_SECRET_SIZE} bytes, not ${secret.length}`);
  }
  if (addresses.length > TICKET_ADDRESSES_MAX) {
    throw new RangeError(
      `A ticket holds ${TICKET_ADDRESSES_MAX} addresses, not ${addresses.length}`,
    );
  }
  if (
    !addresses.every(
      (address) => address.isWellFormed() && utf8(address).length <= TICKET_ADDRESS_BYTES_MAX,
    )
  ) {
    throw new RangeError(`A ticket's address is text of at most ${TICKET_ADDRESS_BYTES_MAX} bytes`);
  }
  const bytes = encode(
    TicketSchema,
    create(TicketSchema, { group: scopeToWire(group), addresses: [...addresses], secret }),
  );
  if (bytes.length > TICKET_BYTES_MAX)
    throw new RangeError(`A ticket has at most ${TICKET_BYTES_MAX} bytes, not ${bytes.length}`);
  return SCHEME + encodeBase64Url(concatBytes(bytes, checksum(bytes, crypto)));
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
    throw invalid(
      /^rookery[0-9]+:/.test(trimmed)
        ? "another version of this program made it"
        : `it does not begin with "${SCHEME}"`,
    );
  }
  const all = decodeBase64Url(trimmed.slice(SCHEME.length));
  if (all === undefined) throw invalid("it was altered or cut, it is not base64url");
  const bytes = all.subarray(0, Math.max(0, all.length - CHECKSUM_SIZE));
  const sum = all.subarray(bytes.length);
  if (!equalBytes(checksum(bytes, crypto), sum))
    throw invalid(isCut(bytes) ? "it was cut" : "it was altered");
  try {
    const { group, addresses, secret } = decodeCanonical(TicketSchema, bytes);
    if (group === undefined) throw new RangeError("A ticket names a group");
    return { group: scopeFromWire(group), addresses, secret };
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
