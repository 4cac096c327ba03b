import { isSealpostError } from "../crypto/error.ts";
import { exitCodeFor } from "./exit_codes.ts";

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
 * the stack and the chain of causes follow.
 */
export async function describeFailure(error: unknown, debug: boolean): Promise<Failure> {
  if (error instanceof Deno.errors.BrokenPipe) return { exitCode: BROKEN_PIPE, lines: [] };
  // Messages can hold names and texts that came from others.
  const { printable } = await import("./printable.ts");
  const line = (text: string) => `sealpost: ${printable(text.trim())}`;
  const trace = debug ? stackOf(error).map((text) => printable(text)) : [];
  if (isSealpostError(error)) {
    return { exitCode: exitCodeFor(error.code), lines: [line(error.message), ...trace] };
  }
  if (error instanceof Deno.errors.NotCapable) {
    const refused = error.message.split(",", 1)[0] ?? "";
    return {
      exitCode: exitCodeFor("file-io"),
      lines: [
        line(
          `${refused}, which it was not started with; stay within the current folder, or use ` +
            "the executable (deno task compile)",
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
