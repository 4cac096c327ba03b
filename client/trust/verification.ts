import { formatTime } from "../../cli/format.ts";
import type { Pin } from "../state/pins.ts";

/**
 * How far a key can be trusted. `in-person` and `by-file` are what people did, and no server can
 * bring them about; `changed`: the server offers another key than the pinned one; `rotated`: the
 * verified key was left for this one, and what is sent waits for the person's word; `own`: one's own;
 * `claimed`: one has stored it oneself, and whom it is said to be from nobody has signed; `operator`: it
 * is signed with the server's key.
 */
export type VerificationState =
  | "unverified"
  | "in-person"
  | "by-file"
  | "changed"
  | "rotated"
  | "own"
  | "claimed"
  | "operator";

/** The verification of a pin, for lists and headers. */
export interface Verification {
  readonly state: VerificationState;
  /** Whether the people have made sure of the key, and no other is offered. */
  readonly verified: boolean;
  /** When it was verified, took a verified one's place, or another was first seen; null if none. */
  readonly at: number | null;
  /** One column: `✓` verified, `!` changed or rotated, a space for anything else. */
  readonly mark: "✓" | "!" | " ";
  /** In words, like `verified in person 2026-11-22 13:05`. */
  readonly words: string;
}

/** What one's own key counts as. */
export const OWN: Verification = {
  state: "own",
  verified: true,
  at: null,
  mark: " ",
  words: "your own key",
};

/** What the sender of a message counts as that one has stored oneself. */
export const CLAIMED: Verification = {
  state: "claimed",
  verified: false,
  at: null,
  mark: " ",
  words: "a claim: you stored this yourself, and nobody has signed whom it is from",
};

/** What the server's key counts as, with which its operator signs announcements. */
export const BY_OPERATOR: Verification = {
  state: "operator",
  verified: true,
  at: null,
  mark: " ",
  words: "an announcement, signed with the server's key",
};

/** What a key counts as of which nothing is known. */
export const UNVERIFIED: Verification = {
  state: "unverified",
  verified: false,
  at: null,
  mark: " ",
  words: "not verified",
};

/** The verification of a pin; `unverified` where there is none. */
export function verification(pin: Pin | null): Verification {
  if (pin?.offered) {
    const at = pin.offered.since;
    return {
      state: "changed",
      verified: false,
      at,
      mark: "!",
      words: `another key is offered since ${formatTime(at)}`,
    };
  }
  if (pin && pin.unconfirmed !== null) {
    return {
      state: "rotated",
      verified: false,
      at: pin.unconfirmed,
      mark: "!",
      words: `new key since ${formatTime(pin.unconfirmed)}, in the place of a verified one`,
    };
  }
  if (!pin?.verified) return UNVERIFIED;
  const { how, at } = pin.verified;
  const way = how === "in-person" ? "in person" : "by file";
  return {
    state: how,
    verified: true,
    at,
    mark: "✓",
    words: `verified ${way} ${formatTime(at)}`,
  };
}

/** The mark of a verification where only ASCII can be shown: `+` in the place of `✓`. */
export function plainMark({ mark }: Verification): string {
  return mark === "✓" ? "+" : mark;
}

/**
 * Those of `known` that a person could take for `name`: 0 and o, 1 and i and l, rn and m, vv and w
 * look alike, and dots, dashes and underscores are easily missed.
 */
export function lookalikes(name: string, known: Iterable<string>): string[] {
  const shape = shapeOf(name);
  return [...known].filter((other) => other !== name && shapeOf(other) === shape).sort();
}

function shapeOf(name: string): string {
  return name.replaceAll(/[._-]/g, "").replaceAll("rn", "m").replaceAll("vv", "w")
    .replaceAll("0", "o").replaceAll(/[1i]/g, "l");
}
