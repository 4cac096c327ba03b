import * as v from "valibot";
import { fromUtf8 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { readFileBounded, wrapFileError, writeAll } from "../../files/atomic_file.ts";
import { CHAIN_NAME } from "../../files/server_chain.ts";
import { readPieces } from "../../files/pieces.ts";
import { bodyPath, isBodyName } from "../store/body_files.ts";
import { BODIES_NAME } from "../store/database.ts";
import { createHash } from "node:crypto";
import { join } from "@std/path";

/*
 * A folder of backups:
 *
 *   20261122T134500123Z/     a snapshot, named after the moment of its database, UTC
 *     sealpost.db            the database as it was then, in one file
 *     manifest.json          what the snapshot is, and the checksum of SHA256SUMS
 *     SHA256SUMS             the checksum of every other file, for sha256sum -c
 *     sealpost.toml          if there is one; with --keys also the keys and user_pass.json
 *   20261122T…Z.partial/     one that was not completed, or is being removed
 *   bodies/AB/NAME           the bodies of all snapshots: a body never changes under its name
 *   lock                     held while a backup is made
 */

/** Ends the name of a snapshot that is not complete. */
export const PARTIAL_SUFFIX = ".partial";

export const MANIFEST_NAME = "manifest.json";
export const SUMS_NAME = "SHA256SUMS";

/** Settings of the server: no secret, so they go with every backup. */
export const SETTINGS_NAME = "sealpost.toml";

/** Whether a file of the server's folder goes with `--keys` only: its keys, retired ones, passwords. */
export function isKeyFile(name: string): boolean {
  return /^server_private(\.[A-Za-z0-9_-]+)?\.pem$/.test(name) || name === "server_public.pem" ||
    name === CHAIN_NAME ||
    name === "user_pass.json";
}

const SNAPSHOT = /^\d{8}T\d{9}Z$/;
const SUM = /^([0-9a-f]{64}) {2}(.+)$/;
/** Files of a snapshot's own folder; what comes from a backup must not name others. */
const SNAPSHOT_FILE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

/** Largest manifest and largest list of checksums (a million bodies and more) that are read, bytes. */
const MAX_MANIFEST = 65_536;
const MAX_SUMS = 512 * 1024 * 1024;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const schema = v.strictObject({
  format: v.literal("sealpost backup"),
  version: v.literal(1),
  program: v.string(),
  /** When its database was as it is, milliseconds since 1970. */
  at: count,
  schema: count,
  accounts: count,
  messages: count,
  entries: count,
  bodies: count,
  bodyBytes: count,
  /** Whether the server's keys and passwords are in it. */
  keys: v.boolean(),
  /** How many things `fsck` found damaged in the store when the backup was made. */
  damaged: count,
  /** SHA-256 of SHA256SUMS, hexadecimal. */
  sums: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
});

/** The manifest of a snapshot. */
export type Manifest = v.InferOutput<typeof schema>;

/** A complete snapshot. */
export interface Snapshot {
  readonly name: string;
  /** Its folder. */
  readonly folder: string;
  readonly manifest: Manifest;
  /** The SHA-256 of each file, hexadecimal, by its path below the folder of backups. */
  readonly sums: ReadonlyMap<string, string>;
}

/** The name of a snapshot made at `at`, milliseconds since 1970. */
export function snapshotName(at: number): string {
  return new Date(at).toISOString().replace(/[-:.]/g, "");
}

/** The names of the snapshots in `folder`, oldest first, and of what was not completed. */
export async function listSnapshots(
  folder: string,
): Promise<{ readonly complete: readonly string[]; readonly partial: readonly string[] }> {
  const complete: string[] = [];
  const partial: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      if (!isDirectory) continue;
      if (SNAPSHOT.test(name)) complete.push(name);
      else if (
        name.endsWith(PARTIAL_SUFFIX) && SNAPSHOT.test(name.slice(0, -PARTIAL_SUFFIX.length))
      ) {
        partial.push(name);
      }
    }
  } catch (error) {
    throw wrapFileError(error, `read the backups in ${folder}`);
  }
  return { complete: complete.sort(), partial: partial.sort() };
}

/**
 * Reads what the snapshot `name` in the folder of backups `root` says of itself and its files. Throws
 * `format` if that is damaged, `version`, `file-missing`, `file-io`.
 */
