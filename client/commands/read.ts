import { defined } from "../../crypto/defined.ts";
import { formatSize, isoTime } from "../../cli/format.ts";
import { SealpostError } from "../../crypto/error.ts";
import { MAX_UIDS } from "../../protocol/limits.ts";
import { formatMessageId } from "../../protocol/uuid.ts";
import { type Bytes, utf8 } from "../../crypto/bytes.ts";
import { breakLines, displayWidth } from "../../cli/printable.ts";
import { isLost } from "../connection/reconnecting_connection.ts";
import { calendarForPrograms } from "../message/calendar_text.ts";
import { attachedAlong, type MessageSource, parsePath } from "../message/attached_message.ts";
import { clipboardSequence, linksIn, withHyperlinks } from "../message/links.ts";
import { parseMessage } from "../message/parse.ts";
import type { TemporaryMessage } from "../message/temporary_message.ts";
import { knowsHyperlinks } from "../terminal/display.ts";
import type { ProgramPipe, Tools } from "../terminal/programs.ts";
import { shortId } from "../mailbox/message_ids.ts";
import { askAboutGroup } from "../mailbox/offered_groups.ts";
import type { Item, Opened } from "../mailbox/open.ts";
import {
  askWhenTaken,
  ATTACHED,
  type DisplayedMessage,
  headerLines,
  isAnnouncement,
  readForDisplay,
  saveAttachments,
  senderNote,
  subjectOf,
  textWithCalendars,
} from "../mailbox/show.ts";
import type { Terminal } from "../terminal/terminal.ts";
import {
  announcementJson,
  type CommonOptions,
  type Context,
  namesFor,
  toJson,
  withMail,
} from "./common.ts";

/** What `read` was given. */
export interface ReadOptions extends CommonOptions {
  readonly id: string;
  /** Prints the RFC 5322 source. */
  readonly raw: boolean;
  /** Saves all attachments in this folder. */
  readonly save?: string;
  /** Writes one attachment, by its number, to standard output. */
  readonly part?: number;
  /** The attachment that is opened as a message, as {@linkcode parsePath} takes it. */
  readonly open?: string;
  /** Lists the links instead of the text. */
  readonly links: boolean;
  /** The number of a link that the terminal is to copy. */
  readonly copy?: number;
  /** Shows the whole conversation. */
  readonly thread: boolean;
  /** Leaves the message unread. */
  readonly peek: boolean;
  /** The program that gets what would be shown or written; null if it is shown or written. */
  readonly pipe: ProgramPipe | null;
  /** The person's pager, if there is one and it is wanted. */
  readonly tools: Tools | null;
}

/** The `read` command: shows one message. Nothing of it is shown before all of it has verified. */
export async function read(options: ReadOptions): Promise<void> {
  if (options.pipe && (options.json || options.copy !== undefined)) {
    throw new SealpostError("usage", "--pipe gives a text away: leave out --json and --copy");
  }
  if (options.thread) return await readThread(options);
  if (options.copy !== undefined && (options.json || !Deno.stdout.isTerminal())) {
    throw new SealpostError(
      "usage",
      "--copy needs a terminal that copies; --links prints the links",
    );
  }
  const path = options.open === undefined ? [] : parsePath(options.open);
  await withMail(options, async (context) => {
    const { mail, terminal } = context;
    const write = async (bytes: Bytes) => {
      if (options.pipe) await options.pipe.write(bytes);
      else terminal.writeBytes(bytes);
    };
    const opened = await mail.openMessage(options.id);
    let text: string | null = null;
    const message = await mail.fetch(opened);
    try {
      const source = attachedAlong(message, path);
      if (options.raw) {
        for await (const piece of source.stream()) await write(piece);
      } else if (options.part !== undefined) {
        await writePart(source, options.part, write);
      } else if (options.links || options.copy !== undefined) {
        text = await showLinks(context, options, opened, source);
      } else if (path.length === 0) {
        text = await showMessage(context, options, opened, message);
      } else {
        text = await showAttached(context, options, opened, source);
      }
    } finally {
      await message.dispose();
    }
    if (!options.peek && !opened.entry.flags.includes("seen")) {
      // It can be read without a connection; the mark waits until it is read with one.
      await mail.flag([opened.entry.uid], ["seen"]).catch((error) => {
        if (!isLost(error)) throw error;
      });
    }
    // Last, since a person may stay in a pager for longer than a connection does.
    await present(terminal, options, text);
    if (text !== null && terminal.interactive) await askAboutGroup(mail, terminal, opened);
  }, "read");
}

