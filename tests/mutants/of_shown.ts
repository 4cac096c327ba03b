import { type Mutant, one } from "./mutant.ts";

/** Breakages of what a client makes of an opened message to show it. */
export const OF_SHOWN: readonly Mutant[] = [
  one(
    "a table in a few bytes of HTML takes any room",
    "client/message/html_table.ts",
    "if (used > size) return null;",
    "if (used > size * 1e6) return null;",
  ),
  one(
    "a calendar of any size is read",
    "client/message/calendar.ts",
    "export const MAX_CALENDAR = 256 * 1024;",
    "export const MAX_CALENDAR = 256 * 1024 * 1024;",
  ),
  one(
    "a zone may change its clocks by any rule",
    "client/message/calendar.ts",
    'if (repeats?.frequency !== "yearly" || repeats.interval !== 1) return null;',
    "if (!repeats) return null;",
  ),
  one(
    "a terminal obeys what a calendar says",
    "client/mailbox/show.ts",
    "lines: lines.map((line) => printable(line))",
    "lines",
  ),
  one(
    "a link that a terminal gets may lead to a file or a program",
    "client/message/links.ts",
    "if (url === null || !/^(?:https?|ftp|mailto):$/.test(url.protocol)) return null;",
    "if (url === null) return null;",
  ),
  one(
    "a link is listed under the name that stands before its machine",
    "client/message/links.ts",
    'url.pathname.replace(/^.*(?:@|%40)/, "") : url.host;',
    'url.pathname.replace(/^.*(?:@|%40)/, "") : address.split(/[/@]/)[2] ?? "";',
  ),
  one(
    "what a message is piped to is what the process asks for",
    "client/terminal/programs.ts",
    "IFS= read -r line </dev/tty && line",
    "IFS= read -r line && line",
  ),
];
