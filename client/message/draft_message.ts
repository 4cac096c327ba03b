import * as v from "valibot";
import { fromBase64, fromUtf8, toBase64, utf8 } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { defined } from "../../crypto/defined.ts";
import { isName } from "../../protocol/name.ts";
import { parseJson } from "../../protocol/schema.ts";
import { formatMessageId, newMessageId } from "../../protocol/uuid.ts";
import type { Forwarded } from "../state/draft_text.ts";
import type { Draft } from "../state/drafts.ts";
import { type AttachmentSource, type Composed, composeMessage } from "./compose.ts";
import { parseMessage } from "./parse.ts";
import type { TemporaryMessage } from "./temporary_message.ts";

/** Most characters of the header field: a header has at most 64 KiB. */
const MAX_FIELD = 40_000;
/** Characters of a word of it: a field is folded between words. */
const WORD = 64;

const schema = v.object({
  id: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/)),
  machine: v.string(),
  saved: v.number(),
  replaces: v.array(v.string()),
  to: v.array(v.string()),
  cc: v.array(v.string()),
  bcc: v.array(v.string()),
  subject: v.string(),
  answers: v.exactOptional(v.string()),
  forwards: v.exactOptional(v.object({
    message: v.string(),
    attachments: v.array(v.object({ index: v.number(), name: v.string(), size: v.number() })),
  })),
  unparsed: v.exactOptional(v.boolean()),
});

/** What an edition says beside the draft. */
export interface EditionOrigin {
  /** The id of the machine that stored it; empty for one of another program. */
  readonly machine: string;
  /** When it was saved there, milliseconds since 1970. */
  readonly saved: number;
  /** The text forms of the ids of the editions whose place it takes. */
  readonly replaces: readonly string[];
}

/**
 * A draft as a message for the folder drafts, with the contents of `files`. The fields From, To, Cc and
 * Subject are there for other programs; what this one needs is in a field of its own, base64 of JSON.
 * Throws `limit` for a draft with too many or too long names.
 */
export async function composeDraft(
  from: string,
  { id, to, cc, bcc, subject, answers, forwards, unparsed, text }: Draft,
  { machine, saved, replaces }: EditionOrigin,
  files: readonly AttachmentSource[],
): Promise<Composed> {
  const whole = { id, machine, saved, replaces, to, cc, bcc, subject };
  const kept = { ...whole, ...defined({ answers, forwards, unparsed }) };
  const field = toBase64(utf8(JSON.stringify(kept)));
  if (field.length > MAX_FIELD) {
    throw new SealpostError("limit", "the draft has too many names to be stored on the server");
  }
  const names = (all: readonly string[]) => {
    return all.map((name) => name.split("@")[0] ?? "").filter(isName);
  };
  return await composeMessage({
    from,
    to: names(to),
    cc: names(cc),
    subject,
    text,
    date: new Date(saved),
    messageId: formatMessageId(newMessageId()),
    attachments: files,
    draft: field.match(new RegExp(`.{1,${WORD}}`, "g"))?.join(" ") ?? "",
    ...defined({ inReplyTo: answers }),
  });
}

/**
 * The draft that a message in the folder drafts is, `edition` being its id: what is attached to it is
 * forwarded from there. One of another program gets an id from that of the message. Throws as
 * `parseMessage` does.
 */
export async function readDraft(
  message: TemporaryMessage,
  edition: string,
): Promise<{ readonly draft: Draft; readonly origin: EditionOrigin }> {
  const { headers, text, attachments } = await parseMessage(message.stream(), {
    attachment: async (_part, content) => {
      for await (const _ of content);
    },
  });
  const own: Forwarded | undefined = attachments.length === 0 ? undefined : {
    message: edition,
    attachments: attachments.map(({ index, name, size }) => ({ index, name, size })),
  };
  const kept = keptOf(headers.draft);
  if (kept) {
    const { machine, saved, replaces, forwards, ...rest } = kept;
    const draft = { ...rest, text, attachments: [], ...defined({ forwards: own ?? forwards }) };
    return { draft, origin: { machine, saved, replaces } };
  }
  const { to, cc, bcc, subject, inReplyTo, date } = headers;
  const answers = inReplyTo === null || inReplyTo.includes("@") ? undefined : inReplyTo;
  const draft = {
    id: draftIdOf(edition),
    to,
    cc,
    bcc,
    subject,
    text: text.replace(/\n+$/, ""),
    attachments: [],
    ...defined({ answers, forwards: own }),
  };
  return { draft, origin: { machine: "", saved: date?.getTime() ?? 0, replaces: [] } };
}

/** The id of a draft that has none of its own: the random end of that of its message. */
export function draftIdOf(edition: string): string {
  return edition.replaceAll("-", "").slice(-16);
}

/** What stands in the header field; null if that is not there, or not of this program. */
function keptOf(field: string): v.InferOutput<typeof schema> | null {
  if (field === "") return null;
  try {
    return parseJson(schema, fromUtf8(fromBase64(field.replace(/\s+/g, ""))));
  } catch (error) {
    if (isSealpostError(error)) return null;
    throw error;
  }
}