async function writePart(
  source: MessageSource,
  part: number,
  write: (bytes: Bytes) => Promise<void>,
): Promise<void> {
  let found = false;
  await parseMessage(source.stream(), {
    attachment: async ({ index }, content) => {
      if (index !== part) return;
      found = true;
      for await (const piece of content) await write(piece);
    },
  });
  if (!found) throw new SealpostError("usage", `the message has no attachment number ${part}`);
}

/** The links of a message as a list; null if they were printed as JSON, or one of them was copied. */
async function showLinks(
  { terminal, json, printJson }: Context,
  { copy }: ReadOptions,
  opened: Opened,
  source: MessageSource,
): Promise<string | null> {
  const { links, more } = linksIn(textWithCalendars(await readForDisplay(source)));
  if (copy !== undefined) {
    const link = links.find(({ number }) => number === copy);
    if (!link) {
      const there = links.length === 0 ? "has no links" : `has links 1 to ${links.length}`;
      throw new SealpostError("usage", `the message ${there}; "read --links" lists them`);
    }
    terminal.writeBytes(utf8(clipboardSequence(link.address)));
    terminal.print(`${link.address} is copied, if your terminal lets programs copy.`);
    return null;
  }
  if (json) {
    printJson({ id: formatMessageId(opened.id), short: shortId(opened.id), links, more });
    return null;
  }
  if (links.length === 0) return "There are no links in this message.";
  const width = String(links.length).length;
  const lines = links.flatMap(({ number, host, words, address }) => [
    `${String(number).padStart(width)}  ${host}${words === "" ? "" : `: ${words}`}`,
    `${" ".repeat(width)}  ${address}`,
  ]);
  return [...lines, ...more ? [`(there are more; these are the first ${links.length})`] : []]
    .join("\n");
}

/** The text of a message as it is shown; null if it was printed as JSON. */
async function showMessage(
  { mail, terminal, json, printJson }: Context,
  options: ReadOptions,
  opened: Opened,
  message: TemporaryMessage,
): Promise<string | null> {
  const shown = await mail.show(opened, message, widthFor(terminal));
  const bcc = await mail.blindCopied(opened);
  const saved = await saveAll(message, options, terminal);
  if (json) {
    const { summary } = opened;
    printJson({
      id: formatMessageId(opened.id),
      short: shortId(opened.id),
      from: summary.stored || isAnnouncement(summary) ? null : summary.from.name,
      ...announcementJson(summary),
      ...defined({ stored: summary.stored }),
      fullName: summary.stored ? null : summary.fullName ?? null,
      verified: opened.verification.verified,
      verification: opened.verification.state,
      to: summary.to.map(({ name }) => name),
      cc: summary.cc.map(({ name }) => name),
      bcc: bcc.map(({ name }) => name),
      subject: summary.subject,
      date: isoTime(summary.date),
      received: isoTime(opened.entry.receivedAt),
      ...contentForPrograms(shown),
      saved,
    });
    return null;
  }
  const others = mail.people.pins.all().map(({ name }) => name);
  const known = senderNote(opened, [...others, mail.name]);
  return [...headerLines(opened, bcc, known), "", ...contentLines(shown, saved)].join("\n");
}

/** As {@linkcode showMessage}, of a message that is attached to `opened`. */
async function showAttached(
  { terminal, json, printJson }: Context,
  options: ReadOptions,
  opened: Opened,
  source: MessageSource,
): Promise<string | null> {
  const shown = await readForDisplay(source, widthFor(terminal));
  const saved = await saveAll(source, options, terminal);
  if (json) {
    printJson({
      id: formatMessageId(opened.id),
      short: shortId(opened.id),
      opened: options.open,
      claims: Object.fromEntries(
        shown.claims.map(({ name, value }) => [name.toLowerCase(), value]),
      ),
      ...contentForPrograms(shown),
      saved,
    });
    return null;
  }
  return [
    `(attachment ${options.open} of ${shortId(opened.id)}: ${ATTACHED})`,
    ...shown.claims.map(({ name, value }) => `${name}: ${value}`),
    "",
    ...contentLines(shown, saved),
  ].join("\n");
}

function contentForPrograms({ text, truncated, notes, attachments, calendars }: DisplayedMessage) {
  return {
    text,
    truncated,
    notes,
    attachments,
    links: linksIn(text).links,
    calendars: calendars.map(({ attachment, calendar }) => ({
      attachment,
      ...calendarForPrograms(calendar),
    })),
  };
}

