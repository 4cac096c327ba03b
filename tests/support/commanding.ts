import { defined } from "../../crypto/defined.ts";
import { assertEquals } from "@std/assert";
import { buildFor, sealpost } from "./command.ts";
import { Group, type GroupOptions } from "./group.ts";
import { type Build, type Outcome, passwordOf } from "./program.ts";
import { Screen } from "./tmux.ts";

/** How {@linkcode Commanding.as} runs a command. */
export interface AsOptions {
  readonly input?: string;
  /** SEALPOST_PASSWORD; default: the right one; null: none. */
  readonly password?: string | null;
  readonly env?: Record<string, string>;
}

/** How {@linkcode Commanding.at} starts a command. */
export interface AtOptions extends AsOptions {
  readonly build?: Build;
  readonly columns?: number;
  readonly rows?: number;
}

/** A server and people with a sealpost.toml, who run commands in their folders. */
export class Commanding implements AsyncDisposable {
  private constructor(readonly group: Group) {}

  /** Starts a server; the accounts of `names` are bound by then. */
  static async start(names: readonly string[], options: GroupOptions = {}): Promise<Commanding> {
    const group = await Group.start(names, options);
    const commanding = new Commanding(group);
    for (const name of names) await commanding.settle(name);
    await group.bind(...names);
    return commanding;
  }

  /** Writes where the server is to a person's sealpost.toml; again after each start of the server. */
  async settle(name: string): Promise<void> {
    const { address } = this.group.server;
    await Deno.writeTextFile(this.group.path(name, "sealpost.toml"), `server = "${address}"\n`);
  }

  /** Another machine of `name`: the folder `folder` with the same keys, and nothing else. */
  async anotherMachine(name: string, folder: string): Promise<void> {
    const to = this.group.path(folder);
    await Deno.mkdir(to, { mode: 0o700 });
    for (const file of [`${name}_private.pem`, `${name}_public.pem`, "server_public.pem"]) {
      await Deno.copyFile(this.group.path(name, file), `${to}/${file}`);
    }
    await this.settle(folder);
  }

  /** Runs a command in somebody's folder, with the permissions of its task. */
  as(name: string, args: readonly string[], options: AsOptions = {}): Promise<Outcome> {
    const { input, password = passwordOf(name), env = {} } = options;
    return sealpost(args, {
      cwd: this.group.path(name),
      ...defined({ input }),
      env: { ...password === null ? {} : { SEALPOST_PASSWORD: password }, ...env },
    });
  }

  /** Starts a command on a terminal, in somebody's folder, with the permissions of its task. */
  async at(
    name: string,
    args: readonly string[],
    { password = passwordOf(name), env = {}, build, ...size }: AtOptions = {},
  ): Promise<Screen> {
    return await Screen.start(args, {
      ...size,
      cwd: this.group.path(name),
      build: build ?? await buildFor(args),
      env: { ...password === null ? {} : { SEALPOST_PASSWORD: password }, ...env },
    });
  }

  /** {@linkcode Commanding.as}, which must succeed; what it printed. */
  async ok(name: string, args: readonly string[], options: AsOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.as(name, args, options);
    assertEquals(code, 0, `${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** What a command with --json printed. */
  // deno-lint-ignore no-explicit-any -- as JSON.parse has it; tests compare it with what it must be
  async json(name: string, args: readonly string[], options: AsOptions = {}): Promise<any> {
    return JSON.parse(await this.ok(name, [...args, "--json"], options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.group[Symbol.asyncDispose]();
  }
}
