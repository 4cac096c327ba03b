import { defined } from "../../crypto/defined.ts";
import { counted } from "../../cli/format.ts";
import { printableJson } from "../../cli/printable.ts";
import { findProfile, requireAddress } from "../state/profile.ts";
import { openMail } from "../session.ts";
import { openTerminal } from "../terminal/terminal.ts";
import { TicketStore } from "../state/ticket_store.ts";
import { type KeyOptions } from "./keyring.ts";

/** What `logout` was given. */
export interface LogoutOptions extends KeyOptions {
  /** Ends all sessions and tickets of the account, on every machine. */
  readonly everywhere: boolean;
}

/** The `logout` command: forgets the ticket of this machine; or ends all sessions and tickets. */
export async function logout(options: LogoutOptions): Promise<void> {
  const terminal = openTerminal();
  const profile = await findProfile(options);
  const { dir, name } = profile;
  let ended: { sessions: number; tickets: number } | null = null;
  if (options.everywhere) {
    const mail = await openMail({
      terminal,
      address: requireAddress(profile),
      name,
      dir,
      useTicket: true,
      cache: profile.config.cache !== false,
      announce: (line) => terminal.printError(line),
      ...defined({ passwordFile: options.passwordFile }),
    });
    try {
      const { sessions, tickets } = await mail.connection.ask({ op: "logout", everywhere: true });
      ended = { sessions, tickets };
    } finally {
      await mail.close();
    }
  }
  const forgotten = await TicketStore.forget(dir, name);
  if (options.json) {
    return terminal.print(printableJson({ ticketForgotten: forgotten, everywhere: ended }));
  }
  if (ended) {
    terminal.print(
      `Ended ${counted(ended.sessions, "other session")} and ${counted(ended.tickets, "ticket")}.`,
    );
  }
  terminal.print(
    forgotten || ended
      ? "The ticket of this machine is gone; the next command asks for the password."
      : "There was no ticket on this machine.",
  );
}
