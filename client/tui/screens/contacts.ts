import { formatTime } from "../../../cli/format.ts";
import { displayWidth, fit } from "../../../cli/printable.ts";
import { formatFingerprint } from "../../../crypto/identity.ts";
import { EVENT_WORDS } from "../../trust/key_log.ts";
import { verification } from "../../trust/verification.ts";
import { fill, highlighted, type Line, type Size, span } from "../frame.ts";
import type { Action } from "../keys.ts";
import { EMPTY_LIST, moved, scrolled, withKeys } from "../list_model.ts";
import type { Host, Screen, Shown } from "../screen.ts";
import { ChangedKeyScreen } from "./changed_key.ts";
import { fullNameText, STAR_WORDS } from "../rows.ts";
import { ComposeScreen, newDraft } from "./compose.ts";
import { DevicesScreen } from "./devices.ts";
import { VerifyScreen } from "./verify.ts";

/** Events of a contact's key that are shown, the latest. */
const MAX_EVENTS = 3;
/** Columns for names. */
const NAMES = 20;
/** Fewer columns are not worth beginning a full name in, and as many are needed for the state of a key. */
const LEAST_FULL_NAME = 8;
const MOST_FULL_NAME = 32;
const STATE = 40;

/** The contacts, and how far their keys were verified. */
export class ContactsScreen implements Screen {
  readonly mode = "contacts";
  readonly #host: Host;
  #list = EMPTY_LIST;
  #rows = 1;

  /** `name`: where the cursor is at first. */
  constructor(host: Host, name?: string) {
    this.#host = host;
    this.#list = withKeys(
      name === undefined ? EMPTY_LIST : { keys: [], cursor: name, top: 0 },
      host.mail.people.pins.all().map((pin) => pin.name),
    );
  }

  where(): string {
    return `Contacts  ${this.#list.keys.length}`;
  }

  show({ columns, rows }: Size): Shown {
    const below = rows >= 12 ? 7 : 0;
    this.#rows = Math.max(1, rows - below);
    this.#list = scrolled(this.#list, this.#rows);
    const { keys, top, cursor } = this.#list;
    const { pins } = this.#host.mail.people;
    if (keys.length === 0) {
      return {
        lines: [
          [],
          fill(
            [span("  Nobody is known yet. Keys are learned from the first message.", "dim")],
            columns,
          ),
        ],
      };
    }
    const shown = keys.slice(top, top + this.#rows);
    const names = new Map(shown.map((name) => {
      return [name, fullNameText(this.#host.mail.fullNameOf(name))];
    }));
    const widest = Math.max(0, ...[...names.values()].map((text) => displayWidth(text)));
    const room = Math.min(widest, MOST_FULL_NAME, columns - NAMES - STATE);
    const full = room < Math.min(widest, LEAST_FULL_NAME) ? 0 : room;
    const lines = shown.map((name): Line => {
      const { mark, words, verified } = verification(pins.get(name));
      const sign = mark === "✓" ? this.#host.signs.verified : mark;
      const line = fill([
        span(` ${sign} `, mark === "!" ? "bad" : "good"),
        span(name.padEnd(NAMES), verified ? "plain" : "strong"),
        ...full === 0 ? [] : [span(` ${fit(names.get(name) ?? "", full, { pad: true })} `)],
        span(` ${words}`, mark === "!" ? "bad" : verified ? "good" : "dim"),
      ], columns);
      return name === cursor ? highlighted(line) : line;
    });
    return { lines: [...lines, ...below > 0 ? this.#details(columns, rows - lines.length) : []] };
  }

  act(action: Action): void | Promise<void> {
    const list = moved(this.#list, action, this.#rows);
    if (list) {
      this.#list = list;
      return;
    }
    const name = this.#list.cursor;
    switch (action) {
      case "back":
        return this.#host.leave(this);
      case "quit":
        return this.#host.quit();
      case "compose":
        if (name === null) return;
        return this.#host.open(
          new ComposeScreen(this.#host, { ...newDraft(this.#host), to: [name] }),
        );
      case "verify":
        if (name !== null) this.#verify(name);
        return;
      case "trust":
        if (name !== null) this.#host.open(new ChangedKeyScreen(this.#host, name));
        return;
      case "devices":
        return this.#host.open(new DevicesScreen(this.#host));
    }
  }

  /** The key of the contact at the cursor, for the bottom of the screen. */
  #details(columns: number, room: number): Line[] {
    const pin = this.#list.cursor === null
      ? null
      : this.#host.mail.people.pins.get(this.#list.cursor);
    if (!pin) return [];
    const fullName = this.#host.mail.fullNameOf(pin.name);
    const lines: Line[] = [
      [],
      ...fullName === null ? [] : [[
        span(" Full name    ", "accent"),
        span(fullNameText(fullName)),
        ...fullName.signed ? [] : [span(`   ${STAR_WORDS}`, "dim")],
      ]],
      [span(" Key          ", "accent"), span(formatFingerprint(pin.fp))],
      [span(" Known since  ", "accent"), span(formatTime(pin.firstSeen))],
    ];
    const { log } = this.#host.mail;
    const history = log.history(pin.name).slice(-MAX_EVENTS).map(({ event, time }) => {
      return `${EVENT_WORDS[event]} ${formatTime(time)}`;
    });
    if (history.length > 0) {
      lines.push([span(" Key log      ", "accent"), span(history.join(", "))]);
    }
    if (log.held([pin]).length > 0) {
      lines.push([
        span(" Waits        ", "bad"),
        span("mail to them, because of the key log", "bad"),
      ]);
    }
    if (pin.offered) {
      lines.push([
        span(" Offered      ", "bad"),
        span(formatFingerprint(pin.offered.fp), "bad"),
      ]);
    }
    const gap = Math.max(0, room - lines.length);
    return [...Array.from({ length: gap }, (): Line => []), ...lines].map((line) =>
      fill(line, columns)
    );
  }

  #verify(name: string): void {
    const pin = this.#host.mail.people.pins.get(name);
    if (pin) this.#host.open(new VerifyScreen(this.#host, pin));
  }
}
