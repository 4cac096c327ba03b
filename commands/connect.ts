import { type Command, defineCommand } from "../cli/command.ts";
import { defined } from "../crypto/defined.ts";
import { isAtTerminal, openTools } from "./editor.ts";
import { DEBUG, NOT_AN_ARGUMENT, ONLINE_VARIABLES, PASSPHRASE, WITH_PROGRAMS } from "./shared.ts";

const NOT_A_VALUE = "every user of this machine can see the arguments of a program; " +
  "type it when asked, pipe it in, or use SEALPOST_PASSPHRASE";

/** The command for reading and writing mail at a terminal, or by a numbered menu. */
export const CONNECT_COMMANDS: readonly Command[] = [
  defineCommand({
    name: "connect",
    summary: "read and send mail",
    description: [
      "Connects to a server and reads and writes mail there: at a terminal on the whole screen (? " +
      "shows the keys), else, and with --menu, with a numbered menu, whose answers may come from a " +
      "pipe, one a line. Asks for what was not given: the server, the user name, the password. " +
      "Server and name that it reached are written to sealpost.toml, where it has none.",
    ],
    positionals: [{
      name: "[USER@]HOST[:PORT]",
      required: false,
      help: "the server, and who you are there; an IPv6 address stands in brackets (default at a " +
        "terminal: as in sealpost.toml)",
    }],
    options: [
      {
        name: "dir",
        value: "DIR",
        help: "your folder (default: the current one, the folder of your name in it, or the one " +
          "that the other commands use)",
      },
      {
        name: "password-file",
        value: "FILE",
        help: "take the password from the first line of FILE, which only you may read",
      },
      { name: "menu", help: "the numbered menu, at a terminal too" },
    ],
    refused: { password: NOT_AN_ARGUMENT, p: NOT_AN_ARGUMENT, passphrase: NOT_A_VALUE },
    examples: [
      { line: "connect alice@mail.lan", what: "from alice's folder; asks for the password" },
      { line: "connect --dir client1 client1@[::1]:13000", what: "a server on this machine" },
      {
        line: "connect --password-file secret alice@mail.lan < answers",
        what: "without a person: the menu's answers come from a file",
      },
    ],
    environment: [
      { name: "SEALPOST_PASSWORD", help: "the password, for use without a person" },
      PASSPHRASE,
      { name: "NO_COLOR", help: "no colours on the screen" },
      DEBUG,
    ],
    rights: {
      ...WITH_PROGRAMS,
      variables: [
        ...ONLINE_VARIABLES,
        "TMUX",
        "ZELLIJ",
        "STY",
        "SSH_CONNECTION",
        "SSH_CLIENT",
        "SSH_TTY",
      ],
    },
    run: async (given) => {
      const wanted = !given.flag("menu") && isAtTerminal();
      if (!wanted) await openTools(false);
      const { connect } = await import("../client/connect.ts");
      await connect({
        ...defined({
          dir: given.optional("dir"),
          target: given.optional("[USER@]HOST[:PORT]"),
          passwordFile: given.optional("password-file"),
        }),
        menu: given.flag("menu"),
        openTools: (folder) => openTools(wanted, folder),
      });
    },
  }),
];
