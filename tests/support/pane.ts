import { join } from "@std/path";
import { waitFor } from "./wait.ts";

/** What a {@linkcode Pane} shows, and how. */
export interface PaneOptions {
  readonly columns: number;
  readonly rows: number;
  /** Lines for tmux's configuration. */
  readonly config: readonly string[];
  /** A line of shell, started when all that it writes is recorded. */
  readonly command: string;
}

/** How long a screen that stays as it is is not looked at again, milliseconds. */
const IDLE = 1000;

/** How long one that changes all the time is not looked at again, milliseconds. */
const BUSY = 200;

/** A terminal that tmux plays, with a tmux server of its own. */
export abstract class Pane implements AsyncDisposable {
  /** Holds the server's socket and configuration, and what was written. */
  protected readonly folder: string;

  protected constructor(folder: string) {
    this.folder = folder;
  }

  /** Starts the command. */
  protected async open({ columns, rows, config, command }: PaneOptions): Promise<void> {
    const lines = ["set -g status off", ...config, ""];
    await Deno.writeTextFile(join(this.folder, "tmux.conf"), lines.join("\n"));
    await Deno.writeTextFile(this.#record, "");
    await this.tmux(
      ...["-u", "-f", "tmux.conf", "new-session", "-d", "-x", `${columns}`, "-y", `${rows}`],
      ...[`read go; ${command}`, ";"],
      ...["pipe-pane", `exec cat >> ${quote(this.#record)}`, ";"],
      ...["send-keys", "Enter"],
    );
  }

  get #record(): string {
    return join(this.folder, "written");
  }

  /** Runs commands of tmux's, with `;` between them; returns what the last one prints. */
  protected async tmux(...args: string[]): Promise<string> {
    // The socket's path has to be short, so it is named from its folder.
    const { success, stdout, stderr } = await new Deno.Command("tmux", {
      args: ["-S", "socket", ...args],
      cwd: this.folder,
      env: { LANG: "C.UTF-8" },
    }).output();
    const decoder = new TextDecoder();
    if (!success) throw new Error(`tmux ${args[0]}: ${decoder.decode(stderr)}`);
    return decoder.decode(stdout);
  }

  /** Types a text as it stands. */
  async type(text: string): Promise<void> {
    await this.tmux(...typing(text));
  }

  /** Types a line. */
  async enter(line: string): Promise<void> {
    const text = line === "" ? [] : [...typing(line), ";"];
    await this.tmux(...text, "send-keys", "Enter");
  }

  /** Presses keys by tmux's names for them, such as `C-c`. */
  async press(...keys: string[]): Promise<void> {
    await this.tmux("send-keys", ...keys);
  }

  /** Pastes a text as a terminal does, its line ends as if Enter had been pressed. */
  async paste(text: string): Promise<void> {
    const path = join(this.folder, "paste");
    await Deno.writeTextFile(path, text);
    await this.tmux("load-buffer", path, ";", "paste-buffer", "-d");
  }

  /** What `tmux capture-pane` prints with these options, without blanks at the end of lines. */
  protected async capture(...options: string[]): Promise<string> {
    const text = await this.tmux("capture-pane", "-p", ...options);
    return text.replaceAll(/ +$/gm, "").trimEnd();
  }

  /** Every byte that was written so far. */
  async written(): Promise<string> {
    return await Deno.readTextFile(this.#record);
  }

  /**
   * Reads the screen until `answer` finds in it what it looks for, and is not null: at once, whenever
   * something was written, and now and then, since starting tmux for each look costs more than most
   * programs under test.
   */
  protected async until<T>(
    what: string | RegExp,
    read: () => Promise<string>,
    answer: (read: string) => T | null,
  ): Promise<T> {
    let [size, looked, at, shown] = [0, -1, 0, ""];
    try {
      return await waitFor(String(what), async () => {
        const before = size;
        size = (await Deno.stat(this.#record)).size;
        const wait = size === looked ? IDLE : size === before ? 0 : BUSY;
        if (performance.now() - at < wait) return null;
        [looked, at, shown] = [size, performance.now(), await read()];
        return answer(shown);
      });
    } catch (cause) {
      const sought = typeof what === "string" ? JSON.stringify(what) : what;
      throw new Error(`waited in vain for ${sought}; the screen shows:\n${shown}`, { cause });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.tmux("kill-server").catch(() => {});
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** The command that types `text`, whose last semicolon tmux would take for the command's end. */
function typing(text: string): string[] {
  return ["send-keys", "-l", "--", text.replace(/;$/, "\\;")];
}

/** `text` as one word of a shell's. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
