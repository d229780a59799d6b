/** Addresses kept per peer, as a ticket holds. */
export const ADDRESSES_MAX = 16;
/** Bytes of one address. */
export const ADDRESS_BYTES_MAX = 256;
/** Collections in a syncgroup, as the message's limit says. */
export const GROUP_COLLECTIONS_MAX = 256;
/** Users that may publish syncgroups at one device: a list that people keep by hand. */
export const SERVICE_USERS_MAX = 10_000;
/** Connected peers that have shown to have read a group in which they are not known to be: whoever was ejected must not take the places of members. */
export const ACQUAINTANCES_MAX = 8;
/** Bytes of UTF-8 in the description of a syncgroup, as the message's limit says. */
export const DESCRIPTION_BYTES_MAX = 4096;
/** Logs of which nothing is here that one answer to a join passes on as promised: a twentieth of what its frame has room for, so that a false promise leaves room for what is here. */
export const PASSED_ON_LOGS_MAX = 1000;
