import { defined } from "../../crypto/defined.ts";
import { toBase64 } from "../../crypto/bytes.ts";
import { formatSize } from "../../cli/format.ts";
import { printable } from "../../cli/printable.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import type { Flag, Folder } from "../../protocol/entry.ts";
import { MAX_TITLE } from "../../protocol/limits.ts";
import { boundedReferences } from "../message/compose.ts";
import { hashOfSource } from "../message/line_ends.ts";
import { fullMessageId } from "../message/mail_names.ts";
import type { MailMarks } from "../message/mbox.ts";
import { type ParsedMessage, parseMessage } from "../message/parse.ts";
import type { MessageToStore } from "../message/seal.ts";
import type { TemporaryMessage } from "../message/temporary_message.ts";
import {
  findMailFiles,
  type ForeignMessage,
  type MailFiles,
  readMailFile,
} from "../mailbox/mail_files.ts";
import { parseOwnName } from "../mailbox/own_names.ts";
import { pipelined } from "../mailbox/pipelined.ts";
import type { Mail } from "../mail.ts";
import { Progress } from "../../cli/progress.ts";
import { Stop } from "../terminal/stop.ts";
import { type CommonOptions, withMail } from "./common.ts";

/** What `import` was given. */
export interface ImportOptions extends CommonOptions {
  /** A file or folder. */
  readonly from: string;
  /** The folder into which all goes that the source has in no folder, and in which its folders are. */
  readonly folder?: string;
}

/** Messages that are sealed and uploaded at a time. */
const WIDTH = 8;
/** How many of the files and messages that were not imported are named. */
const MAX_NAMED = 10;

/** What other programs call the folders that everybody has. */
const STANDARD: Readonly<Record<string, Folder>> = {
  inbox: "inbox",
  sent: "sent",
  "sent items": "sent",
  "sent messages": "sent",
  "sent mail": "sent",
  archive: "archive",
  archives: "archive",
  trash: "trash",
  "deleted items": "trash",
  "deleted messages": "trash",
};

/** How an import has gone. */
interface Counts {
  imported: number;
  /** Those that were in the mailbox before. */
  there: number;
  readonly problems: string[];
}

/** The `import` command: seals mail of other programs to oneself, and stores it in one's mailbox. */
export async function importMail(options: ImportOptions): Promise<void> {
  const files = await findMailFiles(options.from);
  await withMail(options, async ({ mail, terminal, json, printJson }) => {
    const counts: Counts = { imported: 0, there: 0, problems: [] };
    using stop = new Stop();
    const base = options.folder === undefined ? null : await mail.findFolder(options.folder);
    const known = await KnownMessages.of(mail, stop);
    const places = new Places(mail, base, options.folder ?? null);
    let ended: unknown = null;
    try {
      await importAll(mail, files, places, known, counts, stop);
    } catch (error) {
      ended = error;
    }
    const { imported, there, problems } = counts;
    if (json) {
      printJson({ imported, alreadyThere: there, failed: problems.length, others: files.others });
    } else {
      const before = there > 0 ? ` ${messages(there)} ${were(there)} here already.` : "";
      terminal.print(`Imported ${messages(imported)}.${before}`);
      name(terminal, files.others.map((path) => `${path} is no mail, and was passed over`));
    }
    name(terminal, problems);
    if (places.passedOver > 0) {
      terminal.printError(`${places.passedOver} keywords cannot be kept, and were left out`);
    }
    if (ended !== null) throw goesOn(ended);
    if (problems.length > 0) {
      throw new SealpostError("format", `${messages(problems.length)} were not imported`);
    }
  });
}

function name(terminal: { printError(line: string): void }, lines: readonly string[]): void {
  for (const line of lines.slice(0, MAX_NAMED)) terminal.printError(printable(line));
  if (lines.length > MAX_NAMED) terminal.printError(`(and ${lines.length - MAX_NAMED} others)`);
}

/** What ended an import, with what to do. */
function goesOn(error: unknown): unknown {
  if (!isSealpostError(error)) return error;
  const more = "; the same command goes on from there, and doubles nothing";
  return new SealpostError(error.code, error.message + more, { cause: error });
}

