import { defined } from "../../crypto/defined.ts";

/** The screen that a key is pressed on. */
export type Mode =
  | "list"
  | "reader"
  | "compose"
  | "folders"
  | "contacts"
  | "devices"
  | "attachments"
  | "attached"
  | "links"
  | "changed-key"
  | "verify"
  | "help";

/** What a key does. */
export type Action =
  | "accept"
  | "archive"
  | "attach"
  | "attachments"
  | "back"
  | "bottom"
  | "cancel"
  | "compose"
  | "contacts"
  | "copy"
  | "delete"
  | "devices"
  | "differs"
  | "down"
  | "editor"
  | "find"
  | "find-next"
  | "find-previous"
  | "flag"
  | "folder-1"
  | "folder-2"
  | "folder-3"
  | "folder-4"
  | "folder-5"
  | "folder-6"
  | "folders"
  | "forward"
  | "half-down"
  | "half-up"
  | "links"
  | "keyword"
  | "headers"
  | "help"
  | "make"
  | "mark"
  | "mark-down"
  | "mark-up"
  | "move"
  | "next"
  | "next-field"
  | "next-folder"
  | "next-unread"
  | "open"
  | "page-down"
  | "page-up"
  | "pipe"
  | "postpone"
  | "previous"
  | "previous-field"
  | "previous-folder"
  | "quit"
  | "quotes"
  | "redraw"
  | "refresh"
  | "rename"
  | "reply"
  | "reply-all"
  | "same"
  | "save"
  | "save-all"
  | "scan"
  | "search"
  | "send"
  | "suspend"
  | "tag"
  | "tag-found"
  | "tag-range"
  | "top"
  | "trust"
  | "undelete"
  | "unread"
  | "untag"
  | "up"
  | "verify";

/** One row of the table: keys, what they do, and what the help says. */
export interface Binding {
  /** Names of keys. */
  readonly keys: readonly string[];
  readonly action: Action;
  readonly help: string;
  /** A word for the line of hints; without one it is not in that line. */
  readonly hint?: string;
}

function bind(keys: string, action: Action, help: string, hint?: string): Binding {
  return { keys: keys.split(", "), action, help, ...defined({ hint }) };
}

const MOVING: readonly Binding[] = [
  bind("j, down", "down", "down"),
  bind("k, up", "up", "up"),
  bind("pageDown, ctrl+f, space", "page-down", "a page down"),
  bind("pageUp, ctrl+b, -", "page-up", "a page up"),
  bind("ctrl+d", "half-down", "half a page down"),
  bind("ctrl+u", "half-up", "half a page up"),
  bind("g, home", "top", "to the first"),
  bind("G, end", "bottom", "to the last"),
];

const ALWAYS: readonly Binding[] = [
  bind("?, f1", "help", "what the keys do", "help"),
  bind("ctrl+l", "redraw", "draw the screen anew"),
  bind("ctrl+z", "suspend", "suspend the program"),
];

const ANSWERING: readonly Binding[] = [
  bind("r", "reply", "reply to the sender", "reply"),
  bind("R", "reply-all", "reply to all who got it", "all"),
  bind("f", "forward", "forward", "forward"),
  bind("m", "compose", "write a message", "write"),
];

const ORGANIZING: readonly Binding[] = [
  bind("d, delete", "delete", "delete: to Trash; in Trash, Drafts and Outbox for good", "delete"),
  bind("u", "undelete", "take back what was just done or sent; else back to the inbox"),
  bind("a", "archive", "archive", "archive"),
  bind("M", "move", "move to another folder; a beginning of its name is enough", "move"),
  bind("F", "flag", "flag as important, or not"),
  bind("l", "keyword", "set a keyword of your own, or clear it"),
  bind("N", "unread", "mark as new, or as read"),
];

