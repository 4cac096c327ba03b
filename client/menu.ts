import { expandHome } from "../cli/environment.ts";
import { formatSize, formatTime } from "../cli/format.ts";
import { isAbsolute, join, resolve } from "@std/path";
import { equal } from "../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../crypto/error.ts";
import { formatFingerprint } from "../crypto/identity.ts";
import { exitCodeFor } from "../cli/exit_codes.ts";
import { MAX_TEXT, MAX_TITLE } from "../protocol/limits.ts";
import { parseName } from "../protocol/name.ts";
import { printable } from "../cli/printable.ts";
import type { NewsEvent } from "../protocol/request.ts";
import { readFileBounded } from "../files/atomic_file.ts";
import { fromUtf8 } from "../crypto/bytes.ts";
import { attachmentFromFile } from "./message/attachments.ts";
import { replyTo } from "./message/reply.ts";
import { type Draft, emptyDraft } from "./state/drafts.ts";
import { KeyChangedError } from "./state/pins.ts";
import { askAboutGroup } from "./mailbox/offered_groups.ts";
import type { Item } from "./mailbox/open.ts";
import type { Mail } from "./mail.ts";
import { confirmEmptyMessage } from "./terminal/empty_message.ts";
import { confirmMissingAttachment } from "./terminal/mentions.ts";
import { sendDraft } from "./send_draft.ts";
import {
  askWhenTaken,
  headerLines,
  listingLine,
  notSentLine,
  saveAttachments,
  subjectOf,
  textWithCalendars,
} from "./mailbox/show.ts";
import { type Completed, completePath, type Completer } from "./terminal/complete.ts";
import type { Terminal } from "./terminal/terminal.ts";
import type { Opened } from "./mailbox/open.ts";
import { verification } from "./trust/verification.ts";
import { type AutosavedDraft, withAutosave } from "./terminal/write_draft.ts";

const MENU = `
Select the operation:
  1) Create and send an email
  2) Display the inbox list
  3) Display the email contents
  4) Terminate the connection
  5) Create and send an email with attachments
  6) Reply to an email
  7) Delete an email
  8) Show a correspondent's fingerprint
`;

/** Messages that one inbox list shows. */
const LISTED = 200;
const FILES = "files";
/** Four bytes a character at the most. */
const MAX_TEXT_FILE = 4 * MAX_TEXT;

/** The numbered menu, for a person or a pipe. */
export class Menu {
  readonly #terminal: Terminal;
  readonly #mail: Mail;
  readonly #files: string;
  /** The inbox as it was listed last, which indexes refer to. */
  #listed: readonly Item[] | null = null;
  #arrived = 0;
  readonly #connect: () => Promise<void>;
  /** The last reason given for having no connection; null if there is one. */
  #told: string | null = null;

  /** `dir`: the client's folder, which holds `files/`. `connect` makes a lost connection anew. */
  constructor(terminal: Terminal, mail: Mail, dir: string, connect: () => Promise<void>) {
    this.#terminal = terminal;
    this.#mail = mail;
    this.#connect = connect;
    this.#files = join(dir, FILES);
    mail.onStale = ({ asOf }) => terminal.printError(`(offline, as of ${formatTime(asOf)})`);
  }

  /** Called when the server says what other sessions did in the mailbox. */
  notice(event: NewsEvent): void {
    if (event.event === "mail" && event.folder === "inbox") this.#arrived++;
  }

  /** Runs until the person ends it, or the input does. Throws what ends the connection. */
  async run(): Promise<void> {
    if (this.#mail.connection.online) await this.#flushOutbox();
    for (;;) {
      await this.#tellState();
      if (this.#arrived > 0) {
        const count = this.#arrived === 1 ? "1 new message" : `${this.#arrived} new messages`;
        this.#terminal.print(`\n(${count})`);
        this.#arrived = 0;
      }
      this.#terminal.print(MENU);
      const choice = await this.#terminal.ask("choice: ");
      if (choice === null || choice.trim() === "4") break;
      await this.#reconnect();
      await this.#attempt(() => this.#choose(choice.trim()));
    }
    this.#terminal.print("The connection is terminated with the server.");
  }

  /** Says once that the connection is lost, and once that it is back. */
  async #tellState(): Promise<void> {
    if (!this.#terminal.interactive) return;
    const { state } = this.#mail.connection;
    if (state.kind === "online") {
      if (this.#told === null) return;
      this.#told = null;
      this.#terminal.printError("(connected again)");
      await this.#attempt(() => this.#flushOutbox());
    } else if (state.kind === "offline" && this.#told !== state.why) {
      this.#told = state.why;
      this.#terminal.printError(
        `(not connected: ${printable(state.why)}${
          state.retryAt === Infinity ? "" : "; it is tried again by itself"
        })`,
      );
    }
  }

  /** At a terminal, an item that was chosen is also a reason to connect again. */
  async #reconnect(): Promise<void> {
    if (!this.#terminal.interactive || this.#mail.connection.online) return;
    await this.#connect().catch(() => {});
    await this.#tellState();
  }

  async #flushOutbox(): Promise<void> {
    const { sent, refused } = await this.#mail.flushOutbox();
    if (sent > 0) this.#terminal.print(`${sent} waiting message(s) went out.`);
    const notSent = notSentLine(refused);
    if (notSent !== null) this.#terminal.printError(notSent);
  }