async function importAll(
  mail: Mail,
  files: MailFiles,
  places: Places,
  known: KnownMessages,
  counts: Counts,
  stop: Stop,
): Promise<void> {
  const stopped = () => stop.check("the import was ended");
  for (const folder of files.head?.folders ?? []) await places.folder(folder.split("/"));
  for (const keyword of files.head?.keywords ?? []) await places.keyword(keyword);
  const most = mail.hello?.maxMessage ?? Infinity;
  const total = files.files.reduce((sum, { size }) => sum + size, 0);
  const progress = new Progress("Importing", total);
  let done = 0;
  const found = async function* (): AsyncGenerator<ForeignMessage, void, undefined> {
    for (const file of files.files) {
      for await (const one of readMailFile(file, mail.tempFolder(), most)) {
        stopped();
        yield one;
        done += one.message?.size ?? 0;
      }
    }
  };
  try {
    for await (const _ of pipelined(found(), WIDTH, (one) => importOne(one))) {
      stopped();
      progress.update(Math.min(done, total));
    }
    const { searches } = await mail.names();
    for (const { name, search } of files.head?.searches ?? []) {
      if (!searches.some(({ shown }) => shown === name)) await mail.keepSearch(name, search);
    }
    const { drafts } = await mail.drafts.list();
    for (const draft of files.head?.drafts ?? []) {
      if (!drafts.some(({ id }) => id === draft.id)) await mail.drafts.save(draft);
    }
  } finally {
    progress.finish();
  }

  async function importOne(foreign: ForeignMessage): Promise<void> {
    const { message, file, number } = foreign;
    const where = file.kind === "mbox" ? `message ${number} of ${file.path}` : file.path;
    if (message === null) {
      counts.problems.push(`${where} is larger than the ${formatSize(most)} that the server takes`);
      return;
    }
    await using _ = message;
    try {
      const hash = toBase64(await hashOfSource(message.stream()));
      const parsed = await parseMessage(message.stream(), { attachment: () => Promise.resolve() });
      if (known.has(hash, parsed, message.size)) {
        counts.there++;
        return;
      }
      await mail.append(await places.toStore(foreign, message, parsed, hash), true);
      counts.imported++;
    } catch (error) {
      if (!isSealpostError(error, "format", "limit", "too-large")) throw error;
      counts.problems.push(`${where}: ${error.message}`);
    }
  }
}

/**
 * How often which message is in the mailbox. The second copy of a message in a source is imported if the
 * mailbox has but one.
 */
class KnownMessages {
  readonly #there = new Map<string, number>();
  readonly #seen = new Map<string, number>();

