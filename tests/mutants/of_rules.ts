import { type Mutant, one } from "./mutant.ts";

const RUNNER = "client/mailbox/rule_runner.ts";

/** Breakages of what is done with mail that comes. */
export const OF_RULES: readonly Mutant[] = [
  one(
    "a rule fits what its sender has not signed",
    "client/mailbox/rules.ts",
    "duplicate || opened.summary.stored) return null;",
    "duplicate) return null;",
  ),
  one(
    "two machines run the rules, if one has not heard of the other",
    RUNNER,
    "return runnerOf(record)?.machine === (await shared.self()).machine;",
    "return runnerOf(record) !== null;",
  ),
  {
    name: "every machine runs the rules",
    changes: [
      {
        file: RUNNER,
        old: "if (presentRunner(record) !== null) return false;",
        new: "if (presentRunner(record) !== null) return true;",
      },
      {
        file: RUNNER,
        old: "return runnerOf(record)?.machine === (await shared.self()).machine;",
        new: "return runnerOf(record) !== null;",
      },
    ],
  },
  one(
    "a rule moves again what a person has moved back",
    RUNNER,
    "uid > after && uid <= top)",
    "uid <= top)",
  ),
  one(
    "a rule changes what somebody has changed meanwhile",
    RUNNER,
    "const unchangedSince = cache.fetched().modseq;",
    "const unchangedSince = Number.MAX_SAFE_INTEGER;",
  ),
  one(
    "what rules decided is forgotten when the connection is lost",
    RUNNER,
    "    const done = { epoch, uid: top, doing };\n    await this.#done.write(done);",
    "    const done = { epoch, uid: top, doing };\n    await this.#done.write({ ...done, doing: [] });",
  ),
  one(
    "whoever comes last takes the place of a removed machine",
    RUNNER,
    "      if (presentRunner(record) !== null) return [];\n",
    "",
  ),
];
