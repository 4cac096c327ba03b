import { exists } from "@std/fs";
import { join } from "@std/path";
import type { Build } from "../../tests/support/program.ts";
import { permissionFlags, ROOT } from "../release/build.ts";
import { output } from "../release/run.ts";

/** The executable if it was made, else the program from its source with the same rights. */
const EXECUTABLE = join(ROOT, "dist", "sealpost");

/** What the pictures are of. */
export const PROGRAM: Build = await exists(EXECUTABLE) ? { command: EXECUTABLE, args: [] } : {
  command: Deno.execPath(),
  args: ["run", "--quiet", ...permissionFlags(), join(ROOT, "main.ts")],
};

/** Where modules are kept: with a home of their own, people would fetch them all again. */
const { denoDir: DENO_DIR } = JSON.parse(await output(Deno.execPath(), ["info", "--json"]));

/** A server, its operator Olga, and people with accounts, in a folder of their own. */
export class People implements AsyncDisposable {
  #server: Deno.ChildProcess | null = null;
  #address = "127.0.0.1:0";

  private constructor(
    /** Where everybody's folders are. */
    readonly folder: string,
  ) {}

  /** Starts the server. */
  static async start(): Promise<People> {
    const people = new People(await Deno.makeTempDir({ prefix: "shots-" }));
    await people.as("olga", ["keygen", "server"]);
    await Deno.writeTextFile(join(people.home("olga"), "server", "user_pass.json"), "{}\n");
    await people.serve();
    return people;
  }

  /** Where the server is, as `127.0.0.1:PORT`. */
  get address(): string {
    return this.#address;
  }

  /** The home folder of `name`. */
  home(name: string): string {
    return join(this.folder, "home", name);
  }

  /** What a program of `name` has in its environment. */
  env(name: string): Record<string, string> {
    return { HOME: this.home(name), NO_COLOR: "1", DENO_DIR };
  }

  /** Runs a command of `name` to its end; what it printed. */
  async as(
    name: string,
    args: readonly string[],
    input = "",
    env: Record<string, string> = {},
  ): Promise<string> {
    await Deno.mkdir(this.home(name), { recursive: true });
    const process = new Deno.Command(PROGRAM.command, {
      args: [...PROGRAM.args, ...args],
      cwd: this.home(name),
      env: { ...this.env(name), ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = process.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
    const { success, stdout, stderr } = await process.output();
    if (!success) throw new Error(`${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
    return new TextDecoder().decode(stdout);
  }

  /** Starts the server; again where it was before. */
  async serve(): Promise<void> {
    this.#server = new Deno.Command(PROGRAM.command, {
      args: [...PROGRAM.args, "serve", "--listen", this.#address],
      cwd: this.home("olga"),
      env: this.env("olga"),
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = this.#server.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let said = "";
    while (!said.includes("\n")) said += (await reader.read()).value ?? "";
    reader.cancel();
    this.#address = /listening on (\S+),/.exec(said)?.[1] ?? "";
  }

  /** Ends the server. */
  async unserve(): Promise<void> {
    this.#server?.kill("SIGTERM");
    await this.#server?.status;
    this.#server = null;
  }

  /** Lets somebody in and sets the account up. */
  async join(name: string): Promise<void> {
    const invitation = await this.as("olga", ["user", "add", name, "--invite"]);
    await Deno.mkdir(this.home(name), { recursive: true });
    await Deno.writeTextFile(join(this.home(name), "invitation.txt"), invitation);
    const args = ["setup", "--invitation", "invitation.txt", "--password-stdin"];
    await this.as(name, args, `the password of ${name}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.unserve();
    await Deno.remove(this.folder, { recursive: true });
  }
}
