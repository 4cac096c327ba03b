import { crc32 } from "node:zlib";
import { join } from "@std/path";
import { type Bytes, equal, fromUtf8, readU16, readU32, utf8 } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { readFileBounded, wrapFileError } from "../../files/atomic_file.ts";
import { flagBits, flagsOf, folderNumber, folderOf } from "../../protocol/entry.ts";
import type { Disk } from "./disk.ts";
import type { Copy, Delivery } from "./store.ts";

/** Name of the journal in a store's folder. */
export const JOURNAL_NAME = "sealpost.journal";

/** Bytes of what marks the records of one generation. */
export const GENERATION_SIZE = 8;

/** Bytes before a record's payload: size (4), checksum (4), generation. */
const HEAD = 4 + 4 + GENERATION_SIZE;
/** Bytes of a payload without what has a length of its own. */
const FIXED = 32 + 16 + 32 + 8 + 8 + 4 + 4 + 4 + 2;
/** Bytes of a copy without what has a length of its own. */
const FIXED_COPY = 2 + 4 + 4 + 4 + 8 + 4 + 4;

/** More than a journal ever has, bytes. */
const MAX_JOURNAL = 64 * 1024 * 1024;

/** Stands for the length of a note that a copy does not have. */
const NO_NOTE = 0xffff_ffff;

/**
 * The deliveries whose rows are not in the database for good yet: a delivery is safe once its record is
 * appended here and synced, one sync for all that came together. Its rows follow in a transaction of
 * the database that takes many ({@linkcode CommitQueue}).
 *
 * The file is a sequence of records, each
 * `size of the payload (4) ‖ CRC-32 of what follows (4) ‖ generation (8) ‖ payload`. The generation is
 * random, and stands in the database as well: each COMMIT that has rows of deliveries puts another in
 * its place, and records are written from the file's first byte on again. So a record with the
 * database's generation has no rows there, one with any other has them, and no crash between the two
 * makes a delivery happen twice. The first record that is cut, altered, or of another generation ends
 * the journal; nobody was told that it is safe.
 */
export class DeliveryJournal {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  readonly #disk: Disk;
  #generation: Bytes = new Uint8Array(GENERATION_SIZE);
  /** Where the next record goes. */
  #end: number;
  #usable = false;

  private constructor(path: string, file: Deno.FsFile, disk: Disk) {
    this.#path = path;
    this.#file = file;
    this.#disk = disk;
    this.#end = file.statSync().size;
  }

  /** Opens, or makes (0600, durably), the journal in the store's folder. Throws `disk-full`, `file-io`. */
  static async open(folder: string, disk: Disk): Promise<DeliveryJournal> {
    const path = join(folder, JOURNAL_NAME);
    let file: Deno.FsFile | undefined;
    try {
      file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
      if (Deno.build.os !== "windows") await Deno.chmod(path, 0o600);
      await disk.syncFolder(folder);
      return new DeliveryJournal(path, file, disk);
    } catch (error) {
      file?.close();
      throw wrapFileError(error, `open ${path}`);
    }
  }

  /** Bytes of the records of this generation. */
  get size(): number {
    return this.#end;
  }

  /** Whether records can be appended: not after a failure, until a new generation begins. */
  get usable(): boolean {
    return this.#usable;
  }

