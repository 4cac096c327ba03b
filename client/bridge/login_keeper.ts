import * as v from "valibot";
import { formatTime } from "../../cli/format.ts";
import { PROGRAM } from "../../cli/program.ts";
import { type Bytes, fromUtf8, utf8 } from "../../crypto/bytes.ts";
import { isSealpostError } from "../../crypto/error.ts";
import { parseJson } from "../../protocol/schema.ts";
import { formatMessageId, newMessageId } from "../../protocol/uuid.ts";
import { addressOf, fullMessageId } from "../message/mail_names.ts";
import type { State } from "../state/state.ts";
import { mailDate } from "./given.ts";
import { ImapError } from "./imap/error.ts";

const FILE = "bridge-told";
const HOUR = 3_600_000;

/** How often a bridge looks when its ticket ends, milliseconds: machines sleep, and clocks with them. */
const LOOK = HOUR / 4;

/** A ticket that ends within this is exchanged for another one, milliseconds. */
const RENEW = 18 * HOUR;

/** One that was just given, and ends within this, is of the last day: no other will end later. */
const LAST = 23 * HOUR;

const told = v.strictObject({ end: v.pipe(v.number(), v.safeInteger()) });

/** What a {@linkcode LoginKeeper} works with. */
export interface KeptLogin {
  readonly name: string;
  readonly state: State;
  /** Whether there is a connection. */
  readonly online: () => boolean;
  /** Logs on by the ticket beside the connection; when the next one ends, null if there is none. */
  readonly renew: () => Promise<number | null>;
  /** Stores a message in the inbox. */
  readonly store: (message: Bytes) => Promise<void>;
  /** Told of a defect. */
  readonly onDefect: (error: unknown) => void;
}

/**
 * Keeps a bridge without a password able to log on again: a ticket lasts for a day, and for a week after
 * the last password. It is exchanged before it ends, and on the last day a message in the inbox says
 * so, while there is a connection: without one nothing can be stored there.
 */
export class LoginKeeper {
  readonly #login: KeptLogin;
  #end: number | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(login: KeptLogin) {
    this.#login = login;
  }

  /** A login has brought a ticket that ends at `end`, milliseconds since 1970. */
  brought(end: number): void {
    this.#end = end;
  }

  start(): void {
    this.#timer = setInterval(() => this.look().catch(this.#login.onDefect), LOOK);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Does what is to be done. What fails is tried again the next time. */
  async look(now = Date.now()): Promise<void> {
    const { online, renew } = this.#login;
    if (this.#end === null || this.#end - now > RENEW || this.#end <= now || !online()) return;
    try {
      this.#end = await renew() ?? this.#end;
      if (this.#end - now <= LAST) await this.#tell(this.#end);
    } catch (error) {
      if (!isSealpostError(error) && !(error instanceof ImapError)) throw error;
    }
  }

  /** Says it once for each end, also when the bridge was started again meanwhile. */
  async #tell(end: number): Promise<void> {
    const { name, state, store } = this.#login;
    const kept = await state.read(FILE);
    if (kept !== null && parseJson(told, fromUtf8(kept)).end === end) return;
    await store(endMessage(name, end));
    await state.write(FILE, utf8(JSON.stringify({ end })));
  }
}

/** The message that says until when a bridge logs on by itself. */
function endMessage(name: string, end: number): Bytes {
  const until = formatTime(end);
  const id = fullMessageId(formatMessageId(newMessageId()));
  return utf8([
    `From: Sealpost bridge <${addressOf("sealpost-bridge")}>`,
    `To: ${addressOf(name)}`,
    `Subject: The bridge needs your password after ${until}`,
    `Date: ${mailDate(Date.now())}`,
    `Message-ID: <${id}>`,
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=utf-8",
    "",
    "The bridge that brings your mail to this program logs in by itself for a week",
    `after you entered your password: until ${until}.`,
    "",
    "When its connection is lost after that, it shows what it has fetched and nothing",
    "new, and what you send waits. Before that, stop it, start it again, and enter",
    "your password:",
    "",
    `    ${PROGRAM} logout`,
    `    ${PROGRAM} bridge`,
    "",
    `"${PROGRAM} bridge --password-file FILE" does without you from then on.`,
    "",
  ].join("\r\n"));
}
