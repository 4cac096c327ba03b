import { join } from "@std/path";
import * as v from "valibot";
import { alignColumns } from "../../cli/columns.ts";
import { formatTime, parseSince } from "../../cli/format.ts";
import { nameArgument } from "../../cli/options.ts";
import { printable, printableJson } from "../../cli/printable.ts";
import { wrapFileError } from "../../files/atomic_file.ts";
import { findServerFolder } from "../../files/server_folder.ts";
import { AUDIT_LOG } from "../observe/audit.ts";
import type { OperateOptions } from "./operate.ts";

/** What `audit` was given. */
export interface AuditOptions extends OperateOptions {
  readonly user: string | undefined;
  /** A date, `2026-11-22`, or an age, `7d`. */
  readonly since: string | undefined;
  readonly limit: number;
}

const record = v.looseObject({
  time: v.pipe(v.string(), v.check((text) => !Number.isNaN(Date.parse(text)))),
  action: v.string(),
  result: v.string(),
  name: v.optional(v.string()),
  via: v.optional(v.string()),
  operator: v.optional(v.string()),
  peer: v.optional(v.string()),
});
type AuditLine = v.InferOutput<typeof record>;

/** The members of a record that have a column of their own, or are of no use to a person. */
const IN_COLUMNS: readonly string[] = [
  "time",
  "action",
  "result",
  "name",
  "via",
  "operator",
  "peer",
  "pid",
];

/** The `audit` command. Throws `file-io`, `usage`. */
export async function showAudit(options: AuditOptions): Promise<void> {
  const { user, limit, json } = options;
  const name = user === undefined ? null : nameArgument(user);
  const since = options.since === undefined ? -Infinity : parseSince(options.since);
  const { records, damaged } = await readAudit(
    join(options.dir ?? await findServerFolder(), AUDIT_LOG),
  );
  const found = records.filter((one) => {
    return (name === null || one.name === name) && Date.parse(one.time) >= since;
  }).slice(-limit);
  if (damaged > 0) console.error(`${damaged} lines cannot be read, and are left out.`);
  if (json) return console.log(printableJson(found));
  if (found.length === 0) return console.log("Nothing is recorded.");
  const rows = found.map((one) => [
    formatTime(Date.parse(one.time)),
    one.action,
    one.name ?? "-",
    one.result,
    one.via ?? "-",
    one.operator ?? one.peer ?? "-",
    detailsOf(one),
  ]);
  const head = ["TIME", "ACTION", "USER", "RESULT", "VIA", "BY", "DETAILS"];
  const lines = alignColumns([head, ...rows].map((row) => row.map((cell) => printable(cell))));
  for (const line of lines) console.log(line);
}

function detailsOf(one: AuditLine): string {
  return Object.entries(one).filter(([key]) => !IN_COLUMNS.includes(key))
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
}

/** The records of an audit log, and how many lines are none; of one that is not there, nothing. */
async function readAudit(
  path: string,
): Promise<{ readonly records: readonly AuditLine[]; readonly damaged: number }> {
  const records: AuditLine[] = [];
  let damaged = 0;
  for (const line of (await textOf(path)).split("\n")) {
    if (line.trim() === "") continue;
    const parsed = v.safeParse(record, valueOf(line));
    if (parsed.success) records.push(parsed.output);
    else damaged++;
  }
  return { records, damaged };
}

async function textOf(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw wrapFileError(error, `read ${path}`);
  }
}

/** The JSON value of a line; undefined if it is none. */
function valueOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
