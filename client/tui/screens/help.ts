import { fill, type Line, type Size, span } from "../frame.ts";
import { type Action, INPUT_KEYS, KEY_TABLE, keyName, type Mode, TEXT_KEYS } from "../keys.ts";
import type { Host, Screen, Shown } from "../screen.ts";
import { Scroller } from "../scroller.ts";
import { wrapText } from "../wrap.ts";

const TITLES: Readonly<Record<Mode, string>> = {
  list: "The list of messages",
  reader: "A message",
  compose: "Writing",
  folders: "The folders",
  contacts: "The contacts",
  devices: "Your machines",
  attachments: "The attachments of a message",
  links: "The links of a message",
  attached: "A message that is attached to another",
  "changed-key": "A key that has changed",
  verify: "A safety number",
  help: "This help",
};

/** Columns for the keys, with their margins. */
const KEYS_WIDTH = 22;

/** The help on the keys, first on those of `mode`. */
export function helpLines(mode: Mode, columns: number): Line[] {
  const modes: Mode[] = [
    "list",
    "reader",
    "compose",
    "folders",
    "contacts",
    "devices",
    "verify",
    "changed-key",
    "attachments",
    "attached",
    "links",
  ];
  const out: Line[] = [];
  for (const one of [mode, ...modes.filter((other) => other !== mode)]) {
    out.push([span(` ${TITLES[one]}`, "strong")]);
    for (const { keys, help } of KEY_TABLE[one]) {
      if (help !== "") out.push(...row(keys.map(keyName).join(", "), help));
    }
    if (one === "compose") {
      for (const [keys, help] of TEXT_KEYS) out.push(...row(keys, help));
      out.push(...row("NAME ?", "no key of that name is known here yet"));
      out.push(...row("NAME ✗", "there is nobody of that name"));
    }
    out.push([]);
  }
  out.push([span(" A question or a line of input", "strong")]);
  for (const [keys, help] of INPUT_KEYS) out.push(...row(keys, help));
  out.push([], [span(" Signs in the list", "strong")]);
  for (
    const [sign, meaning] of [
      ["N", "new"],
      ["r", "answered"],
      ["!", "flagged (second column)"],
      ["✓ !", "the sender's key is verified; another key is offered than the known one"],
      ["↳ @2 *", "answers another message; two attachments; tagged"],
    ] as const
  ) out.push(...row(sign, meaning));
  return out.map((line) => fill(line, columns));

  /** One entry, in as many lines as it takes. */
  function row(keys: string, help: string): Line[] {
    const pieces = wrapText(help, Math.max(10, columns - KEYS_WIDTH));
    return pieces.map((piece, i): Line => [
      span(`   ${(i === 0 ? keys : "").padEnd(KEYS_WIDTH - 4)} `, "accent"),
      span(piece),
    ]);
  }
}

/** What the keys do. */
export class HelpScreen implements Screen {
  readonly mode = "help";
  readonly #scroller = new Scroller();

  constructor(readonly host: Host, readonly of: Mode) {}

  where(): string {
    return "Help";
  }

  show({ columns, rows }: Size): Shown {
    return { lines: this.#scroller.show(helpLines(this.of, columns), rows) };
  }

  act(action: Action): void {
    if (action === "back") this.host.leave(this);
    else this.#scroller.act(action);
  }
}
