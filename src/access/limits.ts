/** Bytes of UTF-8 in the name of a device: a line on a screen, as in proto/rookery/access.proto. */
export const DEVICE_NAME_BYTES_MAX = 256;
/** Bytes of an encoded control op: the message's own limit; the largest, a revoke of a user with many logs, fits. */
export const CONTROL_OP_BYTES_MAX = 65536;
/** Control heads that a commit may name: more than concurrent admins ever leave, and 8 KiB of a part header. */
export const CONTROL_PARENTS_MAX = 256;
/** Generations of one log at which its forks are proven one by one: a store that was copied forks at one, and each look at an older part of it may show an earlier one. */
export const FORKS_LOG_MAX = 4;
/** Bytes of a ticket before it becomes text: the message's own limit, 16 addresses of 256 bytes do not all fit. */
export const TICKET_BYTES_MAX = 4096;
/** Characters of a ticket's text that are looked at: base64url of the largest ticket with its checksum, and the scheme. */
export const TICKET_TEXT_MAX = 5475;
/** Addresses in a ticket: enough to find one admin, few enough for a QR code. */
export const TICKET_ADDRESSES_MAX = 16;
/** Bytes of UTF-8 in one address of a ticket: the longest multiaddr of a relayed peer, twice. */
export const TICKET_ADDRESS_BYTES_MAX = 256;
/** Rendezvous addresses of a syncgroup: the message's own limit, also of what concurrent edits come to together. */
export const SPEC_RENDEZVOUS_MAX = 16;