/** The keys of every screen: both the help and what keys do come from this table. */
export const KEY_TABLE: Readonly<Record<Mode, readonly Binding[]>> = {
  list: [
    bind("enter, right", "open", "read the message, go on with the draft", "read"),
    ...ANSWERING,
    ...ORGANIZING,
    ...MOVING,
    bind("tab", "next-unread", "to the next new message"),
    bind("t", "tag", "tag or untag: what follows is done to all that are tagged"),
    bind("T", "tag-found", "tag all that fit a search; Enter alone tags the whole list"),
    bind("E", "tag-range", "tag all from the last one that is tagged to here"),
    bind("escape", "untag", "forget tags and the search"),
    bind("s", "save", "save attachments"),
    bind("v", "attachments", "show attachments"),
    bind("/", "search", "search", "search"),
    bind("c", "folders", "go to a folder by its name; Enter alone shows them all", "folder"),
    bind("], shift+right", "next-folder", "to the next folder"),
    bind("[, shift+left", "previous-folder", "to the folder before"),
    bind("1", "folder-1", "to Inbox (2 Sent, 3 Archive, 4 Trash, 5 Drafts, 6 Outbox)"),
    bind("2", "folder-2", ""),
    bind("3", "folder-3", ""),
    bind("4", "folder-4", ""),
    bind("5", "folder-5", ""),
    bind("6", "folder-6", ""),
    bind("C", "contacts", "show contacts and whether their keys are verified", "contacts"),
    bind("ctrl+r, $", "refresh", "ask the server for what is new; send what waits"),
    ...ALWAYS,
    bind("q, ctrl+c", "quit", "quit", "quit"),
  ],
  reader: [
    bind("q, escape, left, i", "back", "back to the list", "back"),
    ...ANSWERING,
    bind("j, down, enter", "down", "a line down"),
    bind("k, up, backspace", "up", "a line up"),
    ...MOVING.slice(2),
    bind("J, n, right", "next", "the next message"),
    bind("K, p", "previous", "the message before"),
    bind("tab", "next-unread", "the next new message"),
    bind("s", "save", "save an attachment", "save"),
    bind("S", "save-all", "save all attachments"),
    bind("v", "attachments", "show attachments, and open attached messages"),
    bind("L", "links", "list the links, and copy one", "links"),
    bind("|", "pipe", "give the text to a program, such as lpr; !, and a line for the shell"),
    bind("/", "find", "find in the message; . and , go to the next and the previous place", "find"),
    bind(".", "find-next", ""),
    bind(",", "find-previous", ""),
    bind("h", "headers", "show all headers, or the usual ones"),
    bind("T", "quotes", "fold quoted text, or show it"),
    bind("V", "mark", "mark lines from here on, which r and R then quote alone; once more ends it"),
    bind("shift+down", "mark-down", "mark lines, down"),
    bind("shift+up", "mark-up", "mark lines, up"),
    ...ORGANIZING,
    bind(
      "t",
      "trust",
      "show both keys of a sender whose key has changed, and accept the new one",
      "changed key",
    ),
    bind("C", "contacts", "show contacts"),
    ...ALWAYS,
    bind("ctrl+c", "quit", "quit"),
  ],
  compose: [
    bind("ctrl+x", "send", "send", "send"),
    bind("ctrl+t", "attach", "attach a file", "attach"),
    bind("ctrl+g", "editor", "write in $VISUAL, $EDITOR, or what editor there is", "editor"),
    bind("ctrl+o", "postpone", "keep as a draft and leave", "postpone"),
    bind("tab", "next-field", "to the next field; in To, Cc, Bcc completes a name"),
    bind("shift+tab", "previous-field", "to the field before"),
    bind("ctrl+c, escape", "cancel", "leave: keep as a draft, or throw away", "leave"),
    bind("f1", "help", "what the keys do", "help"),
    bind("ctrl+l", "redraw", "draw the screen anew"),
    bind("ctrl+z", "suspend", "suspend the program"),
  ],
  folders: [
    bind("enter, right", "open", "show the folder", "show"),
    bind("n", "make", "make a folder; work/reports is reports in work", "new"),
    bind("r", "rename", "rename a folder of your own, and those in it", "rename"),
    bind("d, delete", "delete", "remove a folder of your own that is empty", "remove"),
    ...MOVING,
    ...ALWAYS,
    bind("q, escape, left, c", "back", "back", "back"),
    bind("ctrl+c", "quit", "quit"),
  ],
  contacts: [
    bind("enter, m", "compose", "write to the contact", "write"),
    bind("v", "verify", "compare the safety number and mark the key as verified", "verify"),
    bind(
      "t",
      "trust",
      "compare a key that the server offers with the known one, and accept it",
      "changed key",
    ),
    bind("D", "devices", "show your own machines, and your recovery kit", "machines"),
    ...MOVING,
    ...ALWAYS,
    bind("q, escape, left", "back", "back", "back"),
    bind("ctrl+c", "quit", "quit"),
  ],
  devices: [
    ...MOVING,
    ...ALWAYS,
    bind("q, escape, left", "back", "back", "back"),
    bind("ctrl+c", "quit", "quit"),
  ],
  verify: [
    bind("y", "same", "the other side sees the same number", "same"),
    bind("n", "differs", "the other side sees another number", "differs"),
    bind("s", "scan", "compare with what the other side's code says", "scan"),
    ...MOVING,
    ...ALWAYS,
    bind("q, escape, left", "back", "back", "back"),
    bind("ctrl+c", "quit", "quit"),
  ],
  "changed-key": [
    bind(
      "y",
      "accept",
      "accept the offered key: its owner says that it is the right one",
      "accept",
    ),
    ...MOVING,
    ...ALWAYS,
    bind("q, n, escape, left", "back", "leave everything as it is", "back"),
    bind("ctrl+c", "quit", "quit"),
  ],
  attachments: [
    bind("enter, right", "open", "open an attached message; save anything else", "open"),
    bind("s", "save", "save the attachment", "save"),
    bind("S, a", "save-all", "save all", "save all"),
    ...MOVING,
    ...ALWAYS,
    bind("q, escape, left, v", "back", "back", "back"),
    bind("ctrl+c", "quit", "quit"),
  ],
  attached: [
    bind("q, escape, left, i", "back", "back", "back"),
    bind("j, down, enter", "down", "a line down"),
    bind("k, up, backspace", "up", "a line up"),
    ...MOVING.slice(2),
    bind("s, v", "attachments", "show its attachments, and save them", "attachments"),
    bind("L", "links", "list the links, and copy one", "links"),
    bind("|", "pipe", "give the text to a program, such as lpr; !, and a line for the shell"),
    bind("/", "find", "find in the message; . and , go to the next and the previous place", "find"),
    bind(".", "find-next", ""),
    bind(",", "find-previous", ""),
    bind("T", "quotes", "fold quoted text, or show it"),
    ...ALWAYS,
    bind("ctrl+c", "quit", "quit"),
  ],
  links: [
    bind("enter, y, c", "copy", "have the terminal copy where the link leads", "copy"),
    ...MOVING,
    ...ALWAYS,
    bind("q, escape, left, L", "back", "back", "back"),
    bind("ctrl+c", "quit", "quit"),
  ],
  help: [
    bind("space, pageDown, ctrl+f", "page-down", "a page down", "more"),
    bind("q, escape, ?, f1, left", "back", "back", "back"),
    ...MOVING.filter(({ action }) => action !== "page-down"),
    bind("ctrl+c", "quit", "quit"),
  ],
};

