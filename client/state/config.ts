import { parse, TomlError } from "smol-toml";
import * as v from "valibot";
import { join } from "@std/path";
import { fromUtf8 } from "../../crypto/bytes.ts";
import { isSealpostError, SealpostError } from "../../crypto/error.ts";
import { readFileBounded } from "../../files/atomic_file.ts";
import { hint, nearest } from "../../cli/options.ts";

/** The settings of a client, in its folder. */
export const CONFIG_FILE = "sealpost.toml";

const MAX_CONFIG = 65_536;

const fields = {
  /** `host` or `host:port` of the server. */
  server: v.optional(v.string()),
  /** The user's name. */
  user: v.optional(v.string()),
  /** Whether what was fetched is kept, sealed, to be read without the server. */
  cache: v.optional(v.boolean()),
  /** How long the private key stays without its passphrase once that was asked for, like `8h`. */
  unlock: v.optional(v.string()),
  /** Whether the full-screen program rings the terminal's bell when mail comes; default: no. */
  bell: v.optional(v.boolean()),
  /** Where attachments are saved if nothing else is said; default: `files/` in the folder. */
  downloads: v.optional(v.string()),
};
const schema = v.object(fields);

/** A client's settings. */
export type Config = v.InferOutput<typeof schema>;

/**
 * Reads `sealpost.toml` of a client's folder; without one, nothing is set. Throws `config`, with the
 * line, for what is not TOML, a key that does not exist, or a value of another type.
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
        hint(nearest(key, Object.keys(fields)))
      }`,
    );
  }
  const result = v.safeParse(schema, values);
  if (result.success) return result.output;
  const key = v.getDotPath(result.issues[0]) ?? "a value";
  throw new SealpostError("config", `${path}: ${key} has a value of the wrong type`);
}
