/** Rows read from the store in one call while a part is put together or a page is merged. */
export const READ_ROWS_MAX = 1000;
