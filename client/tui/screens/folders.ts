import { fill, highlighted, type Line, right, type Size, span } from "../frame.ts";
import type { Action } from "../keys.ts";
import { EMPTY_LIST, moved, withKeys } from "../list_model.ts";
import { folderName, LIST_FOLDERS, type ListFolder } from "../messages.ts";
import type { Host, Screen, Shown } from "../screen.ts";

/** The list whose folder is chosen. */
export interface FolderChooser {
  readonly folder: ListFolder;
  counts(folder: ListFolder): { readonly total: number; readonly unread: number };
  go(folder: ListFolder): void;
}

/** The folders, with what is in them. */
export class FoldersScreen implements Screen {
  readonly mode = "folders";
  readonly #host: Host;
  readonly #chooser: FolderChooser;
  #list = EMPTY_LIST;

  constructor(host: Host, chooser: FolderChooser) {
    this.#host = host;
    this.#chooser = chooser;
    this.#list = { ...withKeys(EMPTY_LIST, LIST_FOLDERS), cursor: chooser.folder };
    host.background(() => host.reloadLocal());
  }

  where(): string {
    return "Folders";
  }

  show({ columns }: Size): Shown {
    const lines = LIST_FOLDERS.map((folder, i): Line => {
      const { total, unread } = this.#chooser.counts(folder);
      const line = fill([
        span(` ${i + 1}  `, "dim"),
        span(folderName(folder).padEnd(10), unread > 0 ? "strong" : "plain"),
        span(right(String(total), 8)),
        span(unread > 0 ? `  ${unread} new` : "", "accent"),
      ], columns);
      return folder === this.#list.cursor ? highlighted(line) : line;
    });
    return { lines };
  }

  act(action: Action): void | Promise<void> {
    const list = moved(this.#list, action, LIST_FOLDERS.length);
    if (list) {
      this.#list = list;
      return;
    }
    if (action === "quit") return this.#host.quit();
    if (action === "open") {
      const folder = LIST_FOLDERS.find((one) => one === this.#list.cursor);
      if (folder) this.#chooser.go(folder);
    }
    this.#host.leave(this);
  }
}
