import { parse, TomlError } from "smol-toml";
import * as v from "valibot";
import { join } from "@std/path";
import { fromUtf8 } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { readFileBounded, writeFileAtomic } from "../../files/atomic_file.ts";
import { isThere } from "../../files/key_files.ts";
import { parseSize } from "../../cli/format.ts";
import { hint, nearest } from "../../cli/options.ts";
import { parseServer } from "../../protocol/address.ts";

/** The settings of a client, in its folder. */
export const CONFIG_FILE = "sealpost.toml";

const MAX_CONFIG = 65_536;

const fields = {
  server: v.optional(v.pipe(
    v.union([v.string(), v.array(v.string())]),
    v.transform((server) => typeof server === "string" ? server : server.join(", ")),
  )),
  user: v.optional(v.string()),
  cache: v.optional(v.boolean()),
  unlock: v.optional(v.string()),
  bell: v.optional(v.boolean()),
  downloads: v.optional(v.string()),
  signature: v.optional(v.string()),
  undo_send: v.optional(v.string()),
  search_texts: v.optional(v.string()),
  /** Checked where they are used: what is wrong with one says more than its type. */
  rules: v.optional(v.unknown()),
};
const schema = v.object(fields);

/** What each setting is written like, and what it does. */
export const SETTINGS_HELP: Readonly<
  Record<keyof typeof fields, { example: string; help: string }>
> = {
  server: {
    example: '"mail.lan:13000"',

    help: 'the server; without a port, 13000. Several that have the same mail: ["a.lan", "b.lan"]',
  },
  user: { example: '"alice"', help: "your name there, where the folder has several keys" },
  cache: {
    example: "false",
    help: "whether fetched mail is kept, sealed, to be read without the server (default: true)",
  },
  unlock: {
    example: '"8h"',
    help: "how long the passphrase of the private key is not asked for again (default: each time)",
  },
  bell: {
    example: "true",
    help: "whether the full-screen program rings when mail comes (default: false)",
  },
  downloads: {
    example: '"~/Downloads"',
    help: "where attachments are saved (default: files/ in your folder)",
  },
  signature: {
    example: '"Alice\\nRoom 12"',
    help: "what stands below what you write yourself (default: nothing)",
  },
  undo_send: {
    example: '"10s"',
    help:
      "how long you may take back what you have sent, at a terminal and in the page, up to 2m " +
      "(default: 0s, it goes out at once)",
  },
  search_texts: {
    example: '"50MiB"',
    help:
      "until the texts that searches look in take so much here, those of your mail are fetched by " +
      "themselves while a program runs; 0: none are (default: 200MiB)",
  },
  rules: {
    example: "[ … ]",
    help: 'what is done with mail that comes; "rules list --help" shows how it is written',
  },
};

/** A client's settings. */
export type Config = v.InferOutput<typeof schema>;

/**
 * Reads `sealpost.toml` of a client's folder; without one, nothing is set. Throws `config`, with the
 * line, for what is not TOML, a key that does not exist, a value of another type, or a server that is
 * no address.
 */
export async function readConfig(dir: string): Promise<Config> {
  const path = join(dir, CONFIG_FILE);
  let text: string;
  try {
    text = fromUtf8(await readFileBounded(path, MAX_CONFIG));
  } catch (error) {
    if (isSealpostError(error, "file-missing")) return {};
    throw error;
  }
  let values: Record<string, unknown>;
  try {
    values = parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const why = cause.message.split("\n")[0]?.replace(/^Invalid TOML document: /, "");
    throw new SealpostError("config", `${path}:${cause.line}:${cause.column}: ${why}`, { cause });
  }
  for (const key of Object.keys(values)) {
    if (key in fields) continue;
    throw new SealpostError(
      "config",
      `${path}: there is no setting ${JSON.stringify(key)}${
        hint(nearest(key, Object.keys(fields)), '"sealpost help settings"')
      }`,
    );
  }
  const result = v.safeParse(schema, values);
  if (result.success) {
    const { server, undo_send, search_texts } = result.output;
    if (server !== undefined) explain(path, "server", () => parseServer(server));
    if (undo_send !== undefined) explain(path, "undo_send", () => parseUndoTime(undo_send));
    if (search_texts !== undefined) explain(path, "search_texts", () => parseSize(search_texts));
    return result.output;
  }
  const key = v.getDotPath(result.issues[0]) ?? "a value";
  throw new SealpostError("config", `${path}: ${key} has a value of the wrong type`);
}

/** Longest time for which a message may be taken back, milliseconds. */
const MAX_UNDO = 120_000;

/** Milliseconds of `10s` or `2m`, up to two minutes. Throws `usage`. */
export function parseUndoTime(text: string): number {
  const [, count, unit] = /^(\d{1,3})([sm])$/.exec(text) ?? [];
  const time = Number(count) * (unit === "m" ? 60_000 : 1000);
  if (time <= MAX_UNDO) return time;
  throw new SealpostError(
    "usage",
    `${JSON.stringify(text)} is not such a time: write 10s or 1m, up to 2m`,
  );
}

/** Runs `read`, and says of which setting of `path` it is if that throws `usage`. */
function explain(path: string, key: string, read: () => unknown): void {
  try {
    read();
  } catch (cause) {
    if (!isSealpostError(cause, "usage")) throw cause;
    throw new SealpostError("config", `${path}: ${key}: ${cause.message}`, { cause });
  }
}

/**
 * Writes the settings in `values` to `sealpost.toml` of `dir`, in the place of the values they have;
 * every other line stays. Throws what {@linkcode readConfig} throws, `disk-full`, `file-io`.
 */
export async function writeConfig(
  dir: string,
  values: Readonly<Partial<Record<"server" | "user", string>>>,
): Promise<void> {
  const known = await readConfig(dir);
  if ((["server", "user"] as const).every((key) => (values[key] ?? known[key]) === known[key])) {
    return;
  }
  const path = join(dir, CONFIG_FILE);
  let text = await isThere(path) ? fromUtf8(await readFileBounded(path, MAX_CONFIG)) : "";
  const added: string[] = [];
  for (const key of ["server", "user"] as const) {
    const value = values[key];
    if (value === undefined || known[key] === value) continue;
    const line = `${key} = ${JSON.stringify(value)}`;
    if (known[key] === undefined) added.push(`${line}\n`);
    else text = text.replace(new RegExp(`^[ \\t]*["']?${key}["']?[ \\t]*=.*$`, "m"), line);
  }
  const whole = added.join("") + text;
  // A value over several lines, say, is not replaced as a line is.
  const result = v.safeParse(schema, parse(whole));
  for (const key of ["server", "user"] as const) {
    if (values[key] === undefined || result.success && result.output[key] === values[key]) continue;
    throw new SealpostError("config", `${path}: write ${key} = "${values[key]}" there by hand`);
  }
  await writeFileAtomic(path, whole, { mode: 0o600 });
}
