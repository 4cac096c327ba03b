import { basename } from "@std/path";
import type { DraftContent } from "../state/draft_text.ts";
import type { Draft } from "../state/drafts.ts";
import { namesIn } from "./complete.ts";
import { editLine, inputOf, insert, type LineInput } from "./line_input.ts";
import { areaOf, editArea, type TextArea, textIn, type as typeText } from "./text_area.ts";

/** The fields above the text that are one line each. */
export const FIELDS = ["to", "cc", "bcc", "subject"] as const;
export type Field = typeof FIELDS[number];

/** Where the cursor can be: in a field, on an attachment, in the text. */
export type Focus = Field | "attachments" | "text";

/** What is attached: a file, or an attachment of the message that is forwarded. */
export type Attached = AttachedFile | AttachedForward;

export interface AttachedFile {
  /** Absolute. */
  readonly path: string;
  readonly name: string;
  /** Bytes; null until the file was looked at. */
  readonly size: number | null;
}

export interface AttachedForward {
  /** Its number in the forwarded message. */
  readonly index: number;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

/** A message as it is being written. */
export interface Composition {
  readonly fields: Readonly<Record<Field, LineInput>>;
  readonly text: TextArea;
  readonly attachments: readonly Attached[];
  /** The text form of the id of the message that is forwarded; null if none is. */
  readonly forwards: string | null;
  /** Which attachment the cursor is on. */
  readonly chosen: number;
  readonly focus: Focus;
}

/** The composition of a draft, with the cursor where writing continues. */
export function compositionOf(draft: Draft): Composition {
  const { attachments, forwards } = draft;
  return {
    fields: {
      to: inputOf(draft.to.join(", ")),
      cc: inputOf(draft.cc.join(", ")),
      bcc: inputOf(draft.bcc.join(", ")),
      subject: inputOf(draft.subject),
    },
    text: areaOf(draft.text),
    attachments: [
      ...forwards?.attachments ?? [],
      ...attachments.map((path) => ({ path, name: basename(path), size: null })),
    ],
    forwards: forwards?.message ?? null,
    chosen: 0,
    focus: draft.to.length === 0 ? "to" : draft.subject === "" ? "subject" : "text",
  };
}

/** The content of a draft as a composition has it. */
export function contentOf(composition: Composition): DraftContent {
  const { fields, attachments, forwards, text } = composition;
  return {
    to: namesIn(fields.to.text),
    cc: namesIn(fields.cc.text),
    bcc: namesIn(fields.bcc.text),
    subject: fields.subject.text.trim(),
    text: textIn(text),
    attachments: attachments.flatMap((one) => "path" in one ? [one.path] : []),
    ...forwards !== null && {
      forwards: {
        message: forwards,
        attachments: attachments.flatMap((one) => "path" in one ? [] : [one]),
      },
    },
  };
}

/** The places that Tab goes through. */
function stops(composition: Composition): Focus[] {
  return [...FIELDS, ...composition.attachments.length > 0 ? ["attachments" as const] : [], "text"];
}

/** The cursor `by` places further. */
export function focusBy(composition: Composition, by: number): Composition {
  const all = stops(composition);
  const at = all.indexOf(composition.focus);
  return { ...composition, focus: all[(at + by + all.length) % all.length] ?? "text" };
}

/** Whether the cursor is in a list of names. */
export function namesField(focus: Focus): focus is "to" | "cc" | "bcc" {
  return focus === "to" || focus === "cc" || focus === "bcc";
}

/** The composition after `text` was typed or pasted at the cursor. */
export function typed(composition: Composition, text: string): Composition {
  const { focus } = composition;
  if (focus === "attachments") return composition;
  if (focus === "text") return { ...composition, text: typeText(composition.text, text) };
  return withField(composition, focus, insert(composition.fields[focus], text));
}

export function withField(composition: Composition, field: Field, input: LineInput): Composition {
  return { ...composition, fields: { ...composition.fields, [field]: input } };
}

/** The composition after a key that edits or moves; null for every other key. */
export function edited(
  composition: Composition,
  key: string,
  columns: number,
  rows: number,
): Composition | null {
  const { focus, text } = composition;
  if (focus === "text") {
    // From the first line, Up goes to the fields.
    const atTop = text.row === 0 && (key === "up" || key === "ctrl+p") &&
      editArea(text, key, columns, rows)?.at === text.at;
    if (atTop) return focusBy(composition, -1);
    const changed = editArea(text, key, columns, rows);
    return changed && { ...composition, text: changed };
  }
  if (key === "down" || key === "ctrl+n" || key === "enter") {
    if (focus === "attachments" && key !== "enter") {
      if (composition.chosen < composition.attachments.length - 1) {
        return { ...composition, chosen: composition.chosen + 1 };
      }
    }
    return focusBy(composition, 1);
  }
  if (key === "up" || key === "ctrl+p") {
    if (focus === "attachments" && composition.chosen > 0) {
      return { ...composition, chosen: composition.chosen - 1 };
    }
    return focus === "to" ? composition : focusBy(composition, -1);
  }
  if (focus === "attachments") {
    return key === "delete" || key === "backspace" || key === "d" ? detached(composition) : null;
  }
  const input = editLine(composition.fields[focus], key);
  return input && withField(composition, focus, input);
}

/** The composition with one more file. */
export function attached(composition: Composition, one: AttachedFile): Composition {
  const others = composition.attachments.filter((other) => {
    return !("path" in other) || other.path !== one.path;
  });
  return { ...composition, attachments: [...others, one] };
}

/** The composition without the attachment at the cursor. */
function detached(composition: Composition): Composition {
  const attachments = composition.attachments.toSpliced(composition.chosen, 1);
  return {
    ...composition,
    attachments,
    chosen: Math.max(0, Math.min(composition.chosen, attachments.length - 1)),
    focus: attachments.length === 0 ? "text" : "attachments",
  };
}
