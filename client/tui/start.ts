import type { NewsEvent } from "../../protocol/request.ts";
import { knowsHyperlinks, showsColours, showsUnicode } from "../terminal/display.ts";
import type { Mail } from "../mail.ts";
import type { Tools } from "../terminal/programs.ts";
import type { WholeScreen } from "../terminal/terminal.ts";
import { App } from "./app.ts";
import { systemDisplay } from "./display.ts";
import { signsFor } from "./signs.ts";
import { COLOURED, PLAIN } from "./theme.ts";

/** What the full-screen program works with. */
export interface StartOptions {
  /** Where attachments are saved. */
  readonly files: string;
  /** The name and the server, for the bar at the top. */
  readonly account: string;
  /** The person's editor; null where there is none. */
  readonly tools: Tools | null;
  /** Whether the bell rings when mail comes. */
  readonly bell: boolean;
  /** The folder with the person's settings. */
  readonly dir: string;
}

/** The full-screen program before it has the terminal. */
export interface Started extends WholeScreen {
  /** Called when the server says what other sessions did in the mailbox. */
  notice(event: NewsEvent): void;
  /** Runs until the person quits. */
  run(): Promise<void>;
}

/** Makes the full-screen program for `mail`. */
export function startTui(mail: Mail, { files, account, tools, bell, dir }: StartOptions): Started {
  const app = new App({
    mail,
    io: systemDisplay(),
    theme: showsColours() ? COLOURED : PLAIN,
    signs: signsFor(showsUnicode()),
    files,
    account,
    tools,
    bell,
    hyperlinks: knowsHyperlinks(),
    dir,
  });
  return {
    notice: (event) => app.notice(event),
    run: () => app.run(),
    say: (line) => app.say(line),
    askSecret: async (prompt) => {
      const typed = await app.input(prompt, { hidden: true });
      return typed === null ? null : new TextEncoder().encode(typed.normalize("NFC"));
    },
  };
}
