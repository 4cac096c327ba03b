import { basename, join } from "@std/path";
import type { Bytes } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { wrapFileError } from "../../files/atomic_file.ts";
import { readPieces } from "../../files/pieces.ts";
import { NAMED_FLAGS, type NamedFlag } from "../../protocol/entry.ts";
import { type MailMarks, readMbox } from "../message/mbox.ts";
import { LineEnds } from "../message/line_ends.ts";
import { fieldName, headerText, isField, isMailHeader } from "../message/part_header.ts";
import { TemporaryMessage } from "../message/temporary_message.ts";
import { EXPORT_FILE, type ExportedMessage, type ExportHead, readExport } from "./export_files.ts";

/** How deep folders are nested at the most. */
const MAX_DEPTH = 32;
/** How much of a file is looked at to see what it is, bytes. */
const MAX_LOOK = 8192;

/** A file with mail. */
export interface MailFile {
  readonly path: string;
  readonly kind: "message" | "mbox";
  /** Bytes. */
  readonly size: number;
  /** Of a folder of the other program, one name in the other; null if the file is in none. */
  readonly folder: readonly string[] | null;
  /** When it came, as far as the name or the place of the file says it, milliseconds since 1970. */
  readonly received: number | null;
  /** Null where nothing is said of flags. */
  readonly marks: MailMarks | null;
}

/** What {@linkcode findMailFiles} has found. */
export interface MailFiles {
  readonly files: readonly MailFile[];
  /** The files that are no mail. */
  readonly others: readonly string[];
  /** What an export of another Sealpost has beside its messages. */
  readonly head: ExportHead | null;
}

/** A message from a file of another mail program, with CRLF. */
export interface ForeignMessage {
  readonly file: MailFile;
  /** Which of the messages of its file it is, from 1. */
  readonly number: number;
  readonly received: number | null;
  readonly marks: MailMarks | null;
  /** The message, which the caller disposes of; null if it is larger than was asked for. */
  readonly message: TemporaryMessage | null;
}

/**
 * The mail in a file or folder: an mbox file, a message, a Maildir (with Maildir++ or plain subfolders), a
 * folder that {@linkcode EXPORT_FILE} describes, or one with any of these in it. What is no mail is
 * named. Links are not followed. Throws `file-missing`, `file-io`, `usage` if a single file is no mail, `limit`.
 */
export async function findMailFiles(path: string): Promise<MailFiles> {
  try {
    const info = await Deno.stat(path);
    if (!info.isDirectory) {
      const kind = await kindOf(path);
      if (kind === null) {
        throw new SealpostError("usage", `${path} is neither an mbox file nor a message`);
      }
      const folder = kind === "mbox" ? [withoutExtension(basename(path))] : null;
      return { files: [fileOf(path, kind, info, folder)], others: [], head: null };
    }
    const found = new Found();
    if (await isThere(join(path, EXPORT_FILE), "isFile")) {
      const { messages, ...head } = await readExport(path);
      found.head = head;
      for (const message of messages) found.files.push(await exported(path, message));
    } else await walk(path, [], found, 0);
    return found;
  } catch (error) {
    throw wrapFileError(error, `read ${path}`);
  }
}

class Found {
  readonly files: MailFile[] = [];
  readonly others: string[] = [];
  head: ExportHead | null = null;
}

async function exported(root: string, message: ExportedMessage): Promise<MailFile> {
  const path = join(root, message.file);
  const info = await Deno.lstat(path);
  const flags = NAMED_FLAGS.filter((flag) => message.flags.includes(flag));
  const keywords = message.flags.filter((word) => !NAMED_FLAGS.some((flag) => flag === word));
  return {
    ...fileOf(path, "message", info, message.folder.split("/")),
    received: message.received,
    marks: { flags, keywords, deleted: false },
  };
}

