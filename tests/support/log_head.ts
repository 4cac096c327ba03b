/** A head of a key log that no server has signed, as a summary needs one: in base64. */
export const SOME_HEAD = `${"A".repeat(203)}=`;
