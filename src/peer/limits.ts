/** Bytes of a request's body at the local API: the largest row value as JSON, with room for its base64. */
export const API_BODY_BYTES_MAX = 4 * 1024 * 1024;
/** Scopes that one commit takes a device out of. */
export const REVOKED_SCOPES_AT_ONCE = 64;
/** Addresses in a ticket to a syncgroup that a linked device is handed, as a ticket holds. */
export const DEVICE_TICKET_ADDRESSES_MAX = 16;
/** Milliseconds in which chunks that pull-sync brings are gathered before blobs are looked at that may be whole by them. */
export const STORED_NOTE_MS = 500;
/** Milliseconds that a leave by the local API waits for others at most: what a timer holds, three weeks and a half. */
export const LEAVE_WAIT_MS_MAX = 0x7fff_ffff;
