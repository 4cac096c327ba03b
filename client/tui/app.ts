import { isSealpostError } from "../../crypto/error.ts";
import { printable } from "../../cli/printable.ts";
import type { NewsEvent } from "../../protocol/request.ts";
import { isLost } from "../connection/reconnecting_connection.ts";
import type { Item } from "../mailbox/open.ts";
import { senderText, subjectOf } from "../mailbox/show.ts";
import { followAddress, followedText, noticeText } from "../follow_address.ts";
import { BackgroundTexts } from "../background_texts.ts";
import { HeldSends } from "../held_sends.ts";
import type { Mail } from "../mail.ts";
import { sleep } from "../../protocol/timer.ts";
import { SyncedDrafts } from "../sync_drafts.ts";
import type { Tools } from "../terminal/programs.ts";
import { KeyChangedError } from "../state/pins.ts";
import { drawProgressOn } from "../../cli/progress.ts";
import {
  barRows,
  type ConnectionStatus,
  hintBar,
  type Message,
  messageLine,
  topBar,
} from "./chrome.ts";
import { Display, type DisplayIo, type Key } from "./display.ts";
import { EMPTY_RECORD } from "../../protocol/shared_record.ts";
import { OwnNames } from "../mailbox/own_names.ts";
import { fill, type Line, line, type ScreenContent, type Size, span } from "./frame.ts";
import { type Action, actionOf } from "./keys.ts";
import { editLine, EMPTY_INPUT, inputOf, insert, type LineInput } from "./line_input.ts";
import { Mailbox } from "./mailbox.ts";
import type { Host, InputOptions, Screen } from "./screen.ts";
import { HelpScreen } from "./screens/help.ts";
import { ListScreen } from "./screens/list.ts";
import { sentence } from "../../cli/format.ts";
import type { Signs } from "./signs.ts";
import type { Theme } from "./theme.ts";
import { wrapText } from "./wrap.ts";

/** How long at least a message stays on the screen, milliseconds. */
const SEEN = { info: 2000, good: 2000, error: 6000 } as const;
/** How long events of the server are collected before it is asked, milliseconds. */
const GATHER = 50;
/** How often to look for changes by other programs of this person, milliseconds. */
const LOOK_AROUND = 2000;
/** How often a draft goes to the server while it is being written, milliseconds. */
const STORE_DRAFTS = 20_000;
/** How long the end of the program waits for messages, and then drafts, to go to the server, milliseconds. */
const LAST_SENDS = 3000;
const LAST_DRAFTS = 3000;

/** An open question. */
interface Question {
  readonly text: string;
  /** The letters that answer it; null for a line of input. */
  readonly keys: string | null;
  readonly options: InputOptions;
  input: LineInput;
  choices: readonly string[];
  readonly answer: (answer: string | null) => void;
}

/** What {@linkcode App} needs. */
export interface AppParts {
  readonly mail: Mail;
  readonly io: DisplayIo;
  readonly theme: Theme;
  readonly signs: Signs;
  /** Where attachments are saved. */
  readonly files: string;
  /** The person's editor; null where there is none. */
  readonly tools: Tools | null;
  /** The name and the server, for the bar at the top. */
  readonly account: string;
  /** Whether the bell rings when mail comes. */
  readonly bell: boolean;
  /** Whether the terminal knows hyperlinks. */
  readonly hyperlinks: boolean;
  /** The folder with the person's settings. */
  readonly dir: string;
}

