import { defined } from "../../crypto/defined.ts";
import type { SessionOptions } from "../session.ts";
import { type Profile, requireAddress } from "../state/profile.ts";
import type { Terminal } from "../terminal/terminal.ts";

/** A session that begins with the password, as changes of an account want it. Throws `usage`. */
export function passwordSession(
  terminal: Terminal,
  profile: Profile,
  passwordFile?: string,
): SessionOptions {
  const { dir, name, config } = profile;
  return {
    terminal,
    address: requireAddress(profile),
    name,
    dir,
    useTicket: false,
    cache: config.cache !== false,
    announce: (line) => terminal.printError(line),
    ...defined({ passwordFile }),
  };
}
