/** The bounds of this layer beside those in the .proto files, which bound each field of each message. */

/**
 * Elements of all repeated fields of one message together, nested ones included. The counts of nested fields multiply;
 * this is above what the largest frame of well-formed messages holds, and bounds what a hostile one makes us allocate.
 */
export const ELEMENTS_MAX = 32 * 1024;
/**
 * Fields with numbers that we do not know in one message, nested ones included. They are skipped; a newer peer has reason
 * to send a few.
 */
export const UNKNOWN_FIELDS_MAX = 1024;
/** The greatest field number of a known field: what a plan's table of fields is bounded by. */
export const FIELD_NUMBER_MAX = 63;
/** Fields of one message: what its set of fields seen is bounded by. */
export const FIELDS_MAX = 30;
