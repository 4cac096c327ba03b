import { isSealpostError } from "../../../crypto/error.ts";
import { capabilities } from "./capabilities.ts";
import type { Context, Done, ImapCommand, PendingMessage } from "./command.ts";
import { COMMANDS } from "./commands/table.ts";
import { bad, ImapBye, ImapError } from "./error.ts";
import { type ByteSource, ImapInput } from "./input.ts";
import { canonical, decodeMailboxName, encodeMailboxName } from "./mailbox_name.ts";
import { type ByteSink, ImapOutput } from "./output.ts";
import { binary, type CommandPart, ImapParser } from "./parser.ts";
import { CommandProgress, PATIENCE } from "./progress.ts";
import type { Feature, Selected } from "./selected.ts";
import type { Accounts, MailboxView, MailStore } from "./store.ts";

/** What one command may have, bytes: the first before the login, when anybody may be there. */
const LIMITS = {
  before: { line: 2048, literal: 512, command: 4096 },
  after: { line: 256 * 1024, literal: 256 * 1024, command: 1024 * 1024 },
} as const;

/** Bad commands and wrong passwords in a row after which a connection is ended. */
const MAX_BAD = 20;

/** How long a connection may be silent, milliseconds (RFC 9051, section 5.4: at least 30 minutes). */
export const SILENCE = { before: 60_000, after: 31 * 60_000 } as const;

/** How {@linkcode ImapSession} is run. */
export interface SessionOptions {
  readonly source: ByteSource;
  readonly sink: ByteSink;
  readonly accounts: Accounts;
  /** Told, before every wait for the mail program, for how long it may be silent, milliseconds. */
  readonly onWait?: (silence: number) => void;
  /** How long a command is silent before the mail program hears of it, milliseconds. */
  readonly patience?: number;
  /** Told of an error that is no answer to a mail program: a defect. */
  readonly onDefect?: (error: unknown) => void;
}

/**
 * One mail program's connection (RFC 9051 and RFC 3501, section 3: not logged in, logged in,
 * selected). Works over bytes; {@linkcode ImapSession.run} ends when the connection does.
 */
