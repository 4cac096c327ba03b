/** Most links of one message that are listed. */
export const MAX_LINKS = 1000;
/** Longer addresses are no links: no browser takes them. */
const MAX_ADDRESS = 4096;
/** Characters that are shown of what stands before a link. */
const CONTEXT = 60;

/** A link in the text of a message. */
export interface Link {
  /** Counts the links, from 1. */
  readonly number: number;
  /** Where it leads: an address of ASCII characters alone, without control characters or spaces. */
  readonly address: string;
  /** The machine that it leads to, as the network knows it; of an address of mail, what is behind the @. */
  readonly host: string;
  /** What stands before it on its line, such as the words that it belongs to; safe to print as the text is. */
  readonly words: string;
}

/** Where a link stands in a text, UTF-16 units, and how it is written there. */
export interface LinkPlace {
  readonly from: number;
  readonly to: number;
  readonly written: string;
}

/** The beginning of an address, and all that may belong to it. */
const ADDRESS = /\b(?:https?:\/\/|ftp:\/\/|mailto:)[^\s<>"\u00a0]+/gi;

/** Where the links in `line` are, which has no line ends. */
export function linkPlaces(line: string): LinkPlace[] {
  if (!line.includes(":")) return [];
  const places: LinkPlace[] = [];
  for (const match of line.matchAll(ADDRESS)) {
    const behind = line[match.index + match[0].length];
    const enclosed = line[match.index - 1] === "<" && behind === ">";
    const written = enclosed ? match[0] : withoutPunctuation(match[0]);
    places.push({ from: match.index, to: match.index + written.length, written });
  }
  return places;
}

/** An address without what ends the sentence that it stands in. */
function withoutPunctuation(address: string): string {
  let end = address.length;
  // Long ones are not looked through for brackets again and again.
  const open = address.length <= MAX_ADDRESS ? address.split("(").length : 0;
  let closed = address.length <= MAX_ADDRESS ? address.split(")").length : 0;
  for (; end > 0; end--) {
    const last = address[end - 1] ?? "";
    if (last === ")" && closed > open) closed--;
    else if (!/[.,;:!?'\]}»”’*_]/.test(last)) break;
  }
  return address.slice(0, end);
}

/**
 * The address that a link which is written as `written` leads to, as browsers read it; null if that is
 * none, or one that no terminal should be given: only web, FTP and mail, in ASCII without controls.
 */
export function addressOf(written: string): string | null {
  if (written.length > MAX_ADDRESS) return null;
  const url = URL.parse(written);
  if (url === null || !/^(?:https?|ftp|mailto):$/.test(url.protocol)) return null;
  const { href } = url;
  return /^[\x21-\x7e]+$/.test(href) && href.length <= MAX_ADDRESS ? href : null;
}

/** The links in a text, each where it stands first, and whether there are more than are listed. */
export function linksIn(text: string): { readonly links: Link[]; readonly more: boolean } {
  const links: Link[] = [];
  const known = new Set<string>();
  for (const line of text.split("\n")) {
    for (const { from, written } of linkPlaces(line)) {
      if (links.length === MAX_LINKS) return { links, more: true };
      if (known.has(written)) continue;
      known.add(written);
      const address = addressOf(written);
      if (address === null || known.has(`=${address}`)) continue;
      known.add(`=${address}`);
      links.push({
        number: links.length + 1,
        address,
        host: hostOf(address),
        words: wordsBefore(line.slice(Math.max(0, from - 2 * CONTEXT), from)),
      });
    }
  }
  return { links, more: false };
}

function hostOf(address: string): string {
  const url = new URL(address);
  return url.protocol === "mailto:" ? url.pathname.replace(/^.*(?:@|%40)/, "") : url.host;
}

/** The last words of `text`, without the brackets that belong to the link. */
function wordsBefore(text: string): string {
  const words = text.toWellFormed().replace(/[\s<(]+$/, "").replace(/^(?: ?>)+ ?/, "").trim();
  if (words.length <= CONTEXT) return words;
  const end = words.slice(-CONTEXT);
  return `…${end.replace(/^\S*\s/, "")}`.toWellFormed();
}

/** The beginning of a hyperlink of a terminal (OSC 8), and its end. `address` is of {@linkcode addressOf}. */
export function hyperlink(text: string, address: string): string {
  // The id has a terminal take the pieces of a broken line for one link.
  return `\x1b]8;id=m;${address}\x1b\\${text}\x1b]8;;\x1b\\`;
}

/** `line`, safe to print, with its links as hyperlinks of a terminal. */
export function withHyperlinks(line: string): string {
  let out = "";
  let at = 0;
  for (const { from, to, written } of linkPlaces(line)) {
    const address = addressOf(written);
    if (address === null) continue;
    out += line.slice(at, from) + hyperlink(written, address);
    at = to;
  }
  return out + line.slice(at);
}

/** What has a terminal put `text` into its clipboard (xterm, OSC 52). */
export function clipboardSequence(text: string): string {
  return `\x1b]52;c;${new TextEncoder().encode(text).toBase64()}\x07`;
}