  static async of(mail: Mail, stop: Stop): Promise<KnownMessages> {
    const known = new KnownMessages();
    await mail.sync();
    if (!await mail.fetchAll()) {
      throw new SealpostError(
        "limit",
        "the mailbox has more messages than are kept on this machine, so what is there already " +
          "cannot be told from what is new",
      );
    }
    const count = mail.cache.count(null);
    const progress = new Progress("Opening", count, "messages");
    let done = 0;
    try {
      for await (const { opened } of mail.itemsOf(null)) {
        stop.check("nothing was imported");
        progress.update(++done);
        if (!opened) continue;
        const { stored, messageId, size } = opened.summary;
        if (stored?.source !== undefined) add(known.#there, stored.source);
        else if (messageId !== undefined) add(known.#there, `${messageId} ${size}`);
      }
    } finally {
      progress.finish();
    }
    return known;
  }

  /** Whether the mailbox has as many of this message as were seen of it by now, this one included. */
  has(hash: string, { headers: { messageId } }: ParsedMessage, size: number): boolean {
    const seen = add(this.#seen, hash);
    // What was not imported has no hash of its source.
    const own = messageId === null ? "" : `${fullMessageId(messageId)} ${size}`;
    return seen <= (this.#there.get(hash) ?? 0) + (this.#there.get(own) ?? 0);
  }
}

function add(counts: Map<string, number>, key: string): number {
  const count = (counts.get(key) ?? 0) + 1;
  counts.set(key, count);
  return count;
}

/** Where in the mailbox messages go, and what marks they get. */
class Places {
  /** Words that cannot be keywords here, or are too many. */
  passedOver = 0;
  readonly #folders = new Map<string, Promise<Folder>>();
  readonly #keywords = new Map<string, Promise<Flag | null>>();

  constructor(
    readonly mail: Mail,
    readonly base: Folder | null,
    readonly baseName: string | null,
  ) {}

  /** The folder for one of the source, which is made if it is not there. */
  folder(names: readonly string[] | null): Promise<Folder> {
    const [first = "", ...rest] = names ?? [];
    const standard = rest.length === 0 ? STANDARD[first.toLowerCase()] : undefined;
    if (this.base === null && names === null) return Promise.resolve("archive");
    if (this.base === null && standard !== undefined) return Promise.resolve(standard);
    if (this.base !== null && (names === null || standard === "inbox")) {
      return Promise.resolve(this.base);
    }
    const parts = (names ?? []).map(namePart);
    const name = [...this.baseName === null ? [] : [this.baseName], ...parts].join("/");
    return remember(this.#folders, name, () => this.#make(name));
  }

  async #make(text: string): Promise<Folder> {
    const there = (await this.mail.names()).findFolder(text);
    // What is in drafts is a draft that can be gone on with: nothing of another program is.
    if (there !== null && there !== "drafts") return there;
    const usable = isUsable(text) ? text : `imported/${text}`;
    return (await this.mail.names()).findFolder(usable) ?? await this.mail.makeFolder(usable);
  }

  /** The keyword called `word`, which is made if it is not there; null if it cannot be one. */
  keyword(word: string): Promise<Flag | null> {
    return remember(this.#keywords, word, async () => {
      const there = (await this.mail.names()).findFlag(word);
      if (there !== null) return there;
      try {
        return await this.mail.makeKeyword(word);
      } catch (error) {
        if (!isSealpostError(error, "usage", "limit")) throw error;
        this.passedOver++;
        return null;
      }
    });
  }

  async #flags(marks: MailMarks | null): Promise<Flag[]> {
    // Where nothing is said of it, what was kept was read.
    if (marks === null) return ["seen"];
    const flags: Flag[] = [...marks.flags];
    for (const word of marks.keywords) {
      const flag = await this.keyword(word);
      if (flag !== null && !flags.includes(flag)) flags.push(flag);
    }
    return flags;
  }

  async toStore(
    { file, marks, received }: ForeignMessage,
    message: TemporaryMessage,
    { headers, attachments }: ParsedMessage,
    source: string,
  ): Promise<Omit<MessageToStore, "id" | "name" | "head">> {
    const date = headers.date?.getTime() ?? received ?? Date.now();
    const references = headers.references.length > 0
      ? boundedReferences(headers.references)
      : headers.inReplyTo === null
      ? []
      : [headers.inReplyTo];
    const { messageId, replyTo, sender, type } = headers;
    return {
      stored: { kind: "import", from: cut(sender, MAX_HEADER) || "?", source },
      subject: cut(headers.subject.replace(/\s+/g, " "), MAX_TITLE),
      date: Math.max(0, date),
      attachments,
      headers: defined({
        messageId: messageId === null ? undefined : fullMessageId(messageId),
        references: references.length === 0 ? undefined : references.map(fullMessageId),
        replyTo: replyTo === "" ? undefined : cut(replyTo, MAX_HEADER),
        type: cut(type, MAX_TYPE),
      }),
      composed: message,
      folder: marks?.deleted ? "trash" : await this.folder(file.folder),
      receivedAt: Math.max(0, Math.min(received ?? date, Date.now())),
      flags: await this.#flags(marks),
    };
  }
}

/** Longest text of a header, and longest media type, in a summary, characters. */
const MAX_HEADER = 998;
const MAX_TYPE = 200;

function cut(text: string, most: number): string {
  return [...text.trim()].slice(0, most).join("");
}

/** What a folder of another program is called here. */
function namePart(text: string): string {
  const name = printable(text.normalize("NFC")).replace(/[/\\]/g, "_").trim();
  return [...name.replace(/^#/, "_")].slice(0, 60).join("").trim() || "folder";
}

function isUsable(text: string): boolean {
  try {
    parseOwnName(text, "folder");
    return true;
  } catch (error) {
    if (isSealpostError(error, "usage")) return false;
    throw error;
  }
}

/** What `make` gives for `key`, asked once at a time; a failure is not remembered. */
function remember<T>(
  map: Map<string, Promise<T>>,
  key: string,
  make: () => Promise<T>,
): Promise<T> {
  const there = map.get(key);
  if (there) return there;
  const made = make();
  map.set(key, made);
  made.catch(() => map.delete(key));
  return made;
}

function messages(count: number): string {
  return count === 1 ? "1 message" : `${count} messages`;
}

function were(count: number): string {
  return count === 1 ? "was" : "were";
}
