/** The longest that a rendezvous keeps a registration, in milliseconds: two hours. Who is gone is forgotten by then. */
export const TTL_MS_MAX = 7_200_000;
/** The shortest, in milliseconds: a device that asked for less would come ever again. */
export const TTL_MS_MIN = 60_000;
/** Milliseconds that two devices' estimates of time may differ by where the end of a registration is looked at. */
export const EXPIRY_SLACK_MS = 600_000;
/** Registrations under one token: members of a syncgroup that are there at once. */
export const TOKEN_REGISTRATIONS_MAX = 256;
/** Registrations of one device: syncgroups that it is in. */
export const DEVICE_REGISTRATIONS_MAX = 256;
/** Registrations that a rendezvous keeps. */
export const REGISTRATIONS_MAX = 20_000;
/** Bytes of registrations that a rendezvous keeps, as they were sent. */
export const REGISTRATION_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes that each is counted with beside its own: its keys and its places in maps. */
export const REGISTRATION_COST_BYTES = 512;
/** Milliseconds between two looks of a rendezvous at all that has expired. */
export const SWEEP_MS = 60_000;
/** Registrations in one answer, as the message holds. */
export const FOUND_PAGE_MAX = 32;
/** Pages that are asked for of one group: all that a rendezvous may hold of it. */
export const FOUND_PAGES_MAX = 8;
/** Requests on one connection that are answered at once: a visit for 32 groups. */
export const REQUESTS_AT_ONCE = 64;
/** Milliseconds a request beyond that: ten a second. */
export const REQUEST_MS = 100;
/** Milliseconds that a stream may be open without a request. */
export const REQUEST_TIMEOUT_MS = 30_000;
/** Milliseconds for connecting to a rendezvous, and for each of its answers. */
export const ANSWER_TIMEOUT_MS = 15_000;
/** Rendezvous that a device visits: its own first, then those of its syncgroups' specs. */
export const RENDEZVOUS_MAX = 32;
/** Addresses of one rendezvous. */
export const RENDEZVOUS_ADDRESSES_MAX = 16;
/** Milliseconds between two visits to one rendezvous, whatever has changed meanwhile. */
export const VISIT_MIN_MS = 3_000;
/** Milliseconds before members who were not found are looked for again, doubled each time. */
export const LOOK_MIN_MS = 20_000;
/** The longest such wait: who was away for a day and is elsewhere now is found within a quarter of an hour. */
export const LOOK_MAX_MS = 900_000;
/** Milliseconds before a rendezvous that could not be visited is tried again, doubled each time. */
export const VISIT_RETRY_MIN_MS = 5_000;
/** The longest such wait. */
export const VISIT_RETRY_MAX_MS = 900_000;
/** Milliseconds between two looks at our own addresses: no network is used for it. */
export const OWN_ADDRESSES_MS = 30_000;