export async function readSnapshot(root: string, name: string): Promise<Snapshot> {
  const folder = join(root, name);
  const path = join(folder, MANIFEST_NAME);
  const manifest = parseManifest(path, await readText(path, MAX_MANIFEST));
  const sumsPath = join(folder, SUMS_NAME);
  const text = await readText(sumsPath, MAX_SUMS);
  if (createHash("sha256").update(text).digest("hex") !== manifest.sums) {
    throw new SealpostError("format", `${sumsPath} was damaged or altered; use another snapshot`);
  }
  return { name, folder, manifest, sums: parseSums(sumsPath, text, name) };
}

async function readText(path: string, max: number): Promise<string> {
  const bytes = await readFileBounded(path, max);
  try {
    return fromUtf8(bytes);
  } catch (cause) {
    throw new SealpostError("format", `${path} was damaged; use another snapshot`, { cause });
  }
}

function parseManifest(path: string, text: string): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new SealpostError("format", `${path} was damaged; use another snapshot`, { cause });
  }
  const head = v.safeParse(v.object({ format: schema.entries.format, version: v.number() }), json);
  if (head.success && head.output.version !== 1) {
    throw new SealpostError("version", `${path} is of a newer Sealpost; use that one`);
  }
  const parsed = v.safeParse(schema, json);
  if (parsed.success) return parsed.output;
  throw new SealpostError("format", `${path} is no manifest of a snapshot; use another one`);
}

/** A line of SHA256SUMS has paths as seen from the snapshot: `SNAPSHOT_FILE` or `../bodies/AB/NAME`. */
function parseSums(path: string, text: string, name: string): Map<string, string> {
  const sums = new Map<string, string>();
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const [, sum = "", file = ""] = SUM.exec(line) ?? [];
    const body = /^\.\.\/bodies\/[0-9a-f]{2}\/([^/]+)$/.exec(file)?.[1];
    if (body !== undefined && isBodyName(body) && file === `../${bodyName(body)}`) {
      sums.set(bodyName(body), sum);
    } else if (SNAPSHOT_FILE.test(file)) sums.set(`${name}/${file}`, sum);
    else {throw new SealpostError(
        "format",
        `${path} has a line that is no checksum; use another snapshot`,
      );}
  }
  return sums;
}

/** The key of the body `name` in {@linkcode Snapshot.sums}: its path, with slashes on every system. */
export function bodyName(name: string): string {
  return `${BODIES_NAME}/${bodyPath(name).replaceAll("\\", "/")}`;
}

/** The text of SHA256SUMS for {@linkcode Snapshot.sums} of the snapshot `name`. */
export function formatSums(sums: ReadonlyMap<string, string>, name: string): string {
  return [...sums].map(([path, sum]) => {
    const own = `${name}/`;
    return `${sum}  ${path.startsWith(own) ? path.slice(own.length) : `../${path}`}\n`;
  }).join("");
}

/** How many bytes a file had when it was read through, and their SHA-256 in hexadecimal. */
export interface Digest {
  readonly size: number;
  readonly sum: string;
}

/** Reads a file through. Throws `file-missing`, `file-io`. */
export async function digestFile(path: string): Promise<Digest> {
  return await readThrough(path, () => Promise.resolve());
}

/**
 * Copies `from` to `to`, which must not exist (0600), and makes the bytes durable; its name is the
 * caller's to make so. Throws `file-missing` or `file-io` for `from`, `file-exists`, `disk-full` or
 * `file-io` for `to`; what was written of it is removed then.
 */
export async function copyDurably(from: string, to: string): Promise<Digest> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(to, { write: true, createNew: true, mode: 0o600 });
  } catch (error) {
    throw wrapFileError(error, `write ${to}`);
  }
  let complete = false;
  try {
    const digest = await readThrough(from, async (piece) => {
      try {
        await writeAll(file, piece);
      } catch (error) {
        throw wrapFileError(error, `write ${to}`);
      }
    });
    try {
      await file.sync();
    } catch (error) {
      throw wrapFileError(error, `write ${to}`);
    }
    complete = true;
    return digest;
  } finally {
    file.close();
    if (!complete) await Deno.remove(to).catch(() => {});
  }
}

async function readThrough(
  path: string,
  take: (piece: Uint8Array) => Promise<void>,
): Promise<Digest> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const piece of readPieces(path)) {
    hash.update(piece);
    await take(piece);
    size += piece.length;
  }
  return { size, sum: hash.digest("hex") };
}
