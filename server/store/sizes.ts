/** Bodies up to this size are stored with their message, larger ones apart, bytes. */
export const INLINE_MAX = 256 * 1024;

/** Most entries that one `list` gives. */
export const MAX_LIST = 1000;
