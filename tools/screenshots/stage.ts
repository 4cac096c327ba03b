import { join } from "@std/path";
import { Pane, quote } from "../../tests/support/pane.ts";
import { type Cell, readScreen, replaced } from "./cells.ts";

/** A terminal of a person, with a shell in which `sealpost` is the program. */
export class Stage extends Pane {
  private constructor(folder: string, readonly columns: number) {
    super(folder);
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
    const stage = new Stage(folder, columns);
    const variables = Object.entries(options.env).map(([name, value]) => {
      return `export ${name}=${quote(value)}\n`;
    });
    await Deno.writeTextFile(
      join(folder, "profile"),
      `${variables.join("")}cd ${
        quote(options.cwd)
      }\nPS1='$ '\nsealpost() { ${options.program} "$@"; }\nclear\n`,
    );
    await stage.open({
      columns,
      rows,
      config: ['set -g default-terminal "tmux-256color"', "set -sg escape-time 0"],
      command: `exec env ENV=${quote(join(folder, "profile"))} sh -i`,
    });
    await stage.shows("$");
    return stage;
  }

  /** What can be read, without blanks at the end of lines. */
  async text(): Promise<string> {
    return await this.capture();
  }

  /** Waits until the screen's last line that is not empty ends with `text`, or it stands anywhere. */
  async shows(text: string, where: "last" | "anywhere" = "last"): Promise<string> {
    return await this.until(text, () => this.text(), (read) => {
      return (where === "last" ? read.endsWith(text) : read.includes(text)) ? read : null;
    });
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
    await this.until("an empty screen", () => this.text(), (read) => read === "$" || null);
  }

  /** What is on the screen now, with `changes` made to it, without empty lines at its end. */
  async picture(changes: readonly (readonly [from: string, to: string])[]): Promise<Cell[][]> {
    const lines = readScreen(await this.tmux("capture-pane", "-p", "-e", "-N"));
    const made = lines.map((line) => {
      return changes.reduce<Cell[]>((cells, [from, to]) => replaced(cells, from, to), line);
    });
    while (made.length > 1 && isEmpty(made.at(-1))) made.pop();
    return made;
  }
}

function isEmpty(line: readonly Cell[] | undefined): boolean {
  return line?.every(({ character, style }) => {
    return character.trim() === "" && style.paper === null && !style.reversed;
  }) ?? true;
}
