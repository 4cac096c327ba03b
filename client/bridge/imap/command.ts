import type { Bytes } from "../../../crypto/bytes.ts";
import type { ImapOutput } from "./output.ts";
import type { ImapParser } from "./parser.ts";
import type { Feature, Selected } from "./selected.ts";
import type { Accounts, MailboxView, MailStore } from "./store.ts";

/** When a command may come. */
export type When = "always" | "before-login" | "logged-in" | "selected";

/** The literal at the end of an APPEND, which is not read yet. */
export interface PendingMessage {
  /** Bytes. */
  readonly size: number;
  /** Lets it come: its bytes in pieces. To be called once. */
  readonly accept: () => AsyncIterable<Bytes>;
  /** What comes after it in the command. */
  readonly rest: () => Promise<ImapParser>;
}

/** How a command ended well: the text of its `OK`, and a response code without its brackets. */
export interface Done {
  readonly text?: string;
  readonly code?: string;
}

/** What a command works with: the state of one connection. */
export interface Context {
  readonly output: ImapOutput;
  readonly accounts: Accounts;
  /** The tag of the command that is run. */
  readonly tag: string;
  readonly isLoggedIn: boolean;
  /** Throws `BAD` before the login. */
  readonly store: MailStore;
  /** Throws `BAD` if no mailbox is selected. */
  readonly selected: Selected;
  /** The selected mailbox, if there is one. */
  readonly selectedOrNull: Selected | null;
  readonly features: Set<Feature>;
  /** Asked of the mail program to go on: sends `+ text`, and gives the line that comes; null at the end. */
  continueWith(text: string): Promise<string | null>;
  /** Resolves when the mail program sends a line, and gives it; null at the end. */
  nextLine(): Promise<string | null>;
  logIn(store: MailStore): void;
  select(selected: Selected | null): void;
  /** The connection ends after this command. */
  leave(): void;
  /** Tells the mail program what has changed in the selected mailbox. */
  update(removals: boolean): Promise<void>;
  /** So much of the command is done, in units of its own: told if it takes long (RFC 9585). */
  progress(done: number, goal: number): void;
  /** Nothing is told of the progress of this command. */
  keepQuiet(): void;
  /** Tells modification sequences from now on (RFC 7162, section 3.1). */
  useCondstore(): void;
  /** The name of a mailbox as it is shown: modified UTF-7, or UTF-8 once that is enabled. */
  shownName(name: string): string;
  /** The next argument as the name of a mailbox. */
  mailboxName(args: ImapParser): string;
  /** The mailbox called `name`. Throws `NO [NONEXISTENT]`. */
  mailbox(name: string): Promise<MailboxView>;
}

/** A command: one file each. */
export interface ImapCommand {
  readonly when: When;
  /** Whether it reads UIDs in the place of sequence numbers after the word UID. */
  readonly uid?: true;
  /**
   * Whether the mail program may be told after it what went from the mailbox: not where it may have
   * sent another command with sequence numbers meanwhile (RFC 9051, section 7.5.1).
   */
  readonly removals: boolean;
  readonly run: (
    context: Context,
    args: ImapParser,
    byUid: boolean,
    message: PendingMessage | null,
  ) => Promise<Done | void>;
}
