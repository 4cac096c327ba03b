import type { Folder } from "../../protocol/entry.ts";
import type { Item } from "../mailbox/open.ts";
import type { Mail } from "../mail.ts";
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
  /** Where one is, for the bar at the top. */
  where(): string;
  /** Lays the screen out. It is called whenever something may have changed. */
  show(size: Size): Shown;
  /** Does what a key of the table says. */
  act(action: Action): void | Promise<void>;
  /** Takes a key before the table is asked; false if it is not for it. */
  take?(key: Key): boolean;
  /** The mailbox has changed. */
  changed?(): void;
  /** Keeps what must not be lost, when the program is ended from outside. */
  rescue?(): Promise<void>;
  /** The screen is left for good. */
  close?(): Promise<void> | void;
}

/** How a line is asked for. */
export interface InputOptions {
  readonly value?: string;
  /** Whether what is typed is not shown. */
  readonly hidden?: boolean;
  /** Completes what was typed: the text with as much more as is sure, and what it could be. */
  readonly complete?: (text: string) => Promise<Completed>;
}

/** A text that was completed. */
export interface Completed {
  readonly text: string;
  readonly choices: readonly string[];
}

/** Messages that were moved, and where they were before. */
export interface LastMove {
  readonly from: ReadonlyMap<Folder, readonly Item[]>;
}

/** What screens need of the program around them. */
export interface Host {
  readonly mail: Mail;
  readonly mailbox: Mailbox;
  /** Where attachments are saved, and looked for. */
  readonly files: string;
  readonly signs: Signs;
  /** The person's editor; null where there is none. */
  readonly tools: Tools | null;
  /** What was moved by the last action, to be taken back; null if that moved nothing. */
  lastMove: LastMove | null;
  /** Draws what changed. */
  refresh(): void;
  /** Says something in the line at the bottom. */
  say(text: string, kind?: "info" | "good" | "error"): void;
  /** Says what went wrong. */
  fail(error: unknown): void;
  open(screen: Screen): void;
  /** Leaves `screen`, which may lie under others. */
  leave(screen: Screen): void;
  /** The drafts or the outbox have changed. */
  local(): Promise<void>;
  /** Asks for a line; null if the person leaves the question. */
  input(label: string, options?: InputOptions): Promise<string | null>;
  /** Asks a question that one of the letters of `keys` answers; null if the person leaves it. */
  choose(question: string, keys: string): Promise<string | null>;
  /** Does something that may take long, with its errors told. */
  background(work: () => Promise<void>): void;
  /**
   * Gives the terminal to a program while `work` lasts. Only while the action "editor" is handled:
   * from then on nobody else reads the keys.
   */
  lend(work: () => Promise<void>): Promise<void>;
  /** Ends the program. */
  quit(): Promise<void>;
}
