import { confirm } from "./confirm.ts";
import { SealpostError } from "../../crypto/error.ts";
import { printable } from "../../cli/printable.ts";
import type { DraftContent } from "../state/draft_text.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Words that mention an attachment, in lower case: English, German, French, Spanish, Italian,
 * Portuguese, Dutch, Czech and Polish. Each matches a whole word; with `*` at its end, also the
 * beginning of one.
 */
const WORDS = [
  "attached",
  "attachment*",
  "i attach",
  "we attach",
  "attaching",
  "enclosed",
  "enclosure*",
  "angehängt*",
  "angehaengt*",
  "anhang",
  "anhänge*",
  "im anhang",
  "anbei",
  "beigefügt*",
  "beigefuegt*",
  "beiliegend*",
  "ci-joint*",
  "pièce jointe",
  "pièces jointes",
  "piece jointe",
  "pieces jointes",
  "en annexe",
  "adjunto*",
  "adjunta*",
  "adjuntamos",
  "in allegato",
  "allegato",
  "allegata",
  "allegati",
  "allego",
  "alleghiamo",
  "em anexo",
  "anexo*",
  "segue anexo",
  "bijlage*",
  "bijgevoegd*",
  "v příloze",
  "příloha",
  "přílohu",
  "w załączniku",
  "załącznik*",
] as const;

const LETTER = "\\p{L}\\p{N}_";
const PATTERN = new RegExp(
  `(?<![${LETTER}])(?:${
    WORDS.map((word) => word.endsWith("*") ? `${word.slice(0, -1)}[${LETTER}]*` : word).join("|")
  })(?![${LETTER}])`,
  "iu",
);

/** Longest text that is looked at, UTF-16 units: what people write themselves is shorter. */
const MAX_LOOKED_AT = 200_000;

/**
 * The word in `text` that mentions an attachment, as it stands there; null if there is none. Quoted
 * lines (`> …`), and everything from a forwarded message or a signature on, do not count.
 */
export function mentionsAttachment(text: string): string | null {
  const own: string[] = [];
  for (const line of text.slice(0, MAX_LOOKED_AT).normalize("NFC").split("\n")) {
    if (/^-- $|^-{5,} ?(?:Forwarded|Original) message/i.test(line)) break;
    if (!line.startsWith(">")) own.push(line);
  }
  // A line may end within a phrase.
  return PATTERN.exec(own.join(" ").replace(/\s+/g, " "))?.[0] ?? null;
}

/**
 * The word in a draft that mentions an attachment although nothing is attached; null if there is none.
 */
export function missingAttachment({ text, attachments, forwards }: DraftContent): string | null {
  const count = attachments.length + (forwards?.attachments.length ?? 0);
  return count > 0 ? null : mentionsAttachment(text);
}

/**
 * Asks a person whose draft mentions an attachment and has none whether to send it; where nobody can be
 * asked, says so on standard error. Throws `cancelled` if the person had forgotten it.
 */
export async function confirmMissingAttachment(
  terminal: Terminal,
  draft: DraftContent,
): Promise<void> {
  const word = missingAttachment(draft);
  if (word === null) return;
  const what = `The text says "${printable(word)}", but nothing is attached.`;
  if (!terminal.interactive) return terminal.printError(`note: ${what}`);
  if (await confirm(terminal, `${what} Send it all the same? (Y/N) `)) return;
  throw new SealpostError("cancelled", "nothing was sent; attach the file and send again");
}
