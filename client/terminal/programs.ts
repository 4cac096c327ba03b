import { type Bytes, concat, equal, fromUtf8, random, toHex, utf8 } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { resolve } from "@std/path";
import { printable } from "../../cli/printable.ts";
import { DRAFT_ID_DIGITS, EDITED_TEXT } from "../state/editor_file.ts";
import { EDITING } from "../state/state.ts";
import { commandWords } from "./command_words.ts";
import { mayStartPrograms } from "../../cli/rights.ts";

// The programs of a person's choice that this one uses: editor, pager, what watch runs. They are
// started by small shells, which are started before anything is read that somebody else wrote; then
// this process gives up the right to start any. So whoever takes it over through a hostile message
// finds no such right, and the shells do only what is written below.

/**
 * The shell; by its path, since the right to start it is granted at the very start of the program,
 * which must work without PATH too.
 */
const SHELL = "/bin/sh";

/**
 * Reads requests, a line each, and answers in a line. Editors and pagers have no business with
 * passwords, nor is what they start somewhere else in a folder of the person's. Ctrl-C is for the
 * program that runs, not for the shell: a signal that is caught, unlike one that is ignored, is a
 * usual one to its children.
 *
 * What a message is piped to is what the person types to this shell, at the terminal, and not what this
 * process says: words, or behind a `!` a line of shell.
 *
 * The folder of what may be edited is an argument, and a request names a draft by its id, 16 digits:
 * to vi or less a file name such as `-c:!command` would be an order.
 */
export const TOOLS = `unset SEALPOST_PASSWORD SEALPOST_PASSPHRASE SEALPOST_HERE
trap : INT
folder=$1
fallback=
piped=
set --
while IFS= read -r request; do
  case $request in
    editor)
      if [ -n "\${VISUAL:-$EDITOR}" ]; then echo yes; else echo no; fi ;;
    any-editor)
      for fallback in editor nano vim vi ''; do
        command -v "$fallback" >/dev/null 2>&1 && break
      done
      if [ -n "\${VISUAL:-\${EDITOR:-$fallback}}" ]; then echo yes; else echo no; fi ;;
    edit)
      IFS= read -r id || exit
      case $folder:$id in
        :* | *: | *:*[!0123456789abcdef]*) echo refused; continue ;;
      esac
      [ "\${#id}" -eq ${DRAFT_ID_DIGITS} ] || { echo refused; continue; }
      file=$folder/${EDITING}$id/${EDITED_TEXT}
      (eval "\${VISUAL:-\${EDITOR:-$fallback}} \\"\\$file\\"") </dev/tty >/dev/tty 2>&1
      echo "$?" ;;
    pipe)
      IFS= read -r end || exit
      printf '\\nPipe the message to%s: ' "\${piped:+ (Enter: \$piped)}" >/dev/tty
      IFS= read -r line </dev/tty && line=\${line:-\$piped} || line=
      {
        trap '' PIPE
        while IFS= read -r text && [ "$text" != "$end" ]; do
          [ -z "$line" ] || printf '%s\\n' "$text" 2>/dev/null
        done
      } | case $line in
        '') ;;
        !*) (eval "\${line#!}") >/dev/tty 2>&1 ;;
        *)
          set -f
          IFS=' 	'
          set -- $line
          command -v "$1" >/dev/null 2>&1 || exit 127
          exec "$@" >/dev/tty 2>&1 ;;
      esac
      code=$?
      [ -n "$line" ] || { echo left; continue; }
      piped=$line
      printf '\\n[Enter: back to your mail] ' >/dev/tty
      IFS= read -r text </dev/tty
      echo "$code" ;;
    suspend)
      kill -TSTP 0
      echo yes ;;
    pager)
      pager=\${PAGER-less}
      case $pager in '' | cat) echo no; continue ;; esac
      command -v "\${pager%% *}" >/dev/null 2>&1 || { echo no; continue; }
      echo yes
      export LESS="\${LESS-FX}" LESSCHARSET="\${LESSCHARSET-utf-8}"
      (eval "$pager") >/dev/tty
      exit ;;
  esac
done`;

