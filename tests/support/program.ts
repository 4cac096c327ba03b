import { fromFileUrl, join } from "@std/path";
import { PATIENCE } from "./wait.ts";

/** The repository's root. */
export const ROOT = fromFileUrl(new URL("../../", import.meta.url));

/** The module that is the program. */
export const MAIN = bundleUnderTest() ?? join(ROOT, "main.ts");

/** The bundle that `deno task test` has made (bundle.ts); null elsewhere, and where nobody may ask. */
function bundleUnderTest(): string | null {
  const variable = "SEALPOST_TEST_PROGRAM";
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  const path = state === "granted" ? Deno.env.get(variable) ?? null : null;
  if (path === "") throw new Error("the program could not be bundled; why stands above the tests");
  return path;
}

/** How the program is started: from its source, or as a compiled executable. */
export interface Build {
  readonly command: string;
  readonly args: readonly string[];
}

/**
 * What tasks set, and so every program of the tests that is not told otherwise: the current folder is
 * that of whoever starts it.
 */
export const HERE = { SEALPOST_HERE: "1" };

/**
 * The program as `deno task` runs it, with the permissions that its tasks have, from its source or
 * from another module, such as a bundle's.
 */
export function fromModule(module = MAIN): Build {
  return {
    command: Deno.execPath(),
    args: [
      "run",
      "--no-prompt",
      "--quiet",
      "--allow-read=.",
      "--allow-write=.",
      "--allow-net=127.0.0.1,[::1],localhost",
      "--allow-env=SEALPOST_PASSWORD,SEALPOST_HOME,HOME,XDG_CONFIG_HOME,APPDATA," +
      "SEALPOST_PASSPHRASE,SEALPOST_DEBUG,NO_COLOR,TERM,TMUX,ZELLIJ,STY,SSH_CONNECTION,SSH_CLIENT," +
      "SSH_TTY,LC_ALL,LC_CTYPE,LANG,SEALPOST_HERE,PGAPPNAME,SEALPOST_STORE," +
      "SEALPOST_STORE_PASSWORD_FILE",
      module,
    ],
  };
}

export const FROM_SOURCE: Build = fromModule();

/**
 * The program from its source with the permissions of the compiled executable: nothing but itself
 * keeps it within a folder.
 */
export const UNCONFINED: Build = {
  command: Deno.execPath(),
  args: FROM_SOURCE.args.map((arg) => arg.replace(/^(--allow-(?:read|write))=.*$/, "$1")),
};

/** A compiled executable. */
export function compiled(path: string): Build {
  return { command: path, args: [] };
}

/** What a program printed and how it ended. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartOptions {
  /** The folder it runs in. */
  readonly cwd: string;
  readonly env?: Record<string, string>;
  readonly build?: Build;
}

/** A running program: what it says can be waited for, and answered. */
export class Program {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #done: Promise<void>;
  #stdout = "";
  #stderr = "";
  readonly #heard = { stdout: 0, stderr: 0 };
  #ended = false;
  #onOutput: (() => void)[] = [];

  private constructor(process: Deno.ChildProcess) {
    this.#process = process;
    this.#input = process.stdin.getWriter();
    this.#done = Promise.all([
      this.#collect(process.stdout, (text) => this.#stdout += text),
      this.#collect(process.stderr, (text) => this.#stderr += text),
    ]).then(() => {
      this.#ended = true;
      this.#wake();
    });
  }

  static start(args: readonly string[], options: StartOptions): Program {
    const { command, args: first } = options.build ?? FROM_SOURCE;
    return new Program(
      new Deno.Command(command, {
        args: [...first, ...args],
        cwd: options.cwd,
        env: { NO_COLOR: "1", ...HERE, ...options.env },
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn(),
    );
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** All it has said on standard output so far. */
  get stdout(): string {
    return this.#stdout;
  }

  /** All it has said on standard error so far. */
  get stderr(): string {
    return this.#stderr;
  }

  async #collect(stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      add(decoder.decode(chunk, { stream: true }));
      this.#wake();
    }
  }

  #wake(): void {
    for (const resolve of this.#onOutput.splice(0)) resolve();
  }

  /**
   * Waits until it prints `text` after what was waited for before; returns what it printed up to
   * and including that. Throws if it ends, or has not said it within `patience` milliseconds.
   */
  expect(text: string, patience = PATIENCE): Promise<string> {
    return this.#expect("stdout", text, patience);
  }

  /** {@linkcode Program.expect} on standard error. */
  expectError(text: string, patience = PATIENCE): Promise<string> {
    return this.#expect("stderr", text, patience);
  }

  async #expect(stream: "stdout" | "stderr", text: string, patience: number): Promise<string> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#wake();
    }, patience);
    try {
      for (;;) {
        const said = stream === "stdout" ? this.#stdout : this.#stderr;
        const from = this.#heard[stream];
        const at = said.indexOf(text, from);
        if (at >= 0) {
          this.#heard[stream] = at + text.length;
          return said.slice(from, at + text.length);
        }
        if (this.#ended || late) {
          throw new Error(
            `${late ? "waited in vain" : "ended"} before ${JSON.stringify(text)}; it said ` +
              `${JSON.stringify(this.#stdout.slice(this.#heard.stdout).slice(-2000))} and ` +
              JSON.stringify(this.#stderr.slice(-2000)),
          );
        }
        await new Promise<void>((resolve) => this.#onOutput.push(resolve));
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Types a line. */
  async type(line: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${line}\n`));
  }

  /** Waits for each prompt and types its answer; returns all that was said. */
  async converse(turns: readonly (readonly [prompt: string, answer: string])[]): Promise<string> {
    let said = "";
    for (const [prompt, answer] of turns) {
      said += await this.expect(prompt);
      await this.type(answer);
    }
    return said;
  }

  kill(signal: Deno.Signal = "SIGTERM"): void {
    try {
      this.#process.kill(signal);
    } catch {
      // It has ended already.
    }
  }

  /** Ends its input and waits until it ends. */
  async finish(): Promise<Outcome> {
    await this.#input.close().catch(() => {});
    const { code } = await this.#process.status;
    await this.#done;
    return { code, stdout: this.#stdout, stderr: this.#stderr };
  }
}

/** Runs the program to its end, with `input` on its standard input. */
export async function run(
  args: readonly string[],
  options: StartOptions & { readonly input?: string },
): Promise<Outcome> {
  const program = Program.start(args, options);
  for (const line of options.input?.split("\n") ?? []) await program.type(line).catch(() => {});
  return await program.finish();
}

/** A server in a process of its own. */
export class ServerProcess {
  private constructor(
    readonly program: Program,
    /** `127.0.0.1:PORT`. */
    readonly address: string,
  ) {}

  /** Starts `serve` for the folder `server` in `cwd`, on a free port of 127.0.0.1. */
  static async start(options: StartOptions, args: readonly string[] = []): Promise<ServerProcess> {
    const listen = args.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"];
    const program = Program.start(["serve", ...listen, ...args], {
      ...options,
      // As in the task `serve`: the memory of a password check goes back to the system.
      env: { MALLOC_MMAP_THRESHOLD_: "1048576", ...options.env },
    });
    await program.expect("listening on ");
    const said = await program.expect(",");
    return new ServerProcess(program, said.slice(0, -1));
  }

  async stop(): Promise<Outcome> {
    this.program.kill("SIGTERM");
    return await this.program.finish();
  }
}

/** The password that the tests give to `name`. */
export function passwordOf(name: string): string {
  return `password of ${name}`;
}
