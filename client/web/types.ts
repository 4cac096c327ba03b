// What a page and the program say to each other, as JSON. Types alone: the page is compiled with them,
// and nothing here knows the page.

/** How far somebody's key is trusted. */
export type TrustView = "verified" | "changed" | "unknown";

/** The connection to the mail server. */
export interface ConnectionView {
  readonly kind: "online" | "connecting" | "offline";
  /** Why there is none; null if there is one. */
  readonly why: string | null;
  /** When it is tried again by itself, milliseconds since 1970; null if it is not. */
  readonly retryAt: number | null;
}

/** A folder of the mailbox. */
export interface FolderView {
  /** The name of a built-in one, or the number of one of the person's own. */
  readonly id: string | number;
  /** What the person calls it; of a built-in one, its id. */
  readonly name: string;
  readonly total: number;
  readonly unread: number;
}

/** A search that is kept under a name, like a folder. */
export interface KeptSearchView {
  readonly name: string;
  /** What is looked for, as it is typed. */
  readonly words: string;
}

/**
 * How far the program is: nobody is set up here; the keys are shut; it is being opened; the mail is
 * open.
 */
export type Stage = "setup" | "locked" | "opening" | "open";

/** Everything that a page shows around its lists. */
export interface StateView {
  readonly stage: Stage;
  /** Why the mail did not open the last time; null if nothing went wrong. */
  readonly problem: string | null;
  /** The person's name; empty before the setup. */
  readonly name: string;
  /** The server, as `host:port`; empty before the setup. */
  readonly server: string;
  readonly connection: ConnectionView;
  readonly folders: readonly FolderView[];
  readonly searches: readonly KeptSearchView[];
  readonly drafts: number;
  readonly outbox: number;
  /** Whether older messages are still being fetched. */
  readonly fetching: boolean;
  /** Grows with every change of a message, a draft, the outbox or a contact. */
  readonly version: number;
  /** Largest message that the server takes, bytes as mail carries it; null if that is not known. */
  readonly maxMessage: number | null;
  /**
   * Where the operator says that the server is from now on, as `host:port`, several with commas between,
   * which the person has not decided on; null if there is nothing to decide.
   */
  readonly newAddress: string | null;
  /** How long what is sent may be taken back, milliseconds; 0 for not at all. */
  readonly undoSend: number;
}

/** One line of a list of messages. */
export interface RowView {
  readonly uid: number;
  readonly folder: string | number;
  readonly fresh: boolean;
  readonly answered: boolean;
  readonly flagged: boolean;
  /** The keywords of the person's own that it has. */
  readonly keywords: readonly string[];
  readonly who: string;
  readonly trust: TrustView;
  readonly subject: string;
  /** Milliseconds since 1970. */
  readonly date: number | null;
  readonly attachments: number;
  /** Whether it could not be opened. */
  readonly broken: boolean;
}

/** A part of a list: the rows from one place on. */
export interface ListView {
  readonly total: number;
  readonly from: number;
  readonly rows: readonly RowView[];
}

/** A person as a message names them. */
export interface PersonView {
  readonly name: string;
  readonly trust: TrustView;
}

/** An attachment of a message. */
export interface AttachmentView {
  /** From 1. */
  readonly index: number;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Whether it is a picture that may be shown: PNG, JPEG, GIF, WebP, by what it contains. */
  readonly picture: boolean;
}

