import { defined } from "../../crypto/defined.ts";
import { SealpostError } from "../../crypto/error.ts";
import { utf8 } from "../../crypto/bytes.ts";
import { printable, printableJson } from "../../cli/printable.ts";
import { Arrivals } from "../arrivals.ts";
import { type ConnectionState, isLost } from "../connection/reconnecting_connection.ts";
import type { Item } from "../mailbox/open.ts";
import { shortId } from "../mailbox/message_ids.ts";
import type { Hooks } from "../terminal/programs.ts";
import { findProfile, requireAddress } from "../state/profile.ts";
import { openLocalUser, openMail } from "../session.ts";
import type { OwnNames } from "../mailbox/own_names.ts";
import { listingLine, senderText } from "../mailbox/show.ts";
import { Stop } from "../terminal/stop.ts";
import { openTerminal, type Terminal } from "../terminal/terminal.ts";
import { type CommonOptions, namesFor, toJson } from "./common.ts";

/** What `watch` was given. */
export interface WatchOptions extends CommonOptions {
  readonly folder: string;
  /** After so many messages it ends; 0: never. */
  readonly count: number;
  /** Whether what came before now is passed over. */
  readonly fromNow: boolean;
  /** Whether a command was given, which `hooks` runs for each message. */
  readonly exec: boolean;
  /** Whether the desktop, or the terminal, is to say that a message came. */
  readonly notify: boolean;
  readonly hooks: Hooks | null;
}

/** Characters of a subject in a notification. */
const MAX_SHOWN = 100;

/** The `watch` command: tells of each message as it comes, until it is stopped. */
export async function watch(options: WatchOptions): Promise<void> {
  const { hooks } = options;
  if (options.exec && !hooks) {
    throw new SealpostError("usage", "--exec needs a shell (sh), which is not to be had here");
  }
  const terminal = openTerminal();
  const profile = await findProfile(options);
  const person = await openLocalUser(terminal, profile.dir, profile.name);
  const bell = new Bell();
  const mail = await openMail({
    terminal,
    address: requireAddress(profile),
    name: profile.name,
    dir: profile.dir,
    person,
    useTicket: true,
    cache: !options.noCache && profile.config.cache !== false,
    reconnect: true,
    offline: "read",
    onNews: () => bell.ring(),
    announce: (line) => terminal.printError(line),
    ...defined({ passwordFile: options.passwordFile }),
  });
  using stop = new Stop(() => bell.ring());
  try {
    tellState(terminal, mail.connection.state);
    mail.connection.onState((state) => {
      tellState(terminal, state);
      bell.ring();
    });
    const folder = await mail.findFolder(options.folder);
    const arrivals = await Arrivals.load(person.state, folder, options.fromNow);
    let told = 0;
    while (stop.code === null) {
      if (mail.connection.online) {
        try {
          if (!mail.connection.online) continue;
          for (const cached of await arrivals.fetch(mail)) {
            const item = await mail.openItem(cached);
            await tell(terminal, options, item, await namesFor(mail, [item]));
            await arrivals.told(mail, cached.entry.uid);
            if (++told === options.count) return;
            if (stop.code !== null) break;
          }
        } catch (error) {
          // The connection says why, and announces its return.
          if (!isLost(error)) throw error;
        }
      } else if (
        mail.connection.state.kind === "offline" && mail.connection.state.retryAt === Infinity
      ) {
        await mail.connection.connected();
      }
      if (stop.code === null) await bell.rung();
    }
  } finally {
    await mail.close();
    await hooks?.close();
  }
  Deno.exitCode = stop.code;
}

/** Tells of one message in every way that was asked for. */
async function tell(
  terminal: Terminal,
  options: WatchOptions,
  item: Item,
  names: OwnNames,
): Promise<void> {
  const { hooks } = options;
  const id = item.entry.header.slice(1, 17);
  const { from, date, subject } = listingLine(item, "subject", names);
  if (options.json) terminal.print(printableJson(toJson(item, names), 0));
  else terminal.print(`${shortId(id)}  ${from}  ${date}  ${subject}`);
  const { summary } = item.opened ?? {};
  const arrival = {
    id: toJson(item, names).id,
    from: summary ? senderText(summary) : "",
    subject: summary?.subject ?? "",
  };
  if (options.notify) await notify(terminal, hooks, arrival);
  if (!options.exec || !hooks) return;
  const code = await hooks.run(arrival);
  if (code !== 0) terminal.printError(`The command for ${shortId(id)} ended with code ${code}.`);
}

async function notify(
  terminal: Terminal,
  hooks: Hooks | null,
  arrival: Parameters<Hooks["notify"]>[0],
): Promise<void> {
  const how = await hooks?.notify(arrival) ?? "bell";
  if (how === "shown") return;
  const text = printable(`Mail from ${arrival.from}: ${arrival.subject}`).slice(0, MAX_SHOWN);
  // OSC 9, which terminals that do not know it pass over, and the bell.
  terminal.writeBytes(utf8(how === "sequence" ? `\x1b]9;${text}\x07\x07` : "\x07"));
}

function tellState(terminal: Terminal, state: ConnectionState): void {
  if (state.kind !== "offline" || state.retryAt === Infinity) return;
  const seconds = Math.max(1, Math.round((state.retryAt - Date.now()) / 1000));
  terminal.printError(printable(`Offline: ${state.why}; trying again in ${seconds} s.`));
}

/** Something that wakes whoever waits for it; a ring that nobody waits for is kept. */
class Bell {
  #rings = Promise.withResolvers<void>();

  ring(): void {
    this.#rings.resolve();
  }

  async rung(): Promise<void> {
    await this.#rings.promise;
    this.#rings = Promise.withResolvers();
  }
}
