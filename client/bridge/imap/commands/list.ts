import type { Context, ImapCommand } from "../command.ts";
import { bad } from "../error.ts";
import { canonical, decodeMailboxName, DELIMITER, matchesPattern } from "../mailbox_name.ts";
import { imapString } from "../output.ts";
import type { ImapParser } from "../parser.ts";
import type { MailboxInfo } from "../store.ts";
import { type StatusItem, statusItems, tellStatus } from "./status.ts";

/** Most patterns of one LIST. */
const MAX_PATTERNS = 100;

interface Asked {
  readonly patterns: readonly string[];
  readonly selection: ReadonlySet<string>;
  readonly returned: ReadonlySet<string>;
  readonly status: readonly StatusItem[];
}

/** LIST (RFC 9051, section 6.3.9), with LIST-EXTENDED, LIST-STATUS and SPECIAL-USE. */
export const LIST: ImapCommand = {
  when: "logged-in",
  removals: true,
  run: async (context, args) => {
    const asked = readList(context, args);
    await list(context, "LIST", asked);
  },
};

/** LSUB (RFC 3501, section 6.3.9). */
export const LSUB: ImapCommand = {
  when: "logged-in",
  removals: true,
  run: async (context, args) => {
    args.space();
    const reference = args.astring();
    args.space();
    const pattern = args.listMailbox();
    args.end();
    await list(context, "LSUB", {
      patterns: [decoded(context, reference + pattern)],
      selection: new Set(["SUBSCRIBED"]),
      returned: new Set(),
      status: [],
    });
  },
};

function readList(context: Context, args: ImapParser): Asked {
  const selection = new Set<string>();
  const returned = new Set<string>();
  let status: readonly StatusItem[] = [];
  args.space();
  if (args.peek() === "(") {
    for (const word of args.list(() => args.word())) {
      if (!["SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"].includes(word)) {
        throw bad(`LIST has no option ${word}`);
      }
      selection.add(word);
    }
    if (selection.has("RECURSIVEMATCH") && !selection.has("SUBSCRIBED")) {
      throw bad("RECURSIVEMATCH needs another option");
    }
    args.space();
  }
  const reference = args.astring();
  args.space();
  const patterns = args.peek() === "(" ? args.list(() => args.listMailbox()) : [args.listMailbox()];
  if (patterns.length > MAX_PATTERNS) throw bad("too many patterns");
  if (args.take(" ")) {
    args.expect("RETURN");
    args.space();
    args.list(() => {
      const word = args.word();
      if (word === "STATUS") {
        args.space();
        status = statusItems(args);
      } else if (["SUBSCRIBED", "CHILDREN", "SPECIAL-USE"].includes(word)) returned.add(word);
      else throw bad(`LIST has no RETURN ${word}`);
    });
  }
  args.end();
  return {
    patterns: patterns.map((one) => one === "" ? "" : decoded(context, reference + one)),
    selection,
    returned,
    status,
  };
}

function decoded({ features }: Context, text: string): string {
  const name = features.has("utf8") ? text : decodeMailboxName(text);
  return canonical(name.normalize("NFC"));
}

async function list(context: Context, response: "LIST" | "LSUB", asked: Asked): Promise<void> {
  const { output, store } = context;
  const { patterns, selection, returned, status } = asked;
  if (patterns.length === 1 && patterns[0] === "") {
    // What separates the names is asked.
    output.line(`* ${response} (\\Noselect) "${DELIMITER}" ""`);
    return;
  }
  if (status.length > 0) await store.refresh();
  const known = await store.mailboxes();
  for (const mailbox of withParents(known)) {
    const { name, info } = mailbox;
    if (!patterns.some((pattern) => matchesPattern(name, pattern))) continue;
    const inside = known.filter((one) => one.name.startsWith(`${name}${DELIMITER}`));
    const chosen = isChosen(info, selection);
    const below = inside.filter((one) => isChosen(one, selection));
    // A parent that does not exist is listed where what is below it is not.
    const stands = response === "LSUB" || selection.has("RECURSIVEMATCH")
      ? below.some((one) => !patterns.some((pattern) => matchesPattern(one.name, pattern)))
      : info === null && selection.size === 0 && inside.length > 0;
    if (!chosen && !stands) continue;
    const attributes = attributesOf(info, inside.length > 0, selection, returned, response);
    const extra = stands && selection.has("RECURSIVEMATCH") ? ' ("CHILDINFO" ("SUBSCRIBED"))' : "";
    output.raw(
      `* ${response} (${attributes.join(" ")}) "${DELIMITER}" ` +
        `${imapString(context.shownName(name))}${extra}\r\n`,
    );
    if (status.length === 0 || info === null) continue;
    const view = await store.view(name);
    if (view) tellStatus(context, view, status);
  }
}

function isChosen(info: MailboxInfo | null, selection: ReadonlySet<string>): boolean {
  if (info === null) return false;
  if (selection.has("SUBSCRIBED") && !info.subscribed) return false;
  return !selection.has("SPECIAL-USE") || info.specialUse !== null;
}

function attributesOf(
  info: MailboxInfo | null,
  hasChildren: boolean,
  selection: ReadonlySet<string>,
  returned: ReadonlySet<string>,
  response: "LIST" | "LSUB",
): string[] {
  const attributes = [hasChildren ? "\\HasChildren" : "\\HasNoChildren"];
  if (info === null) attributes.push(response === "LSUB" ? "\\Noselect" : "\\NonExistent");
  if (response === "LSUB") return attributes;
  if (info?.subscribed && (selection.has("SUBSCRIBED") || returned.has("SUBSCRIBED"))) {
    attributes.push("\\Subscribed");
  }
  // Told always: who does not know them passes over them (RFC 6154, section 2).
  if (info && info.specialUse !== null) attributes.push(info.specialUse);
  return attributes;
}

/** All mailboxes, and names that only have others below them. */
function withParents(
  known: readonly MailboxInfo[],
): { readonly name: string; readonly info: MailboxInfo | null }[] {
  const all = new Map<string, MailboxInfo | null>();
  for (const info of known) {
    const parts = info.name.split(DELIMITER);
    for (let n = 1; n < parts.length; n++) {
      const parent = parts.slice(0, n).join(DELIMITER);
      if (!all.has(parent)) all.set(parent, null);
    }
    all.set(info.name, info);
  }
  return [...all].map(([name, info]) => ({ name, info }));
}
