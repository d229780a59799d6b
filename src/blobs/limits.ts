/** Entries of a recipe node at most: 9 kB, one small frame. */
export const NODE_ENTRIES_MAX = 256;
/** Entries below which a node does not end, but at its level's end: bounds how many nodes a recipe has. */
export const NODE_ENTRIES_MIN = 64;
/** One address in as many ends a node: puts the mean at 125 entries. */
export const NODE_END_SPACING = 64;
