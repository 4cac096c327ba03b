import { SealpostError } from "../../crypto/error.ts";
import { printable } from "../../cli/printable.ts";
import { type Address, formatAddress } from "../../protocol/address.ts";
import { isName } from "../../protocol/name.ts";

/**
 * The name of a user as a person writes it for a recipient: `bob`, or `bob@HOST` with the host or the
 * address of `server`, the one that this client talks to. Throws `no-such-user`, which names what was
 * written, for anything else.
 */
export function recipientName(text: string, server: Address | null): string {
  const written = text.trim();
  const shown = printable(JSON.stringify(written.slice(0, 60)));
  const at = written.indexOf("@");
  const name = (at < 0 ? written : written.slice(0, at)).toLowerCase();
  if (!isName(name)) {
    throw new SealpostError(
      "no-such-user",
      `${shown} is not a user's name: names have 1 to 32 of the characters a-z 0-9 . _ - and ` +
        "start with a letter or digit",
    );
  }
  if (at < 0) return name;
  const host = written.slice(at + 1).toLowerCase();
  const here = (server ? [server, ...server.others ?? []] : [])
    .flatMap((one) => [one.host.toLowerCase(), formatAddress(one).toLowerCase()]);
  if (here.includes(host)) return name;
  throw new SealpostError(
    "no-such-user",
    `${shown} is on another server${server ? ` than ${formatAddress(server)}` : ""}: only users ` +
      "of your own server can be written to, by their names",
  );
}