/** What the keys of a question or a line of input do, for the help. */
export const INPUT_KEYS: readonly (readonly [string, string])[] = [
  ["Enter", "take what was typed"],
  ["Tab", "complete a name or a path"],
  ["Esc, ^C", "leave it"],
  ["^A, ^E, ^U, ^K, ^W", "to the beginning, to the end, cut before, after, a word"],
];

/** What the keys in the text of a message do, for the help. */
export const TEXT_KEYS: readonly (readonly [string, string])[] = [
  ["Up, Down, PgUp, PgDn", "move in the text, and from the first line to the fields"],
  ["Home ^A, End ^E", "to the beginning and the end of the line"],
  ["^W, ^K, ^U", "cut a word, to the end and to the beginning of the line"],
  ["^_, Alt-U", "undo"],
];

/** What `key` does in `mode`; null if nothing. */
export function actionOf(mode: Mode, key: string): Action | null {
  return KEY_TABLE[mode].find(({ keys }) => keys.includes(key))?.action ?? null;
}

const NAMES: Readonly<Record<string, string>> = {
  up: "Up",
  down: "Down",
  left: "Left",
  right: "Right",
  home: "Home",
  end: "End",
  pageUp: "PgUp",
  pageDown: "PgDn",
  enter: "Enter",
  escape: "Esc",
  space: "Space",
  tab: "Tab",
  backspace: "Bksp",
  delete: "Del",
};

/** A key as people write it: `^X`, `Shift-Tab`. */
export function keyName(key: string): string {
  const plus = key.lastIndexOf("+", key.length - 2);
  if (plus < 0) return NAMES[key] ?? (/^f\d+$/.test(key) ? key.toUpperCase() : key);
  const modifier = key.slice(0, plus);
  const base = keyName(key.slice(plus + 1));
  if (modifier === "ctrl") return base.length === 1 ? `^${base.toUpperCase()}` : `^${base}`;
  return `${modifier.charAt(0).toUpperCase()}${modifier.slice(1)}-${base}`;
}

/** The first key of each binding that has a hint, and the hint. */
export function hints(mode: Mode): { readonly key: string; readonly word: string }[] {
  return KEY_TABLE[mode].flatMap(({ keys, hint }) => {
    return hint === undefined ? [] : [{ key: keyName(keys[0] ?? ""), word: hint }];
  });
}
