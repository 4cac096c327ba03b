import { formatFingerprint } from "../../../crypto/identity.ts";
import {
  matchesSafetyNumber,
  type SafetyNumber,
  safetyNumber,
} from "../../../crypto/safety_number.ts";
import type { Pin } from "../../state/pins.ts";
import { qrLines } from "../../trust/qr_code.ts";
import { lookalikes, verification } from "../../trust/verification.ts";
import { fill, type Line, type Size, span } from "../frame.ts";
import type { Action } from "../keys.ts";
import type { Host, Screen, Shown } from "../screen.ts";
import { Scroller } from "../scroller.ts";
import { wrapText } from "../wrap.ts";

/** Columns for the text beside the code. */
const BESIDE = 34;

/** Compares the keys of two people: both see the same number, or scan each other's code. */
export class VerifyScreen implements Screen {
  readonly mode = "verify";
  readonly #host: Host;
  readonly #pin: Pin;
  readonly #number: SafetyNumber;
  readonly #code: readonly string[];
  readonly #scroller = new Scroller();

  constructor(host: Host, pin: Pin) {
    this.#host = host;
    this.#pin = pin;
    const { name, identity } = host.mail;
    this.#number = safetyNumber({ name, fp: identity.bundle.fp }, pin);
    this.#code = qrLines(this.#number.shown, "dark-on-light");
  }

  where(): string {
    return `Safety number with ${this.#pin.name}`;
  }

  show({ columns, rows }: Size): Shown {
    const wide = this.#code[0]?.length ?? 0;
    const room = this.#code.length <= rows && wide + BESIDE + 3 <= columns;
    const text = this.#text(room ? Math.min(60, columns - wide - 4) : columns - 2);
    if (!room) {
      const whole = text.map((line) => fill([span(" "), ...line], columns));
      return { lines: this.#scroller.show(whole, rows) };
    }
    const lines = this.#code.map((code, i): Line => {
      return fill([span(" "), span(code, "code"), span("  "), ...text[i - 2] ?? []], columns);
    });
    return { lines };
  }

  act(action: Action): void | Promise<void> {
    if (this.#scroller.act(action)) return;
    switch (action) {
      case "same":
        return this.#same();
      case "differs":
        return this.#differs();
      case "scan":
        return this.#scan();
      case "back":
        return this.#host.leave(this);
      case "quit":
        return this.#host.quit();
    }
  }

  #text(columns: number): Line[] {
    const { name, offered } = this.#pin;
    const { pins } = this.#host.mail.people;
    const groups = this.#number.groups;
    const paragraph = (text: string): Line[] => wrapText(text, columns).map((one) => [span(one)]);
    const known = pins.all().map((pin) => pin.name);
    return [
      ...[0, 3, 6, 9].map((at): Line => [span(groups.slice(at, at + 3).join("  "), "strong")]),
      [],
      ...paragraph(
        `${name} sees the same number, if there is nobody between you. Compare it in ` +
          "person or by telephone, not by mail.",
      ),
      [],
      ...paragraph(`Now: ${verification(pins.get(name)).words}.`),
      ...lookalikes(name, known).flatMap((other) => paragraph(`This is not ${other}.`)),
      ...offered
        ? paragraph("The server offers another key now; this number is for the one that is known.")
        : [],
      [],
      ...paragraph(formatFingerprint(this.#pin.fp)),
    ];
  }

  async #same(): Promise<void> {
    const { name, fp } = this.#pin;
    await this.#host.mail.people.pins.verify(name, fp, "in-person");
    this.#host.leave(this);
    this.#host.say(`The key of ${name} is verified.`, "good");
  }

  async #differs(): Promise<void> {
    const { name } = this.#pin;
    await this.#host.mail.people.pins.revokeVerification(name);
    this.#host.leave(this);
    this.#host.say(
      `Somebody may be between you and ${name}. Compare your fingerprints over another way, and ` +
        "send nothing until you know.",
      "error",
    );
  }

  async #scan(): Promise<void> {
    const text = await this.#host.input(`What the code of ${this.#pin.name} says:`);
    if (text === null || text.trim() === "") return;
    if (matchesSafetyNumber(this.#number, text)) await this.#same();
    else await this.#differs();
  }
}
