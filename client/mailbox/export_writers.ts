import { join } from "@std/path";
import { isSealpostError } from "../../crypto/error.ts";
import { NewFile, writeNewFile } from "../../files/new_folder.ts";
import { type Flag, type Folder, NAMED_FLAGS, type NamedFlag } from "../../protocol/entry.ts";
import { safeName } from "../message/attachments.ts";
import { withLineEnds } from "../message/line_ends.ts";
import { addressOf } from "../message/mail_names.ts";
import { mboxMessage } from "../message/mbox.ts";
import type { TemporaryMessage } from "../message/temporary_message.ts";
import type { ExportedMessage } from "./export_files.ts";
import { maildirName } from "./mail_files.ts";
import { shortId } from "./message_ids.ts";
import type { Opened } from "./open.ts";
import type { OwnNames } from "./own_names.ts";

export const EXPORT_FORMATS = ["mbox", "maildir", "eml", "sealpost"] as const;
export type ExportFormat = typeof EXPORT_FORMATS[number];

/** What is exported of one message. */
export class Export implements AsyncDisposable {
  constructor(
    readonly opened: Opened,
    /** Verified to its last byte. */
    readonly message: TemporaryMessage,
  ) {}

  /** Who signed it; for one that was stored, whom it is said to be from. */
  get sender(): string {
    const { stored, from } = this.opened.summary;
    return stored?.from ?? from.name;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.message.dispose();
  }
}

/** Writes messages in one of the formats. */
abstract class Writer implements Disposable {
  readonly messages: ExportedMessage[] = [];

  constructor(readonly path: string, readonly names: OwnNames) {}

  /** What comes next is of this folder. */
  begin(_folder: Folder): Promise<void> {
    return Promise.resolve();
  }

  /** Called for several messages at a time, in any order. */
  write(_one: Export): Promise<void> {
    return Promise.resolve();
  }

  /** Called after {@linkcode Writer.write}, for one message after the other. */
  inOrder({ opened: { entry, summary }, sender }: Export): Promise<void> {
    this.messages.push({
      file: fileOf(entry.uid),
      folder: this.names.folderName(entry.folder),
      flags: entry.flags.map((flag) => this.names.flagName(flag)),
      received: entry.receivedAt,
      from: sender,
      signed: summary.stored === undefined,
    });
    return Promise.resolve();
  }

  /** All is written. */
  finish(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.dispose](): void {}

  /** The folder of the file system for a folder of mail: `work/reports` is reports in work. */
  protected async folderPath(folder: Folder, extension = ""): Promise<string> {
    const parts = this.names.folderName(folder).split("/").map(safeName);
    const last = parts.pop() ?? "";
    const within = join(this.path, ...parts);
    await Deno.mkdir(within, { recursive: true, mode: 0o700 });
    return join(within, last + extension);
  }
}

/** What writes `format` into the folder `path`. */
export function writerOf(format: ExportFormat, path: string, names: OwnNames): Writer {
  switch (format) {
    case "mbox":
      return new MboxWriter(path, names);
    case "maildir":
      return new MaildirWriter(path, names);
    case "eml":
      return new EmlWriter(path, names);
    case "sealpost":
      return new SealpostWriter(path, names);
  }
}

/** A file for each message, in a folder for each folder. */
class EmlWriter extends Writer {
  #folder = "";

  override async begin(folder: Folder): Promise<void> {
    this.#folder = await this.folderPath(folder);
    await Deno.mkdir(this.#folder, { recursive: true, mode: 0o700 });
  }

  override async write({ opened: { entry, summary, id }, message }: Export): Promise<void> {
    const day = new Date(entry.receivedAt).toISOString().slice(0, 10);
    const name = safeName(`${day} ${shortId(id)} ${summary.subject}`);
    try {
      await writeNewFile(join(this.#folder, `${name}.eml`), message.stream());
    } catch (error) {
      // Two copies of one message are in the folder.
      if (!isSealpostError(error, "file-exists")) throw error;
      await writeNewFile(join(this.#folder, `${name} ${entry.uid}.eml`), message.stream());
    }
  }
}

/** An mbox file for each folder. */
class MboxWriter extends Writer {
  #file: NewFile | null = null;

  override async begin(folder: Folder): Promise<void> {
    await this.#file?.finish();
    this.#file = await NewFile.create(await this.folderPath(folder, ".mbox"));
  }

  override async inOrder(one: Export): Promise<void> {
    await super.inOrder(one);
    const { opened: { entry, summary }, message, sender } = one;
    const [, address = "-"] = summary.stored
      ? /([^\s<>"]+@[^\s<>"]+)/.exec(sender) ?? []
      : ["", addressOf(summary.from.name)];
    const keywords = entry.flags.filter((flag) => typeof flag === "number")
      .map((flag) => this.names.flagName(flag));
    const marks = { flags: namedFlags(entry.flags), keywords };
    await this.#file?.write(mboxMessage(message.stream(), address, entry.receivedAt, marks));
  }

  override async finish(): Promise<void> {
    await this.#file?.finish();
  }

  override [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]();
  }
}

/** A Maildir with the folders as Maildir++ has them. */
class MaildirWriter extends Writer {
  #folder = "";

  override async begin(folder: Folder): Promise<void> {
    const name = this.names.folderName(folder);
    // The dot stands between the folders.
    const inner = `.${
      name.split("/").map((part) => safeName(part).replaceAll(".", "_")).join(".")
    }`;
    this.#folder = folder === "inbox" ? this.path : join(this.path, inner);
    for (const part of ["cur", "new", "tmp"]) {
      await Deno.mkdir(join(this.#folder, part), { recursive: true, mode: 0o700 });
      await Deno.mkdir(join(this.path, part), { recursive: true, mode: 0o700 });
    }
  }

  override async write({ opened: { entry }, message }: Export): Promise<void> {
    const name = maildirName(entry.receivedAt, entry.uid, namedFlags(entry.flags));
    await writeNewFile(join(this.#folder, "cur", name), withLineEnds(message.stream(), "lf"));
  }
}

/** What another Sealpost takes back. */
class SealpostWriter extends Writer {
  override async begin(): Promise<void> {
    await Deno.mkdir(join(this.path, "messages"), { recursive: true, mode: 0o700 });
  }

  override async write({ opened: { entry }, message }: Export): Promise<void> {
    await writeNewFile(join(this.path, fileOf(entry.uid)), message.stream());
  }
}

/** The file of a message in what {@linkcode SealpostWriter} writes. */
function fileOf(uid: number): string {
  return `messages/${uid}.eml`;
}

function namedFlags(flags: readonly Flag[]): NamedFlag[] {
  return NAMED_FLAGS.filter((flag) => flags.includes(flag));
}
