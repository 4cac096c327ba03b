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
    "  await mail.recipients([...draft.to, ...draft.cc, ...draft.bcc]);\n",
    "",
  ),
  one(
    "a message is lost where nobody can be asked for the password",
    "client/session.ts",
    'isAway(error) || isSealpostError(error, "secret-needed")',
    "isAway(error)",
  ),
];
