/** Rows read from the store in one call while a part is put together or a page is merged. */
export const READ_ROWS_MAX = 1000;
/** Stretches of a database's order of changes that are remembered: one begins with each restored backup or copy of the store. */
export const EPOCHS_MAX = 64;
/** Signatures of our own commits that are remembered: more than a turn leaves to be written later. */
export const SIGNATURES_KEPT = 32;