function fileOf(
  path: string,
  kind: MailFile["kind"],
  info: Deno.FileInfo,
  folder: readonly string[] | null,
): MailFile {
  return { path, kind, size: info.size, folder, received: null, marks: null };
}

/** Looks through a folder: `names` are those of the folders it is in. */
async function walk(
  path: string,
  names: readonly string[],
  found: Found,
  depth: number,
): Promise<void> {
  if (depth > MAX_DEPTH) {
    throw new SealpostError("limit", `${path} is over ${MAX_DEPTH} folders deep; nothing was read`);
  }
  const children = [...Deno.readDirSync(path)].sort((a, b) => a.name < b.name ? -1 : 1);
  const isMaildir = ["cur", "new"].every((name) => {
    return children.some((child) => child.name === name && child.isDirectory);
  });
  if (isMaildir) await readMaildir(path, names.length === 0 ? ["inbox"] : names, found);
  for (const { name, isDirectory, isFile } of children) {
    const inner = join(path, name);
    if (isDirectory) {
      if (isMaildir && ["cur", "new", "tmp"].includes(name)) continue;
      if (name.startsWith(".")) {
        // Maildir++: `.work.reports` is reports in work.
        const folder = name.slice(1).split(".");
        if (isMaildir && await isThere(join(inner, "cur"), "isDirectory")) {
          await walk(inner, [...names, ...folder], found, depth + 1);
        }
        continue;
      }
      // Thunderbird keeps the folders in `work` in `work.sbd`, Apple Mail `work` in `work.mbox/mbox`.
      await walk(inner, [...names, name.replace(/\.(sbd|mbox)$/i, "")], found, depth + 1);
    } else if (isFile && !name.startsWith(".") && !isMaildir) {
      await addFile(inner, names, found);
    } else if (!isFile) found.others.push(inner);
  }
}

/** Files by which mail programs find their way about, or that systems put everywhere. */
const NOT_MAIL =
  /\.(msf|dat|db|sqlite|json|html|plist)$|^(Thumbs\.db|desktop\.ini|popstate\.dat)$/i;

async function addFile(path: string, names: readonly string[], found: Found): Promise<void> {
  const name = basename(path);
  const kind = NOT_MAIL.test(name) ? null : await kindOf(path);
  if (kind === null) {
    found.others.push(path);
    return;
  }
  const own = name === "mbox" ? [] : [withoutExtension(name)];
  const folder = kind === "mbox" ? [...names, ...own] : names;
  found.files.push(fileOf(path, kind, await Deno.stat(path), folder.length === 0 ? null : folder));
}

async function readMaildir(path: string, names: readonly string[], found: Found): Promise<void> {
  const files: MailFile[] = [];
  for (const part of ["cur", "new"]) {
    for await (const { name, isFile } of Deno.readDir(join(path, part))) {
      if (!isFile || name.startsWith(".")) continue;
      const inner = join(path, part, name);
      const info = await Deno.stat(inner);
      const [, seconds] = /^(\d{9,10})\./.exec(name) ?? [];
      files.push({
        ...fileOf(inner, "message", info, names),
        received: seconds === undefined ? info.mtime?.getTime() ?? null : Number(seconds) * 1000,
        marks: marksIn(name),
      });
    }
  }
  found.files.push(...files.sort((a, b) => (a.received ?? 0) - (b.received ?? 0)));
}

/** The letters of flags in the names of files of a Maildir. */
const LETTERS = { flagged: "F", forwarded: "P", answered: "R", seen: "S" };

/** What stands before them; Windows has no colon in names. */
const INFO = Deno.build.os === "windows" ? ";2," : ":2,";

/** The name of a file of a Maildir. `received` is in milliseconds since 1970. */
export function maildirName(received: number, uid: number, flags: readonly NamedFlag[]): string {
  const letters = flags.map((flag) => LETTERS[flag]).sort().join("");
  return `${Math.floor(received / 1000)}.${uid}.sealpost${INFO}${letters}`;
}

