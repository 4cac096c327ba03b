import type { OwnNames } from "../mailbox/own_names.ts";
import type { HeldSends } from "../held_sends.ts";
import type { Mail } from "../mail.ts";
import type { Completer } from "../terminal/complete.ts";
import type { Tools } from "../terminal/programs.ts";
import type { Key } from "./display.ts";
import type { Line, Size, Spot } from "./frame.ts";
import type { Action, Mode } from "./keys.ts";
import type { Mailbox } from "./mailbox.ts";
import type { Signs } from "./signs.ts";

/** What a screen shows between the bars. */
export interface Shown {
  readonly lines: readonly Line[];
  readonly cursor?: Spot;
}

/** One of the screens of the program. */
export interface Screen {
  readonly mode: Mode;
  /** The name of the screen, for the bar at the top. */
  where(): string;
  /** Lays the screen out. Called whenever something may have changed. */
  show(size: Size): Shown;
  /** Does an action of the key table. */
  act(action: Action): void | Promise<void>;
  /** Handles a key before the key table; false if it does not. */
  handleKey?(key: Key): boolean;
  /** The mailbox has changed. */
  changed?(): void;
  /** Saves what the person has written, when the program is ended from outside. */
  saveWork?(): Promise<void>;
  /** The person has left the screen. */
  close?(): Promise<void> | void;
}

/** How to ask for a line. */
export interface InputOptions {
  readonly value?: string;
  /** Whether to hide what is typed. */
  readonly hidden?: boolean;
  /** Completes what was typed. */
  readonly complete?: Completer;
}

/** What screens use of the program around them. */
export interface Host {
  readonly mail: Mail;
  readonly mailbox: Mailbox;
  /** What the person's folders and keywords are called, as far as it is known here. */
  readonly names: OwnNames;
  /** The folder for attachments. */
  readonly files: string;
  readonly signs: Signs;
  /** The person's editor; null where there is none. */
  readonly tools: Tools | null;
  /** Whether the last action was one that can be taken back. */
  undoable: boolean;
  /** What is being sent, and may still be taken back. */
  readonly held: HeldSends;
  /** Learns anew what folders and keywords are called. */
  reloadNames(): Promise<void>;
  /** Draws what changed. */
  refresh(): void;
  /** Shows a message in the line at the bottom. */
  say(text: string, kind?: "info" | "good" | "error"): void;
  /** Shows an error, with what to do. */
  showError(error: unknown): void;
  /** Has the terminal put `text` into its clipboard. */
  copy(text: string): void;
  open(screen: Screen): void;
  /** Leaves `screen`, which may lie under others. */
  leave(screen: Screen): void;
  /** Reads the drafts and the outbox again. */
  reloadLocal(): Promise<void>;
  /** Asks for a line; null if the person leaves the question. */
  input(label: string, options?: InputOptions): Promise<string | null>;
  /** Asks a question that one of the letters of `keys` answers; null if the person leaves it. */
  choose(question: string, keys: string): Promise<string | null>;
  /** Runs `work` in the background, and shows its errors. */
  background(work: () => Promise<void>): void;
  /**
   * Gives the terminal to another program while `work` runs. Only while "editor" or "pipe" is handled:
   * then nothing else reads keys.
   */
  lend(work: () => Promise<void>): Promise<void>;
  /** Ends the program. */
  quit(): Promise<void>;
}