/** A message as it is read. */
export interface MessageView {
  readonly row: RowView;
  readonly id: string;
  readonly from: PersonView;
  /** What is known of the sender's key, in words; empty for oneself. */
  readonly note: string;
  /** Whether it is the operator's, signed with the server's key. */
  readonly announcement: boolean;
  /** The question whether the person wants the group that it shares, if they were not asked yet. */
  readonly group: string | null;
  readonly to: readonly PersonView[];
  readonly cc: readonly PersonView[];
  readonly bcc: readonly string[];
  readonly date: number | null;
  readonly text: string;
  /** Whether it answers another message, or was answered. */
  readonly linked: boolean;
  /** Whether there is HTML that {@linkcode HtmlView} gives. */
  readonly html: boolean;
  /** What could not be read as it should be, a line each. */
  readonly notes: readonly string[];
  /** What the invitations and other calendars among the attachments say, lines of text each. */
  readonly calendars: readonly string[];
  readonly attachments: readonly AttachmentView[];
  /** Why it cannot be shown; null if it can. */
  readonly problem: string | null;
  /** Whose other key this message has; null if that is not why. */
  readonly keyChangedOf: string | null;
  /** Fingerprint of the sender's key. */
  readonly key: string;
  /** Bytes. */
  readonly size: number;
}

/** The HTML of a message as it came: not safe to show before it was sanitised. */
export interface HtmlView {
  readonly html: string;
}

/** A file attached to a draft. */
export interface DraftFileView {
  readonly name: string;
  readonly size: number;
  /** What names it to the program: a path for a file, `forward:N` for one of a forwarded message. */
  readonly key: string;
}

/** A message being written. */
export interface DraftView {
  readonly id: string;
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly bcc: readonly string[];
  readonly subject: string;
  readonly text: string;
  readonly files: readonly DraftFileView[];
  readonly answers: boolean;
  /** Milliseconds since 1970; null if it was never saved. */
  readonly savedAt: number | null;
}

/** A message in the outbox: sealed, so only what the server will see of it is known. */
export interface OutboxView {
  readonly id: string;
  readonly to: readonly string[];
  /** Bytes. */
  readonly size: number;
  /** When it was written, milliseconds since 1970. */
  readonly date: number;
  /** Whether it was refused for good. */
  readonly refused: boolean;
  readonly why: string | null;
}

/** Somebody whose key is known. */
export interface ContactView {
  readonly name: string;
  readonly trust: TrustView;
  /** In words, like `verified in person 2026-11-22 13:05`. */
  readonly words: string;
  readonly fingerprint: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** Names that look like this one. */
  readonly lookalikes: readonly string[];
  /** Keys that were left for this one, latest first. */
  readonly former: readonly { readonly fingerprint: string; readonly until: number }[];
}

/** Somebody whom a message can be written to, or a group. */
export interface RecipientView {
  readonly name: string;
  readonly trust: TrustView;
  /** What somebody is called, safe to print; empty where nobody says it. */
  readonly fullName: string;
  /** Who is in the group; of a person, what is known of their key. */
  readonly words: string;
}

/** What two people compare. */
export interface SafetyView {
  readonly name: string;
  readonly groups: readonly string[];
  /** Rows of the code that the other side scans, `1` for dark. */
  readonly code: readonly string[];
  /** The text in the code. */
  readonly text: string;
  readonly words: string;
  readonly verified: boolean;
}

/** What the server offers in the place of a key that is known. */
export interface OfferView {
  readonly name: string;
  /** `same`: nothing to accept; `changed`: another key; `rotated`: signed by the old, verified one. */
  readonly kind: "same" | "changed" | "rotated";
  readonly known: { readonly fingerprint: string; readonly groups: readonly string[] };
  readonly offered: { readonly fingerprint: string; readonly groups: readonly string[] };
  readonly words: string;
}

/** One message that a search found. */
export interface FoundView {
  readonly row: RowView;
  readonly field: string;
  readonly before: string;
  readonly match: string;
  readonly after: string;
}

/** What a search found. */
export interface SearchView {
  readonly found: readonly FoundView[];
  readonly matches: number;
  /** How many messages were never fetched, so that their text was not searched. */
  readonly unread: number;
}

/** What became of a message that was sent. */
export interface SentView {
  readonly id: string;
  /** Why it waits in the outbox; null if it does not. */
  readonly waits: string | null;
}

