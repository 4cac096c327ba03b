import { displayWidth, fit } from "../../../cli/printable.ts";
import { type DisplayedMessage, textWithCalendars } from "../../mailbox/show.ts";
import { type Link, linksIn } from "../../message/links.ts";
import { fill, highlighted, type Line, right, type Size, span } from "../frame.ts";
import type { Action } from "../keys.ts";
import { EMPTY_LIST, moved, scrolled, withKeys } from "../list_model.ts";
import type { Host, Screen, Shown } from "../screen.ts";
import { wrapText } from "../wrap.ts";

/** Rows below the list, at the most, for all of the address at the cursor. */
const ADDRESS_ROWS = 6;

/** Opens the list of the links in a message, or says that there are none. */
export function openLinks(host: Host, shown: DisplayedMessage | null): void {
  const { links, more } = linksIn(shown === null ? "" : textWithCalendars(shown));
  if (links.length === 0) return host.say("There are no links in this message.");
  host.open(new LinksScreen(host, links));
  if (more) host.say(`There are more links; these are the first ${links.length}.`);
}

/** The links in a message, and where they lead. */
class LinksScreen implements Screen {
  readonly mode = "links";
  readonly #host: Host;
  readonly #links: readonly Link[];
  #list = EMPTY_LIST;
  #rows = 1;

  constructor(host: Host, links: readonly Link[]) {
    this.#host = host;
    this.#links = links;
    this.#list = withKeys(this.#list, links.map(({ number }) => String(number)));
  }

  where(): string {
    return `Links  ${this.#links.length}`;
  }

  show({ columns, rows }: Size): Shown {
    const link = this.#current;
    const wrapped = wrapText(link?.address ?? "", Math.max(10, columns - 2));
    const most = Math.max(0, Math.min(ADDRESS_ROWS, rows - 3));
    const below = wrapped.slice(0, most);
    this.#rows = Math.max(1, rows - below.length - 1);
    this.#list = scrolled(this.#list, this.#rows);
    const { keys, top, cursor } = this.#list;
    const hosts = Math.min(
      Math.floor(columns / 2),
      Math.max(...this.#links.map(({ host }) => displayWidth(host))),
    );
    const lines = keys.slice(top, top + this.#rows).map((key): Line => {
      const one = this.#links[Number(key) - 1];
      const host = fit(one?.host ?? "", hosts, { pad: true });
      const line = fill([
        span(` ${right(key, 4)}  `, "dim"),
        span(host, "strong"),
        span(`  ${one?.words ?? ""}`),
      ], columns);
      return key === cursor ? highlighted(line) : line;
    });
    while (lines.length < this.#rows) lines.push([]);
    const written = link?.address ?? "";
    return {
      lines: [
        ...lines,
        [],
        ...below.map((text): Line => [span(" "), { text, look: "accent", link: written }]),
      ],
    };
  }

  act(action: Action): void | Promise<void> {
    const list = moved(this.#list, action, this.#rows);
    if (list) {
      this.#list = list;
      return;
    }
    switch (action) {
      case "copy":
        return this.#copy();
      case "back":
        return this.#host.leave(this);
      case "quit":
        return this.#host.quit();
    }
  }

  get #current(): Link | undefined {
    return this.#links.find(({ number }) => String(number) === this.#list.cursor);
  }

  #copy(): void {
    const link = this.#current;
    if (!link) return;
    this.#host.copy(link.address);
    this.#host.say(`Link ${link.number} is copied, if your terminal lets programs copy.`, "good");
  }
}