/** The full-screen program: a stack of screens, the questions at the bottom, and work in the background. */
export class App implements Host {
  readonly mail: Mail;
  readonly mailbox: Mailbox;
  readonly files: string;
  readonly signs: Signs;
  readonly tools: Tools | null;
  names = new OwnNames(EMPTY_RECORD);
  readonly #account: string;
  readonly #display: Display;
  readonly #list: ListScreen;
  readonly #drafts: SyncedDrafts;
  /** Why drafts could not be stored, as far as it was said. */
  readonly #saidOfDrafts = new Set<string>();
  readonly #screens: Screen[];
  readonly #questions: Question[] = [];
  readonly #ended = Promise.withResolvers<void>();
  #message: { readonly message: Message; readonly since: number } | null = null;
  /** The last message that goes before announcements. */
  #first: Message | null = null;
  #progress: string | null = null;
  /** When the last key was pressed. */
  #pressed = 0;
  #gathering: ReturnType<typeof setTimeout> | undefined;
  readonly #clocks: ReturnType<typeof setInterval>[] = [];
  readonly #bell: boolean;
  readonly #dir: string;
  #askingOfAddress = false;
  /** The date of the notice of another address that was asked about last. */
  #leftOpen = -1;
  /** That a notice is declined, which has to be on the disk before the program ends. */
  #declining: Promise<void> = Promise.resolve();
  /** The last value of {@linkcode Cache.changesElsewhere}. */
  #changesElsewhere: number;
  undoable = false;
  readonly held: HeldSends;
  readonly #texts: BackgroundTexts;
  #catchingUp: Promise<void> | null = null;
  #caughtUp = false;
  #left = false;
  /** Whether another program has the terminal, and so gets Ctrl-C. */
  #lent = false;

