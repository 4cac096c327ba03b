import { isSealpostError } from "../crypto/error.ts";
import { terminalSize, variable } from "./environment.ts";
import { exitCodeFor } from "./exit_codes.ts";
import { rightsLeft } from "./rights.ts";

/** What a shell reports for a program that SIGPIPE ended. */
const BROKEN_PIPE = 141;

/** How a failed command ends. */
export interface Failure {
  readonly exitCode: number;
  /** Lines for standard error; none if nobody is left to read. */
  readonly lines: readonly string[];
}

/**
 * The end of a command that threw `error`: one line for the person, no stack trace. With `debug`
 * the stack, the chain of causes, and the rights that the process has follow.
 */
export async function describeFailure(error: unknown, debug: boolean): Promise<Failure> {
  if (error instanceof Deno.errors.BrokenPipe) return { exitCode: BROKEN_PIPE, lines: [] };
  // Messages can hold names and texts that came from others.
  const { printable } = await import("./printable.ts");
  const line = (text: string) => `sealpost: ${printable(text.trim())}`;
  const trace = debug
    ? [...stackOf(error).map((text) => printable(text)), `rights left: ${rightsLeft().join(" ")}`]
    : [];
  if (isSealpostError(error)) {
    return { exitCode: exitCodeFor(error.code), lines: [line(error.message), ...trace] };
  }
  if (error instanceof Deno.errors.NotCapable) {
    const refused = error.message.split(",", 1)[0] ?? "";
    return {
      exitCode: exitCodeFor("file-io"),
      lines: [
        line(
          `${refused}, which the task does not grant; the executable (deno task compile) has it`,
        ),
        ...trace,
      ],
    };
  }
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const how = debug ? "" : "; run it again with SEALPOST_DEBUG=1 and report what that shows";
  return {
    exitCode: exitCodeFor("internal"),
    lines: [line(`a defect of this program: ${firstLine(text)}${how}`), ...trace],
  };
}

/**
 * Runs a program whose every failure ends it as {@linkcode describeFailure} says, those that nobody
 * waits for included.
 */
export async function runProgram(main: () => Promise<void>): Promise<void> {
  // Now: `main` may give up the right to read the environment.
  const debug = variable("SEALPOST_DEBUG") === "1";
  for (const kind of ["unhandledrejection", "error"] as const) {
    globalThis.addEventListener(kind, (event) => {
      event.preventDefault();
      fail(event instanceof ErrorEvent ? event.error : event.reason, debug);
    });
  }
  try {
    await main();
  } catch (error) {
    await fail(error, debug);
  }
}

let failing = false;

async function fail(error: unknown, debug: boolean): Promise<never> {
  // What fails while a failure is told would be told in the same way, for ever.
  if (failing) Deno.exit(exitCodeFor("internal"));
  failing = true;
  let failure: Failure;
  try {
    failure = await describeFailure(error, debug);
  } catch {
    // Without the modules that make a message safe to show, nothing of it is shown.
    failure = {
      exitCode: exitCodeFor("internal"),
      lines: ["sealpost: a part of this program is missing; install it again"],
    };
  }
  for (const line of failure.lines) console.error(await fitting(line));
  Deno.exit(failure.exitCode);
}

/** `line` as a terminal shows it without breaking words; as it is, where nobody looks at it. */
async function fitting(line: string): Promise<string> {
  if (!Deno.stderr.isTerminal()) return line;
  try {
    const { breakLines } = await import("./printable.ts");
    return breakLines(line, terminalSize().columns);
  } catch {
    return line;
  }
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0]?.slice(0, 300) ?? "";
}

/** The stack of `error` and of each cause under it, at most ten deep. */
function stackOf(error: unknown): string[] {
  const lines: string[] = [];
  let at = error;
  for (let depth = 0; depth < 10 && at instanceof Error; depth++) {
    lines.push(...(depth === 0 ? "" : "caused by ").concat(at.stack ?? String(at)).split("\n"));
    at = at.cause;
  }
  return lines;
}
