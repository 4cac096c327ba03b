import { join } from "@std/path";
import type { StartOptions } from "./program.ts";
import { FROM_SOURCE } from "./program.ts";
import { waitFor } from "./wait.ts";

/** Why there can be no {@linkcode Screen}; null if there can. */
export async function whyNoTmux(): Promise<string | null> {
  try {
    const { success } = await new Deno.Command("tmux", { args: ["-V"] }).output();
    return success ? null : "tmux -V fails";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "there is no tmux";
    throw error;
  }
}

/** How a {@linkcode Screen} starts its program. */
export interface ScreenOptions extends StartOptions {
  /** Default: 100. */
  readonly columns?: number;
  /** Default: 40. */
  readonly rows?: number;
  /** Whether colours are wanted; default: no. */
  readonly colours?: boolean;
}

/** A terminal in which the program runs. */
export class Screen implements AsyncDisposable {
  readonly #folder: string;
  /** How often each prompt was on the screen when it was waited for last. */
  readonly #met = new Map<string, number>();

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Starts the program. What it leaves of the terminal's settings is written down at its end. */
  static async start(args: readonly string[], options: ScreenOptions): Promise<Screen> {
    const folder = await Deno.makeTempDir({ prefix: "tmux-" });
    const screen = new Screen(folder);
    const build = options.build ?? FROM_SOURCE;
    const command = [build.command, ...build.args, ...args].map(quote).join(" ");
    const { PATH = "/usr/bin:/bin", HOME = "/" } = {
      PATH: Deno.env.get("PATH"),
      HOME: Deno.env.get("HOME"),
    };
    // Whoever runs the tests may have set it.
    const colours = { NO_COLOR: options.colours ? "" : "1" };
    const variables = { PATH, HOME, LANG: "C.UTF-8", ...colours, ...options.env };
    const given = Object.entries(variables).map(([name, value]) => `${name}=${quote(value)}`).join(
      " ",
    );
    await Deno.writeTextFile(
      join(folder, "run.sh"),
      `cd ${quote(options.cwd)}\nenv ${given} ${command}\ncode=$?\n` +
        `stty -a > ${quote(join(folder, "stty"))}\necho "ended with code $code"\nexec sleep 600\n`,
    );
    // A terminal that knows UTF-8, and keeps all that scrolls away.
    await Deno.writeTextFile(
      join(folder, "tmux.conf"),
      "set -g history-limit 100000\nset -g status off\n",
    );
    await screen.#tmux(
      ...["-u", "-f", "tmux.conf", "new-session", "-d"],
      ...["-x", String(options.columns ?? 100), "-y", String(options.rows ?? 40)],
      // The program starts when everything that it writes is recorded.
      `read go; exec sh ${quote(join(folder, "run.sh"))}`,
    );
    await screen.#tmux("pipe-pane", `exec cat > ${quote(join(folder, "written"))}`);
    await screen.press("Enter");
    return screen;
  }

  async #tmux(...args: string[]): Promise<string> {
    // The socket's path has to be short, so it is named from its folder.
    const { success, stdout, stderr } = await new Deno.Command("tmux", {
      args: ["-S", "socket", ...args],
      cwd: this.#folder,
    }).output();
    const decoder = new TextDecoder();
    if (!success) throw new Error(`tmux ${args[0]}: ${decoder.decode(stderr)}`);
    return decoder.decode(stdout);
  }

  /** Types a text as it stands. */
  async type(text: string): Promise<void> {
    await this.#tmux("send-keys", "-l", "--", text);
  }

  /** Types a line. */
  async enter(line: string): Promise<void> {
    if (line !== "") await this.type(line);
    await this.press("Enter");
  }

  /** Presses a key by tmux's name for it, such as `C-c`. */
  async press(...keys: string[]): Promise<void> {
    await this.#tmux("send-keys", ...keys);
  }

  /** Pastes a text as a terminal does, its line ends as if Enter had been pressed. */
  async paste(text: string): Promise<void> {
    const path = join(this.#folder, "paste");
    await Deno.writeTextFile(path, text);
    await this.#tmux("load-buffer", path);
    await this.#tmux("paste-buffer", "-d");
  }

  /** All that a person could read, scrolled away or not; lines that were wrapped in one piece. */
  async text(): Promise<string> {
    const text = await this.#tmux("capture-pane", "-p", "-J", "-S", "-");
    return text.replaceAll(/ +$/gm, "").trimEnd();
  }

  /** What is on the screen now, with the sequences that colour it if `coloured`. */
  async shown(coloured = false): Promise<string> {
    const text = await this.#tmux("capture-pane", "-p", ...coloured ? ["-e"] : []);
    return text.replaceAll(/ +$/gm, "").trimEnd();
  }

  /** Waits until a text is on the screen, or none that fits; returns what is on the screen then. */
  async see(text: string | RegExp): Promise<string> {
    let read = "";
    try {
      return await waitFor(String(text), async () => {
        read = await this.shown();
        const there = typeof text === "string" ? read.includes(text) : text.test(read);
        return there ? read : null;
      });
    } catch (cause) {
      throw new Error(`waited in vain to see ${text}; the screen shows:\n${read}`, { cause });
    }
  }

  /** Gives the terminal another size. */
  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** The process that tmux started, from which the program descends. */
  async pid(): Promise<number> {
    return Number(await this.#tmux("display-message", "-p", "#{pane_pid}"));
  }

  /** Every byte that the program has written so far. */
  async written(): Promise<string> {
    return await Deno.readTextFile(join(this.#folder, "written"));
  }

  /**
   * Waits until all that can be read ends with `prompt`, and it is there once more than when it was
   * waited for last. Returns all that can be read.
   */
  async expect(prompt: string): Promise<string> {
    const text = prompt.trimEnd();
    let read = "";
    try {
      return await waitFor(text, async () => {
        read = await this.text();
        const times = read.split(text).length - 1;
        if (!read.endsWith(text) || times <= (this.#met.get(text) ?? 0)) return null;
        this.#met.set(text, times);
        return read;
      });
    } catch (cause) {
      throw new Error(`waited in vain for ${JSON.stringify(text)}; the screen shows:\n${read}`, {
        cause,
      });
    }
  }

  /** Waits for each prompt and types its answer. */
  async converse(turns: readonly (readonly [prompt: string, answer: string])[]): Promise<void> {
    for (const [prompt, answer] of turns) {
      await this.expect(prompt);
      for (const line of answer.split("\n")) await this.enter(line);
    }
  }

  /** Waits until the program has ended; returns its exit code and the terminal's settings then. */
  async ended(): Promise<{ readonly code: number; readonly stty: string }> {
    const [, code] = await waitFor("the end", async () => {
      return /ended with code (\d+)$/.exec(await this.text());
    });
    return { code: Number(code), stty: await Deno.readTextFile(join(this.#folder, "stty")) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tmux("kill-server").catch(() => {});
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** `text` as one word of a shell's. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