/**
 * Reads requests about messages, four lines each: what is wanted, id, sender, title. What the command
 * prints is passed on; an answer is a line that begins with a secret of this process.
 */
const HOOKS = `command=$1
secret=$2
set --
trap : INT
while IFS= read -r request && IFS= read -r SEALPOST_ID && IFS= read -r SEALPOST_FROM &&
  IFS= read -r SEALPOST_SUBJECT; do
  answer=done
  case $request in
    exec)
      export SEALPOST_ID SEALPOST_FROM SEALPOST_SUBJECT
      (unset secret; eval "$command") </dev/null
      answer=$? ;;
    notify)
      if [ -n "$DISPLAY$WAYLAND_DISPLAY$DBUS_SESSION_BUS_ADDRESS" ] &&
        notify-send -a Sealpost -- "Mail from $SEALPOST_FROM" "$SEALPOST_SUBJECT" \\
          </dev/null >/dev/null 2>&1; then answer=shown
      else case $TERM in
        xterm* | tmux* | screen* | rxvt* | wezterm* | foot* | alacritty* | *kitty* | ghostty*)
          answer=sequence ;;
        *) answer=bell ;;
      esac; fi ;;
  esac
  echo
  echo "$secret $answer"
done`;

/** A shell, or null where there is none or this process may not start one. */
function startShell(
  script: string,
  args: readonly string[],
  stdout: "piped" | "inherit" = "piped",
): Deno.ChildProcess | null {
  if (Deno.build.os === "windows" || !mayStartPrograms()) return null;
  try {
    return new Deno.Command(SHELL, {
      args: ["-c", script, "sh", ...args],
      stdin: "piped",
      stdout,
      stderr: "inherit",
    }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/**
 * Runs `work`, while a program has the terminal. Ctrl-C is meant for that program, and would else
 * end this one.
 */
async function besideProgram<T>(work: () => Promise<T>): Promise<T> {
  const ignore = () => {};
  Deno.addSignalListener("SIGINT", ignore);
  try {
    return await work();
  } finally {
    Deno.removeSignalListener("SIGINT", ignore);
  }
}

/** A person's editor and pager, on the terminal of this process. */
export class Tools {
  readonly #shell: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<Uint8Array>;
  #heard = "";
  #paging = false;

  private constructor(shell: Deno.ChildProcess) {
    this.#shell = shell;
    this.#input = shell.stdin.getWriter();
    this.#output = shell.stdout.getReader();
    // An idle shell does not keep this process alive.
    shell.unref();
  }

  /**
   * Starts the shell for both; null where there is none. What is edited are drafts in `folder`, the
   * one for temporary files of somebody's state; null: nothing is. Must come before `giveUpPrograms`.
   */
  static start(folder: string | null): Tools | null {
    const shell = startShell(TOOLS, [folder === null ? "" : resolve(folder)]);
    return shell && new Tools(shell);
  }

  /**
   * Suspends this process and all that belong to it at its terminal, as Ctrl-Z does, until the person
   * goes on with them.
   */
  async suspend(): Promise<void> {
    await this.#ask("suspend");
  }

  /**
   * Whether there is an editor: VISUAL or EDITOR, or else the first that is there of `editor`, `nano`,
   * `vim` and `vi`, which is used from then on.
   */
  async findEditor(): Promise<boolean> {
    return await this.#ask("any-editor") === "yes";
  }

  /** Whether VISUAL or EDITOR says what the editor is. */
  async hasEditor(): Promise<boolean> {
    return await this.#ask("editor") === "yes";
  }

  /**
   * Opens the text of draft `id` ({@linkcode EditorFile}) in the person's editor and waits until that
   * ends. Throws `file-io` if it does not start or ends with an error.
   */
  async edit(id: string): Promise<void> {
    const code = await besideProgram(() => this.#ask(`edit\n${id}`));
    if (code === "0") return;
    throw new SealpostError(
      "file-io",
      code === "127" || code === "126"
        ? "your editor cannot be started; set VISUAL or EDITOR to one that is there"
        : `your editor ended with an error (code ${code ?? "unknown"})`,
    );
  }

  /**
   * Asks the person what program is to get `text`, which must be safe to print, as its input, and waits
   * until that ends. False if they leave the question. Throws `usage` if it cannot be started, `file-io` if
   * it ends with an error.
   */
  async pipe(text: string): Promise<boolean> {
    const end = toHex(random(16));
    const lines = text.endsWith("\n") ? text : `${text}\n`;
    const answer = await besideProgram(() => this.#ask(`pipe\n${end}\n${lines}${end}`));
    if (answer === "left") return false;
    checkEnd("the program", answer === null ? null : Number(answer));
    return true;
  }

  /**
   * Shows a text, which must be safe to print, in the person's pager and waits until that ends.
   * False if there is none, and then nothing was shown. Can be called once.
   */
  async page(text: string): Promise<boolean> {
    if (this.#paging || await this.#ask("pager") !== "yes") return false;
    this.#paging = true;
    return await besideProgram(async () => {
      try {
        await this.#input.write(utf8(text));
        await this.#input.close();
      } catch {
        // The person quit the pager before the end.
      }
      const { code } = await this.#shell.status;
      return code !== 126 && code !== 127;
    });
  }

  /** Ends the shell. Never throws. */
  async close(): Promise<void> {
    await this.#input.close().catch(() => {});
    await this.#shell.status;
    await this.#output.cancel().catch(() => {});
  }

  /** The answer to a request; null if the shell has ended. */
  async #ask(request: string): Promise<string | null> {
    try {
      await this.#input.write(utf8(`${request}\n`));
      for (;;) {
        const end = this.#heard.indexOf("\n");
        if (end >= 0) {
          const answer = this.#heard.slice(0, end);
          this.#heard = this.#heard.slice(end + 1);
          return answer;
        }
        const { done, value } = await this.#output.read();
        if (done) return null;
        this.#heard += new TextDecoder().decode(value);
      }
    } catch {
      return null;
    }
  }
}

/** Throws why a program failed whose exit code, as a shell has it, is `code`; null: the shell has failed. */
function checkEnd(name: string, code: number | null): void {
  if (code === 0) return;
  if (code === 126 || code === 127) {
    throw new SealpostError("usage", `${name} cannot be started; is it installed?`);
  }
  if (code === 128 + 2) throw new SealpostError("cancelled", `${name} was stopped`);
  throw new SealpostError("file-io", `${name} ended with an error (code ${code ?? "unknown"})`);
}

/** When told to, becomes the program that its arguments name, or the line of shell that they are. */
const PIPE = `unset SEALPOST_PASSWORD SEALPOST_PASSPHRASE SEALPOST_HERE
IFS= read -r go || exit 0
case $1 in
  shell) eval "$2" ;;
  *)
    shift
    command -v "$1" >/dev/null 2>&1 || exit 127
    exec "$@" ;;
esac`;

/**
 * A program that gets what is written as its input, and has the output of this process. What it is was said
 * before anything was read that somebody else wrote.
 */
export class ProgramPipe {
  readonly #shell: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #name: string;
  #started = false;
  #reads = true;

  private constructor(shell: Deno.ChildProcess, name: string) {
    this.#shell = shell;
    this.#input = shell.stdin.getWriter();
    this.#name = name;
    shell.unref();
  }

  /**
   * Readies the program that `command` is, words or, with `byShell`, a line of shell; null where there is
   * no shell. It is started by the first write. Must come before `giveUpPrograms`. Throws `usage` for what
   * is no command.
   */
  static start(command: string, byShell: boolean): ProgramPipe | null {
    const words = commandWords(command);
    const args = byShell ? ["shell", command] : ["words", ...words];
    const shell = startShell(PIPE, args, "inherit");
    const name = byShell ? "the command" : printable(words[0] ?? "");
    return shell && new ProgramPipe(shell, name);
  }

  /** Gives the program `bytes`. What it does not read any more is dropped. */
  async write(bytes: Bytes): Promise<void> {
    if (!this.#started) {
      this.#started = true;
      await this.#give(utf8("go\n"));
    }
    await this.#give(bytes);
  }

  async #give(bytes: Bytes): Promise<void> {
    if (!this.#reads) return;
    try {
      await this.#input.write(bytes);
    } catch {
      this.#reads = false;
    }
  }

  /**
   * Waits until the program has ended. Throws `usage` if it could not be started, `cancelled` if it was
   * stopped by Ctrl-C, `file-io` if it ended with another error.
   */
  async end(): Promise<void> {
    // Without anything to read, too, it is started.
    await this.write(new Uint8Array(0));
    this.#shell.ref();
    const { code } = await besideProgram(async () => {
      await this.#input.close().catch(() => {});
      return await this.#shell.status;
    });
    checkEnd(this.#name, code);
  }
}

/**
 * Reads the name of a page in the folder that is its argument, a line, and has the desktop open it in the
 * person's browser.
 */
const OPENER = `unset SEALPOST_PASSWORD SEALPOST_PASSPHRASE SEALPOST_HERE
folder=$1
IFS= read -r name || exit
case $name in *[!0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-]*) exit ;; esac
case $name in sealpost-*.html) ;; *) exit ;; esac
file=$folder/$name
for program in xdg-open open; do
  command -v "$program" >/dev/null 2>&1 || continue
  "$program" "$file" </dev/null >/dev/null 2>&1 &
  echo yes
  exit
done
echo no`;

/** What opens one file in the person's browser. */
export class BrowserOpener {
  readonly #shell: Deno.ChildProcess;

  private constructor(shell: Deno.ChildProcess, readonly folder: string) {
    this.#shell = shell;
    shell.unref();
  }

  /**
   * Starts the shell for a page that will be in `folder`, an absolute path; null where there is none. Must
   * come before `giveUpPrograms`.
   */
  static start(folder: string): BrowserOpener | null {
    const shell = startShell(OPENER, [folder]);
    return shell && new BrowserOpener(shell, folder);
  }

  /** Opens the page `name`, `sealpost-….html`, once. Whether there is something to open it with. */
  async open(name: string): Promise<boolean> {
    try {
      const input = this.#shell.stdin.getWriter();
      await input.write(utf8(`${name}\n`));
      await input.close();
      const { value } = await this.#shell.stdout.getReader().read();
      return value !== undefined && new TextDecoder().decode(value).trim() === "yes";
    } catch {
      return false;
    }
  }
}

/**
 * When told to, starts the program that its arguments are, in a session of its own where that can be had,
 * so that it outlives the terminal. What it says is passed on, and at its end its exit code.
 */
const BACKGROUND = `IFS= read -r go || exit
apart=$(command -v setsid)
{ $apart "$@" </dev/null 2>&1; echo "ended $?"; } &`;

/** What starts this program once more, to go on when this one has ended. */
export class Background {
  readonly #shell: Deno.ChildProcess;

  private constructor(shell: Deno.ChildProcess) {
    this.#shell = shell;
    shell.unref();
  }

  /**
   * Starts the shell for `args`, with which the executable is to be started; null where there is none, and
   * for the program from its source, whose rights nobody here can hand on. Must come before
   * `giveUpPrograms`.
   */
  static start(args: readonly string[]): Background | null {
    const shell = Deno.build.standalone ? startShell(BACKGROUND, [Deno.execPath(), ...args]) : null;
    return shell && new Background(shell);
  }

  /**
   * Starts the program, and gives the lines that it prints, for as long as they are read. The last one of a
   * program that ended is `ended CODE`.
   */
  async *lines(): AsyncGenerator<string, void, undefined> {
    const input = this.#shell.stdin.getWriter();
    await input.write(utf8("go\n"));
    await input.close();
    let heard = "";
    for await (const text of this.#shell.stdout.pipeThrough(new TextDecoderStream())) {
      heard += text;
      const lines = heard.split("\n");
      heard = lines.pop() ?? "";
      yield* lines;
    }
  }
}

/** A message that came, for the programs that are told of it. */
export interface Arrival {
  readonly id: string;
  readonly from: string;
  /** As its sender wrote it; made printable here. */
  readonly subject: string;
}

/** What is started when mail comes: a command of the person's, and the desktop's notifications. */
export class Hooks {
  readonly #shell: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<Uint8Array>;
  readonly #secret: string;
  readonly #print: (bytes: Bytes) => void;
  #heard: Bytes = new Uint8Array(0);

  private constructor(shell: Deno.ChildProcess, secret: string, print: (bytes: Bytes) => void) {
    this.#shell = shell;
    this.#secret = secret;
    this.#print = print;
    this.#input = shell.stdin.getWriter();
    this.#output = shell.stdout.getReader();
    shell.unref();
  }

  /**
   * Starts the shell; `command` is a line for it, and what that prints goes to `print`. Null where
   * there is none. Must come before `giveUpPrograms`.
   */
  static start(command: string, print: (bytes: Bytes) => void): Hooks | null {
    const secret = toHex(random(16));
    const shell = startShell(HOOKS, [command, secret]);
    return shell && new Hooks(shell, secret, print);
  }

  /** Runs the command for a message and waits until it ends; its exit code. Throws `file-io`. */
  async run(arrival: Arrival): Promise<number> {
    return Number(await this.#ask("exec", arrival));
  }

  /**
   * Has the desktop say that a message came. Where there is none: whether the terminal may know the
   * sequence for it, or only a bell. Throws `file-io`.
   */
  async notify(arrival: Arrival): Promise<"shown" | "sequence" | "bell"> {
    // Some desktops take the text for markup.
    const subject = arrival.subject.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);
    const answer = await this.#ask("notify", { ...arrival, subject });
    return answer === "shown" || answer === "sequence" ? answer : "bell";
  }

  /** Ends the shell. Never throws. */
  async close(): Promise<void> {
    await this.#input.close().catch(() => {});
    await this.#output.cancel().catch(() => {});
    await this.#shell.status;
  }

  async #ask(request: string, { id, from, subject }: Arrival): Promise<string> {
    const lines = [request, id, from, subject].map((line) => printable(line));
    try {
      await this.#input.write(utf8(`${lines.join("\n")}\n`));
      return await this.#answer();
    } catch (cause) {
      if (isSealpostError(cause)) throw cause;
      throw gone(cause);
    }
  }

  /** Passes on what is printed until the answer comes. */
  async #answer(): Promise<string> {
    const mark = utf8(`\n${this.#secret} `);
    for (;;) {
      const at = indexOf(this.#heard, mark);
      const end = at < 0 ? -1 : this.#heard.indexOf(LF, at + mark.length);
      if (end >= 0) {
        this.#print(this.#heard.slice(0, at));
        const answer = fromUtf8(this.#heard.slice(at + mark.length, end));
        this.#heard = this.#heard.slice(end + 1);
        return answer;
      }
      // Holds back what may be the beginning of an answer.
      const sure = at < 0 ? Math.max(0, this.#heard.length - mark.length) : at;
      if (sure > 0) this.#print(this.#heard.slice(0, sure));
      this.#heard = this.#heard.slice(sure);
      const { done, value } = await this.#output.read();
      if (done) throw gone();
      this.#heard = concat(this.#heard, value);
    }
  }
}

const LF = 0x0a;

function gone(cause?: unknown): SealpostError {
  return new SealpostError("file-io", "the shell for programs has ended; start watch again", {
    cause,
  });
}

/** Where `part` begins in `bytes`; -1 if it is not in there. */
function indexOf(bytes: Bytes, part: Bytes): number {
  const [first = 0] = part;
  for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (equal(bytes.subarray(at, at + part.length), part)) return at;
  }
  return -1;
}
