import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { MAX_TITLE } from "../../protocol/limits.ts";
import { parseName } from "../../protocol/name.ts";
import { printable } from "../../cli/printable.ts";
import { resolve } from "@std/path";

/** What a person writes of a message: its headers and its text. */
export interface Letter {
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly bcc: readonly string[];
  readonly subject: string;
  readonly text: string;
  /** Absolute paths. */
  readonly attachments: readonly string[];
}

/**
 * A letter for an editor: the lines To, Cc, Bcc, Subject and Attach, an empty line, the text. The
 * inverse is {@linkcode parseLetter}, but for line ends at the end of the text. Throws `format` for a path that has a line end in it.
 */
export function formatLetter(letter: Letter): string {
  for (const path of letter.attachments) {
    if (/[\r\n]/.test(path)) {
      throw new SealpostError(
        "format",
        `${printable(path)} has a line end in its name; rename the file, then attach it`,
      );
    }
  }
  const paths = letter.attachments.length === 0 ? [""] : letter.attachments;
  const lines = [
    `To: ${letter.to.join(", ")}`,
    `Cc: ${letter.cc.join(", ")}`,
    `Bcc: ${letter.bcc.join(", ")}`,
    `Subject: ${letter.subject.replace(/[\r\n]+/g, " ")}`,
    ...paths.map((path) => `Attach: ${path}`),
  ];
  const { text } = letter;
  const end = text === "" || text.endsWith("\n") ? "" : "\n";
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n\n${text}${end}`;
}

/**
 * Reads a letter as a person left it in an editor. Header lines may stand in any order, several of
 * one name count together (but for Subject), names are separated by commas or semicolons; a path
 * that is not absolute is one from the current folder. The text begins after the first empty line.
 * Throws `format`, or `limit` for the subject, with the number of the line.
 */
export function parseLetter(letter: string): Letter {
  const lines = letter.replace(/^\ufeff/, "").replace(/\r\n/g, "\n").split("\n");
  const people: Record<"to" | "cc" | "bcc", string[]> = { to: [], cc: [], bcc: [] };
  const attachments: string[] = [];
  let subject: string | null = null;
  let end = lines.findIndex((line) => line.trim() === "");
  if (end < 0) end = lines.length;
  for (const [i, line] of lines.slice(0, end).entries()) {
    const wrong = (why: string, code: "format" | "limit" = "format") =>
      new SealpostError(code, `line ${i + 1} of the letter: ${why}`);
    const [, name = "", value = ""] = /^([A-Za-z]+):[ \t]*(.*?)\s*$/.exec(line) ?? [];
    const key = name.toLowerCase();
    switch (key) {
      case "to":
      case "cc":
      case "bcc":
        for (const name of value.split(/[,;]/).map((part) => part.trim())) {
          if (name === "") continue;
          try {
            people[key].push(parseName(name));
          } catch (error) {
            throw isSealpostError(error) ? wrong(error.message) : error;
          }
        }
        break;
      case "subject":
        if (subject !== null) throw wrong("there are two subjects; keep one");
        subject = value;
        if ([...value].length > MAX_TITLE) {
          throw wrong(`a subject has at most ${MAX_TITLE} characters`, "limit");
        }
        break;
      case "attach":
        if (value !== "") attachments.push(resolve(value));
        break;
      default:
        throw wrong(
          `${JSON.stringify(printable(line.slice(0, 40)))} is none of To, Cc, Bcc, Subject and ` +
            "Attach; an empty line goes before the text",
        );
    }
  }
  return {
    to: [...new Set(people.to)],
    cc: [...new Set(people.cc)],
    bcc: [...new Set(people.bcc)],
    subject: subject ?? "",
    text: lines.slice(end + 1).join("\n").replace(/\n+$/, ""),
    attachments,
  };
}
