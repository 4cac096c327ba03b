import { PROGRAM } from "../../cli/program.ts";
import { defined } from "../../crypto/defined.ts";
import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { loadBundle, loadIdentity } from "../../files/key_files.ts";
import { withControl } from "./control.ts";
import { type GroupFolderOptions, makeGroup } from "./group_folder.ts";
import {
  type Build,
  FROM_SOURCE,
  type Outcome,
  passwordOf,
  Program,
  run,
  ServerProcess,
} from "./program.ts";
import { RawSession } from "./raw_session.ts";

/** A prompt and what is typed at it. */
export type Turn = readonly [prompt: string, answer: string];

export const CHOICE = "choice: ";
export const LOGIN_REFUSED =
  "invalid username or password, or this account is bound to another key: if the password is " +
  `right, link this machine to one that has your keys ("${PROGRAM} setup --device"), or ask the ` +
  "server's operator";

/** How {@linkcode Group.connect} starts a client. */
export interface ConnectOptions {
  /** Default: that of the group's server. */
  readonly address?: string;
  /** SEALPOST_PASSWORD; default: the right one; null: none, so that it is asked for. */
  readonly password?: string | null;
  /** Default: that of the user. */
  readonly folder?: string;
  readonly env?: Record<string, string>;
}

/** What {@linkcode Group.talk} expects of the end. */
export interface TalkOptions extends ConnectOptions {
  /** Default: 0. */
  readonly code?: number;
}

/** How {@linkcode Group.start} makes a group. */
export interface GroupOptions extends GroupFolderOptions {
  /** Arguments of `serve`. */
  readonly serve?: readonly string[];
  /** How the server and the clients are started; default: {@linkcode FROM_SOURCE}. */
  readonly build?: Build;
  /** Called with the group's folder before the server is started. */
  readonly prepare?: (dir: string) => Promise<void>;
  /** Whether the server takes operators' commands; {@linkcode Group.operate} gives them. */
  readonly control?: boolean;
}

/** A server in a process of its own and the folders of its users, side by side. */
export class Group implements AsyncDisposable {
  readonly #options: GroupOptions;
  readonly #remove: () => Promise<void>;
  #server: ServerProcess;

  private constructor(
    readonly dir: string,
    server: ServerProcess,
    options: GroupOptions,
    remove: () => Promise<void>,
  ) {
    this.#server = server;
    this.#options = options;
    this.#remove = remove;
  }

  /** Makes the folders of everybody, with keys of 2048 bits, and starts the server. */
  static async start(names: readonly string[], given: GroupOptions = {}): Promise<Group> {
    const { dir, remove } = await makeGroup(names, given);
    const options = given.control ? { ...given, build: withControl(dir, given.build) } : given;
    try {
      await options.prepare?.(dir);
      const server = await ServerProcess.start(startIn(dir, options), options.serve);
      return new Group(dir, server, options, remove);
    } catch (error) {
      await remove();
      throw error;
    }
  }

  get server(): ServerProcess {
    return this.#server;
  }

