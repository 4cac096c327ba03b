/** What stands between the names of a folder and of the one that it is in. */
export const DELIMITER = "/";

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/** The name of a mailbox in modified UTF-7 (RFC 3501, section 5.1.3). */
export function encodeMailboxName(name: string): string {
  return name.replace(/&|[^\x20-\x7e]+/g, (run) => {
    if (run === "&") return "&-";
    let bits = 0;
    let count = 0;
    let text = "";
    for (let i = 0; i < run.length; i++) {
      bits = (bits << 16 | run.charCodeAt(i)) & 0x3fffff;
      count += 16;
      while (count >= 6) text += BASE64[bits >>> (count -= 6) & 63];
    }
    if (count > 0) text += BASE64[bits << (6 - count) & 63];
    return `&${text}-`;
  });
}

/**
 * The inverse of {@linkcode encodeMailboxName}. What is no modified UTF-7 is taken as it is, such as a
 * name in UTF-8: most often no mailbox has it.
 */
export function decodeMailboxName(text: string): string {
  return text.replace(/&([^-]*)-/g, (whole, run: string) => {
    if (run === "") return "&";
    let bits = 0;
    let count = 0;
    let decoded = "";
    for (const char of run) {
      const value = BASE64.indexOf(char);
      if (value < 0) return whole;
      bits = (bits << 6 | value) & 0x3fffff;
      count += 6;
      if (count >= 16) decoded += String.fromCharCode(bits >>> (count -= 16) & 0xffff);
    }
    return decoded.isWellFormed() ? decoded : whole;
  });
}

/** Whether `name` fits a pattern of LIST: `*` stands for anything, `%` for anything without `/`. */
export function matchesPattern(name: string, pattern: string): boolean {
  // Dynamic programming over the pattern: no pattern takes more than its length times the name's.
  let reach = new Set([0]);
  for (const char of pattern) {
    const next = new Set<number>();
    for (const at of reach) {
      if (char === "*" || char === "%") {
        for (let to = at; to <= name.length; to++) {
          next.add(to);
          if (char === "%" && name[to] === DELIMITER) break;
        }
      } else if (name[at] === char) next.add(at + 1);
    }
    reach = next;
    if (reach.size === 0) return false;
  }
  return reach.has(name.length);
}

/** `inbox` in whatever case is INBOX, also where it is the first of several names. */
export function canonical(name: string): string {
  const [first = "", ...others] = name.split(DELIMITER);
  return first.toUpperCase() === "INBOX" ? ["INBOX", ...others].join(DELIMITER) : name;
}