/** The flags in the name of a file of a Maildir. */
function marksIn(name: string): MailMarks {
  const [, letters = ""] = /[:;!]2,([A-Za-z]*)$/.exec(name) ?? [];
  return {
    flags: NAMED_FLAGS.filter((flag) => letters.includes(LETTERS[flag])),
    keywords: [],
    deleted: letters.includes("T"),
  };
}

/** What a file is, by its beginning; null for what is no mail. */
async function kindOf(path: string): Promise<MailFile["kind"] | null> {
  const beginning = await peek(path, 0, MAX_LOOK);
  const lines = headerText(beginning).split(/\r?\n/);
  // The last one may have been cut.
  if (beginning.length === MAX_LOOK) lines.pop();
  if (lines[0]?.startsWith("From ")) return "mbox";
  const names: string[] = [];
  for (const line of lines) {
    if (line === "") break;
    if (isField(line)) names.push(fieldName(line));
    else if (!/^[ \t]/.test(line) || names.length === 0) return null;
  }
  return isMailHeader(names) ? "message" : null;
}

/** Up to `size` bytes of a file from `offset` on. */
async function peek(path: string, offset: number, size: number): Promise<Bytes> {
  const file = await Deno.open(path);
  try {
    await file.seek(offset, Deno.SeekMode.Start);
    const buffer = new Uint8Array(size);
    let length = 0;
    while (length < size) {
      const n = await file.read(buffer.subarray(length));
      if (n === null) break;
      length += n;
    }
    return buffer.slice(0, length);
  } finally {
    file.close();
  }
}

/**
 * The messages of a file, none of them with over `most` bytes. What is too large for memory is in
 * `tempFolder`, which nobody else can read. Throws `file-io`, `disk-full`.
 */
export async function* readMailFile(
  file: MailFile,
  tempFolder: string,
  most: number,
): AsyncGenerator<ForeignMessage, void, undefined> {
  const { path, received, marks } = file;
  let spool = new Spool(tempFolder, most);
  try {
    if (file.kind === "message") {
      for await (const piece of readPieces(path)) await spool.write(piece);
      yield { file, number: 1, received, marks, message: await spool.finish() };
      return;
    }
    const source = {
      stream: () => readPieces(path),
      peek: (offset: number, size: number) => peek(path, offset, size),
    };
    let number = 0;
    let begun: number | null = null;
    for await (const event of readMbox(source)) {
      if (event.type === "begin") {
        begun = event.received;
        spool = new Spool(tempFolder, most);
        number++;
      } else if (event.type === "data") await spool.write(event.bytes);
      else {
        const message = await spool.finish();
        yield { file, number, received: begun, marks: event.marks, message };
      }
    }
  } finally {
    await spool.dispose();
  }
}

/** A message that is read, with CRLF. */
class Spool {
  #message: TemporaryMessage | null;
  #ends: LineEnds | null = null;

  constructor(tempFolder: string, readonly most: number) {
    this.#message = new TemporaryMessage(tempFolder);
  }

  async write(bytes: Bytes): Promise<void> {
    if (this.#message === null || bytes.length === 0) return;
    this.#ends ??= new LineEnds("crlf");
    await this.#message.write(this.#ends.push(bytes));
    if (this.#message.size <= this.most) return;
    await this.#message.dispose();
    this.#message = null;
  }

  /** The whole message, which is the caller's from then on; null if it was too large. */
  async finish(): Promise<TemporaryMessage | null> {
    const message = this.#message;
    this.#message = null;
    await message?.verified(message.size);
    return message;
  }

  async dispose(): Promise<void> {
    await this.#message?.dispose();
  }
}

async function isThere(path: string, kind: "isFile" | "isDirectory"): Promise<boolean> {
  return (await Deno.lstat(path).catch(() => null))?.[kind] ?? false;
}

function withoutExtension(name: string): string {
  return name.replace(/\.(mbox|mbx|mbs|eml)$/i, "") || name;
}
