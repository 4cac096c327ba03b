import { join } from "@std/path";
import { formatTime, parseSince } from "../../cli/format.ts";
import { printable } from "../../cli/printable.ts";
import { utf8 } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { makeFolderWhole, requireNothingIn, writeNewFile } from "../../files/new_folder.ts";
import type { Folder } from "../../protocol/entry.ts";
import { formatAddress } from "../../protocol/address.ts";
import type { TemporaryMessage } from "../message/temporary_message.ts";
import { type ExportedMessage, exportFiles, type ExportHead } from "../mailbox/export_files.ts";
import { Export, EXPORT_FORMATS, type ExportFormat, writerOf } from "../mailbox/export_writers.ts";
import { shortId } from "../mailbox/message_ids.ts";
import type { Item } from "../mailbox/open.ts";
import type { OwnNames } from "../mailbox/own_names.ts";
import { pipelined } from "../mailbox/pipelined.ts";
import type { Mail } from "../mail.ts";
import { confirm } from "../terminal/confirm.ts";
import { Progress } from "../../cli/progress.ts";
import { Stop } from "../terminal/stop.ts";
import { type CommonOptions, withMail } from "./common.ts";

/** What `export` was given. */
export interface ExportOptions extends CommonOptions {
  /** The new folder. */
  readonly to: string;
  readonly format: string;
  readonly folder?: string;
  readonly since?: string;
  /** Whether nobody is asked. */
  readonly yes: boolean;
}

/** Messages that are fetched and written at a time. */
const WIDTH = 16;
/** How many of the messages that could not be exported are named. */
const MAX_NAMED = 10;

/** The `export` command: writes messages, unsealed, into a new folder. */
export async function exportMail(options: ExportOptions): Promise<void> {
  const { to } = options;
  const format = parseFormat(options.format);
  const since = options.since === undefined ? 0 : parseSince(options.since);
  await requireNothingIn(to);
  await withMail(options, async ({ mail, terminal, json, printJson }) => {
    await mail.sync();
    const folder = options.folder === undefined ? null : await mail.findFolder(options.folder);
    const names = await mail.names();
    if (!await mail.fetchAll()) {
      throw new SealpostError(
        "limit",
        "the mailbox has more messages than are kept on this machine; export folder by folder",
      );
    }
    const count = mail.cache.count(folder);
    await mayWrite(options, count, terminal);
    using stop = new Stop();
    const problems: string[] = [];
    const progress = new Progress("Exporting", count, "messages");
    let done = 0;
    const exported = await makeFolderWhole(to, async (path) => {
      const writer = writerOf(format, path, names);
      const stopped = () => stop.check("nothing was exported");
      try {
        // What this format says of drafts is more than their messages have.
        const folders = (folder === null ? foldersOf(mail) : [folder])
          .filter((one) => format !== "sealpost" || one !== "drafts");
        for (const one of folders) {
          await writer.begin(one);
          const messages = pipelined(mail.itemsOf(one), WIDTH, async (item) => {
            if (stop.code !== null || item.entry.receivedAt < since) return null;
            return await fetched(mail, item, problems, (message) => writer.write(message));
          });
          for await (const message of messages) {
            stopped();
            progress.update(++done);
            if (message === null) continue;
            await using _ = message;
            await writer.inOrder(message);
          }
        }
        stopped();
        await writer.finish();
      } finally {
        progress.finish();
        writer[Symbol.dispose]();
      }
      if (format === "sealpost") await writeHead(path, mail, names, writer.messages);
      return writer.messages.length;
    });
    for (const line of problems.slice(0, MAX_NAMED)) terminal.printError(line);
    if (problems.length > MAX_NAMED) {
      terminal.printError(`(and ${problems.length - MAX_NAMED} others)`);
    }
    if (json) printJson({ exported, failed: problems.length, format, to });
    else terminal.print(printable(`Exported ${messages(exported)} to ${to}.`));
    if (problems.length > 0) {
      throw new SealpostError(
        "authentication",
        `${messages(problems.length)} could not be opened and verified, and are not in ${to}`,
      );
    }
  });
}

function parseFormat(text: string): ExportFormat {
  const format = EXPORT_FORMATS.find((one) => one === text.toLowerCase());
  if (format !== undefined) return format;
  throw new SealpostError(
    "usage",
    `there is no format ${JSON.stringify(text)}; there are ${EXPORT_FORMATS.join(", ")}`,
  );
}

async function mayWrite(
  { yes, to }: ExportOptions,
  count: number,
  terminal: Parameters<typeof confirm>[0] & { readonly interactive: boolean },
): Promise<void> {
  if (yes) return;
  if (!terminal.interactive) {
    throw new SealpostError("usage", "export needs --yes where nobody can be asked");
  }
  const question = `This writes up to ${messages(count)} to ${to} unsealed: whoever gets at the ` +
    "files can read them. Go on? (y/N) ";
  if (!await confirm(terminal, printable(question))) {
    throw new SealpostError("cancelled", "nothing was exported");
  }
}

/** The folders that have messages. */
function foldersOf(mail: Mail): Folder[] {
  return mail.cache.folders();
}

async function fetched(
  mail: Mail,
  item: Item,
  problems: string[],
  write: (message: Export) => Promise<void>,
): Promise<Export | null> {
  const { opened, problem, entry } = item;
  const fail = (why: string) => {
    const id = shortId(entry.header.slice(1, 17));
    problems.push(printable(`${id}, of ${formatTime(entry.receivedAt)}: ${why}`));
    return null;
  };
  if (!opened) return fail(problem ?? "it cannot be opened");
  let message: TemporaryMessage;
  try {
    message = await mail.fetchOnce(opened);
  } catch (error) {
    if (!isSealpostError(error, "authentication", "format", "no-such-message")) throw error;
    return fail(error.message);
  }
  const exported = new Export(opened, message);
  try {
    await write(exported);
    return exported;
  } catch (error) {
    await message.dispose();
    throw error;
  }
}

async function writeHead(
  path: string,
  mail: Mail,
  names: OwnNames,
  messages: readonly ExportedMessage[],
): Promise<void> {
  const { drafts } = await mail.drafts.list();
  const { server } = mail;
  const head: ExportHead = {
    format: "sealpost export",
    version: 1,
    name: mail.name,
    server: server && formatAddress(server),
    exported: new Date().toISOString(),
    folders: names.folders.map(({ shown }) => shown),
    keywords: names.keywords.map(({ shown }) => shown),
    searches: names.searches.map(({ shown, search }) => ({ name: shown, search })),
    drafts: [...drafts],
  };
  for (const [name, text] of exportFiles(head, messages)) {
    await writeNewFile(join(path, name), ReadableStream.from([utf8(text)]));
  }
}

function messages(count: number): string {
  return count === 1 ? "1 message" : `${count} messages`;
}
