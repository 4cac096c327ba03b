import { confirm } from "../terminal/confirm.ts";
import { SealpostError } from "../../crypto/error.ts";
import { type NamedKey, safetyNumber } from "../../crypto/safety_number.ts";
import type { Pin } from "../state/pins.ts";
import type { LogHold } from "./key_log.ts";
import type { Terminal } from "../terminal/terminal.ts";

/** Why a message waits for the person's word on the new keys `pins`, and what to do. */
export function unconfirmedKeys(pins: readonly Pin[]): SealpostError {
  const names = pins.map(({ name }) => name);
  const who = names.length === 1
    ? `${names[0]} has a new key`
    : `${names.join(" and ")} have new keys`;
  const commands = (verb: string) => names.map((name) => `"keys ${verb} ${name}"`).join(", ");
  return new SealpostError(
    "key-unconfirmed",
    `${who} in the place of what you had verified, so this waits for your word: ` +
      `${commands("verify")} compares, ${
        commands("trust")
      } takes what there is; the message is kept ` +
      "sealed in the outbox and goes out with your next connection after that",
  );
}

/** Why a message waits because of what the server's key log has shown, and what to do. */
export function heldByLog(holds: readonly LogHold[]): SealpostError {
  const names = holds.map(({ pin }) => pin.name);
  const who = names.join(" and ");
  const why = holds.some((hold) => hold.why === "fork")
    ? "the server has two histories of everybody's keys, and nobody has made sure that the key of " +
      `${who} is the right one`
    : `the server was restored from a backup that lacks the newest key of ${who}`;
  const commands = (verb: string) => names.map((name) => `"keys ${verb} ${name}"`).join(", ");
  return new SealpostError(
    "key-unconfirmed",
    `${why}, so this waits: ${commands("verify")} compares, ${
      commands("trust")
    } sends all the same; ` +
      "the message is kept sealed in the outbox and goes out with your next connection after that",
  );
}

/**
 * Asks a person at a terminal whether to send under the new key of somebody whose old one they had
 * verified; the one question, with the new safety number. No to anything but a yes.
 */
export async function askAboutNewKey(
  terminal: Terminal,
  own: NamedKey,
  pin: Pin,
): Promise<boolean> {
  const { name } = pin;
  const { groups } = safetyNumber(own, pin);
  terminal.print(
    `${name} has a new key, and the old one, which you had verified, has signed that. Whoever stole ` +
      `the old one could sign too. Your safety number with ${name} is now:`,
  );
  for (const at of [0, 3, 6, 9]) terminal.print(`  ${groups.slice(at, at + 3).join(" ")}`);
  return await confirm(
    terminal,
    `Send to ${name} under the new key? Ask ${name} for the number first, not by mail. (yes/no) `,
  );
}