  /** Runs an operator's command beside the server, which was started with `control`. */
  operate(args: readonly string[], input?: string): Promise<Outcome> {
    return run(args, { ...startIn(this.dir, this.#options), ...defined({ input }) });
  }

  /** A path in the group's folder. */
  path(...parts: readonly string[]): string {
    return join(this.dir, ...parts);
  }

  /** Starts the server again, with its folder as it is, where the system finds a port. */
  async restart(args: readonly string[] = this.#options.serve ?? []): Promise<void> {
    await this.#server.stop();
    this.#server = await ServerProcess.start(startIn(this.dir, this.#options), args);
  }

  /** Starts `connect` as `name`, from the folder of that user. */
  connect(name: string, options: ConnectOptions = {}): Program {
    const { address = this.#server.address, password = passwordOf(name) } = options;
    return Program.start(["connect", `${name}@${address}`], {
      ...startIn(options.folder ?? this.path(name), this.#options),
      env: { ...password === null ? {} : { SEALPOST_PASSWORD: password }, ...options.env },
    });
  }

  /**
   * Connects as `name`, gives `password` when asked, and nothing else. Where a password is asked for
   * in a pipe, a login is always a whole one: no ticket is used.
   */
  async logIn(name: string, password: string, options: ConnectOptions = {}): Promise<Outcome> {
    const program = this.connect(name, { ...options, password: null });
    await program.converse([["Enter your password: ", password]]);
    return await program.finish();
  }

  /** Connects as `name`, takes these turns at the menu, says goodbye; asserts the exit code. */
  async talk(
    name: string,
    turns: readonly Turn[],
    options: TalkOptions = {},
  ): Promise<Outcome> {
    const program = this.connect(name, options);
    await program.converse(turns);
    await program.converse([[CHOICE, "4"]]);
    return await ended(program, options.code ?? 0);
  }

  /** Logs each of `names` in, which binds their keys. Leaves nothing in their folders. */
  async bind(...names: readonly string[]): Promise<void> {
    await Promise.all(names.map(async (name) => {
      const server = await loadBundle(this.path(name, "server_public.pem"));
      const identity = await loadIdentity(this.path(name), name, () => Promise.resolve(null));
      const person = { name, identity, password: passwordOf(name) };
      const { session } = await RawSession.logIn(this.#server.address, server, person);
      await session.close();
    }));
  }

  /** The server's log so far. */
  get log(): string {
    return this.#server.program.stderr;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop();
    await this.#remove();
  }
}

/** Waits until a program ends, and asserts with what code. */
export async function ended(program: Program, code: number): Promise<Outcome> {
  const outcome = await program.finish();
  assertEquals(outcome.code, code, `it ended with ${outcome.code}: ${outcome.stderr}`);
  return outcome;
}

function startIn(cwd: string, { build = FROM_SOURCE }: GroupOptions) {
  return { cwd, build };
}

/** A message for {@linkcode sending}. */
export interface MenuMessage {
  readonly to: string;
  readonly title: string;
  /** Typed, or the name of a file in `files/` to load. */
  readonly contents: { readonly typed: string } | { readonly file: string };
  /** Files in `files/`, for the menu item that attaches. */
  readonly attach?: readonly string[];
}

/** The turns that send a message. */
export function sending(draft: MenuMessage): Turn[] {
  const { contents } = draft;
  return [
    [CHOICE, draft.attach ? "5" : "1"],
    ["Enter destinations (separated by ;): ", draft.to],
    ["Enter title: ", draft.title],
    ["Would you like to load contents from a file? (Y/N) ", "file" in contents ? "Y" : "N"],
    "file" in contents
      ? ["Enter filename: ", contents.file]
      : ["Enter message contents (end with a line that is a single .):\n", `${contents.typed}\n.`],
    ...draft.attach
      ? [["Enter files to attach, from files/ (separated by ;): ", draft.attach.join(";")] as const]
      : [],
  ];
}

/** What the menu says when a message went out. */
export const SENT = "The message is sent to the server.";

/** The turns that show a message. */
export function reading(index: number): Turn[] {
  return [[CHOICE, "3"], ["Enter the email index you wish to view: ", String(index)]];
}

/** A line of an inbox list. */
export interface Row {
  readonly index: number;
  readonly from: string;
  readonly title: string;
}

/** The first inbox list with mail in what a client printed; none if all were empty. */
export function inboxIn(stdout: string): Row[] {
  const at = stdout.indexOf("Index  From");
  if (at < 0 && stdout.includes("The inbox is empty.")) return [];
  if (at < 0) throw new Error(`no inbox list in ${JSON.stringify(stdout)}`);
  const rows: Row[] = [];
  for (const line of stdout.slice(at).split("\n").slice(1)) {
    const match = /^(\d+) +(\S+) +\d{4}-\d\d-\d\d \d\d:\d\d {2}(.*)$/.exec(line);
    if (!match) break;
    const [, index, from = "", title = ""] = match;
    rows.push({ index: Number(index), from, title });
  }
  return rows;
}

/** The inbox of `name` as they see it. */
export async function inboxOf(
  group: Group,
  name: string,
  options: ConnectOptions = {},
): Promise<Row[]> {
  return inboxIn((await group.talk(name, [[CHOICE, "2"]], options)).stdout);
}

/** The texts of the messages that a client displayed, in their order. */
export function textsIn(stdout: string): string[] {
  const shown = stdout.matchAll(
    /\nContents:\n(.*?)\n(?=Attachments:\n|\(the text is longer|\n(?:\(\d+ new messages?\)\n\n)?Select the operation:\n)/gs,
  );
  return [...shown].map(([, text = ""]) => text);
}
