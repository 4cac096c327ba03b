import { type Command, defineCommand } from "../cli/command.ts";
import { defined } from "../crypto/defined.ts";
import {
  DIR,
  ENVIRONMENT,
  JSON_OUTPUT,
  localOptions,
  OFFLINE,
  ONLINE,
  PASSWORD_FILE,
  REFUSED,
  remoteOptions,
  SERVER,
  YES,
} from "./shared.ts";

const CONTACT = {
  name: "NAME",
  required: true,
  help: "the name of somebody else",
} as const;
const LOCAL = [DIR, SERVER, JSON_OUTPUT] as const;
const REMOTE = [DIR, SERVER, PASSWORD_FILE, JSON_OUTPUT] as const;

const STATES =
  "The state is unverified, in-person, by-file, or changed: the server offers another " +
  "key than the one that is known.";

/** The commands about one's own keys and those of others. */
export const KEYS_COMMANDS: readonly Command[] = [
  defineCommand({
    name: "keys list",
    summary: "list everybody whose key is known",
    description: [
      "Lists the names whose keys are known here, since when, and whether they were verified: a " +
      "mark before the name says yes, an exclamation mark that the key has changed. Asks no server.",
      `With --json, an array of objects with name, fingerprint, since, verified (true or false), ` +
      `verification, verifiedAt, offered, former and looksLike. ${STATES}`,
    ],
    positionals: [],
    options: [...LOCAL],
    refused: REFUSED,
    examples: [
      { line: "keys list", what: "who is known" },
      { line: "keys list --json", what: "for a program" },
    ],
    environment: ENVIRONMENT,
    rights: OFFLINE,
    run: async (given) => {
      const { listKeys } = await import("../client/commands/keys.ts");
      await listKeys(localOptions(given));
    },
  }),
  defineCommand({
    name: "keys show",
    summary: "show the fingerprint of a key",
    description: [
      "Shows your own fingerprint, or that of somebody whose key is known, also in groups for " +
      "reading aloud; for others since when it is known, and which keys were theirs before. Asks " +
      "no server.",
      "With --json, one object as in keys list, with own and hex.",
    ],
    positionals: [{ name: "NAME", required: false, help: "whose; your own if not given" }],
    options: [...LOCAL],
    refused: REFUSED,
    examples: [
      { line: "keys show", what: "your own" },
      { line: "keys show bob", what: "what is known of bob" },
    ],
    environment: ENVIRONMENT,
    rights: OFFLINE,
    run: async (given) => {
      const { showKey } = await import("../client/commands/keys.ts");
      await showKey({ ...localOptions(given), ...defined({ name: given.optional("NAME") }) });
    },
  }),
  defineCommand({
    name: "keys verify",
    summary: "compare keys with somebody, and remember that they are right",
    description: [
      "Shows a number of 60 digits, and a code for a camera, that both sides see the same if each " +
      "has the other's key. Compare it in person or by phone, and answer yes: from then on the " +
      "name is marked as verified, until its key changes.",
      "With --scan, the text that the other's code holds is compared exactly, and nothing is " +
      "asked. A server is asked only if no key of NAME is known yet.",
      "With --json, an object with name, fingerprint, safetyNumber, text, verified and " +
      "verification; without --scan nothing is changed then.",
    ],
    positionals: [
      CONTACT,
      { name: "TEXT", required: false, help: "what the other's code says; - or none: asked for" },
    ],
    options: [
      { name: "scan", help: "compare TEXT, which comes from the other's code" },
      { name: "text", help: "print only the text of your own code" },
      { name: "invert", help: "draw the code for black on white, where there are no colours" },
      ...REMOTE,
    ],
    refused: REFUSED,
    examples: [
      { line: "keys verify bob", what: "the number and the code" },
      { line: "keys verify bob --scan < code.txt", what: "what bob's code says" },
      { line: "keys verify bob --text", what: "for bob's --scan" },
    ],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { verifyKey } = await import("../client/commands/keys_verify.ts");
      await verifyKey({
        ...remoteOptions(given),
        ...defined({ text: given.optional("TEXT") }),
        name: given.text("NAME"),
        scan: given.flag("scan"),
        onlyText: given.flag("text"),
        invert: given.flag("invert"),
      });
    },
  }),
  defineCommand({
    name: "keys trust",
    summary: "accept the new key of somebody",
    description: [
      "Shows which key of NAME is known and which the server offers now, and takes that one when " +
      "you say so. Ask its owner first, and not by mail. It is not verified by this.",
      "With --json, an object as in keys list.",
    ],
    positionals: [CONTACT],
    options: [
      {
        name: "fingerprint",
        value: "FP",
        help: "accept no other key than this: SHA256:… or 64 hexadecimal digits",
      },
      { name: "yes", help: "do not ask; needs --fingerprint" },
      ...REMOTE,
    ],
    refused: REFUSED,
    examples: [
      { line: "keys trust bob", what: "asks" },
      { line: 'keys trust bob --yes --fingerprint "$FP"', what: "in a script" },
    ],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { trustKey } = await import("../client/commands/keys_trust.ts");
      await trustKey({
        ...remoteOptions(given),
        ...defined({ fingerprint: given.optional("fingerprint") }),
        name: given.text("NAME"),
        yes: given.flag("yes"),
      });
    },
  }),
  defineCommand({
    name: "keys export",
    summary: "print your key as a text to hand to others",
    description: [
      "Prints a block of text with your name, your server and your key, signed by it. Whoever gets " +
      "it another way than over the server can import it and has your key verified.",
      "With --json, an object with name, server, serverFingerprint, fingerprint, text and file.",
    ],
    positionals: [],
    options: [
      { name: "output", short: "o", value: "FILE", help: "write it to FILE, which must not exist" },
      ...LOCAL,
    ],
    refused: REFUSED,
    examples: [
      { line: "keys export", what: "to paste it" },
      { line: "keys export -o alice.txt", what: "to copy it" },
    ],
    environment: ENVIRONMENT,
    rights: OFFLINE,
    run: async (given) => {
      const { exportKey } = await import("../client/commands/keys_card.ts");
      await exportKey({ ...localOptions(given), ...defined({ output: given.optional("output") }) });
    },
  }),
  defineCommand({
    name: "keys import",
    summary: "take somebody's key from such a text",
    description: [
      "Takes the key of a block that keys export printed. It counts as verified by file: only as " +
      "good as the way on which the file came. A name of which another key is known is refused, " +
      "and so is a user of another server. Asks no server.",
      "With --json, an object as in keys list, with new.",
    ],
    positionals: [{ name: "FILE", required: true, help: "the file; - for standard input" }],
    options: [
      { name: "any-server", help: "take the key of a user of another server too" },
      ...LOCAL,
    ],
    refused: REFUSED,
    examples: [
      { line: "keys import bob.txt", what: "from a file" },
      { line: "keys import - < bob.txt", what: "from standard input" },
    ],
    environment: ENVIRONMENT,
    rights: OFFLINE,
    run: async (given) => {
      const { importKey } = await import("../client/commands/keys_card.ts");
      await importKey({
        ...localOptions(given),
        file: given.text("FILE"),
        anyServer: given.flag("any-server"),
      });
    },
  }),
  defineCommand({
    name: "keys log",
    summary: "show what happened to everybody's keys, or prove that the server lies",
    description: [
      "The server keeps a log of every key that is bound, changed or released, and each message says " +
      "how its sender has it: so it is found when two people are shown different ones. Shows the log " +
      "as it is known here, or what it says of NAME. Asks no server.",
      "When two histories were found, --proof writes what proves it to a file, and --check says on any " +
      "machine, without keys, whether such a file proves it, and of which server. Mail that waits " +
      "because of it goes out after keys verify, keys trust, or --accept.",
      "With --json, an object with records (number, time, name, event, fingerprint, rotations), count, " +
      "generation, signed, fork, lost, held and proof; with --check one with proven, server and heads.",
    ],
    positionals: [{
      name: "NAME",
      required: false,
      help: "only what happened to this name's keys",
    }],
    options: [
      { name: "proof", value: "FILE", help: "write the proof of two histories to FILE" },
      { name: "check", value: "FILE", help: "check the proof in FILE" },
      { name: "accept", help: "go on with the log as it is; nothing waits any more" },
      YES,
      ...LOCAL,
    ],
    refused: REFUSED,
    examples: [
      { line: "keys log", what: "everything" },
      { line: "keys log bob", what: "bob's keys" },
      { line: "keys log --check proof.txt", what: "what somebody else has found" },
    ],
    environment: ENVIRONMENT,
    rights: OFFLINE,
    run: async (given) => {
      const { showKeyLog } = await import("../client/commands/keys_log.ts");
      await showKeyLog({
        ...localOptions(given),
        ...defined({
          name: given.optional("NAME"),
          proof: given.optional("proof"),
          check: given.optional("check"),
        }),
        accept: given.flag("accept"),
        yes: given.flag("yes"),
      });
    },
  }),
  defineCommand({
    name: "keys rotate",
    summary: "make new keys, and have the old ones sign for them",
    description: [
      "Makes new keys and puts them in the place of yours, here and on the server. The old ones " +
      "sign for the new ones, so everybody who knows the old ones follows without doing anything, and is told. " +
      "The old private key stays here to read old mail, with the passphrase that it has.",
      "It needs your password, not a ticket, and ends your other sessions. If it is broken off at " +
      "any moment, your next command finds out how far it came, and finishes it or takes it back.",
      "Asks first. Your other machines can log in again only when you have linked them " +
      "again (devices add).",
      "If somebody may have your private key, this is not enough: tell the server's operator to " +
      "release your account from it, and compare your new key with everybody.",
      "With --json, an object with name, fingerprint, former and retired (the old key's file).",
    ],
    positionals: [],
    options: [
      {
        name: "new-passphrase",
        help: "ask for another passphrase for the new private key",
      },
      YES,
      DIR,
      SERVER,
      PASSWORD_FILE,
      JSON_OUTPUT,
    ],
    refused: REFUSED,
    examples: [
      { line: "keys rotate", what: "new keys with the same passphrase, if there is one" },
      { line: "keys rotate --yes", what: "without asking, in a script" },
      { line: "keys rotate --new-passphrase", what: "and another passphrase" },
    ],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { rotateKeys } = await import("../client/commands/keys_rotate.ts");
      await rotateKeys({
        ...remoteOptions(given),
        newPassphrase: given.flag("new-passphrase"),
        yes: given.flag("yes"),
      });
    },
  }),
];
