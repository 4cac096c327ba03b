import { assert } from "@std/assert";
import { Group, type GroupOptions } from "./group.ts";
import { passwordOf, Program, run } from "./program.ts";

/** A bridge in a process of its own. */
export class Bridging implements AsyncDisposable {
  private constructor(
    readonly program: Program,
    readonly imap: number,
    readonly smtp: number,
    readonly password: string,
    readonly name: string,
  ) {}

  /** Starts a bridge for `name` of `group`, on free ports of 127.0.0.1; it reaches the server at `address`. */
  static async start(
    group: Group,
    name: string,
    address: string = group.server.address,
  ): Promise<Bridging> {
    const cwd = group.path(name);
    const server = ["--server", `${name}@${address}`];
    const args = ["bridge", ...server, "--imap", "127.0.0.1:0", "--smtp", "127.0.0.1:0", "--json"];
    const env = { SEALPOST_PASSWORD: passwordOf(name) };
    const program = Program.start(args, { cwd, env });
    const { imap, smtp } = JSON.parse(await program.expect("\n"));
    const { stdout, code, stderr } = await run(["bridge", "password", ...server], { cwd });
    assert(code === 0, stderr);
    return new Bridging(program, imap.port, smtp.port, stdout.trim(), name);
  }

  /** The variables of a shell that uses it: IMAP, SMTP, USER and PASS. */
  get variables(): Record<string, string> {
    return {
      IMAP: `${this.imap}`,
      SMTP: `${this.smtp}`,
      USER: this.name,
      PASS: this.password,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.program.kill();
    await this.program.finish();
  }
}

/** Runs `work` with a server, and bridges of alice and bob. */
export async function withBridges(
  work: (group: Group, alice: Bridging, bob: Bridging) => Promise<void>,
  options: GroupOptions = {},
): Promise<void> {
  await using group = await Group.start(["alice", "bob"], options);
  await group.bind("alice", "bob");
  await using alice = await Bridging.start(group, "alice");
  await using bob = await Bridging.start(group, "bob");
  await work(group, alice, bob);
}

/** Runs a script of sh in a folder of the group, with `variables`; what it printed, both ways. */
export async function script(
  group: Group,
  text: string,
  variables: Record<string, string>,
): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-euc", text],
    cwd: group.dir,
    env: { HOME: group.dir, NO_COLOR: "1", LC_ALL: "C.UTF-8", TERM: "xterm", ...variables },
    stdin: "null",
  }).output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert(code === 0, `it ended with ${code}: ${said}`);
  return said;
}
