import { defined } from "../../crypto/defined.ts";
import { formatSize, isoTime } from "../../cli/format.ts";
import { SealpostError } from "../../crypto/error.ts";
import { MAX_UIDS } from "../../protocol/limits.ts";
import { formatMessageId } from "../../protocol/uuid.ts";
import { displayWidth } from "../../cli/printable.ts";
import { isLost } from "../connection/reconnecting_connection.ts";
import { calendarForPrograms } from "../message/calendar_text.ts";
import { parseMessage } from "../message/parse.ts";
import type { Tools } from "../terminal/programs.ts";
import { shortId } from "../mailbox/message_ids.ts";
import type { Item } from "../mailbox/open.ts";
import {
  askWhenTaken,
  headerLines,
  saveAttachments,
  senderNote,
  subjectOf,
  textWithCalendars,
} from "../mailbox/show.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { type CommonOptions, namesFor, toJson, withMail } from "./common.ts";

/** What `read` was given. */
export interface ReadOptions extends CommonOptions {
  readonly id: string;
  /** Prints the RFC 5322 source. */
  readonly raw: boolean;
  /** Saves all attachments in this folder. */
  readonly save?: string;
  /** Writes one attachment, by its number, to standard output. */
  readonly part?: number;
  /** Shows the whole conversation. */
  readonly thread: boolean;
  /** Leaves the message unread. */
  readonly peek: boolean;
  /** The person's pager, if there is one and it is wanted. */
  readonly tools: Tools | null;
}

/** The `read` command: shows one message. Nothing of it is shown before all of it has verified. */
export async function read(options: ReadOptions): Promise<void> {
  if (options.thread) return await readThread(options);
  await withMail(options, async (context) => {
    const { mail, terminal, json, printJson } = context;
    const opened = await mail.openMessage(options.id);
    const lines: string[] = [];
    const message = await mail.fetch(opened);
    try {
      if (options.raw) {
        for await (const piece of message.stream()) await terminal.writeBytes(piece);
      } else if (options.part !== undefined) {
        let found = false;
        await parseMessage(message.stream(), {
          attachment: async ({ index }, content) => {
            if (index !== options.part) return;
            found = true;
            for await (const piece of content) await terminal.writeBytes(piece);
          },
        });
        if (!found) {
          throw new SealpostError("usage", `the message has no attachment number ${options.part}`);
        }
      } else {
        const shown = await mail.show(opened, message, widthFor(terminal));
        const bcc = await mail.blindCopied(opened);
        const saved = options.save === undefined
          ? []
          : await saveTo(options.save, () =>
            saveAttachments(message, options.save ?? ".", { decide: askWhenTaken(terminal) }));
        if (json) {
          const { summary } = opened;
          printJson({
            id: formatMessageId(opened.id),
            short: shortId(opened.id),
            from: summary.stored ? null : summary.from.name,
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
            text: shown.text,
            truncated: shown.truncated,
            notes: shown.notes,
            attachments: shown.attachments,
            calendars: shown.calendars.map(({ attachment, calendar }) => ({
              attachment,
              ...calendarForPrograms(calendar),
            })),
            saved,
          });
        } else {
          const others = mail.people.pins.all().map(({ name }) => name);
          const known = senderNote(opened, [...others, mail.name]);
          lines.push(...headerLines(opened, bcc, known), "", textWithCalendars(shown));
          for (const note of shown.notes) lines.push(`(${note})`);
          for (const { index, name, size } of shown.attachments) {
            lines.push(`[attachment ${index}: ${name}, ${formatSize(size)}]`);
          }
          for (const path of saved) lines.push(`Saved ${path}`);
        }
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
    if (lines.length > 0) await present(terminal, options.tools, lines.join("\n"));
  }, "read");
}

/** Shows a conversation as one text, and marks all of it as read. */
async function readThread(options: ReadOptions): Promise<void> {
  if (options.raw || options.part !== undefined || options.save !== undefined) {
    throw new SealpostError("usage", "--thread shows texts: leave out --raw, --part and --save");
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
    await present(terminal, options.tools, text);
  }, "read");
}

/** How wide what is shown may be; undefined where it is not shown but goes to a program or a file. */
function widthFor(terminal: Terminal): number | undefined {
  return terminal.outputIsTerminal ? terminal.columns() : undefined;
}

/** Shows a text that is safe to print: through the pager if it has more rows than the terminal. */
async function present(terminal: Terminal, tools: Tools | null, text: string): Promise<void> {
  const long = tools !== null && rowsOf(text, terminal.columns()) >= terminal.rows();
  if (!long || !await tools.page(`${text}\n`)) terminal.print(text);
}

/** How many rows of a terminal a text takes, at the least. */
function rowsOf(text: string, columns: number): number {
  let rows = 0;
  for (const line of text.split("\n")) {
    rows += Math.max(1, Math.ceil(displayWidth(line) / Math.max(1, columns)));
  }
  return rows;
}

async function saveTo(folder: string, save: () => Promise<string[]>): Promise<string[]> {
  await Deno.mkdir(folder, { recursive: true });
  return await save();
}