export class ImapSession implements Context {
  readonly output: ImapOutput;
  readonly accounts: Accounts;
  readonly features = new Set<Feature>();
  readonly #input: ImapInput;
  readonly #options: SessionOptions;
  #store: MailStore | null = null;
  #selected: Selected | null = null;
  #leaving = false;
  #tag = "";
  #progress: CommandProgress | null = null;
  #bad = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#input = new ImapInput(options.source);
    this.output = new ImapOutput(options.sink);
    this.accounts = options.accounts;
  }

  get tag(): string {
    return this.#tag;
  }

  get store(): MailStore {
    if (this.#store) return this.#store;
    throw bad("log in first");
  }

  get selected(): Selected {
    if (this.#selected) return this.#selected;
    throw bad("select a mailbox first");
  }

  get isLoggedIn(): boolean {
    return this.#store !== null;
  }

  get selectedOrNull(): Selected | null {
    return this.#selected;
  }

  /** Greets, and answers commands until the connection ends. Throws what the connection throws. */
  async run(): Promise<void> {
    this.output.line(`* OK [CAPABILITY ${capabilities(null)}] Sealpost`);
    try {
      while (!this.#leaving) {
        await this.output.flush();
        if (!await this.#next()) return;
      }
    } catch (error) {
      if (!(error instanceof ImapBye)) throw error;
      this.output.line(`* BYE ${error.message}`);
    }
    await this.output.flush();
  }

  /** Reads and answers one command; false at the end of the connection. */
  async #next(): Promise<boolean> {
    this.#wait();
    const read = await this.#readCommand();
    if (read === null) return false;
    const { tag, parts, message, problem } = read;
    if (problem) {
      this.#refuse(tag, problem);
      return true;
    }
    this.#tag = tag;
    try {
      const args = new ImapParser(parts);
      args.tag();
      args.space();
      let name = args.word();
      const byUid = name === "UID";
      if (byUid) {
        args.space();
        name = args.word();
      }
      const command = COMMANDS.get(name);
      if (!command || (byUid && !command.uid)) throw bad("no such command");
      this.#require(command);
      const done = await this.#run(command, args, byUid, message?.pending ?? null);
      if (!this.#leaving) await this.update(command.removals || byUid);
      this.#answer(tag, name, done);
      this.#bad = 0;
    } catch (error) {
      await message?.skip();
      if (error instanceof ImapBye || !(error instanceof Error)) throw error;
      if (this.output.inResponse && !isSealpostError(error, "connection-lost")) {
        this.#options.onDefect?.(error);
        // What was announced cannot be taken back.
        throw new ImapBye("a response could not be sent to its end");
      }
      if (error instanceof ImapError) this.#refuse(tag, error);
      else if (isSealpostError(error, "connection-lost")) throw error;
      else {
        this.#options.onDefect?.(error);
        this.#refuse(tag, new ImapError("NO", "this did not work", "SERVERBUG"));
      }
    }
    return true;
  }

  async #run(
    command: ImapCommand,
    args: ImapParser,
    byUid: boolean,
    message: PendingMessage | null,
  ): Promise<Done> {
    // Who has not logged in may not wait for anything.
    if (!this.#store) return await command.run(this, args, byUid, message) ?? {};
    using progress = new CommandProgress(
      this.output,
      this.#tag,
      this.#options.patience ?? PATIENCE,
    );
    this.#progress = progress;
    try {
      return await command.run(this, args, byUid, message) ?? {};
    } finally {
      this.#progress = null;
    }
  }

  progress(done: number, goal: number): void {
    this.#progress?.update(done, goal);
  }

  keepQuiet(): void {
    this.#progress?.pause();
  }

  #require({ when }: ImapCommand): void {
    if (when === "before-login" && this.#store) throw bad("you are logged in already");
    if (when === "logged-in" || when === "selected") void this.store;
    if (when === "selected") void this.selected;
  }

  #answer(tag: string, name: string, { text, code }: Done): void {
    this.output.line(
      `${tag} OK ${code === undefined ? "" : `[${code}] `}${text ?? `${name} done`}`,
    );
  }

  #refuse(tag: string, { kind, code, message }: ImapError): void {
    this.output.line(`${tag} ${kind} ${code === null ? "" : `[${code}] `}${message}`);
    const counts = kind === "BAD" || code === "AUTHENTICATIONFAILED";
    if (counts && ++this.#bad >= MAX_BAD) throw new ImapBye("too many bad commands");
  }

  /**
   * Reads a command with its literals, within the limits. The literal of an APPEND stays where it is
   * until the command has looked at the rest.
   */
  async #readCommand(): Promise<ReadCommand | null> {
    const limits = this.#store ? LIMITS.after : LIMITS.before;
    const parts: CommandPart[] = [];
    let size = 0;
    for (;;) {
      const line = await this.#input.line(limits.line);
      if (line === null) return null;
      if (line === "too-long") throw new ImapBye("a line is too long");
      size += line.length;
      const text = binary(line);
      if (!this.#store && / HTTP\/1\.\d$/.test(text)) throw new ImapBye("this is no web server");
      const [announced, digits = "", plus] = /~?\{(\d{1,15})(\+?)\}$/.exec(text) ?? [];
      const tag = tagOf(parts, text);
      if (announced === undefined) {
        parts.push(text);
        if (tag === null) {
          if (text === "" && parts.length === 1) return { tag: "*", parts, problem: bad("empty") };
          return { tag: "*", parts, problem: bad("no tag") };
        }
        return { tag, parts };
      }
      parts.push(text.slice(0, -announced.length));
      const count = Number(digits);
      const waits = plus === "";
      if (tag !== null && this.#store && isMessageOf(parts)) {
        return { tag, parts, message: this.#message(count, waits) };
      }
      size += count;
      if (count > limits.literal || size > limits.command || tag === null) {
        // What was not announced is on its way already; what was waits for our word.
        if (!waits) throw new ImapBye("a literal is too long");
        const problem = tag === null
          ? bad("no tag")
          : new ImapError("BAD", "a literal is too long", "TOOBIG");
        return { tag: tag ?? "*", parts, problem };
      }
      if (waits) {
        this.output.line("+ go on");
        await this.output.flush();
        this.#wait();
      }
      const literal = await this.#input.exactly(count);
      if (literal === null) return null;
      parts.push(literal);
    }
  }

  /** The literal of an APPEND. */
  #message(size: number, waits: boolean): ReadMessage {
    let taken = false;
    let ended = false;
    let got = 0;
    const rest = () => {
      ended = true;
      return this.#restOfLine();
    };
    const read = async function* (this: ImapSession) {
      this.#progress?.pause();
      for await (const piece of this.#input.bytes(size - got)) {
        got += piece.length;
        this.#wait();
        yield piece;
      }
      this.#progress?.resume();
      if (got < size) throw new ImapBye("the connection ended in a message");
    }.bind(this);
    const accept = async function* (this: ImapSession) {
      taken = true;
      if (waits) {
        this.output.line("+ go on");
        await this.output.flush();
      }
      this.#wait();
      yield* read();
    }.bind(this);
    return {
      pending: { size, accept, rest },
      skip: async () => {
        // What was announced, and not asked for, does not come.
        if (ended || (waits && !taken)) return;
        for await (const _ of read());
        await rest();
      },
    };
  }

  async #restOfLine(): Promise<ImapParser> {
    const line = await this.#input.line(LIMITS.after.line);
    if (line === null || line === "too-long") throw new ImapBye("a line is too long");
    return new ImapParser([binary(line)]);
  }

  #wait(): void {
    this.#options.onWait?.(this.#store ? SILENCE.after : SILENCE.before);
  }

  async continueWith(text: string): Promise<string | null> {
    this.output.line(`+ ${text}`);
    return await this.nextLine();
  }

  async nextLine(): Promise<string | null> {
    await this.output.flush();
    this.#wait();
    this.#progress?.pause();
    const line = await this.#input.line(LIMITS.after.line);
    this.#progress?.resume();
    if (line === "too-long") throw new ImapBye("a line is too long");
    return line && binary(line);
  }

  logIn(store: MailStore): void {
    this.#store = store;
  }

  select(selected: Selected | null): void {
    this.#selected = selected;
  }

  leave(): void {
    this.#leaving = true;
  }

  async update(removals: boolean): Promise<void> {
    const selected = this.#selected;
    if (!selected) return;
    const view = await this.store.view(selected.name);
    // One whose mailbox is gone, or was made anew, has nothing more to say of it.
    if (!view || view.validity !== selected.view.validity) {
      throw new ImapBye("the mailbox is not there any more");
    }
    selected.tellFlags(this.store.keywords(), this.output);
    selected.update(view, this.output, this.features, removals);
  }

  useCondstore(): void {
    if (this.features.has("condstore")) return;
    this.features.add("condstore");
    const modseq = this.#selected?.view.modseq;
    if (modseq !== undefined) this.output.line(`* OK [HIGHESTMODSEQ ${modseq}] the highest`);
  }

  shownName(name: string): string {
    return this.features.has("utf8") ? name : encodeMailboxName(name);
  }

  mailboxName(args: ImapParser): string {
    const text = args.astring();
    const name = this.features.has("utf8") ? text : decodeMailboxName(text);
    return canonical(name.normalize("NFC"));
  }

  async mailbox(name: string): Promise<MailboxView> {
    const view = await this.store.view(name);
    if (view) return view;
    throw new ImapError("NO", "there is no such mailbox", "NONEXISTENT");
  }
}

interface ReadCommand {
  readonly tag: string;
  readonly parts: readonly CommandPart[];
  readonly problem?: ImapError;
  readonly message?: ReadMessage;
}

interface ReadMessage {
  readonly pending: PendingMessage;
  /** Reads what still comes of it, and of the command, and forgets it. */
  readonly skip: () => Promise<void>;
}

/** The tag of a command that begins with `parts` and `line`; null if there is none. */
function tagOf(parts: readonly CommandPart[], line: string): string | null {
  const [first = line] = parts;
  if (typeof first !== "string") return null;
  // deno-lint-ignore no-control-regex
  return /^([^(){ %*"\\+\x00-\x1f\x7f-\xff]{1,100}) /.exec(first)?.[1] ?? null;
}

/** Whether a literal after `parts` is the message of an APPEND, and not the name of its mailbox. */
function isMessageOf(parts: readonly CommandPart[]): boolean {
  const [first] = parts;
  if (typeof first !== "string") return false;
  const [, rest] = /^\S+ APPEND (.*)$/is.exec(first) ?? [];
  return rest !== undefined && (rest !== "" || parts.length > 1);
}
