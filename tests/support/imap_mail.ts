import { type Bytes, concat, utf8 } from "../../crypto/bytes.ts";
import { defined } from "../../crypto/defined.ts";
import { ImapError } from "../../client/bridge/imap/error.ts";
import { headerFields } from "../../client/bridge/imap/header.ts";
import { binary } from "../../client/bridge/imap/parser.ts";
import { ImapSession } from "../../client/bridge/imap/session.ts";
import {
  type Accounts,
  type AppendedMessage,
  isDeleted,
  type MailboxView,
  type MailStore,
  type MessageSource,
  type PlacedMessage,
} from "../../client/bridge/imap/store.ts";
import { readStructure } from "../../client/bridge/imap/structure.ts";

/** What stands in for an account where IMAP is tried without one. */
export class MemoryMail implements MailStore {
  readonly appendLimit = 1_000_000;
  alert: string | null = null;
  readonly #boxes = new Map<
    string,
    { validity: number; next: number; uids: Map<number, number> }
  >();
  readonly #messages = new Map<number, { bytes: Bytes; flags: string[]; modseq: number }>();
  readonly #listeners = new Set<() => void>();
  readonly #unsubscribed = new Set<string>();
  #modseq = 1;
  #keys = 0;
  /** How many messages were opened. */
  opened = 0;

  constructor(...names: string[]) {
    for (const name of ["INBOX", "Sent", "Trash", ...names]) this.#make(name);
  }

