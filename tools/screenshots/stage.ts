import { join } from "@std/path";
import { type Cell, readScreen, replaced } from "./cells.ts";

/** A terminal of a person, with a shell in which `sealpost` is the program. */
export class Stage implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string, readonly columns: number, readonly rows: number) {
    this.#folder = folder;
  }

  /** Opens a terminal in `cwd`. `program` is what `sealpost` stands for, a line of a shell's. */
  static async open(options: {
    readonly cwd: string;
    readonly program: string;
    readonly env: Readonly<Record<string, string>>;
    readonly columns?: number;
    readonly rows?: number;
  }): Promise<Stage> {
    const { columns = 80, rows = 24 } = options;
    const folder = await Deno.makeTempDir({ prefix: "stage-" });
    const stage = new Stage(folder, columns, rows);
    const variables = Object.entries(options.env).map(([name, value]) => {
      return `export ${name}=${quote(value)}\n`;
    });
    await Deno.writeTextFile(
      join(folder, "profile"),
      `${variables.join("")}cd ${
        quote(options.cwd)
      }\nPS1='$ '\nsealpost() { ${options.program} "$@"; }\nclear\n`,
    );
    await Deno.writeTextFile(
      join(folder, "tmux.conf"),
      'set -g status off\nset -g default-terminal "tmux-256color"\nset -sg escape-time 0\n',
    );
    await stage.#tmux(
      ...["-u", "-f", "tmux.conf", "new-session", "-d", "-x", `${columns}`, "-y", `${rows}`],
      `exec env ENV=${quote(join(folder, "profile"))} sh -i`,
    );
    await stage.shows("$");
    return stage;
  }

  async #tmux(...args: string[]): Promise<string> {
    const { success, stdout, stderr } = await new Deno.Command("tmux", {
      args: ["-S", "socket", ...args],
      cwd: this.#folder,
      env: { LANG: "C.UTF-8" },
    }).output();
    const decoder = new TextDecoder();
    if (!success) throw new Error(`tmux ${args[0]}: ${decoder.decode(stderr)}`);
    return decoder.decode(stdout);
  }

  /** Types a text as it stands. */
  async type(text: string): Promise<void> {
    await this.#tmux("send-keys", "-l", "--", text);
  }

  /** Presses keys by tmux's names for them. */
  async press(...keys: string[]): Promise<void> {
    await this.#tmux("send-keys", ...keys);
  }

  /** Types a line. */
  async enter(line: string): Promise<void> {
    if (line !== "") await this.type(line);
    await this.press("Enter");
  }

  /** Pastes lines. */
  async paste(text: string): Promise<void> {
    const path = join(this.#folder, "paste");
    await Deno.writeTextFile(path, text);
    await this.#tmux("load-buffer", path);
    await this.#tmux("paste-buffer", "-d");
  }

  /** What can be read, without blanks at the end of lines. */
  async text(): Promise<string> {
    return (await this.#tmux("capture-pane", "-p")).replaceAll(/ +$/gm, "").trimEnd();
  }

  /** Waits until the screen's last line that is not empty ends with `text`, or it stands anywhere. */
  async shows(text: string, where: "last" | "anywhere" = "last"): Promise<string> {
    const end = performance.now() + 60_000;
    for (;;) {
      const read = await this.text();
      if (where === "last" ? read.endsWith(text) : read.includes(text)) return read;
      if (performance.now() > end) {
        throw new Error(`waited in vain for ${JSON.stringify(text)}; the screen shows:\n${read}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }

  /** Types a command, and waits for the shell's next prompt. */
  async run(command: string): Promise<void> {
    await this.enter(command);
    // Not the prompt that it was typed at.
    await this.shows(command, "anywhere");
    await this.shows("\n$");
  }

  /** Empties the screen. */
  async clear(): Promise<void> {
    await this.enter("clear");
    const end = performance.now() + 10_000;
    while (await this.text() !== "$") {
      if (performance.now() > end) throw new Error("the screen does not get empty");
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }

  /** What is on the screen now, with `changes` made to it, without empty lines at its end. */
  async picture(changes: readonly (readonly [from: string, to: string])[]): Promise<Cell[][]> {
    const lines = readScreen(await this.#tmux("capture-pane", "-p", "-e", "-N"));
    const made = lines.map((line) => {
      return changes.reduce<Cell[]>((cells, [from, to]) => replaced(cells, from, to), line);
    });
    while (made.length > 1 && isEmpty(made.at(-1))) made.pop();
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tmux("kill-server").catch(() => {});
    await Deno.remove(this.#folder, { recursive: true });
  }
}

function isEmpty(line: readonly Cell[] | undefined): boolean {
  return line?.every(({ character, style }) => {
    return character.trim() === "" && style.paper === null && !style.reversed;
  }) ?? true;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
