import { basename, join } from "@std/path";
import { type Bytes, random, toHex } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { syncFolder, wrapFileError, writeAll } from "../../files/atomic_file.ts";
import { graphemes, printable, visible } from "../../cli/printable.ts";
import type { AttachmentSource } from "./compose.ts";

/** Longest name that {@linkcode safeName} gives, bytes of UTF-8; file systems take 255. */
export const MAX_NAME_BYTES = 200;

/** Longest extension that is kept when a name is shortened, bytes with its dot. */
const MAX_EXTENSION_BYTES = 20;

/** How many names are tried before a folder is taken for full of them. */
const MAX_TRIES = 10_000;

/** Names of devices on Windows, with or without an extension. */
const RESERVED = /^(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|CLOCK\$|(?:COM|LPT)[0-9¹²³])(?=\.|$)/i;

/**
 * A file name for an attachment that others named: what its last path component says, as far as it
 * is harmless on every system. Without controls and invisible characters, without what Windows
 * reserves, with no dot or dash in front, at most 200 bytes with the extension kept, never empty.
 */
export function safeName(name: string): string {
  // Bounded first: names are as long as their senders like.
  const component = name.slice(-4096).normalize("NFC").split(/[/\\]/).at(-1) ?? "";
  const shown = visible(component.replace(/^[A-Za-z]:/, ""))
    .replace(/[<>:"|?*]/g, "_")
    .replace(/\s+/g, " ");
  let safe = shorten(trim(shown));
  // Without its dots, `CON .txt` would be a device again.
  if (RESERVED.test(safe.replace(/[ .]+(?=\.|$)/g, ""))) safe = shorten(`_${safe}`);
  return safe === "" ? "attachment" : safe;
}

function trim(name: string): string {
  return name.replace(/^[\s.\-~]+/, "").replace(/[\s.]+$/, "");
}

/** `name` in at most 200 bytes, whole characters only, with its extension. */
function shorten(name: string): string {
  if (byteLength(name) <= MAX_NAME_BYTES) return name;
  const dot = name.lastIndexOf(".");
  const tail = dot > 0 ? name.slice(dot) : "";
  const extension = byteLength(tail) <= MAX_EXTENSION_BYTES ? tail : "";
  let room = MAX_NAME_BYTES - byteLength(extension);
  let kept = "";
  for (const grapheme of graphemes(extension === "" ? name : name.slice(0, dot))) {
    room -= byteLength(grapheme);
    if (room < 0) break;
    kept += grapheme;
  }
  return trim(kept) + extension;
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** What is to become of a file that has the name of one that is saved. */
export type ExistingFileAction = "overwrite" | "rename" | "skip";

/**
 * Saves `content` in `folder` as a new file (mode 0600) and returns its path: `name` made safe, or
 * `name (2)` and so on if there is one. Never overwrites and never follows a symbolic link in the
 * folder. The file has its name only when it is whole and on the disk; what goes wrong before that
 * leaves nothing.
 *
 * If there is one of its name and `decide` is given, it says what to do: `overwrite` puts the whole new
 * file in the place of a file (never of a folder, nor through a link), `skip` saves nothing, and null is
 * returned.
 *
 * Throws `file-missing` (no such folder), `file-exists` (ten thousand such names), `disk-full`,
 * `file-io`, and what `content` throws.
 */
export function writeAttachment(
  folder: string,
  name: string,
  content: AsyncIterable<Bytes>,
): Promise<string>;
export function writeAttachment(
  folder: string,
  name: string,
  content: AsyncIterable<Bytes>,
  decide?: (path: string) => Promise<ExistingFileAction>,
): Promise<string | null>;
export async function writeAttachment(
  folder: string,
  name: string,
  content: AsyncIterable<Bytes>,
  decide: (path: string) => Promise<ExistingFileAction> = () => Promise.resolve("rename"),
): Promise<string | null> {
  const temp = join(folder, `.sealpost-${toHex(random(8))}.part`);
  try {
    // createNew is O_EXCL: it refuses a symbolic link, also a dangling one.
    const file = await Deno.open(temp, { write: true, createNew: true, mode: 0o600 });
    try {
      try {
        for await (const chunk of content) await writeAll(file, chunk);
        await file.sync();
      } finally {
        file.close();
      }
      const path = await giveName(temp, folder, safeName(name), decide);
      await syncFolder(folder);
      return path;
    } finally {
      await Deno.remove(temp).catch(() => {});
    }
  } catch (error) {
    throw wrapFileError(error, `save an attachment in ${folder}`);
  }
}

/** Gives the file `temp` the first free one of the names after `name`, and returns its path. */
async function giveName(
  temp: string,
  folder: string,
  name: string,
  decide: (path: string) => Promise<ExistingFileAction>,
): Promise<string | null> {
  const dot = name.lastIndexOf(".");
  const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
  for (let i = 1; i <= MAX_TRIES; i++) {
    const path = join(folder, i === 1 ? name : `${stem} (${i})${extension}`);
    if (await take(temp, path)) return path;
    if (i > 1) continue;
    const decision = await decide(path);
    if (decision === "skip") return null;
    if (decision === "overwrite" && (await Deno.lstat(path)).isFile) {
      await Deno.rename(temp, path);
      return path;
    }
  }
  throw new SealpostError(
    "file-exists",
    `${folder} has too many files called ${name}; move some of them away and save again`,
  );
}

/** Names the file `temp` `path` as well or instead; false if something has that name. */
async function take(temp: string, path: string): Promise<boolean> {
  try {
    // The one call that gives a name and fails if it is taken, whatever takes it.
    await Deno.link(temp, path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
  }
  // A file system without hard links: an empty file takes the name, the whole one replaces it.
  try {
    (await Deno.open(path, { write: true, createNew: true, mode: 0o600 })).close();
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
  try {
    await Deno.rename(temp, path);
  } catch (error) {
    await Deno.remove(path).catch(() => {});
    throw error;
  }
  return true;
}

/**
 * The file at `path`, to be sent under its own name. It is opened when it is sent, and must then be
 * as it is now: another size or time of change is `file-io`, also between attempts to send.
 *
 * Throws `file-missing`, or `file-io` for what is no regular file or cannot be read.
 */
export async function attachmentFromFile(path: string): Promise<AttachmentSource> {
  const { info, file } = await openFile(path);
  file.close();
  return {
    name: basename(path),
    size: info.size,
    async open() {
      const now = await openFile(path);
      if (now.info.size !== info.size || now.info.mtime?.getTime() !== info.mtime?.getTime()) {
        now.file.close();
        throw new SealpostError(
          "file-io",
          `${printable(path)} changed since it was attached; attach it again`,
        );
      }
      return now.file.readable;
    },
  };
}

async function openFile(path: string): Promise<{ info: Deno.FileInfo; file: Deno.FsFile }> {
  const shown = printable(path);
  try {
    // Looked at before it is opened: opening a named pipe would wait for its writer.
    const before = await Deno.stat(path);
    if (before.isDirectory) {
      throw new SealpostError("file-io", `${shown} is a folder; name a file in it`);
    }
    if (!before.isFile) {
      throw new SealpostError("file-io", `${shown} is not a regular file and cannot be sent`);
    }
    const file = await Deno.open(path, { read: true });
    try {
      return { info: await file.stat(), file };
    } catch (error) {
      file.close();
      throw error;
    }
  } catch (error) {
    throw wrapFileError(error, `read ${shown}`);
  }
}
