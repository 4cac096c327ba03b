import { assert, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { shell } from "./command.ts";
import { Pane, quote } from "./pane.ts";
import { FROM_SOURCE, HERE, type StartOptions } from "./program.ts";

/** Why there can be no {@linkcode Screen}; null if there can. */
export async function whyNoTmux(): Promise<string | null> {
  try {
    const { success } = await new Deno.Command("tmux", { args: ["-V"] }).output();
    return success ? null : "tmux -V fails";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "there is no tmux";
    if (error instanceof Deno.errors.NotCapable) return "tmux may not be started here";
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
export class Screen extends Pane {
  /** How often each prompt was on the screen when it was waited for last. */
  readonly #met = new Map<string, number>();

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
    // What npx sets for its programs is not what a person has set.
    const editor = { VISUAL: "", EDITOR: "" };
    const variables = {
      PATH,
      HOME,
      LANG: "C.UTF-8",
      ...editor,
      ...colours,
      ...HERE,
      ...options.env,
    };
    const given = Object.entries(variables).map(([name, value]) => `${name}=${quote(value)}`).join(
      " ",
    );
    await Deno.writeTextFile(
      join(folder, "run.sh"),
      // Ctrl-C is for the program: what this shell does after it is done all the same.
      `trap : INT\ncd ${quote(options.cwd)}\nenv ${given} ${command}\ncode=$?\n` +
        `stty -a > ${quote(join(folder, "stty"))}\necho "ended with code $code"\nexec sleep 600\n`,
    );
    await screen.open({
      columns: options.columns ?? 100,
      rows: options.rows ?? 40,
      // All that scrolls away is kept.
      config: ["set -g history-limit 100000"],
      command: `exec sh ${quote(join(folder, "run.sh"))}`,
    });
    return screen;
  }

  /** All that a person could read, scrolled away or not; lines that were wrapped in one piece. */
  async text(): Promise<string> {
    return await this.capture("-J", "-S", "-");
  }

  /** What is on the screen now, with the sequences that colour it if `coloured`. */
  async shown(coloured = false): Promise<string> {
    return await this.capture(...coloured ? ["-e"] : []);
  }

  /** Waits until a text is on the screen, or none that fits; returns what is on the screen then. */
  async see(text: string | RegExp): Promise<string> {
    return await this.until(text, () => this.shown(), (read) => {
      return (typeof text === "string" ? read.includes(text) : text.test(read)) ? read : null;
    });
  }

  /** Gives the terminal another size. */
  async resize(columns: number, rows: number): Promise<void> {
    await this.tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** The process that tmux started, from which the program descends. */
  async pid(): Promise<number> {
    return Number(await this.tmux("display-message", "-p", "#{pane_pid}"));
  }

  /** Ends the program at once, as `kill -9` does. */
  async kill(): Promise<void> {
    await shell(`kill -KILL $(ps -o pid= --ppid ${await this.pid()})`);
  }

  /**
   * Waits until all that can be read ends with `prompt`, and it is there once more than when it was
   * waited for last. Returns all that can be read.
   */
  async expect(prompt: string): Promise<string> {
    const text = prompt.trimEnd();
    return await this.until(text, () => this.text(), (read) => {
      const times = read.split(text).length - 1;
      if (!read.endsWith(text) || times <= (this.#met.get(text) ?? 0)) return null;
      this.#met.set(text, times);
      return read;
    });
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
    const [, code] = await this.until("the end", () => this.text(), (read) => {
      return /ended with code (\d+)$/.exec(read);
    });
    return { code: Number(code), stty: await Deno.readTextFile(join(this.folder, "stty")) };
  }
}

/** Asserts that a terminal is as a shell wants it: `stty` is what {@linkcode Screen.ended} gives. */
export function assertRestored(stty: string): void {
  for (const setting of ["icanon", "echo", "isig", "icrnl", "opost"]) {
    assertMatch(stty, new RegExp(`(^|\\s)${setting}\\b`), setting);
    assert(!stty.includes(`-${setting} `), `-${setting}`);
  }
}
