/** Protocol version on the wire. */
export const VERSION = 1;

/** The one suite of version 1: RSA-OAEP + ML-KEM-768, X25519, AES-256-GCM, SHA-256, Ed25519. */
export const SUITE = 1;

/** The port of the seed, used where none is given. */
export const DEFAULT_PORT = 13000;

/** Longest password, bytes of UTF-8 after NFC. */
export const MAX_PASSWORD = 256;

/** Shortest password that a user may choose, characters. */
export const MIN_PASSWORD = 8;

/** Most stanzas of one message, the sender's own included. */
export const MAX_STANZAS = 256;

/** Most requests of one connection that are not answered yet. */
export const MAX_OUTSTANDING = 64;

/** Largest JSON of a request, response or event, bytes. */
export const MAX_JSON = 60 * 1024;

/** Default for the largest message (RFC 5322 form) a server takes, bytes. */
export const DEFAULT_MAX_MESSAGE = 100 * 1024 * 1024;

/** Largest value a server may be set to, bytes: 1 TiB. */
export const MAX_MAX_MESSAGE = 2 ** 40;

/** Longest title, Unicode code points. */
export const MAX_TITLE = 100;

/** Longest typed or loaded contents, Unicode code points. */
export const MAX_TEXT = 1_000_000;

/** Most names in one `keys` request: their bundles must fit one response. */
export const MAX_KEYS = 12;

/** Most UIDs in one `flag` or `remove`. */
export const MAX_UIDS = 1000;

/** Most changes in one answer to `changes`. */
export const MAX_CHANGES = 1000;

/** Most folders of a person's own that a mailbox has at a time. */
export const MAX_OWN_FOLDERS = 1000;

/** Largest record that all machines of a person share, sealed, bytes. */
export const MAX_SHARED_RECORD = 2 * 1024 * 1024;

/** Most machines of a person that a server remembers. */
export const MAX_MACHINES = 100;

/** Most members of the group in one answer to `members`. */
export const MAX_MEMBERS = 100;

/** Largest answer to a link, and largest kit: a package of at most 4 MiB and what is around it, bytes. */
export const MAX_PACKAGE = 4100 * 1024;

/** Most links of a person that wait at a time. */
export const MAX_LINKS_OPEN = 4;

/** How long a link waits for the other machine, milliseconds (10 minutes). */
export const LINK_LIFE = 600_000;

/** How long a server remembers what was removed or moved, milliseconds (90 days). */
export const CHANGE_MEMORY = 90 * 86_400_000;

/** How long a server keeps an upload that broke off, milliseconds (1 day). */
export const MAX_PARTIAL_AGE = 86_400_000;

/** Ids whose time is older than this on arrival are refused, milliseconds (29 days). */
export const MAX_ID_AGE = 29 * 86_400_000;

/** Ids whose time is further ahead than this on arrival are refused, milliseconds (10 minutes). */
export const MAX_ID_AHEAD = 10 * 60_000;

/** How long the memory of an id outlives its arrival, milliseconds (30 days). */
export const ID_MEMORY = 30 * 86_400_000;
