import { SealpostError } from "../../crypto/error.ts";
import { EVERYONE } from "../../protocol/name.ts";
import type { Group } from "./groups.ts";

/** Who gets a message: users, each once, and in sentences what of it is not as it was written. */
export interface Recipients {
  readonly names: readonly string[];
  readonly notes: readonly string[];
}

/** What names can stand for. */
export interface NamesKnown {
  readonly me: string;
  readonly groups: readonly Group[];
  /** The members of the group whom the server names, and whether they can be written to. */
  readonly members: readonly { readonly name: string; readonly bound: boolean }[];
  /** The user that a text means which is no group. Throws `no-such-user`. */
  readonly user: (text: string) => string;
}

/**
 * The users that `written` means: names of users, and of groups, whose members take their place; oneself is
 * left out of a group that has others. Throws `no-such-user`, and `usage` for a name that is both.
 */
export function expandRecipients(written: readonly string[], known: NamesKnown): Recipients {
  const notes: string[] = [];
  const names = written.flatMap((text) => {
    const name = text.trim().toLowerCase();
    const group = known.groups.find((one) => one.name === name);
    const isMember = known.members.some((one) => one.name === name);
    if (group && isMember) {
      throw new SealpostError(
        "usage",
        `${name} is a member of the group and a group of yours: discard yours, and make it under another name`,
      );
    }
    if (group) return withoutMe(group.members, known.me);
    if (name !== EVERYONE) return [known.user(text)];
    if (isMember) {
      throw new SealpostError(
        "usage",
        `the server names a user called ${EVERYONE}, which means all members: name those you mean, ` +
          "and ask the operator about it",
      );
    }
    const all = withoutMe(
      known.members.filter(({ bound }) => bound).map((one) => one.name),
      known.me,
    );
    if (all.length === 0) {
      throw new SealpostError(
        "usage",
        "the server has not said yet who is in the group; connect once",
      );
    }
    notes.push(`${EVERYONE}, as the server says: ${all.join(", ")}.`);
    return all;
  });
  return { names: [...new Set(names)], notes };
}

function withoutMe(names: readonly string[], me: string): readonly string[] {
  const others = names.filter((name) => name !== me);
  return others.length === 0 ? names : others;
}