  constructor(
    { mail, io, theme, signs, files, tools, account, bell, hyperlinks, dir }: AppParts,
  ) {
    this.#dir = dir;
    this.tools = tools;
    this.#bell = bell;
    this.#changesElsewhere = mail.cache.changesElsewhere;
    this.mail = mail;
    this.held = new HeldSends(mail.undoSend, () => this.refresh());
    this.#texts = new BackgroundTexts(mail, {
      onDefect: (text) => this.showError(new Error(text)),
    });
    this.files = files;
    this.signs = signs;
    this.#account = account;
    this.mailbox = new Mailbox(mail, {
      changed: () => this.#changed(),
      renewed: () => {
        this.say("The server made this mailbox anew since you last looked: ask why.", "error");
      },
      failed: (error) => {
        if (!isLost(error)) this.showError(error);
      },
    });
    this.#drafts = new SyncedDrafts(mail, () => this.mailbox.sync());
    this.#list = new ListScreen(this);
    this.#screens = [this.#list];
    this.#display = new Display(io, theme, {
      frame: (size) => this.frame(size),
      key: (key) => this.#key(key),
      ended: () => this.#hangUp(),
    }, hyperlinks);
  }

  /** Runs until the person quits. Restores the terminal whatever happens. */
  async run(): Promise<void> {
    const stop = () => this.#display.stop();
    // Before an error is printed.
    globalThis.addEventListener("error", stop);
    globalThis.addEventListener("unhandledrejection", stop);
    globalThis.addEventListener("unload", stop);
    const signals = this.#onSignals();
    drawProgressOn({
      terminal: true,
      columns: () => this.#columns,
      write: (text) => {
        // deno-lint-ignore no-control-regex -- what a bar is written with
        const bar = text.replace(/^\r|\x1b\[K$/g, "");
        this.#progress = bar === "" ? null : bar;
        this.refresh();
      },
      now: () => performance.now(),
    });
    const unlisten = this.mail.connection.onState(({ kind }) => {
      if (kind === "online") this.background(() => this.#catchUp());
      this.refresh();
    });
    this.mail.notices.onNew = () => this.background(() => this.#askAboutAddress());
    this.mail.people.onRotated = ({ name, wasVerified }) => {
      const next = wasVerified ? `; it is not verified yet: keys verify ${name}` : "";
      this.say(`${name} has a new key, which the old one has signed${next}.`);
    };
    // What is new is announced right after this, and would hide it.
    const told = (line: string) => this.#sayFirst(printable(line));
    this.mail.onGroupChanged = told;
    this.mail.rules.onNotice = told;
    this.mail.shared.onNotice = told;
    this.#every(1000, () => {
      if (this.mail.connection.state.kind !== "online" || this.held.latest) this.refresh();
      return Promise.resolve();
    });
    this.#every(LOOK_AROUND, () => this.#lookAround());
    this.#every(STORE_DRAFTS, () => this.#syncDrafts());
    try {
      this.#display.start();
      this.#changed();
      this.names = new OwnNames(await this.mail.shared.known());
      this.background(() => this.#list.reloadLocal());
      this.background(() => this.#catchUp());
      this.background(() => this.#askAboutAddress());
      const { recovered } = this.mail.drafts;
      if (recovered.length > 0) this.say("A text that was left in an editor is in Drafts (5).");
      await this.#ended.promise;
    } finally {
      this.#left = true;
      await this.#texts.close();
      this.mailbox.close();
      for (const clock of this.#clocks) clearInterval(clock);
      clearTimeout(this.#gathering);
      unlisten();
      drawProgressOn(null);
      stop();
      signals();
      globalThis.removeEventListener("error", stop);
      globalThis.removeEventListener("unhandledrejection", stop);
      globalThis.removeEventListener("unload", stop);
    }
  }

  /** Called when the server says what other sessions did in the mailbox. */
  notice(event: NewsEvent): void {
    if (event.event === "shared") {
      return this.background(async () => {
        await this.mail.shareTrust();
        await this.reloadNames();
      });
    }
    if (!this.mail.isNews(event)) return;
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      this.background(() => this.#sync());
    }, GATHER);
  }

  /** Repeats `work`; a failure of the server or the disk is left to the next time. */
  #every(milliseconds: number, work: () => Promise<void>): void {
    let working = false;
    this.#clocks.push(setInterval(() => {
      if (working) return;
      working = true;
      work().catch((error) => {
        if (!isSealpostError(error)) this.showError(error);
      }).finally(() => working = false);
    }, milliseconds));
  }

  /** Takes over what other processes of this person have changed: keys, folders, flags. */
  async #lookAround(): Promise<void> {
    if (await this.mail.people.pins.refresh()) this.mailbox.reopen();
    if (this.#top() === this.#list && this.#list.isLocal) await this.#list.reloadLocal();
    const { changesElsewhere } = this.mail.cache;
    if (changesElsewhere === this.#changesElsewhere) return;
    this.#changesElsewhere = changesElsewhere;
    this.mailbox.reload();
  }

  /** Asks the server for what has changed, and announces what came. */
  async #sync(): Promise<void> {
    await this.#announce(await this.mailbox.sync());
    await this.#syncDrafts();
  }

  /** Brings the drafts here and those on the server together; without a connection, later. */
  async #syncDrafts(): Promise<void> {
    try {
      const { changed, problems } = await this.#drafts.run();
      for (const problem of problems.filter((line) => !this.#saidOfDrafts.has(line))) {
        this.#saidOfDrafts.add(problem);
        this.say(printable(problem), "error");
      }
      if (changed) await this.#list.reloadLocal();
    } catch (error) {
      if (!isSealpostError(error) || !isLost(error)) throw error;
    }
  }

  /** Asks whether to follow the operator's notice of another address, about each once in a run. */
  async #askAboutAddress(): Promise<void> {
    if (this.#askingOfAddress) return;
    this.#askingOfAddress = true;
    try {
      for (;;) {
        const notice = await this.mail.notices.open(this.mail.server);
        if (notice === null || notice.date <= this.#leftOpen) return;
        this.#leftOpen = notice.date;
        const answer = await this.choose(
          `${noticeText(notice)}. Use that? (y)es, (n)o, ask (l)ater`,
          "ynl",
        );
        if (answer === "y") {
          this.say("Asking the server there …");
          const address = await followAddress(this.#dir, this.mail, notice);
          this.say(followedText(address, "From the next start on"), "good");
        } else if (answer === "n") {
          this.#declining = this.mail.notices.decide(notice, "declined");
          await this.#declining;
          this.say("You are not asked again; sealpost.toml has the address, as server.");
        }
      }
    } finally {
      this.#askingOfAddress = false;
    }
  }

  /** Announces the new messages of the inbox that were not read elsewhere. */
  async #announce(fresh: readonly number[]): Promise<void> {
    const items: Item[] = [];
    for (const uid of fresh) {
      const item = await this.mailbox.open(uid);
      if (!item || item.entry.folder !== "inbox" || item.entry.flags.includes("seen")) continue;
      if (item.opened?.summary.from.name !== this.mail.name) items.push(item);
    }
    const [latest] = items;
    if (!latest) return;
    if (this.#bell) this.#display.ring();
    const from = latest.opened ? ` from ${senderText(latest.opened.summary)}` : "";
    const text = `${from}: ${subjectOf(latest)}`;
    // An error stays long enough to be read, and so does what goes first.
    const { message, since = 0 } = this.#message ?? {};
    const left = message?.kind === "error" || message === this.#first
      ? SEEN.error - (performance.now() - since)
      : 0;
    setTimeout(() => {
      this.say(
        items.length === 1 ? `New mail${text}` : `${items.length} new messages, the last${text}`,
        "good",
      );
    }, Math.max(0, left));
  }

  /** What the terminal shows. */
  frame(size: Size): ScreenContent {
    this.#columns = size.columns;
    const screen = this.#top();
    const bars = barRows(size);
    const bottom = this.#bottom(size);
    const rows = Math.max(1, size.rows - bars.top - (bars.bottom - 1) - bottom.lines.length);
    const shown = screen.show({ columns: size.columns, rows });
    const body: Line[] = shown.lines.slice(0, rows);
    while (body.length < rows) body.push([]);
    const where = `Sealpost  ${screen.where()}`;
    const lines: Line[] = [
      topBar(where, this.#connection(), size.columns),
      ...body.map((line) => fill(line, size.columns)),
      ...bars.bottom > 1 ? [hintBar(screen.mode, size.columns)] : [],
      ...bottom.lines,
    ];
    const cursor = bottom.cursor !== null
      ? { row: lines.length - 1, column: bottom.cursor }
      : shown.cursor
      ? { row: bars.top + shown.cursor.row, column: shown.cursor.column }
      : null;
    return { lines: lines.slice(0, size.rows), cursor };
  }
  #columns = 80;

  refresh(): void {
    this.#display.refresh();
  }

  say(text: string, kind: "info" | "good" | "error" = "info"): void {
    this.#message = { message: { kind, text }, since: performance.now() };
    this.refresh();
  }

  /** Says what new mail is announced after only. */
  #sayFirst(text: string): void {
    this.say(text);
    this.#first = this.#message?.message ?? null;
  }

  showError(error: unknown): void {
    // Anything else is a defect and ends the program.
    if (!isSealpostError(error)) return void Promise.reject(error);
    if (error.code === "cancelled") return this.say(printable(error.message));
    if (error instanceof KeyChangedError) {
      const name = error.person;
      return this.say(
        `The server offers another key for ${name} than the one you know; nothing was sent or ` +
          "opened. C (contacts), then t shows both keys and accepts the new one.",
        "error",
      );
    }
    this.say(sentence(printable(error.message)), "error");
  }

  copy(text: string): void {
    this.#display.copy(text);
  }

  open(screen: Screen): void {
    this.#settle();
    this.#screens.push(screen);
    this.refresh();
  }

  leave(screen: Screen): void {
    const at = this.#screens.indexOf(screen);
    if (at > 0) this.#screens.splice(at, 1);
    this.#settle();
    this.background(async () => {
      await screen.close?.();
      await this.reloadLocal();
    });
    this.refresh();
  }

  /** Removes what was said about the screen that was just left. */
  #settle(): void {
    const { message, since } = this.#message ?? {};
    if (message?.kind !== "error" && since !== undefined && since < this.#pressed) {
      this.#message = null;
    }
  }

  async reloadNames(): Promise<void> {
    this.names = await this.mail.names();
    this.#changed();
  }

  async reloadLocal(): Promise<void> {
    await this.#list.reloadLocal();
    this.background(() => this.#syncDrafts());
  }

  input(label: string, options: InputOptions = {}): Promise<string | null> {
    return this.#ask(label, null, options);
  }

  choose(question: string, keys: string): Promise<string | null> {
    return this.#ask(question, keys, {});
  }

  background(work: () => Promise<void>): void {
    work().catch((error) => {
      if (!this.#left) this.showError(error);
    }).finally(() => this.refresh());
  }

  async lend(work: () => Promise<void>): Promise<void> {
    this.#lent = true;
    try {
      await this.#display.lend(work);
    } finally {
      this.#lent = false;
    }
  }

  async quit(): Promise<void> {
    if (this.#progress !== null) {
      const answer = await this.choose(
        "Something is still on its way. Leave all the same? (y/n)",
        "yn",
      );
      if (answer !== "y") return;
    }
    await this.#saveWork();
    // What has not gone out by then waits in the outbox.
    await this.held.finish(LAST_SENDS);
    await this.#declining.catch(() => {});
    // What is not there by then goes with the next connection.
    await Promise.race([this.#syncDrafts().catch(() => {}), sleep(LAST_DRAFTS)]);
    this.#ended.resolve();
  }

  #ask(text: string, keys: string | null, options: InputOptions): Promise<string | null> {
    return new Promise((resolve) => {
      const input = options.value === undefined ? EMPTY_INPUT : inputOf(options.value);
      this.#questions.push({ text, keys, options, input, choices: [], answer: resolve });
      this.refresh();
    });
  }

  #top(): Screen {
    return this.#screens.at(-1) ?? this.#list;
  }

  #changed(): void {
    for (const screen of this.#screens ?? []) screen.changed?.();
    const { unread } = this.mailbox?.count("inbox") ?? { unread: 0 };
    this.#display?.setTitle(`${unread > 0 ? `(${unread}) ` : ""}Sealpost ${this.#account}`);
    this.#display?.refresh();
  }

  /** What to do whenever a connection was made. */
  #catchUp(): Promise<void> {
    return this.#catchingUp ??= (async () => {
      try {
        if (!this.mail.connection.online) return;
        this.background(() => this.reloadNames());
        this.background(() => this.mail.refreshMembers());
        const fresh = await this.mailbox.sync();
        // What came before the program started is just in the list.
        if (this.#caughtUp) await this.#announce(fresh);
        this.#caughtUp = true;
        const { sent, refused } = await this.mail.flushOutbox();
        if (sent > 0) this.say(`${sent} waiting message(s) went out.`, "good");
        for (const line of refused) {
          this.say(`A waiting message was not sent, ${printable(line)}`, "error");
        }
        await this.reloadLocal();
      } finally {
        this.#catchingUp = null;
      }
    })();
  }

  #connection(): ConnectionStatus {
    const { state } = this.mail.connection;
    switch (state.kind) {
      case "online":
        return { words: this.#account, lost: false };
      case "connecting":
        return { words: "connecting …", lost: true };
      case "offline": {
        const seconds = Math.max(0, Math.ceil((state.retryAt - Date.now()) / 1000));
        return {
          words: Number.isFinite(seconds) ? `offline, again in ${seconds} s` : "offline",
          lost: true,
        };
      }
    }
  }

  /** The lines at the bottom: a question, a progress bar, or the last message. */
  #bottom(size: Size): { readonly lines: Line[]; readonly cursor: number | null } {
    const { columns, rows } = size;
    const question = this.#questions[0];
    const most = Math.max(1, Math.min(5, rows - 4));
    if (question) {
      const above = wrapText(question.text, columns - 3);
      if (question.keys === null) {
        const { line, cursor } = messageLine({
          kind: "input",
          label: question.text,
          input: question.input,
          hidden: question.options.hidden ?? false,
          choices: question.choices,
        }, columns);
        return { lines: [line], cursor };
      }
      const last = messageLine({ kind: "question", text: above.at(-1) ?? "" }, columns);
      const before = above.slice(0, -1).slice(1 - most);
      return {
        lines: [
          ...most > 1 ? before.map((text) => fill([span(` ${text}`, "strong")], columns)) : [],
          last.line,
        ],
        cursor: last.cursor,
      };
    }
    if (this.#progress !== null) {
      return {
        lines: [messageLine({ kind: "progress", text: this.#progress }, columns).line],
        cursor: null,
      };
    }
    const message = this.#message?.message ?? this.#heldSend() ?? this.#offline();
    if (message?.kind !== "info" && message?.kind !== "good" && message?.kind !== "error") {
      return { lines: [fill([], columns)], cursor: null };
    }
    const look = message.kind === "error" ? "bad" : message.kind === "good" ? "good" : "plain";
    const lines = wrapText(message.text, columns - 2).slice(0, most);
    return { lines: lines.map((text) => fill(line(` ${text}`, look), columns)), cursor: null };
  }

  /** Until when the last message can be taken back; null if there is none. */
  #heldSend(): Message | null {
    const { latest } = this.held;
    if (!latest) return null;
    const seconds = Math.max(1, Math.ceil((latest.until - Date.now()) / 1000));
    return { kind: "info", text: `The message goes out in ${seconds} s; u takes it back.` };
  }

  /** Why there is no connection; null if there is one. */
  #offline(): Message | null {
    const { state } = this.mail.connection;
    if (state.kind !== "offline") return null;
    return { kind: "info", text: sentence(`no connection: ${printable(state.why)}`) };
  }

  #key(key: Key): void | Promise<void> {
    this.#pressed = performance.now();
    this.#texts.pause();
    const { message, since } = this.#message ?? {};
    if (message && since !== undefined && message.kind in SEEN) {
      const kind = message.kind === "error" ? "error" : "info";
      if (performance.now() - since > SEEN[kind]) this.#message = null;
    }
    try {
      return this.#dispatch(key);
    } finally {
      this.refresh();
    }
  }

  #dispatch(key: Key): void | Promise<void> {
    if (this.#questions.length > 0) return this.#answer(key);
    const screen = this.#top();
    if (screen.handleKey?.(key)) return;
    const action = actionOf(screen.mode, key.name);
    if (action !== null) return this.#act(screen, action);
    if (key.name !== "paste") this.say("That key does nothing here; ? shows the keys.");
  }

  #act(screen: Screen, action: Action): void | Promise<void> {
    // Undo is for the action right before it.
    if (action !== "undelete") this.undoable = false;
    if (action === "undelete" && !this.undoable && this.held.takeBack()) return;
    switch (action) {
      case "help":
        return this.open(new HelpScreen(this, screen.mode));
      case "redraw":
        return this.#display.redraw();
      case "suspend":
        return this.#suspend();
      case "refresh":
        return this.background(async () => {
          this.say("Asking the server …");
          await this.mail.connection.connect();
          await this.#catchUp();
          if (this.#message?.message.kind === "info") this.say("This is what the server has.");
        });
      default: {
        const doing = attempt(() => screen.act(action));
        this.background(() => doing);
        // No key may be read while another program has the terminal.
        if (action === "editor" || action === "pipe") return doing.catch(() => {});
      }
    }
  }

  #answer(key: Key): void {
    const question = this.#questions[0];
    if (!question) return;
    const settle = (answer: string | null) => {
      this.#questions.shift();
      question.answer(answer);
    };
    if (key.name === "escape" || key.name === "ctrl+c") return settle(null);
    if (question.keys !== null) {
      const letter = key.text?.toLowerCase() ?? "";
      if (letter.length === 1 && question.keys.includes(letter)) settle(letter);
      return;
    }
    if (key.name === "enter") return settle(question.input.text);
    if (key.name === "tab") return this.#complete(question);
    question.choices = [];
    question.input = key.text === null
      ? editLine(question.input, key.name) ?? question.input
      : insert(question.input, key.text);
  }

  #complete(question: Question): void {
    const { complete } = question.options;
    if (!complete) return;
    const { text } = question.input;
    this.background(async () => {
      const completed = await complete(text);
      if (question.input.text !== text) return;
      question.input = inputOf(completed.text);
      question.choices = completed.choices.map((choice) => printable(choice));
    });
  }

  async #suspend(): Promise<void> {
    const { tools } = this;
    if (!tools) return this.say("Here the program cannot be suspended.");
    await this.#display.lend(() => tools.suspend());
  }

  async #saveWork(): Promise<void> {
    for (const screen of [...this.#screens]) await screen.saveWork?.();
  }

  /** The terminal is gone: saves what was written, and ends. */
  #hangUp(): void {
    this.#saveWork().catch(() => {}).finally(() => this.#ended.resolve());
  }

  #onSignals(): () => void {
    const taken: (() => void)[] = [];
    for (const [signal, number] of [["SIGINT", 2], ["SIGTERM", 15], ["SIGHUP", 1]] as const) {
      const listener = () => {
        if (this.#lent && signal === "SIGINT") return;
        this.#saveWork().catch(() => {}).finally(() => {
          this.#display.stop();
          Deno.exit(128 + number);
        });
      };
      try {
        Deno.addSignalListener(signal, listener);
        taken.push(() => Deno.removeSignalListener(signal, listener));
      } catch {
        // A system without that signal.
      }
    }
    return () => {
      for (const give of taken) give();
    };
  }
}

/** Runs `work`; what it throws at once rejects the promise too. */
async function attempt(work: () => void | Promise<void>): Promise<void> {
  await work();
}
