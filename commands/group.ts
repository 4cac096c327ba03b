import { type Command, defineCommand } from "../cli/command.ts";
import { defined } from "../crypto/defined.ts";
import {
  COMMON,
  DIR,
  ENVIRONMENT,
  ID,
  JSON_OUTPUT,
  localOptions,
  mailOptions,
  OFFLINE,
  ONLINE,
  REFUSED,
  SERVER,
  YES,
} from "./shared.ts";

const GROUP = { name: "GROUP", required: true, help: "the name of a group" } as const;
const PEOPLE = {
  name: "PERSON",
  required: true,
  rest: true,
  help: "names of members; or of groups, for those who are in them",
} as const;

/** The commands about the people of the group. */
export const GROUP_COMMANDS: readonly Command[] = [
  defineCommand({
    name: "members",
    summary: "list who is in the group",
    description: [
      "Lists everybody whom the operator has let in: the name, the full name, since when they are " +
      "there, and how far their key is known to you. A full name with a star is what the operator " +
      "says; one without, its owner has signed in a message to you.",
      "With --json, an array of objects with name, fullName, fullNameSigned, since, canBeWrittenTo, " +
      "fingerprint, verified and verification.",
    ],
    positionals: [],
    options: COMMON,
    refused: REFUSED,
    examples: [{ line: "members", what: "whom you can write to" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { listMembers } = await import("../client/commands/members.ts");
      await listMembers(mailOptions(given));
    },
  }),
  defineCommand({
    name: "members names",
    summary: "print the names of whom one can write to",
    description: [
      "Prints the names of members and groups that this machine knows, one a line, for the completions of a shell. It asks " +
      "no server, and never for a passphrase: a key that has one must be unlocked (see unlock).",
      "--json: an array of names.",
    ],
    positionals: [],
    options: [DIR, SERVER, JSON_OUTPUT],
    examples: [{ line: "members names", what: "what send --to takes" }],
    environment: ENVIRONMENT.filter(({ name }) => name === "SEALPOST_HOME"),
    rights: OFFLINE,
    run: async (given) => {
      const { printMemberNames } = await import("../client/commands/members.ts");
      await printMemberNames(localOptions(given));
    },
  }),
  defineCommand({
    name: "groups list",
    summary: "list your groups",
    description: [
      "Lists the groups that you can write to by one name, with whose they are: your own, and those that " +
      "somebody has shared with you, as their owners have them now. everyone is there by itself: all " +
      "whom the operator has let in, as the server says.",
      "A group is a list in your own address book, on all of your machines: its members take the place " +
      "of its name before a message is sealed, so the server learns nothing of it.",
      "With --json, an array of objects with name, members and owner (null: you).",
    ],
    positionals: [],
    options: COMMON,
    refused: REFUSED,
    examples: [{ line: "groups list", what: "who is where" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { listGroups } = await import("../client/commands/groups.ts");
      await listGroups(mailOptions(given));
    },
  }),
  defineCommand({
    name: "groups show",
    summary: "show who is in a group",
    description: ["Prints the members, one a line, with their full names."],
    positionals: [GROUP],
    options: COMMON,
    refused: REFUSED,
    examples: [{ line: "groups show team", what: "who gets what I send to team" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { showGroup } = await import("../client/commands/groups.ts");
      await showGroup({ ...mailOptions(given), name: given.text("GROUP") });
    },
  }),
  defineCommand({
    name: "groups make",
    summary: "make a group",
    description: [
      "Gives several people one name, as in: send --to team. The name has the form of a user's, and is " +
      "no member's.",
    ],
    positionals: [GROUP, PEOPLE],
    options: COMMON,
    refused: REFUSED,
    examples: [{ line: "groups make team bob carol dave", what: "then: send --to team" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { makeGroup } = await import("../client/commands/groups.ts");
      await makeGroup({
        ...mailOptions(given),
        name: given.text("GROUP"),
        people: given.all("PERSON"),
      });
    },
  }),
  defineCommand({
    name: "groups add",
    summary: "add people to a group of yours",
    description: [
      "If you have shared the group, its members are sent the new list, and you are told so.",
    ],
    positionals: [GROUP, PEOPLE],
    options: COMMON,
    refused: REFUSED,
    examples: [{ line: "groups add team eve", what: "eve gets what goes to team from now on" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { changeMembers } = await import("../client/commands/groups.ts");
      await changeMembers({
        ...mailOptions(given),
        name: given.text("GROUP"),
        people: given.all("PERSON"),
        how: "add",
      });
    },
  }),
  defineCommand({
    name: "groups remove",
    summary: "take people out of a group of yours",
    description: [
      "The last one cannot be taken out: discard removes a whole group. If you have shared the group, " +
      "those who stay are sent the new list, and you are told so.",
    ],
    positionals: [GROUP, PEOPLE],
    options: COMMON,
    refused: REFUSED,
    examples: [{ line: "groups remove team dave", what: "dave gets it no more" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { changeMembers } = await import("../client/commands/groups.ts");
      await changeMembers({
        ...mailOptions(given),
        name: given.text("GROUP"),
        people: given.all("PERSON"),
        how: "remove",
      });
    },
  }),
  defineCommand({
    name: "groups discard",
    summary: "remove a group from your list",
    description: [
      "The people stay, and nobody is told. One of somebody else is not followed any more.",
    ],
    positionals: [GROUP],
    options: COMMON,
    refused: REFUSED,
    examples: [{ line: "groups discard team", what: "there is no team any more" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { discardGroup } = await import("../client/commands/groups.ts");
      await discardGroup({ ...mailOptions(given), name: given.text("GROUP") });
    },
  }),
  defineCommand({
    name: "groups share",
    summary: "send the list of a group of yours to its members",
    description: [
      "Sends them a message with the list, signed by you as each message is. Whoever reads it at a " +
      "terminal or in the page is asked once whether they want it; then they can write to the " +
      "group too, and follow what you change later: from then on groups add and groups remove send the " +
      "new list. Asks first.",
    ],
    positionals: [GROUP],
    options: [...COMMON, YES],
    refused: REFUSED,
    examples: [{ line: "groups share team", what: "its members can write to team too" }],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { shareGroup } = await import("../client/commands/groups.ts");
      await shareGroup({
        ...mailOptions(given),
        name: given.text("GROUP"),
        yes: given.flag("yes"),
      });
    },
  }),
  defineCommand({
    name: "groups accept",
    summary: "take over a group that somebody shares with you",
    description: [
      "Takes the list out of a message. From then on later lists by the same sender are followed: who was " +
      "added and removed is told when such a list comes. Nobody else can change it. Whoever reads such a " +
      "message at a terminal is asked about it once anyway.",
    ],
    positionals: [ID],
    options: [...COMMON, { name: "as", value: "GROUP", help: "under another name" }],
    refused: REFUSED,
    examples: [
      { line: "groups accept 4f3a", what: "the list in that message" },
      { line: "groups accept 4f3a --as bobs", what: "where you have one of that name" },
    ],
    environment: ENVIRONMENT,
    rights: ONLINE,
    run: async (given) => {
      const { acceptGroup } = await import("../client/commands/groups.ts");
      await acceptGroup({
        ...mailOptions(given),
        id: given.text("ID"),
        ...defined({ as: given.optional("as") }),
      });
    },
  }),
];
