import { expandHome } from "../../cli/environment.ts";
import { resolve } from "@std/path";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { printable } from "../../cli/printable.ts";
import { MAX_TITLE } from "../../protocol/limits.ts";
import { parseName } from "../../protocol/name.ts";

/** What a person writes of a message: its headers, its text and the files that go with it. */
export interface DraftContent {
  /** Names of users, or `name@HOST` as a person wrote it. */
  readonly to: readonly string[];
  readonly cc: readonly string[];
  readonly bcc: readonly string[];
  readonly subject: string;
  readonly text: string;
  /** Absolute paths. */
  readonly attachments: readonly string[];
  /** The message that is forwarded, and those of its attachments that go along. */
  readonly forwards?: Forwarded;
}

/** A message that is forwarded. */
export interface Forwarded {
  /** The text form of its id. */
  readonly message: string;
  readonly attachments: readonly ForwardedAttachment[];
}

/** An attachment of the forwarded message. */
export interface ForwardedAttachment {
  /** Its number there, from 1. */
  readonly index: number;
  /** As its sender wrote it. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

/**
 * A draft as the text that an editor gets: the lines To, Cc, Bcc, Subject, Attach and, for each
 * attachment of a forwarded message, Forward with its number and name; an empty line; the text. The
 * inverse is {@linkcode parseDraft}, but for line ends at the end of the text. Throws `format` for a
 * path with a line end in it.
 */
export function formatDraft(draft: DraftContent): string {
  for (const path of draft.attachments) {
    if (/[\r\n]/.test(path)) {
      throw new SealpostError(
        "format",
        `${printable(path)} has a line end in its name; rename the file, then attach it`,
      );
    }
  }
  const paths = draft.attachments.length === 0 ? [""] : draft.attachments;
  const lines = [
    `To: ${draft.to.join(", ")}`,
    `Cc: ${draft.cc.join(", ")}`,
    `Bcc: ${draft.bcc.join(", ")}`,
    `Subject: ${draft.subject.replace(/[\r\n]+/g, " ")}`,
    ...paths.map((path) => `Attach: ${path}`),
    ...(draft.forwards?.attachments ?? []).map(({ index, name }) => {
      return `Forward: ${index} ${printable(name)}`;
    }),
  ];
  const { text } = draft;
  const end = text === "" || text.endsWith("\n") ? "" : "\n";
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n\n${text}${end}`;
}

/**
 * Reads a draft as a person left it in an editor. Header lines may stand in any order, several of
 * one name count together (but for Subject), names are separated by commas or semicolons; a path
 * that is not absolute is relative to the current folder. Of the attachments of `forwards`, those
 * whose line was removed do not go along. The text begins after the first empty line. Throws
 * `format`, or `limit` for the subject, with the number of the line.
 */
export function parseDraft(edited: string, forwards?: Forwarded): DraftContent {
  const lines = edited.replace(/^\ufeff/, "").replace(/\r\n/g, "\n").split("\n");
  const people: Record<"to" | "cc" | "bcc", string[]> = { to: [], cc: [], bcc: [] };
  const attachments: string[] = [];
  const kept = new Set<number>();
  let subject: string | null = null;
  let end = lines.findIndex((line) => line.trim() === "");
  if (end < 0) end = lines.length;
  for (const [i, line] of lines.slice(0, end).entries()) {
    const wrong = (why: string, code: "format" | "limit" = "format") =>
      new SealpostError(code, `line ${i + 1}: ${why}`);
    const [, name = "", value = ""] = /^([A-Za-z]+):[ \t]*(.*?)\s*$/.exec(line) ?? [];
    const key = name.toLowerCase();
    switch (key) {
      case "to":
      case "cc":
      case "bcc":
        for (const name of value.split(/[,;]/).map((part) => part.trim())) {
          if (name === "") continue;
          try {
            people[key].push(checkedRecipient(name));
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
        if (value !== "") attachments.push(resolve(expandHome(value)));
        break;
      case "forward": {
        if (value === "") break;
        const index = Number(/^\d+/.exec(value)?.[0] ?? Number.NaN);
        if (!forwards?.attachments.some((one) => one.index === index)) {
          throw wrong(
            `${printable(JSON.stringify(value.slice(0, 40)))} is no attachment of the forwarded ` +
              "message; remove the line, or use Attach for a file of yours",
          );
        }
        kept.add(index);
        break;
      }
      default:
        throw wrong(
          `${JSON.stringify(printable(line.slice(0, 40)))} is none of To, Cc, Bcc, Subject, ` +
            "Attach and Forward; put an empty line before the text",
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
    ...forwards && {
      forwards: {
        ...forwards,
        attachments: forwards.attachments.filter(({ index }) => kept.has(index)),
      },
    },
  };
}

/** A recipient as it was written, in lower case: `bob`, or `bob@HOST`. Throws `format`. */
function checkedRecipient(text: string): string {
  const at = text.indexOf("@");
  if (at < 0) return parseName(text);
  return `${parseName(text.slice(0, at))}@${text.slice(at + 1).toLowerCase()}`;
}
