import { displayWidth, fit, printable } from "../../../cli/printable.ts";
import { fill, highlighted, type Line, right, type Size, span } from "../frame.ts";
import type { Action } from "../keys.ts";
import { EMPTY_LIST, moved, scrolled, withKeys } from "../list_model.ts";
import {
  digitOf,
  folderName,
  isSearch,
  keptSearch,
  type ListFolder,
  listFolders,
} from "../messages.ts";
import type { Host, Screen, Shown } from "../screen.ts";

/** The list whose folder is chosen. */
export interface FolderChooser {
  readonly folder: ListFolder;
  counts(folder: ListFolder): { readonly total: number; readonly unread: number };
  go(folder: ListFolder): void;
}

/** Columns for a name, at the least. */
const NAME = 10;

/** The folders, with what is in them; those of the person's own can be made, renamed and removed. */
export class FoldersScreen implements Screen {
  readonly mode = "folders";
  readonly #host: Host;
  readonly #chooser: FolderChooser;
  #list = EMPTY_LIST;
  #rows = 1;

  constructor(host: Host, chooser: FolderChooser) {
    this.#host = host;
    this.#chooser = chooser;
    this.changed();
    this.#list = { ...this.#list, cursor: `${chooser.folder}` };
    host.background(() => host.reloadLocal());
  }

  where(): string {
    return "Folders";
  }

  changed(): void {
    this.#list = withKeys(this.#list, listFolders(this.#host).map((folder) => `${folder}`));
  }

  show({ columns, rows }: Size): Shown {
    this.#rows = rows;
    this.#list = scrolled(this.#list, rows);
    const { top, cursor } = this.#list;
    const shown = listFolders(this.#host).slice(top, top + rows);
    const named = shown.map((folder) => folderName(folder, this.#host.names));
    const longest = Math.max(NAME, ...named.map(displayWidth));
    const width = Math.min(longest, Math.max(NAME, columns - 26));
    const lines = shown.map((folder, i): Line => {
      const { total, unread } = this.#chooser.counts(folder);
      const kept = isSearch(folder) ? keptSearch(folder, this.#host.names) : null;
      const line = fill([
        span(` ${digitOf(folder)}  `, "dim"),
        span(fit(named[i] ?? "", width, { pad: true }), unread > 0 ? "strong" : "plain"),
        span(kept === null ? right(String(total), 8) : `  ${printable(kept)}`),
        span(unread > 0 ? `  ${unread} new` : "", "accent"),
      ], columns);
      return `${folder}` === cursor ? highlighted(line) : line;
    });
    return { lines };
  }

  act(action: Action): void | Promise<void> {
    const list = moved(this.#list, action, this.#rows);
    if (list) {
      this.#list = list;
      return;
    }
    switch (action) {
      case "quit":
        return this.#host.quit();
      case "make":
        return this.#make();
      case "rename":
        return this.#rename();
      case "delete":
        return this.#remove();
      case "open": {
        const folder = this.#current();
        if (folder !== undefined) this.#chooser.go(folder);
      }
    }
    this.#host.leave(this);
  }

  #current(): ListFolder | undefined {
    return listFolders(this.#host).find((folder) => `${folder}` === this.#list.cursor);
  }

  /** The name of the folder of the person's own at the cursor; null, after saying so, if it is none. */
  #own(): string | null {
    const folder = this.#current();
    if (typeof folder === "number") return this.#host.names.folderName(folder);
    if (folder !== undefined && isSearch(folder)) {
      const { names } = this.#host;
      return names.searches.find(({ number }) => `search/${number}` === folder)?.shown ?? null;
    }
    this.#host.say("This folder is there for everybody, and stays as it is.");
    return null;
  }

  async #make(): Promise<void> {
    const name = (await this.#host.input("Name of the new folder:"))?.trim() ?? "";
    if (name === "") return;
    const number = await this.#host.mail.makeFolder(name);
    await this.#host.reloadNames();
    this.#list = { ...this.#list, cursor: `${number}` };
    this.#host.say(`Made ${printable(name)}.`, "good");
  }

  async #rename(): Promise<void> {
    const from = this.#own();
    if (from === null) return;
    const to = (await this.#host.input("Its new name:", { value: from }))?.trim() ?? "";
    if (to === "" || to === from) return;
    try {
      await this.#host.mail.renameFolder(from, to);
    } finally {
      await this.#host.reloadNames();
    }
    this.#host.say(printable(`${from} is called ${to} now.`), "good");
  }

  async #remove(): Promise<void> {
    const name = this.#own();
    if (name === null) return;
    if (await this.#host.choose(`Remove ${printable(name)}? (y/n)`, "yn") !== "y") return;
    await this.#host.mail.removeFolder(name);
    await this.#host.reloadNames();
    this.#host.say(`Removed ${printable(name)}.`);
  }
}
