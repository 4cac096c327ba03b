import { assertEquals, assertNotEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { sealpost } from "./command.ts";
import { makeGroup } from "./group_folder.ts";
import { type Build, MAIN, type Outcome, passwordOf, ServerProcess } from "./program.ts";
import { Screen } from "./tmux.ts";

/** The program with the rights of the executable, as far as a client needs them. */
export const BUILD: Build = {
  command: Deno.execPath(),
  args: [
    "run",
    "--no-prompt",
    "--quiet",
    "--allow-read",
    "--allow-write",
    "--allow-net=127.0.0.1",
    "--allow-sys=hostname",
    "--allow-env=SEALPOST_*,HOME,XDG_CONFIG_HOME,XDG_RUNTIME_DIR,APPDATA,TERM,TMUX,ZELLIJ,STY,SSH_CONNECTION,SSH_CLIENT,SSH_TTY",
    MAIN,
  ],
};

const STOP_AT = fromFileUrl(new URL("stop_at.ts", import.meta.url));

/** The program with what has it stand still at a step: see there. */
export function stoppable({ command, args }: Build): Build {
  const allowed = args.map((arg) =>
    arg.startsWith("--allow-env=") ? `${arg},SEALPOST_STOP_AT` : arg
  );
  return { command, args: [...allowed.slice(0, -1), `--preload=${STOP_AT}`, ...allowed.slice(-1)] };
}

/** A server, and people with one machine each, of whom each can have more. */
export class Place implements AsyncDisposable {
  private constructor(
    readonly dir: string,
    public server: ServerProcess,
    readonly remove: () => Promise<void>,
  ) {}

  static async make(...names: string[]): Promise<Place> {
    const { dir, remove } = await makeGroup(names);
    const server = await ServerProcess.start({ cwd: dir });
    for (const name of names) {
      const settings = `server = "${server.address}"\nuser = "${name}"\n`;
      await Deno.writeTextFile(join(dir, name, "sealpost.toml"), settings);
    }
    return new Place(dir, server, remove);
  }

  /** Stops the server, does `work` beside its folder, and starts it where it was. */
  async whileDown(work: () => Promise<unknown>): Promise<void> {
    await this.server.stop();
    await work();
    this.server = await ServerProcess.start({ cwd: this.dir }, ["--listen", this.server.address]);
  }

  /** Runs a command in the folder `folder`, whose person is `name`. */
  run(folder: string, name: string, ...args: string[]): Promise<Outcome> {
    return this.runWith(passwordOf(name), folder, ...args);
  }

  /** The same with another password. */
  runWith(password: string, folder: string, ...args: string[]): Promise<Outcome> {
    return sealpost(args, {
      cwd: join(this.dir, folder),
      input: "the text\n",
      env: { SEALPOST_PASSWORD: password },
    });
  }

  /** Makes a kit for whom `folder` belongs to; returns its words. */
  async kit(folder: string, name: string): Promise<string> {
    await using screen = await this.screen(folder, name, "recovery", "make");
    const words = wordsIn(await screen.see("on paper, all 24? (y/N)")).join(" ");
    await screen.enter("y");
    assertEquals((await screen.ended()).code, 0, await screen.text());
    return words;
  }

  /** Starts `setup --recover` in the new folder `folder`, up to its questions after the words. */
  async recover(folder: string, words: string): Promise<Screen> {
    await Deno.mkdir(join(this.dir, folder), { mode: 0o700, recursive: true });
    const { address } = this.server;
    const screen = await this.screen(
      folder,
      null,
      ...["setup", "--recover", "--device-name", folder, "--server", address],
    );
    await screen.converse([
      [">", words],
      ["Passphrase (Enter for none):", ""],
      ["Enter for this folder):", ""],
    ]);
    return screen;
  }

  /** Starts a command at a terminal, with the password of `name` in its environment, if one is given. */
  screen(folder: string, name: string | null, ...args: string[]): Promise<Screen> {
    return Screen.start(args, {
      cwd: join(this.dir, folder),
      build: BUILD,
      columns: 120,
      rows: 60,
      env: {
        HOME: this.dir,
        SEALPOST_HOME: ".",
        ...name === null ? {} : { SEALPOST_PASSWORD: passwordOf(name) },
      },
    });
  }

  /** Links a new machine of `name` in the folder `folder`; returns both screens' texts. */
  async link(
    name: string,
    folder: string,
    device = folder,
  ): Promise<{ first: string; second: string }> {
    await Deno.mkdir(join(this.dir, folder), { mode: 0o700, recursive: true });
    await using first = await this.screen(name, name, "devices", "add");
    const words = wordsIn(await first.see("Waiting for the other machine"));
    await using second = await this.screen(
      folder,
      null,
      ...["setup", "--device", "--device-name", device, "--server", this.server.address],
    );
    await second.expect(">");
    await second.enter(words.slice(0, 5).join(" "));
    await second.expect(">");
    await second.enter(words.slice(5).map((word) => word.slice(0, 4).toUpperCase()).join(", "));
    const compared = comparedIn(await first.see("six words? (y/N)"));
    assertEquals(comparedIn(await second.see("yes if it shows")), compared);
    await first.enter("y");
    assertEquals((await first.ended()).code, 0, await first.text());
    await second.converse([["Enter for this folder):", ""]]);
    await second.expect("Your password, or a new one from the server's operator:");
    await second.enter(passwordOf(name));
    assertEquals((await second.ended()).code, 0, await second.text());
    return { first: await first.text(), second: await second.text() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
    await this.remove();
  }
}

/** The numbered words on a screen. */
export function wordsIn(text: string): string[] {
  const words: string[] = [];
  for (const [, number, word = ""] of text.matchAll(/ (\d{1,2}) ([a-z]{3,8})(?= |$)/gm)) {
    words[Number(number) - 1] = word;
  }
  return words;
}

/** The six words that two screens show. */
export function comparedIn(text: string): string {
  const [, words = ""] = /^ {4}([a-z]+(?: [a-z]+){5})$/m.exec(text) ?? [];
  assertNotEquals(words, "");
  return words;
}
