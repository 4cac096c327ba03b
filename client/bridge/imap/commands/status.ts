import type { Context, ImapCommand } from "../command.ts";
import { bad } from "../error.ts";
import { imapString } from "../output.ts";
import type { ImapParser } from "../parser.ts";
import { isDeleted, type MailboxView } from "../store.ts";

const ITEMS = [
  "MESSAGES",
  "RECENT",
  "UIDNEXT",
  "UIDVALIDITY",
  "UNSEEN",
  "DELETED",
  "SIZE",
  "HIGHESTMODSEQ",
  "APPENDLIMIT",
  "MAILBOXID",
] as const;
export type StatusItem = typeof ITEMS[number];

/** STATUS (RFC 9051, section 6.3.11; RFC 7162, 7889, 8438 and 8474). */
export const STATUS: ImapCommand = {
  when: "logged-in",
  removals: true,
  run: async (context, args) => {
    args.space();
    const name = context.mailboxName(args);
    args.space();
    const items = statusItems(args);
    args.end();
    await context.store.refresh();
    tellStatus(context, await context.mailbox(name), items);
  },
};

/** The items that a STATUS asks for, in parentheses. */
export function statusItems(args: ImapParser): StatusItem[] {
  return args.list(() => {
    const word = args.word();
    const item = ITEMS.find((item) => item === word);
    if (item === undefined) throw bad(`STATUS has no ${word}`);
    return item;
  });
}

/** Sends the STATUS response. */
export function tellStatus(
  context: Context,
  view: MailboxView,
  items: readonly StatusItem[],
): void {
  if (items.includes("HIGHESTMODSEQ")) context.useCondstore();
  const values = items.map((item) => `${item} ${valueOf(context, view, item)}`);
  context.output.raw(
    `* STATUS ${imapString(context.shownName(view.name))} (${values.join(" ")})\r\n`,
  );
}

function valueOf({ store }: Context, view: MailboxView, item: StatusItem): string {
  switch (item) {
    case "MESSAGES":
      return `${view.messages.length}`;
    case "RECENT":
      return "0";
    case "UIDNEXT":
      return `${view.nextUid}`;
    case "UIDVALIDITY":
      return `${view.validity}`;
    case "UNSEEN":
      return `${view.messages.filter(({ flags }) => !flags.includes("\\Seen")).length}`;
    case "DELETED":
      return `${view.messages.filter(isDeleted).length}`;
    case "SIZE":
      return `${view.size}`;
    case "HIGHESTMODSEQ":
      return `${view.modseq}`;
    case "APPENDLIMIT":
      return `${store.appendLimit}`;
    case "MAILBOXID":
      return `(${view.id})`;
  }
}
