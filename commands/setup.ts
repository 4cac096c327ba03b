import { type Command, defineCommand } from "../cli/command.ts";
import { defined } from "../crypto/defined.ts";
import { JSON_OUTPUT, ONLINE, REFUSED } from "./shared.ts";

/** The command that somebody begins with. */
export const SETUP_COMMANDS: readonly Command[] = [
  defineCommand({
    name: "setup",
    summary: "start here: get keys, log in, and see that it works",
    description: [
      "Asks for the invitation that you were sent, or for the server's address, your name and " +
      "password; makes your keys; logs in; has you choose your own password; sends a message to " +
      "yourself and reads it. What it needs is kept in one folder, with sealpost.toml, so that " +
      "every other command knows where to go.",
      "It can be stopped at any time and run again: it goes on where it was, and never replaces " +
      "keys. With --server it also writes down where a server that has moved is reached now. Without a terminal everything has to be given; then the keys are encrypted only if " +
      "SEALPOST_PASSPHRASE is set. With --json it prints name, server, folder, key, and the id of " +
      "the message to yourself (null if an earlier run sent it).",
    ],
    positionals: [],
    options: [
      {
        name: "dir",
        value: "DIR",
        help: "the folder for keys and settings (default: SEALPOST_HOME, the current one if you " +
          "said that it is yours, or the platform's)",
      },
      { name: "invitation", value: "FILE", help: "take the invitation from FILE" },
      {
        name: "server",
        value: "[USER@]HOST[:PORT]",
        help: "the server, and your name there, if you have no invitation",
      },
      {
        name: "fingerprint",
        value: "SHA256:...",
        help: "the fingerprint that the server must have; asked about if not given",
      },
      {
        name: "password-stdin",
        help: "read your own password from a pipe, one line: the one that you choose if you have " +
          "an invitation, else the one that you have",
      },
      {
        name: "password-file",
        value: "FILE",
        help: "take it from the first line of FILE, which only you may read",
      },
      {
        name: "device",
        help: "get keys and mail from another machine of yours, on which devices add shows words",
      },
      {
        name: "recover",
        help: "get keys and mail by the 24 words of a recovery kit, with no other machine",
      },
      {
        name: "device-name",
        value: "NAME",
        help: "what this machine is called among yours (default: as the system calls it)",
      },
      JSON_OUTPUT,
    ],
    refused: REFUSED,
    examples: [
      { line: "setup", what: "asks for everything" },
      { line: "setup --device", what: "a second machine: asks for address and words" },
      {
        line: "setup --invitation invitation.txt --password-stdin < password.txt",
        what: "without a person",
      },
      {
        line: "setup --server alice@mail.lan --dir alice",
        what: "by hand, in a folder of your choice",
      },
    ],
    environment: [
      { name: "SEALPOST_HOME", help: "the folder, if --dir is not given" },
      { name: "SEALPOST_PASSWORD", help: "your own password, for use without a person" },
      {
        name: "SEALPOST_PASSPHRASE",
        help: "the passphrase that new keys get, or that yours have, for use without a person",
      },
    ],
    rights: { ...ONLINE, host: true },
    run: async (given) => {
      const { setup } = await import("../client/commands/setup.ts");
      await setup({
        ...defined({
          dir: given.optional("dir"),
          invitation: given.optional("invitation"),
          server: given.optional("server"),
          fingerprint: given.optional("fingerprint"),
          passwordFile: given.optional("password-file"),
          deviceName: given.optional("device-name"),
        }),
        device: given.flag("device"),
        recover: given.flag("recover"),
        passwordStdin: given.flag("password-stdin"),
        json: given.flag("json"),
      });
    },
  }),
];
