import { join } from "@std/path";
import * as v from "valibot";
import { fromUtf8 } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { readFileBounded } from "../../files/atomic_file.ts";
import { parseJson } from "../../protocol/schema.ts";
import { draftSchema, type SavedDraft } from "../state/drafts.ts";

// What `export --format sealpost` writes beside the messages, so that another Sealpost can take all of it
// back: EXPORT_FILE, one JSON object, and MESSAGES_FILE, one JSON object a line.

/** The file by which such a folder is known. */
export const EXPORT_FILE = "sealpost-export.json";
const MESSAGES_FILE = "messages.jsonl";

/** Largest of these files, bytes: some 400,000 messages. */
const MAX_FILE = 128 * 1024 * 1024;

const head = v.object({
  format: v.literal("sealpost export"),
  version: v.literal(1),
  /** Whose mail it was, and where. */
  name: v.string(),
  server: v.nullable(v.string()),
  /** When, ISO 8601. */
  exported: v.string(),
  /** The names of the person's own folders. */
  folders: v.array(v.string()),
  keywords: v.array(v.string()),
  /** Searches that were kept under a name. */
  searches: v.array(v.object({ name: v.string(), search: v.string() })),
  drafts: v.array(draftSchema),
});

/** What is exported beside messages. */
export type ExportHead = Omit<v.InferOutput<typeof head>, "drafts"> & {
  readonly drafts: readonly SavedDraft[];
};

const message = v.object({
  /** Its path in the folder, with `/`. */
  file: v.pipe(v.string(), v.regex(/^messages\/[0-9]{1,12}\.eml$/)),
  folder: v.string(),
  /** `seen`, `answered`, `flagged`, `forwarded`, and keywords. */
  flags: v.array(v.string()),
  /** Milliseconds since 1970. */
  received: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  /** Who signed it, or, for one that was imported, whom it is said to be from. */
  from: v.string(),
  /** Whether a signature of that sender was verified before it was exported. */
  signed: v.boolean(),
});

/** A message of an export. */
export type ExportedMessage = v.InferOutput<typeof message>;

/** The files beside the messages: their names, and what stands in them. */
export function exportFiles(
  what: ExportHead,
  messages: readonly ExportedMessage[],
): readonly (readonly [name: string, text: string])[] {
  return [
    [MESSAGES_FILE, messages.map((one) => `${JSON.stringify(one)}\n`).join("")],
    [EXPORT_FILE, `${JSON.stringify(what, null, 2)}\n`],
  ];
}

/**
 * What {@linkcode exportFiles} gave, from the folder `path`. Throws `file-missing`, `file-io`, `format` with
 * the file, and the line, that cannot be read, `limit`.
 */
export async function readExport(
  path: string,
): Promise<ExportHead & { readonly messages: readonly ExportedMessage[] }> {
  const text = async (name: string) => fromUtf8(await readFileBounded(join(path, name), MAX_FILE));
  const what = parseAt(join(path, EXPORT_FILE), head, await text(EXPORT_FILE));
  const lines = (await text(MESSAGES_FILE)).split("\n");
  const messages = lines.flatMap((line, i) => {
    return line === "" ? [] : [parseAt(`${join(path, MESSAGES_FILE)}:${i + 1}`, message, line)];
  });
  return { ...what, messages };
}

function parseAt<T extends v.GenericSchema>(
  where: string,
  schema: T,
  text: string,
): v.InferOutput<T> {
  try {
    return parseJson(schema, text);
  } catch (error) {
    if (!isSealpostError(error, "format")) throw error;
    throw new SealpostError("format", `${where}: ${error.message}`, { cause: error });
  }
}
