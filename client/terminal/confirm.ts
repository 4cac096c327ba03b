import type { Terminal } from "./terminal.ts";

/** Whether the person answers `question` with yes; anything else, and the end of the input, is no. */
export async function confirm(terminal: Terminal, question: string): Promise<boolean> {
  return /^y(es)?$/i.test((await terminal.ask(question))?.trim() ?? "");
}
