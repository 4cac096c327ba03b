import { equal } from "../../../crypto/bytes.ts";
import { errorText } from "../../../crypto/error.ts";
import { type Bundle, formatFingerprint } from "../../../crypto/identity.ts";
import { safetyNumber } from "../../../crypto/safety_number.ts";
import { formatTime } from "../../../cli/format.ts";
import { printable } from "../../../cli/printable.ts";
import type { Pin } from "../../state/pins.ts";
import { verification } from "../../trust/verification.ts";
import { fill, type Line, type Look, type Size, span } from "../frame.ts";
import type { Action } from "../keys.ts";
import type { Host, Screen, Shown } from "../screen.ts";
import { Scroller } from "../scroller.ts";
import { wrapText } from "../wrap.ts";

export interface ChangedKeyOptions {
  /** Called when the person has accepted the key. */
  readonly accepted?: () => void;
  /** Whether it is shown because a message has another key than the known one. */
  readonly ofMessage?: boolean;
}

/**
 * A contact whose key waits for the person's word: the server offers another one than the known one, or
 * the one that was verified was left for another, under which nothing is sent yet.
 */
export class ChangedKeyScreen implements Screen {
  readonly mode = "changed-key";
  readonly #host: Host;
  readonly #name: string;
  readonly #accepted: () => void;
  readonly #ofMessage: boolean;
  readonly #scroller = new Scroller();
  #offered: Bundle | null = null;
  #problem: string | null = null;

  constructor(
    host: Host,
    name: string,
    { accepted = () => {}, ofMessage = false }: ChangedKeyOptions = {},
  ) {
    this.#host = host;
    this.#name = name;
    this.#accepted = accepted;
    this.#ofMessage = ofMessage;
    host.background(() => this.#ask());
  }

  where(): string {
    return `The key of ${this.#name}`;
  }

  show({ columns, rows }: Size): Shown {
    const text = this.#text(Math.max(10, columns - 2));
    // Empty lines give way first, so that as much as can be is seen at once.
    const lines = text.length > rows ? text.filter((line) => line.length > 0) : text;
    const whole = lines.map((line) => fill([span(" "), ...line], columns));
    return { lines: this.#scroller.show(whole, rows) };
  }

  act(action: Action): void | Promise<void> {
    if (this.#scroller.act(action)) return;
    switch (action) {
      case "accept":
        return this.#accept();
      case "back":
        return this.#host.leave(this);
      case "quit":
        return this.#host.quit();
    }
  }

  /** What the server offers now. */
  async #ask(): Promise<void> {
    const { people } = this.#host.mail;
    try {
      this.#offered = (await people.offered([this.#name])).get(this.#name) ?? null;
    } catch (error) {
      this.#problem = errorText(error);
    }
  }

  /** Whether there is another key that can be accepted. */
  #changed(pin: Pin): boolean {
    return this.#offered !== null && !equal(this.#offered.fp, pin.fp);
  }

  async #accept(): Promise<void> {
    const { people } = this.#host.mail;
    const pin = people.pins.get(this.#name);
    if (!pin || !this.#offered || !this.#changed(pin) && pin.unconfirmed === null) {
      return this.#host.say("There is no other key to accept.");
    }
    if (this.#changed(pin)) await people.pins.replace(this.#name, this.#offered);
    else await people.pins.confirm(this.#name, pin.fp);
    this.#host.mailbox.reopen();
    this.#host.leave(this);
    this.#host.say(
      `The new key of ${this.#name} is in use. C, then v, compares it and marks it as verified.`,
      "good",
    );
    this.#accepted();
  }

  #text(columns: number): Line[] {
    const name = this.#name;
    const pin = this.#host.mail.people.pins.get(name);
    const paragraph = (text: string, look: Look = "plain"): Line[] => {
      return wrapText(text, columns).map((one) => [span(one, look)]);
    };
    if (this.#problem !== null) {
      return paragraph(`The server cannot be asked now: ${printable(this.#problem)}`, "bad");
    }
    if (!this.#offered || !pin) return [[span("Asking the server …", "dim")]];
    const { mail } = this.#host;
    const own = { name: mail.name, fp: mail.identity.bundle.fp };
    const number = (fp: Pin["fp"]): Line[] => {
      return paragraph(`  ${safetyNumber(own, { name, fp }).groups.join(" ")}`, "strong");
    };
    if (!this.#changed(pin) && pin.unconfirmed !== null) {
      return [
        ...paragraph(
          `${name} has a new key since ${
            formatTime(pin.unconfirmed)
          }, and the old one, which you had ` +
            "verified, has signed that. Whoever stole the old one could sign too. So what you send " +
            "waits in the Outbox until you say that the new one is right:",
        ),
        [],
        ...paragraph(`  ${formatFingerprint(pin.fp)}`),
        ...number(pin.fp),
        [],
        ...paragraph(
          `Ask ${name} in person or by telephone, not by mail, for the number that ` +
            `"keys verify ${mail.name}" shows there (or contacts, v).`,
        ),
        [],
        ...paragraph(`y takes the new key of ${name}; q leaves everything as it is.`, "strong"),
      ];
    }
    if (!this.#changed(pin)) {
      return [
        ...paragraph(`The server offers the key of ${name} that you know.`),
        [],
        ...paragraph(`  ${formatFingerprint(pin.fp)}`),
        [],
        ...paragraph(
          this.#ofMessage
            ? `The message has another key: somebody else may have written it in the name of ` +
              `${name}. There is nothing to accept; ask ${name}, and the server's operator.`
            : "There is nothing to accept.",
        ),
      ];
    }
    const since = pin.offered ? ` since ${formatTime(pin.offered.since)}` : "";
    const before = verification({ ...pin, offered: null }).words;
    return [
      ...paragraph(`The server offers another key for ${name} than the one you know.`, "bad"),
      [],
      ...paragraph(`Known since ${formatTime(pin.firstSeen)}, ${before}:`, "accent"),
      ...paragraph(`  ${formatFingerprint(pin.fp)}`),
      ...number(pin.fp),
      [],
      ...paragraph(`Offered${since}:`, "accent"),
      ...paragraph(`  ${formatFingerprint(this.#offered.fp)}`),
      ...number(this.#offered.fp),
      [],
      ...paragraph(
        `Either ${name} has made new keys, or somebody is between you. Ask ${name} in person or ` +
          `by telephone, not by mail, for the number that "keys verify ${mail.name}" shows there ` +
          "(or contacts, v). Accept only if it is the offered one.",
      ),
      [],
      ...paragraph(`y accepts the offered key of ${name}; q leaves everything as it is.`, "strong"),
    ];
  }
}