  #make(name: string): void {
    this.#boxes.set(name, { validity: 7 + this.#boxes.size, next: 1, uids: new Map() });
  }

  /** Puts a message into a mailbox. */
  put(mailbox: string, text: string | Bytes, flags: readonly string[] = []): number {
    const key = ++this.#keys;
    const bytes = typeof text === "string" ? utf8(text) : text;
    this.#messages.set(key, { bytes, flags: [...flags], modseq: ++this.#modseq });
    this.#place(mailbox, key);
    this.#tell();
    return this.#box(mailbox).uids.get(key) ?? 0;
  }

  #place(mailbox: string, key: number): void {
    const box = this.#box(mailbox);
    box.uids.set(key, box.next++);
  }

  #box(name: string) {
    const box = this.#boxes.get(name);
    if (box) return box;
    throw new ImapError("NO", "there is no such mailbox", "NONEXISTENT");
  }

  #tell(): void {
    for (const tell of [...this.#listeners]) tell();
  }

  mailboxes() {
    return Promise.resolve([...this.#boxes.keys()].map((name) => ({
      name,
      specialUse: ["Sent", "Trash"].includes(name) ? `\\${name}` : null,
      subscribed: !this.#unsubscribed.has(name),
    })));
  }

  view(name: string): Promise<MailboxView | null> {
    const box = this.#boxes.get(name);
    if (!box) return Promise.resolve(null);
    const messages = [...box.uids].flatMap(([key, uid]): PlacedMessage[] => {
      const message = this.#messages.get(key);
      return message
        ? [{
          uid,
          key,
          flags: [...message.flags],
          modseq: message.modseq,
          emailId: `M${key}`,
        }]
        : [];
    });
    return Promise.resolve({
      name,
      id: `F${box.validity}`,
      validity: box.validity,
      nextUid: box.next,
      modseq: this.#modseq,
      size: messages.reduce((sum, { key }) => sum + this.#bytes(key).length, 0),
      messages: messages.sort((a, b) => a.uid - b.uid),
    });
  }

  #bytes(key: number): Bytes {
    return this.#messages.get(key)?.bytes ?? new Uint8Array(0);
  }

  refresh(): Promise<void> {
    return Promise.resolve();
  }

  onChange(tell: () => void): () => void {
    this.#listeners.add(tell);
    return () => this.#listeners.delete(tell);
  }

  keywords(): readonly string[] {
    return ["$Forwarded"];
  }

  head(key: number) {
    if (!this.#messages.has(key)) throw new ImapError("NO", "gone", "EXPUNGEISSUED");
    const bytes = this.#bytes(key);
    const header = binary(bytes).split("\r\n\r\n")[0] ?? "";
    return Promise.resolve({
      size: bytes.length,
      receivedAt: Date.UTC(2026, 10, 22, 13, 5, 7),
      fields: headerFields(header).map(({ text }) => text),
    });
  }

  open(key: number, _tell?: (done: number, size: number) => void): Promise<MessageSource> {
    if (!this.#messages.has(key)) throw new ImapError("NO", "gone", "EXPUNGEISSUED");
    const bytes = this.#bytes(key);
    this.opened++;
    return Promise.resolve({
      size: bytes.length,
      async *read(from: number, to: number) {
        // In pieces, as a file comes.
        for (let at = from; at < Math.min(to, bytes.length); at += 7) {
          yield await Promise.resolve(bytes.slice(at, Math.min(at + 7, to)));
        }
      },
      structure: () => readStructure(ReadableStream.from([bytes])),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
  }

  text(key: number): Promise<string> {
    return Promise.resolve(binary(this.#bytes(key)).split("\r\n\r\n")[1] ?? "");
  }

  flag(
    keys: readonly number[],
    set: readonly string[],
    clear: readonly string[] | "others",
    unchangedSince: number | null,
  ): Promise<readonly number[]> {
    const left: number[] = [];
    for (const key of keys) {
      const message = this.#messages.get(key);
      if (!message) continue;
      if (unchangedSince !== null && message.modseq > unchangedSince) {
        left.push(key);
        continue;
      }
      const kept = clear === "others" ? [] : message.flags.filter((flag) => !clear.includes(flag));
      message.flags = [...new Set([...kept, ...set])];
      message.modseq = ++this.#modseq;
    }
    this.#tell();
    return Promise.resolve(left);
  }

  move(keys: readonly number[], mailbox: string) {
    const box = this.#box(mailbox);
    for (const key of keys) {
      for (const { uids } of this.#boxes.values()) uids.delete(key);
      this.#place(mailbox, key);
    }
    this.#modseq++;
    this.#tell();
    const uids = keys.map((key) => box.uids.get(key) ?? 0);
    return Promise.resolve({ validity: box.validity, uids });
  }

  copy(keys: readonly number[], mailbox: string) {
    const uids = keys.map((key) => {
      return this.put(mailbox, this.#bytes(key), this.#messages.get(key)?.flags);
    });
    return Promise.resolve({ validity: this.#box(mailbox).validity, uids });
  }

  async expunge(mailbox: string, validity: number, uids: ReadonlySet<number> | null) {
    const view = await this.view(mailbox);
    const gone = view?.validity !== validity ? [] : view.messages.filter((one) => {
      return isDeleted(one) && (uids?.has(one.uid) ?? true);
    });
    if (gone.length > 0) this.remove(gone.map(({ key }) => key));
    return gone.length > 0;
  }

  /** Removes messages, as another program does. */
  remove(keys: readonly number[]): void {
    for (const key of keys) {
      this.#messages.delete(key);
      for (const { uids } of this.#boxes.values()) uids.delete(key);
    }
    this.#modseq++;
    this.#tell();
  }

  async append({ mailbox, flags, bytes }: AppendedMessage) {
    const whole = concat(...await Array.fromAsync(bytes));
    const uid = this.put(mailbox, whole, flags);
    return { validity: this.#box(mailbox).validity, uids: [uid] };
  }

  create(name: string): Promise<void> {
    if (this.#boxes.has(name)) throw new ImapError("NO", "there already", "ALREADYEXISTS");
    this.#make(name);
    return Promise.resolve();
  }

  delete(name: string): Promise<void> {
    this.#box(name);
    this.#boxes.delete(name);
    return Promise.resolve();
  }

  rename(from: string, to: string): Promise<void> {
    const box = this.#box(from);
    this.#boxes.delete(from);
    this.#boxes.set(to, box);
    return Promise.resolve();
  }

  subscribe(name: string, subscribed: boolean): Promise<void> {
    if (subscribed) this.#unsubscribed.delete(name);
    else this.#unsubscribed.add(name);
    return Promise.resolve();
  }
}

/** Lets `alice` in with the password `pw`. */
export function accountsOf(store: MailStore): Accounts {
  return {
    logIn: (name, password) =>
      Promise.resolve(name === "alice" && password === "pw" ? store : null),
  };
}

/** How {@linkcode talk} does it. */
export interface TalkOptions {
  readonly loggedIn?: boolean;
  readonly cut?: number;
  readonly patience?: number;
  /** Told all that was answered so far. */
  readonly onSaid?: (output: string) => void;
  /** Waited for before the session reads on, at the byte `at`. */
  readonly beforeRead?: (at: number) => Promise<void>;
}

/**
 * All that a session answers to `input`, which comes in pieces of `cut` bytes and ends there; after a
 * login unless `loggedIn` is false. One character a byte. Throws the defects that it meets.
 */
export async function talk(
  store: MailStore,
  input: string | Bytes,
  { loggedIn = true, cut = 1000, ...options }: TalkOptions = {},
): Promise<string> {
  const bytes = concat(
    utf8(loggedIn ? "l LOGIN alice pw\r\n" : ""),
    typeof input === "string" ? utf8(input) : input,
  );
  let at = 0;
  let output = "";
  const defects: unknown[] = [];
  const session = new ImapSession({
    source: {
      read: async (into) => {
        await options.beforeRead?.(at);
        if (at >= bytes.length) return null;
        const piece = bytes.subarray(at, at + Math.min(cut, into.length));
        into.set(piece);
        at += piece.length;
        return piece.length;
      },
    },
    sink: {
      write: (data) => {
        output += binary(data);
        options.onSaid?.(output);
        return Promise.resolve();
      },
    },
    accounts: accountsOf(store),
    onDefect: (error) => defects.push(error),
    ...defined({ patience: options.patience }),
  });
  await session.run();
  if (defects.length > 0) throw defects[0];
  return output;
}

/** The lines of what was answered after the login. */
export async function answers(store: MailStore, ...commands: readonly string[]): Promise<string[]> {
  const said = await talk(store, commands.map((line) => `${line}\r\n`).join(""));
  return said.split("\r\n").slice(2, -1);
}
