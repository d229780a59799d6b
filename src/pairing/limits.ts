/** Pairing tickets that a device remembers, used and expired ones included; the oldest goes first. */
export const PAIRINGS_MAX = 16;
/** Milliseconds that a pairing ticket is good for unless it is said: time to carry it to the other device. */
export const PAIRING_MS = 600_000;
/** The longest that may be said: a day. Who finds the ticket later gets nothing by it. */
export const PAIRING_MS_MAX = 86_400_000;
/** Milliseconds for the whole of a pairing once the devices are connected: three messages. */
export const PAIRING_TIMEOUT_MS = 20_000;
/** Addresses in a pairing ticket. */
export const PAIR_ADDRESSES_MAX = 16;
/** Bytes of one. */
export const PAIR_ADDRESS_BYTES_MAX = 256;
/** Characters of a pairing ticket's text: the longest message with its checksum, as base64url. */
export const PAIR_TICKET_TEXT_MAX = 5_900;
/** Tickets to syncgroups that a new device is handed, as the message holds. */
export const PAIRED_TICKETS_MAX = 256;