  /** Does one thing. Prints an error and goes on, unless the connection is gone. */
  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isSealpostError(error) || !this.#survivable(error)) throw error;
      const more = error instanceof KeyChangedError ? "; here menu item 8 does that" : "";
      this.#terminal.printError(printable(error.message) + more);
      // A script learns of it from the exit code.
      if (!this.#terminal.interactive) Deno.exitCode = exitCodeFor(error.code);
    }
  }

  /** Whether the menu goes on after `error`. In a pipe it ends with the connection. */
  #survivable(error: SealpostError): boolean {
    const ends = ["connection-lost", "timeout"].includes(error.code) && !this.#terminal.interactive;
    return error.code !== "internal" && !ends;
  }

  #choose(choice: string): Promise<void> {
    switch (choice) {
      case "1":
        return this.#send(false);
      case "2":
        return this.#list();
      case "3":
        return this.#display();
      case "5":
        return this.#send(true);
      case "6":
        return this.#reply();
      case "7":
        return this.#delete();
      case "8":
        return this.#fingerprint();
      default:
        throw new SealpostError("usage", "choose a number from 1 to 8");
    }
  }

  /**
   * Asks all questions before judging any answer, so that the lines of a pipe are never taken for
   * something else; a person hears at once what is wrong, and is asked again.
   */
  async #send(attach: boolean): Promise<void> {
    await this.#withAutosave(emptyDraft(), async (autosaved) => {
      const to = await this.#answer("Enter destinations (separated by ;): ", async (line) => {
        const { names } = await this.#mail.recipientNames(destinations(line));
        await this.#mail.recipients(names);
        return names;
      });
      const title = await this.#answer(
        "Enter title: ",
        (line) => Promise.resolve(checkTitle(line)),
      );
      autosaved?.set({ to: await to(), subject: await title() });
      const text = await this.#contents(autosaved);
      const attachments = attach ? await this.#attachments() : () => Promise.resolve([]);
      const draft = {
        ...emptyDraft(),
        to: await to(),
        subject: await title(),
        text: await text(),
        attachments: await attachments(),
      };
      await confirmEmptyMessage(this.#terminal, draft);
      await this.#deliver(autosaved, draft);
    });
    this.#terminal.print("The message is sent to the server.");
  }

  /** At a terminal, keeps what is written as a draft until it is sent. */
  async #withAutosave(
    draft: Draft,
    work: (autosaved: AutosavedDraft | null) => Promise<void>,
  ): Promise<void> {
    if (!this.#terminal.interactive) return await work(null);
    await withAutosave(this.#terminal, this.#mail.drafts, draft, work);
  }

  async #deliver(autosaved: AutosavedDraft | null, parts: Draft): Promise<void> {
    const note = (line: string) => this.#terminal.printError(line);
    let draft = parts;
    if (autosaved) {
      autosaved.set({ ...parts, id: autosaved.draft.id });
      draft = await autosaved.save();
      await confirmMissingAttachment(this.#terminal, draft);
    }
    const { waits } = await sendDraft(this.#mail, draft, {
      note,
      inOutbox: (there) => {
        if (autosaved) autosaved.settled = there;
      },
    });
    if (waits) throw waits;
  }

  /**
   * Asks, and returns how to judge the answer. At a terminal it judges at once, says what is wrong and
   * asks again; an empty answer gives up.
   */
  async #answer<T>(
    prompt: string,
    judge: (line: string) => Promise<T>,
    completer?: Completer,
  ): Promise<() => Promise<T>> {
    for (;;) {
      const line = await this.#ask(prompt, completer);
      if (!this.#terminal.interactive) return () => judge(line);
      try {
        const value = await judge(line);
        return () => Promise.resolve(value);
      } catch (error) {
        if (!isSealpostError(error) || !this.#survivable(error) || line.trim() === "") throw error;
        this.#terminal.printError(printable(error.message));
      }
    }
  }

  async #contents(autosaved: AutosavedDraft | null): Promise<() => Promise<string>> {
    const load = await this.#yes("Would you like to load contents from a file? (Y/N) ");
    if (load) {
      const judge = (name: string) => this.#loadText(name);
      return await this.#answer("Enter filename: ", judge, (text) => this.#completed(text));
    }
    const text = await this.#terminal.askText(
      "Enter message contents (end with a line that is a single .):",
      (text) => autosaved?.type(text),
    );
    if (text === null) throw new SealpostError("cancelled", "the input ended; nothing was sent");
    autosaved?.set({ text });
    return () => Promise.resolve(text);
  }

  async #loadText(name: string): Promise<string> {
    const path = this.#path(name);
    const bytes = await readFileBounded(path, MAX_TEXT_FILE).catch((error) => {
      throw isSealpostError(error, "limit")
        ? new SealpostError(
          "limit",
          `${name} has over ${MAX_TEXT} characters; send it as an attachment (menu item 5)`,
        )
        : error;
    });
    try {
      return fromUtf8(bytes).replace(/^\ufeff/, "");
    } catch (cause) {
      throw new SealpostError(
        "format",
        `${name} is not text in UTF-8; send it as an attachment (menu item 5)`,
        { cause },
      );
    }
  }

  #attachments(): Promise<() => Promise<string[]>> {
    return this.#answer(
      `Enter files to attach, from ${FILES}/ (separated by ;): `,
      async (line) => {
        const names = line.split(";").map((name) => name.trim()).filter((name) => name !== "");
        if (names.length === 0) {
          throw new SealpostError("usage", "no file was named; nothing was sent");
        }
        const paths = names.map((name) => resolve(this.#path(name)));
        await Promise.all(paths.map(attachmentFromFile));
        return paths;
      },
      // The last of the names is being typed.
      async (line) => {
        const begin = line.slice(0, /[^;]*$/.exec(line)?.index ?? 0);
        const { text, choices } = await this.#completed(line.slice(begin.length).trimStart());
        const blanks = /^\s*/.exec(line.slice(begin.length))?.[0] ?? "";
        return { text: begin + blanks + text, choices };
      },
    );
  }

  /** Completes what {@linkcode Menu.#path} takes. */
  #completed(text: string): Promise<Completed> {
    return completePath(text, /[/\\]/.test(text) || text === "~" ? "." : this.#files);
  }

  /** A plain name is looked for in `files/`; a path is taken as it is. */
  #path(name: string): string {
    const trimmed = expandHome(name.trim());
    return isAbsolute(trimmed) || /[/\\]/.test(trimmed) ? trimmed : join(this.#files, trimmed);
  }

  async #list(): Promise<void> {
    const { renewed } = await this.#sync();
    const items = await this.#mail.list({ folder: "inbox", limit: LISTED });
    this.#listed = items;
    if (renewed) {
      this.#terminal.printError(
        "the server made this mailbox anew since you last looked: ask its operator why",
      );
    }
    if (items.length === 0) return this.#terminal.print("The inbox is empty.");
    const rows = items.map((item, i) => ({ index: String(i + 1), ...listingLine(item, "title") }));
    const from = Math.max(4, ...rows.map((row) => row.from.length));
    const date = Math.max(8, ...rows.map((row) => row.date.length));
    const line = (index: string, who: string, when: string, title: string) => {
      this.#terminal.print(
        `${index.padEnd(6)} ${who.padEnd(from)}  ${when.padEnd(date)}  ${title}`,
      );
    };
    line("Index", "From", "DateTime", "Title");
    for (const row of rows) line(row.index, row.from, row.date, row.subject);
    if (items.length === LISTED) this.#terminal.print(`(the newest ${LISTED} are shown)`);
  }

  async #display(): Promise<void> {
    const opened = await this.#choice("Enter the email index you wish to view: ");
    const message = await this.#mail.fetch(opened);
    try {
      const shown = await this.#mail.show(opened, message);
      const bcc = await this.#mail.blindCopied(opened);
      for (const line of headerLines(opened, bcc, "", "title")) this.#terminal.print(line);
      this.#terminal.print("Contents:");
      this.#terminal.print(textWithCalendars(shown));
      for (const note of shown.notes) this.#terminal.print(`(${note})`);
      await this.#mail.flag([opened.entry.uid], ["seen"]);
      if (shown.attachments.length === 0) return;
      this.#terminal.print("Attachments:");
      for (const { index, name, size } of shown.attachments) {
        this.#terminal.print(`  ${index}) ${name} (${formatSize(size)})`);
      }
      if (await this.#yes(`Would you like to save them to ${FILES}/? (Y/N) `)) {
        await Deno.mkdir(this.#files, { recursive: true });
        for (
          const path of await saveAttachments(message, this.#files, {
            decide: askWhenTaken(this.#terminal),
          })
        ) {
          this.#terminal.print(`Saved ${path}`);
        }
      }
    } finally {
      await message.dispose();
    }
    // The questions that piped answers are for stay what they are.
    if (this.#terminal.interactive) await askAboutGroup(this.#mail, this.#terminal, opened);
  }

  async #reply(): Promise<void> {
    const answers = await this.#choice("Enter the email index you wish to reply to: ");
    const draft = replyTo(answers, this.#mail.name, false);
    this.#terminal.print(`To: ${draft.to.join("; ")}`);
    this.#terminal.print(`Title: ${printable(draft.subject)}`);
    await this.#withAutosave(draft, async (autosaved) => {
      const text = await (await this.#contents(autosaved))();
      await this.#deliver(autosaved, { ...draft, text });
    });
    this.#terminal.print("The message is sent to the server.");
  }

  async #delete(): Promise<void> {
    const item = await this.#item("Enter the email index you wish to delete: ");
    const { from } = listingLine(item);
    if (!await this.#yes(`Delete "${subjectOf(item, "title")}" from ${from} for good? (Y/N) `)) {
      return this.#terminal.print("Nothing was deleted.");
    }
    await this.#mail.remove([item.entry.uid]);
    this.#listed = this.#listed?.filter((other) => other !== item) ?? null;
    this.#terminal.print("The message is deleted; the indexes of older ones have changed.");
  }

  async #fingerprint(): Promise<void> {
    const name = parseName(await this.#ask("Enter the user's name: "));
    const own = this.#mail.identity.bundle.fp;
    this.#terminal.print(`Your own key:  ${formatFingerprint(own)}`);
    if (name === this.#mail.name) return;
    const { pins } = this.#mail.people;
    const pin = pins.get(name);
    const bundle = (await this.#mail.people.offered([name])).get(name);
    if (!bundle) throw new SealpostError("internal", "no key was offered");
    if (!pin) {
      await this.#mail.people.find([name]);
      this.#terminal.print(
        `Key of ${name}:  ${formatFingerprint(bundle.fp)} (seen the first time)`,
      );
      return;
    }
    this.#terminal.print(
      `Key of ${name}:  ${formatFingerprint(pin.fp)} (known since ${formatTime(pin.firstSeen)}${
        pin.verified ? `, ${verification({ ...pin, offered: null }).words}` : ""
      })`,
    );
    if (equal(pin.fp, bundle.fp)) return;
    this.#terminal.print(`The server offers another one now: ${formatFingerprint(bundle.fp)}`);
    this.#terminal.print(
      `Somebody may be between you. Ask ${name}, over another way than this one, for the ` +
        "fingerprint; only if it is the new one, accept it.",
    );
    const reply = await this.#ask(`Type "accept" to use the new key of ${name} from now on: `);
    if (reply.trim() !== "accept") return this.#terminal.print("The known key stays.");
    await pins.replace(name, bundle);
    this.#terminal.print(`The new key of ${name} is in use.`);
  }

  /** Fetches what is new. At a terminal, what was fetched before is enough without a connection. */
  async #sync(): Promise<{ readonly renewed: boolean }> {
    if (!this.#terminal.interactive) return await this.#mail.sync();
    return await this.#mail.refresh();
  }

  /** The opened message that the person chooses by its index. */
  async #choice(prompt: string): Promise<Opened> {
    const { opened, problem } = await this.#item(prompt);
    if (opened) return opened;
    throw new SealpostError("authentication", `this message cannot be opened: ${problem}`);
  }

  async #item(prompt: string): Promise<Item> {
    const text = (await this.#ask(prompt)).trim();
    if (this.#listed === null) {
      await this.#sync();
      this.#listed = await this.#mail.list({ folder: "inbox", limit: LISTED });
    }
    const count = this.#listed.length;
    const item = /^\d{1,4}$/.test(text) ? this.#listed[Number(text) - 1] : undefined;
    if (item) return item;
    throw new SealpostError(
      "usage",
      count === 0
        ? "the inbox is empty"
        : `choose an index from 1 to ${count}, as in the inbox list`,
    );
  }

  async #ask(prompt: string, completer?: Completer): Promise<string> {
    const line = await this.#terminal.ask(prompt, completer);
    if (line === null) throw new SealpostError("cancelled", "the input ended; nothing was done");
    return line;
  }

  async #yes(prompt: string): Promise<boolean> {
    for (;;) {
      const reply = (await this.#ask(prompt)).trim().toLowerCase();
      if (reply === "y" || reply === "yes") return true;
      if (reply === "n" || reply === "no") return false;
      this.#terminal.print("Please answer Y or N.");
    }
  }
}

/** Throws `limit`. */
function checkTitle(title: string): string {
  if ([...title].length <= MAX_TITLE) return title;
  throw new SealpostError("limit", `a title has at most ${MAX_TITLE} characters`);
}

/** The parts of a text that are separated by `;`. Throws `usage` if there are none. */
function destinations(text: string): string[] {
  const names = text.split(";").map((name) => name.trim()).filter((name) => name !== "");
  if (names.length === 0) throw new SealpostError("usage", "no destination was given");
  return names;
}
