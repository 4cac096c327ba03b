import { chosen, fill, type Line, right, type Size, span } from "../frame.ts";
import type { Action } from "../keys.ts";
import { EMPTY_LIST, moveBy, moveTo, withKeys } from "../list_model.ts";
import type { Host, Screen, Shown } from "../screen.ts";
import { movement } from "../scroller.ts";
import { type ListScreen, placeName, PLACES } from "./list.ts";

/** The folders, with what is in them. */
export class FoldersScreen implements Screen {
  readonly mode = "folders";
  readonly #host: Host;
  readonly #of: ListScreen;
  #list = EMPTY_LIST;

  constructor(host: Host, of: ListScreen) {
    this.#host = host;
    this.#of = of;
    this.#list = { ...withKeys(EMPTY_LIST, PLACES), cursor: of.place };
    host.background(() => of.local());
  }

  where(): string {
    return "Folders";
  }

  show({ columns }: Size): Shown {
    const lines = PLACES.map((place, i): Line => {
      const { total, unread } = this.#of.counts(place);
      const line = fill([
        span(` ${i + 1}  `, "dim"),
        span(placeName(place).padEnd(10), unread > 0 ? "strong" : "plain"),
        span(right(String(total), 8)),
        span(unread > 0 ? `  ${unread} new` : "", "accent"),
      ], columns);
      return place === this.#list.cursor ? chosen(line) : line;
    });
    return { lines };
  }

  act(action: Action): void | Promise<void> {
    const by = movement(action, PLACES.length);
    if (by !== null) {
      this.#list = Math.abs(by) === Infinity
        ? moveTo(this.#list, by < 0 ? 0 : PLACES.length - 1)
        : moveBy(this.#list, by);
      return;
    }
    if (action === "quit") return this.#host.quit();
    if (action === "open") {
      const place = PLACES.find((one) => one === this.#list.cursor);
      if (place) this.#of.go(place);
    }
    this.#host.leave(this);
  }
}