/** The draft that a message is again which was taken back. */
export interface TakenBackView {
  readonly takenBack: string;
}

/** What speaks against sending a draft as it is. */
export interface CheckView {
  /** Why it cannot be sent; null if it can. */
  readonly wrong: string | null;
  /** Somebody whose key waits for the person's word; null if nobody's does. */
  readonly changed: string | null;
  /** What to ask before it is sent: no subject, no content, or that nothing is attached. */
  readonly ask: readonly ("subject" | "empty" | "attachment")[];
}

/** What an invitation or an address says. */
export interface BeginView {
  readonly name: string | null;
  readonly server: string;
  readonly fingerprint: string;
  /** Whether the person has to compare the fingerprint, since no invitation says it. */
  readonly compare: boolean;
  /** Whether the person chooses a password now, in the place of the invitation's. */
  readonly choosesPassword: boolean;
}

/** What a newcomer's words have brought: whose machine this becomes. */
export interface LinkedView {
  readonly name: string;
  readonly server: string;
  /** Whether the words were those of a kit. */
  readonly kit: boolean;
  /** Whether the keys have a passphrase, which opens them. */
  readonly passphrase: boolean;
}

/** A person's machines, and how it stands with their kit. */
export interface MachinesView {
  readonly machines: readonly {
    /** 16 hexadecimal digits. */
    readonly id: string;
    readonly name: string;
    /** Whether it is this one. */
    readonly own: boolean;
    /** When and from where it was here last, in words. */
    readonly words: string;
  }[];
  readonly kit: {
    /** `vanished`: the server does not have the one that the machines know. */
    readonly kind: "none" | "vanished" | "kept";
    /** When it was made or renewed last, milliseconds since 1970. */
    readonly date: number | null;
    /** When somebody fetched it last, milliseconds since 1970; null if nobody has. */
    readonly fetched: number | null;
  };
}

/** The keys that a person has now, and those that were left for them. */
export interface NewKeysView {
  readonly fingerprint: string;
  readonly former: string;
}

/** What was done when a lost machine was taken off the list. */
export interface RemovedView extends NewKeysView {
  /** Whose keys count as verified no more, since that machine said so. */
  readonly unverified: readonly string[];
  /** What else it was the last to change, by the names that the shared record has for it. */
  readonly changed: readonly string[];
}

/** Words for another machine, or for paper. */
export interface WordsView {
  readonly words: readonly string[];
  /** Rows of a code that has them, `1` for dark. */
  readonly code: readonly string[];
}

/** A message of a conversation. */
export interface ThreadView {
  readonly row: RowView;
  /** How many messages it answers, one through the other. */
  readonly depth: number;
}

/** What a page is told by itself, one at a time. */
export type PageEvent =
  | { readonly kind: "state"; readonly state: StateView }
  | {
    readonly kind: "progress";
    readonly label: string;
    /** Bytes, or what `label` counts. */
    readonly done: number;
    readonly total: number;
    /** Seconds; null if that cannot be said yet. */
    readonly left: number | null;
  }
  | { readonly kind: "progress-over" }
  | {
    readonly kind: "arrived";
    readonly from: string;
    readonly subject: string;
    readonly count: number;
  }
  | { readonly kind: "said"; readonly text: string; readonly bad: boolean }
  | { readonly kind: "ask"; readonly id: number; readonly prompt: string }
  | { readonly kind: "step"; readonly text: string }
  /** A machine has come with the words that were offered, and shows six of its own. */
  | { readonly kind: "came"; readonly device: string; readonly words: readonly string[] }
  /** The words that were offered are of no use any more. */
  | { readonly kind: "link-over"; readonly text: string }
  /** The other machine asks its person whether it shows these six. */
  | { readonly kind: "compare"; readonly device: string; readonly words: readonly string[] };

/** What went wrong, in the answer to a request. */
export interface ErrorView {
  readonly code: string;
  readonly message: string;
}
