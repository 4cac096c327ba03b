import { type Command, defineCommand } from "../cli/command.ts";
import { defined } from "../crypto/defined.ts";
import {
  COMMON,
  DIR,
  ENVIRONMENT,
  JSON_OUTPUT,
  mailOptions,
  ONLINE,
  PASSWORD_FILE,
  REFUSED,
  remoteOptions,
  SERVER,
} from "./shared.ts";

const REMOTE = [DIR, SERVER, PASSWORD_FILE, JSON_OUTPUT] as const;

/** The commands about a person's machines. */
export const DEVICES_COMMANDS: readonly Command[] = [
  defineCommand({
    name: "devices list",
    summary: "list your machines",
    description: [
      "Lists the machines that have your keys: what each is called, and when and from where it was " +
      "here last; a star marks this one. Two that are called the same have the beginnings of their ids " +
      "after their names. What they are called only your machines know; the server knows that they are " +
      "different ones. One of them runs your rules, if you have any (rules list).",
      "With --json, an array of objects with id, name, label (as the list has it), first, last, source, " +
      "online, own and runsRules.",
    ],
    positionals: [],
    options: COMMON,
    refused: REFUSED,
    examples: [{ line: "devices list", what: "which machines there are" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { listDevices } = await import("../client/commands/devices.ts");
      await listDevices(mailOptions(given));
    },
  }),
  defineCommand({
    name: "devices add",
    summary: "let another machine have your mail too",
    description: [
      "Shows 12 words, and a code of them for a camera, which are typed at the other machine, where " +
      "setup --device asks for them. They are good for ten minutes and one machine. Then both " +
      "machines show six words: this one sends nothing before you say that they are the same.",
      "The other machine gets your keys, with the passphrase that they have, and with your password " +
      "all your mail, contacts, drafts, folders and settings.",
    ],
    positionals: [],
    options: COMMON,
    refused: REFUSED,
    examples: [{ line: "devices add", what: "at a terminal, with both machines before you" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { addDevice } = await import("../client/commands/devices_add.ts");
      await addDevice(mailOptions(given));
    },
  }),
  defineCommand({
    name: "devices remove",
    summary: "remove a machine that was lost or stolen, or that is retired",
    description: [
      "Asks which of the two. One that is retired leaves the list, and your machines need your password " +
      "once more; nothing else changes. It still has your keys and mail: erase its folder before it goes " +
      "out of your hands.",
      "For one that was lost or stolen it makes new keys, as keys rotate does, and has you choose a new " +
      "password: the lost machine cannot log in, and cannot read what comes from then on. All your " +
      "sessions end, and your recovery kit; people that machine said were verified are not any more, and what else it changed last is " +
      "listed. Link your other machines again afterwards (devices add).",
      "Whoever has the machine still has what is on it, and can read what was sealed to the old keys, " +
      "unless a passphrase that they do not know keeps them shut.",
      "Broken off at any moment, it is run again. If whoever has the machine was faster and changed your " +
      "keys themselves, you cannot log in any more: the server's operator releases your account " +
      "(user unbind).",
    ],
    positionals: [{
      name: "MACHINE",
      required: true,
      help: "as devices list calls it, or the beginning of its id, 8 characters at least",
    }],
    options: REMOTE,
    refused: REFUSED,
    examples: [{ line: "devices remove laptop", what: "it was stolen, or is not used any more" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { removeDevice } = await import("../client/commands/devices_remove.ts");
      await removeDevice({ ...remoteOptions(given), machine: given.text("MACHINE") });
    },
  }),
  defineCommand({
    name: "recovery make",
    summary: "make a kit for the day when every machine is lost",
    description: [
      "Shows 24 words to write down, and keeps on the server what they open: your keys, without " +
      "their passphrase, and what your machines share, sealed so that the server cannot read it. " +
      "Needs your password. A kit that is there already is replaced, and its words are of no use " +
      "any more.",
    ],
    positionals: [],
    options: [
      { name: "svg", value: "FILE", help: "write words and code to FILE, a picture to print" },
      ...REMOTE,
    ],
    refused: REFUSED,
    examples: [
      { line: "recovery make", what: "to write the words down" },
      { line: "recovery make --svg kit.svg", what: "to print them" },
    ],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { makeRecovery } = await import("../client/commands/recovery.ts");
      await makeRecovery({ ...remoteOptions(given), ...defined({ svg: given.optional("svg") }) });
    },
  }),
  defineCommand({
    name: "recovery check",
    summary: "try the words of a recovery kit without using them",
    description: ["Asks for the words, fetches the kit, and says whether they open it."],
    positionals: [],
    options: REMOTE,
    refused: REFUSED,
    examples: [{ line: "recovery check", what: "are these still the right ones?" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { checkRecovery } = await import("../client/commands/recovery.ts");
      await checkRecovery(remoteOptions(given));
    },
  }),
  defineCommand({
    name: "recovery remove",
    summary: "remove the recovery kit",
    description: [
      "Has the server remove the kit. Needs your password. A server that kept a copy, together with " +
      "somebody who has the words, can still read what was sealed to your present keys.",
    ],
    positionals: [],
    options: REMOTE,
    refused: REFUSED,
    examples: [{ line: "recovery remove", what: "when the words were seen by somebody" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { removeRecovery } = await import("../client/commands/recovery.ts");
      await removeRecovery(remoteOptions(given));
    },
  }),
];