function contentLines(shown: DisplayedMessage, saved: readonly string[]): string[] {
  return [
    textWithCalendars(shown),
    ...shown.notes.map((note) => `(${note})`),
    ...shown.attachments.map(({ index, name, size, message }) => {
      return `[attachment ${index}: ${name}, ${formatSize(size)}${message ? ", a message" : ""}]`;
    }),
    ...saved.map((path) => `Saved ${path}`),
  ];
}

/** Saves the attachments in the folder that is asked for; the paths, in order. */
async function saveAll(
  source: MessageSource,
  { save }: ReadOptions,
  terminal: Terminal,
): Promise<string[]> {
  if (save === undefined) return [];
  await Deno.mkdir(save, { recursive: true });
  return await saveAttachments(source, save, { decide: askWhenTaken(terminal) });
}

/** Shows a conversation as one text, and marks all of it as read. */
async function readThread(options: ReadOptions): Promise<void> {
  const { raw, part, save, open, links, copy } = options;
  if (raw || links || [part, save, open, copy].some((given) => given !== undefined)) {
    const why = "--thread shows texts: leave out --raw, --part, --save, --open, --links and --copy";
    throw new SealpostError("usage", why);
  }
  await withMail(options, async ({ mail, terminal, json, printJson }) => {
    const known = [...mail.people.pins.all().map(({ name }) => name), mail.name];
    const first = await mail.openMessage(options.id);
    await mail.fetchAll();
    const thread = await mail.conversation(first);
    const names = await namesFor(mail, thread.map(({ item }) => item));
    const shown: { item: Item; depth: number; text: string | null; lines: string[] }[] = [];
    for (const { item, depth } of thread) {
      const { opened } = item;
      if (!opened) {
        shown.push({ item, depth, text: null, lines: [subjectOf(item)] });
        continue;
      }
      await using message = await mail.fetch(opened);
      const shownMessage = await mail.show(opened, message, widthFor(terminal));
      const { notes, attachments } = shownMessage;
      const text = textWithCalendars(shownMessage);
      const lines = [
        ...headerLines(opened, await mail.blindCopied(opened), senderNote(opened, known)),
        "",
        text.trimEnd(),
        ...notes.map((note) => `(${note})`),
        ...attachments.map(({ index, name, size }) => {
          return `[attachment ${index} of ${shortId(opened.id)}: ${name}, ${formatSize(size)}]`;
        }),
      ];
      shown.push({ item, depth, text, lines });
    }
    const unread = thread.map(({ item }) => item.entry)
      .filter(({ flags }) => !flags.includes("seen")).map(({ uid }) => uid);
    if (!options.peek && unread.length > 0) {
      await mail.flag(unread.slice(0, MAX_UIDS), ["seen"]).catch((error) => {
        if (!isLost(error)) throw error;
      });
    }
    if (json) {
      return printJson({
        messages: shown.map(({ item, depth, text }) => ({ ...toJson(item, names), depth, text })),
      });
    }
    const rule = "-".repeat(Math.min(72, terminal.columns()));
    const text = shown.map(({ lines }) => lines.join("\n")).join(`\n\n${rule}\n\n`);
    await present(terminal, options, text);
  }, "read");
}

/** How wide what is shown may be; undefined where it is not shown but goes to a program or a file. */
function widthFor(terminal: Terminal): number | undefined {
  return terminal.outputIsTerminal ? terminal.columns() : undefined;
}

/**
 * Gives a text that is safe to print to the program that was asked for; else shows it, through the pager if
 * it has more rows than the terminal. Null: there is nothing to show, or more to give.
 */
async function present(
  terminal: Terminal,
  { tools, pipe }: ReadOptions,
  text: string | null,
): Promise<void> {
  if (pipe) {
    if (text !== null) await pipe.write(utf8(`${text}\n`));
    return await pipe.end();
  }
  if (text === null) return;
  const long = tools !== null && rowsOf(text, terminal.columns()) >= terminal.rows();
  if (long && await tools.page(`${text}\n`)) return;
  if (!terminal.outputIsTerminal || !knowsHyperlinks()) return terminal.print(text);
  // Broken here: a line with sequences in it is left as it is.
  const lines = breakLines(text, terminal.columns()).split("\n");
  terminal.print(lines.map(withHyperlinks).join("\n"));
}

/** How many rows of a terminal a text takes, at the least. */
function rowsOf(text: string, columns: number): number {
  let rows = 0;
  for (const line of text.split("\n")) {
    rows += Math.max(1, Math.ceil(displayWidth(line) / Math.max(1, columns)));
  }
  return rows;
}
