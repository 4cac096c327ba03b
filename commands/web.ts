import { type Command, defineCommand } from "../cli/command.ts";
import { SealpostError } from "../crypto/error.ts";
import { defined } from "../crypto/defined.ts";
import { openBrowser } from "./editor.ts";
import {
  COMMON,
  DIR,
  ENVIRONMENT,
  JSON_OUTPUT,
  localOptions,
  mailOptions,
  ONLINE,
  REFUSED,
  SERVER,
  WITH_PROGRAMS,
} from "./shared.ts";

/** The commands for mail in a browser of the same machine. */
export const WEB_COMMANDS: readonly Command[] = [
  defineCommand({
    name: "web",
    summary: "read and send mail in your browser, on this machine",
    description: [
      "Serves a mail program to the browser of this machine, prints a link to it, and opens that. Keys " +
      "and mail stay here, and the page comes out of this program, never from the mail server. The " +
      "link lets one page in, once; Enter at the terminal gives another, and so does the command " +
      "while it runs. Somebody without keys is led through what setup does.",
      "When nobody touches the page for a while, or by lock, it is shut: where the keys have a " +
      "passphrase, that opens it again, else a new link does. It ends with its terminal, with " +
      "Ctrl-C, or by web stop; with --background by web stop alone.",
      "With --json, an object with link.",
    ],
    positionals: [],
    options: [
      { name: "no-open", help: "open no browser; print the link only, as on Windows" },
      {
        name: "listen",
        value: "ADDRESS:PORT",
        help: "where the page is: 127.0.0.1:PORT or [::1]:PORT (default: a free port)",
      },
      {
        name: "lock",
        value: "TIME",
        default: "15m",
        help: "shut it when nobody was there for so long: 5m, 8h; at most 7d",
      },
      {
        name: "background",
        help: "go on without this terminal, until web stop (the executable only)",
      },
      { name: "install", help: "make a launcher for the desktop's menu, and serve nothing" },
      ...COMMON,
    ],
    refused: REFUSED,
    examples: [
      { line: "web", what: "opens your mail in the browser" },
      { line: "web --no-open --listen 127.0.0.1:8025", what: "prints the link only" },
      { line: "web --install", what: "then it is in the desktop's menu" },
    ],
    environment: ENVIRONMENT,
    rights: WITH_PROGRAMS,
    run: async (given) => {
      const install = given.flag("install");
      const behind = given.flag("background");
      const typed = given.typed(["dir", "server", "password-file", "listen", "lock"]);
      const again = [
        "web",
        "--no-open",
        ...given.flag("no-cache") ? ["--no-cache"] : [],
        ...[...typed].map(([name, value]) => `--${name}=${value}`),
      ];
      const { browser, background } = await openBrowser(
        !install && !given.flag("no-open") && Deno.build.os !== "windows",
        behind && !install ? again : null,
      );
      const { installWeb, web } = await import("../client/web/run.ts");
      if (install) {
        if (behind || typed.size > 0) {
          throw new SealpostError("usage", "--install goes with no other option");
        }
        return await installWeb();
      }
      if (behind && !background) {
        throw new SealpostError(
          "usage",
          "--background starts the executable once more, by a shell: run this with that, or leave " +
            "--background out",
        );
      }
      await web({
        ...mailOptions(given),
        ...defined({ listen: given.optional("listen") }),
        lock: given.text("lock"),
        browser,
        background,
      });
    },
  }),
  defineCommand({
    name: "web stop",
    summary: "end the page that web serves",
    description: ["Ends it, wherever it was started. With --json, an object with stopped."],
    positionals: [],
    options: [DIR, SERVER, JSON_OUTPUT],
    refused: REFUSED,
    examples: [{ line: "web stop", what: "whatever terminal it was started in" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { stopWeb } = await import("../client/web/run.ts");
      await stopWeb(localOptions(given));
    },
  }),
];