  /**
   * Appends the records of `deliveries`, whose bodies are in memory, and makes them durable. If that
   * fails, none of them is there, and the journal is not {@linkcode DeliveryJournal.usable}. Throws
   * `disk-full` or `file-io`.
   */
  async append(deliveries: readonly Delivery[]): Promise<void> {
    const records = encodeRecords(deliveries, this.#generation);
    try {
      this.#file.seekSync(this.#end, Deno.SeekMode.Start);
      for (let at = 0; at < records.length;) at += this.#file.writeSync(records.subarray(at));
      await this.#disk.syncData(this.#file);
    } catch (error) {
      this.giveUp(this.#end);
      throw wrapFileError(error, `write ${this.#path}`);
    }
    this.#end += records.length;
  }

  /**
   * The deliveries of `generation`, in their order, as the disk has them. Throws `file-io`, also for a
   * record that is whole and no delivery.
   */
  read(generation: Bytes): Delivery[] {
    try {
      const bytes = new Uint8Array(this.#end);
      this.#file.seekSync(0, Deno.SeekMode.Start);
      let length = 0;
      while (length < bytes.length) {
        const n = this.#file.readSync(bytes.subarray(length));
        if (n === null) break;
        length += n;
      }
      return readJournal(bytes.subarray(0, length), generation);
    } catch (error) {
      throw isSealpostError(error, "format")
        ? damagedJournal(this.#path, error, "file-io")
        : wrapFileError(error, `read ${this.#path}`);
    }
  }

  /** Lets records of `generation` follow from the file's first byte on. */
  begin(generation: Bytes): void {
    this.#generation = generation;
    this.#end = 0;
    this.#usable = true;
  }

  /** Takes the records from byte `end` on away, if the system lets us, and takes no more of them. */
  giveUp(end: number): void {
    this.#usable = false;
    this.#end = end;
    try {
      this.#file.truncateSync(end);
    } catch {
      // A crash may bring them back; their senders, who were told of a failure, send them again and
      // learn that they are there already.
    }
  }

  close(): void {
    this.#file.close();
  }
}

/** What to say, with the code `code`, of `error` about the journal `path` if that is damaged. */
export function damagedJournal(path: string, error: unknown, code: "format" | "file-io"): unknown {
  if (!isSealpostError(error, "format")) return error;
  const what =
    `${path} is damaged (${error.message}); put a backup in the place of the store, or ` +
    "move this file away: what was delivered last is lost then";
  return new SealpostError(code, what, { cause: error });
}

/** The bytes of the journal in a store's folder; none if there is no journal. Throws `file-io`. */
export async function readJournalFile(folder: string): Promise<Bytes> {
  try {
    return await readFileBounded(join(folder, JOURNAL_NAME), MAX_JOURNAL);
  } catch (error) {
    if (isSealpostError(error, "file-missing")) return new Uint8Array(0);
    throw error;
  }
}

/**
 * The deliveries of `generation` that a journal begins with. Throws `format` for a record that is whole
 * and no delivery.
 */
export function readJournal(bytes: Bytes, generation: Bytes): Delivery[] {
  const deliveries: Delivery[] = [];
  for (let at = 0; at + HEAD <= bytes.length;) {
    const end = at + HEAD + readU32(bytes, at);
    const marked = bytes.subarray(at + 8, end);
    const isWhole = end <= bytes.length && crc32(marked) === readU32(bytes, at + 4);
    if (!isWhole || !equal(marked.subarray(0, GENERATION_SIZE), generation)) break;
    deliveries.push(decodeDelivery(bytes.subarray(at + HEAD, end)));
    at = end;
  }
  return deliveries;
}

function encodeRecords(deliveries: readonly Delivery[], generation: Bytes): Bytes {
  const sizes = deliveries.map(deliverySize);
  const out = new Uint8Array(sizes.reduce((sum, size) => sum + HEAD + size, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const [i, delivery] of deliveries.entries()) {
    const size = sizes[i] ?? 0;
    const end = at + HEAD + size;
    view.setUint32(at, size);
    out.set(generation, at + 8);
    encodeDelivery(delivery, out, view, at + HEAD);
    view.setUint32(at + 4, crc32(out.subarray(at + 8, end)));
    at = end;
  }
  return out;
}

/** How many bytes a delivery whose body is in memory takes in the journal, without what every record has. */
export function deliverySize({ header, summary, body, copies }: Delivery): number {
  const shared = FIXED + header.length + summary.length + body.size;
  return copies.reduce(
    (sum, { account, stanza, note }) =>
      sum + FIXED_COPY + utf8(account).length + stanza.length + (note?.length ?? 0),
    shared,
  );
}

/**
 * Writes a payload from byte `at` of `out` on:
 * `sender (32) ‖ id (16) ‖ digest (32) ‖ received at (8) ‖ quota (8) ‖ header ‖ summary ‖ body ‖ count of
 * copies (2) ‖ { account ‖ folder (4) ‖ flags (8) ‖ date (8) ‖ stanza ‖ note } …`. Numbers of 8 bytes are
 * IEEE 754 doubles; what varies has its length before it, 4 bytes, an account's name 2.
 */
function encodeDelivery(delivery: Delivery, out: Bytes, view: DataView, at: number): void {
  const put = (bytes: Uint8Array) => {
    out.set(bytes, at);
    at += bytes.length;
  };
  const sized = (bytes: Uint8Array) => {
    view.setUint32(at, bytes.length);
    at += 4;
    put(bytes);
  };
  const number = (value: number) => {
    view.setFloat64(at, value);
    at += 8;
  };
  const { body: { inline }, copies } = delivery;
  if (inline === null) throw new RangeError("a body in a file is not for the journal");
  put(delivery.senderFp);
  put(delivery.messageId);
  put(delivery.digest);
  number(delivery.receivedAt);
  number(delivery.quota ?? Infinity);
  sized(delivery.header);
  sized(delivery.summary);
  sized(inline);
  view.setUint16(at, copies.length);
  at += 2;
  for (const { account, folder, flags, stanza, note, date } of copies) {
    const name = utf8(account);
    view.setUint16(at, name.length);
    at += 2;
    put(name);
    const { low, high } = flagBits(flags);
    view.setUint32(at, folderNumber(folder));
    view.setUint32(at + 4, low);
    view.setUint32(at + 8, high);
    at += 12;
    number(date ?? NaN);
    sized(stanza);
    if (note !== null) sized(note);
    else {
      view.setUint32(at, NO_NOTE);
      at += 4;
    }
  }
}

/** Undoes {@linkcode encodeDelivery}. Throws `format`. */
function decodeDelivery(bytes: Bytes): Delivery {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const take = (size: number): Bytes => {
    if (at + size > bytes.length) throw new SealpostError("format", "a record that is too short");
    at += size;
    return bytes.subarray(at - size, at);
  };
  const u16 = () => readU16(take(2), 0);
  const u32 = () => readU32(take(4), 0);
  const number = () => {
    take(8);
    return view.getFloat64(at - 8);
  };
  const [senderFp, messageId, digest] = [take(32), take(16), take(32)];
  const [receivedAt, quota] = [number(), number()];
  const [header, summary, body] = [take(u32()), take(u32()), take(u32())];
  const copies: Copy[] = [];
  for (let left = u16(); left > 0; left--) {
    const account = fromUtf8(take(u16()));
    const folder = folderOf(u32());
    const flags = flagsOf({ low: u32(), high: u32() });
    const date = number();
    const stanza = take(u32());
    const length = u32();
    const note = length === NO_NOTE ? null : take(length);
    const copy = { account, folder, flags, stanza, note };
    copies.push(Number.isNaN(date) ? copy : { ...copy, date });
  }
  if (at !== bytes.length) throw new SealpostError("format", "a record that is too long");
  return {
    senderFp,
    messageId,
    digest,
    header,
    summary,
    body: { size: body.length, inline: body, file: null },
    copies,
    receivedAt,
    quota,
  };
}
