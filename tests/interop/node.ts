// Where the Node client runs: a folder of its own with nothing of ours in it, and its dependency.

import { basename, join } from "@std/path";
import { ROOT } from "../support/program.ts";

const SOURCE = join(ROOT, "tests", "interop");

/** Why the Node client cannot run here, or null. */
export const missing: string | null = whyNot("node") ?? whyNot("npm");

/** Why there is no OpenSSL to run, or null. */
export const missingOpenssl: string | null = whyNot("openssl", "version");

function whyNot(command: string, question = "--version"): string | null {
  const permission = Deno.permissions.querySync({ name: "run", command });
  if (permission.state !== "granted") return `no --allow-run=${command}`;
  try {
    const { success, stdout } = new Deno.Command(command, { args: [question] }).outputSync();
    const version = new TextDecoder().decode(stdout).trim();
    if (!success) return `${command} ${question} fails`;
    if (command !== "node") return null;
    const [, major = "0", minor = "0"] = /^v(\d+)\.(\d+)/.exec(version) ?? [];
    return Number(major) * 1000 + Number(minor) < 20_019 ? `node ${version} is too old` : null;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return `there is no ${command}`;
  }
}

/** The names of the client's files. */
export async function sources(): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(SOURCE)) {
    if (name.endsWith(".mjs")) names.push(name);
  }
  return names.sort();
}

/** The text of one of the client's files. */
export function source(name: string): Promise<string> {
  return Deno.readTextFile(join(SOURCE, name));
}

/** A copy of the client with its dependency installed, as its lock file says. */
export async function install(): Promise<
  { dir: string; [Symbol.asyncDispose](): Promise<void> }
> {
  const dir = await Deno.makeTempDir({ prefix: "sealpost-node-" });
  for (const name of [...await sources(), "npm/package.json", "npm/package-lock.json"]) {
    await Deno.copyFile(join(SOURCE, name), join(dir, basename(name)));
  }
  const { success, stderr } = await new Deno.Command("npm", {
    args: ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"],
    cwd: dir,
  }).output();
  if (!success) throw new Error(`npm ci: ${new TextDecoder().decode(stderr)}`);
  return { dir, [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }) };
}

/** Runs one of the client's files to its end; what it printed. Throws if it fails. */
export async function runNode(dir: string, file: string, ...args: string[]): Promise<string> {
  const output = await new Deno.Command("node", { args: [join(dir, file), ...args] }).output();
  const [out, err] = [output.stdout, output.stderr].map((said) => new TextDecoder().decode(said));
  if (!output.success) throw new Error(`node ${file}: ${out}${err}`);
  return out ?? "";
}

/** What the Node client refused, with the code of section 11 of docs/PROTOCOL.md. */
export class NodeFailure extends Error {
  constructor(readonly code: string, message: string) {
    super(`${code}: ${message}`);
  }
}

/** The Node client, in a process that does what driver.mjs is told. */
export class NodeClient implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers: AsyncIterator<string>;

  private constructor(process: Deno.ChildProcess) {
    this.#process = process;
    this.#input = process.stdin.getWriter();
    this.#answers = lines(process.stdout);
  }

  static start(dir: string): NodeClient {
    return new NodeClient(
      new Deno.Command("node", {
        args: [join(dir, "driver.mjs")],
        stdin: "piped",
        stdout: "piped",
      }).spawn(),
    );
  }

  /** Makes a call of driver.mjs. Throws a {@linkcode NodeFailure} with what it threw. */
  async call<T>(call: string, args: object = {}): Promise<T> {
    await this.#input.write(
      new TextEncoder().encode(`${JSON.stringify({ call, args })}\n`),
    );
    const { value, done } = await this.#answers.next();
    if (done) throw new Error(`the Node client ended in ${call}`);
    const { result, error } = JSON.parse(value);
    if (error === undefined) return result;
    if (error.code === "unexpected") {
      throw new Error(`in ${call}: ${error.stack}`);
    }
    throw new NodeFailure(error.code, error.message);
  }

  /** The code that a call fails with; `none` if it does not. */
  async codeOf(call: string, args: object = {}): Promise<string> {
    try {
      await this.call<unknown>(call, args);
      return "none";
    } catch (error) {
      if (error instanceof NodeFailure) return error.code;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    await this.#answers.return?.();
    await this.#process.status;
  }
}

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const found = (rest + text).split("\n");
    rest = found.pop() ?? "";
    yield* found;
  }
}
