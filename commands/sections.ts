/** The headings under which help lists commands, each by the first word of its name. */
export const SECTIONS = [
  { title: "Start here", words: ["setup", "connect", "web"] },
  {
    title: "Mail",
    words: [
      "inbox",
      "read",
      "send",
      "reply",
      "forward",
      "search",
      "watch",
      "move",
      "delete",
      "mark",
      "undo",
      "folders",
      "drafts",
      "outbox",
      "status",
      "export",
      "import",
    ],
  },
  { title: "Your group", words: ["members", "groups"] },
  { title: "Other mail programs", words: ["bridge", "sendmail"] },
  {
    title: "Keys, and whom to trust",
    words: ["keys", "passwd", "unlock", "lock", "logout"],
  },
  { title: "Your machines", words: ["devices", "recovery"] },
  {
    title: "A server",
    words: [
      "keygen",
      "serve",
      "user",
      "sessions",
      "stats",
      "queue",
      "audit",
      "reload",
      "store",
      "fsck",
      "backup",
      "restore",
    ],
  },
  { title: "Folders beside a server", words: ["client", "pubkey", "adopt", "clean", "cleanall"] },
  { title: "This program", words: ["completions", "man", "help"] },
] as const;

/** What the commands are about that share a first word, where none has that word alone. */
export const ABOUT: Readonly<Record<string, string>> = {
  devices: "your machines, and adding and removing one",
  folders: "the folders of your mailbox",
  groups: "people to whom one can write by one name",
  keys: "your key, and those of others",
  recovery: "a kit for the day when every machine is lost",
  sessions: "who is logged in",
  store: "the database that several servers share",
  user: "who may log in",
};
