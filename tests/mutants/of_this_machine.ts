import { type Mutant, one } from "./mutant.ts";

/** Breakages of what keeps a person's own machine theirs: secrets, folders, programs. */
export const OF_THIS_MACHINE: readonly Mutant[] = [
  one(
    "standard input answers questions for secrets",
    "client/terminal/terminal.ts",
    "options.pipedSecrets ?? false",
    "options.pipedSecrets ?? true",
  ),
  one(
    "a text is read before it is known whether it can be sealed",
    "client/commands/send.ts",
    "  await mail.recipients((await mail.recipientNames(recipients)).names);\n",
    "",
  ),
  one(
    "a message is lost where nobody can be asked for the password",
    "client/session.ts",
    'isAway(error) || isSealpostError(error, "secret-needed")',
    "isAway(error)",
  ),
  one(
    "a folder that nobody has adopted is used",
    "client/state/profile.ts",
    "    if (await isOwnFolder(dir)) {\n",
    "    {\n",
  ),
  one(
    "a server that nobody has adopted is used",
    "files/server_folder.ts",
    "  if (!await isOwnFolder(dir)) {\n",
    "  if (!isOwnFolder(dir)) {\n",
  ),
  one(
    "a folder with something in it becomes one's own by keygen",
    "files/own_folders.ts",
    "(await fileNamesIn(dir)).length === 0 ||",
    "(await fileNamesIn(dir)).length >= 0 ||",
  ),
  one(
    "links in a folder that was found are followed",
    "files/own_folders.ts",
    "(named ? Deno.stat(path) : Deno.lstat(path))",
    "Deno.stat(path)",
  ),
  one(
    "files of another user decide",
    "files/own_folders.ts",
    "info.uid !== uid && !",
    "info.uid === null && !",
  ),
  one(
    "files that others can write decide",
    "files/own_folders.ts",
    "const OTHERS_WRITE = 0o022;",
    "const OTHERS_WRITE = 0o000;",
  ),
  one(
    "the shell for editors opens any name",
    "client/terminal/programs.ts",
    "        :* | *: | *:*[!0123456789abcdef]*) echo refused; continue ;;\n",
    "        :*) echo refused; continue ;;\n",
  ),
  one(
    "the shell for editors opens names of any length",
    "client/terminal/programs.ts",
    "|| { echo refused; continue; }",
    "|| :",
  ),
];
