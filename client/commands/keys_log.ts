import { formatTime, isoTime } from "../../cli/format.ts";
import { alignColumns } from "../../cli/columns.ts";
import { printableJson } from "../../cli/printable.ts";
import { PROGRAM } from "../../cli/program.ts";
import { fromUtf8, utf8 } from "../../crypto/bytes.ts";
import { SealpostError } from "../../crypto/error.ts";
import { formatFingerprint } from "../../crypto/identity.ts";
import { readFileBounded, writeFileAtomic } from "../../files/atomic_file.ts";
import { pinnedServers } from "../../files/server_pin.ts";
import {
  formatForkProof,
  MAX_PROOF_TEXT,
  parseForkProof,
  requireFork,
} from "../../protocol/fork_proof.ts";
import type { LogRecord } from "../../protocol/key_log.ts";
import { parseName } from "../../protocol/name.ts";
import { confirm } from "../terminal/confirm.ts";
import { openTerminal } from "../terminal/terminal.ts";
import { EVENT_WORDS, KeyLogClient } from "../trust/key_log.ts";
import { printRow } from "./common.ts";
import { type KeyOptions, type Keyring, openKeyring } from "./keyring.ts";

/** What `keys log` was given. */
export interface KeyLogOptions extends KeyOptions {
  /** Only what happened to this name's keys. */
  readonly name?: string;
  /** A new file for the proof of two histories. */
  readonly proof?: string;
  /** A file with such a proof, from anybody. */
  readonly check?: string;
  /** Whether to go on with the log as it is. */
  readonly accept: boolean;
  readonly yes: boolean;
}

/** The `keys log` command: what happened to everybody's keys, as the server has shown it here. */
export async function showKeyLog(options: KeyLogOptions): Promise<void> {
  if (options.check !== undefined) return await checkProof(options.check, options.json);
  const keyring = await openKeyring(options);
  const log = await openLog(keyring);
  if (options.accept) return await acceptLog(keyring, log, options);
  if (options.proof !== undefined) await writeProof(log, options.proof);
  const { terminal, printJson } = keyring;
  const { kept } = log;
  if (kept === null) {
    throw new SealpostError(
      "offline",
      `nothing of the server's key log is known here yet: connect once, as with "${PROGRAM} inbox"`,
    );
  }
  const name = options.name === undefined ? null : parseName(options.name);
  const records = name === null ? kept.log.records : log.history(name);
  const held = log.held(keyring.pins.all()).map(({ pin }) => pin.name);
  if (options.json) {
    const { generation, n, time } = kept.head;
    return printJson({
      records: records.map(recordJson),
      count: n,
      generation: isoTime(generation * 1000),
      signed: isoTime(time),
      fork: kept.fork && { since: isoTime(kept.fork.since), by: kept.fork.by },
      lost: log.lostNames(),
      held,
      proof: options.proof ?? null,
    });
  }
  const rows = records.map(({ index, time, event, name, fp }) => [
    String(index),
    formatTime(time),
    name === "" ? "-" : name,
    EVENT_WORDS[event],
    event === "generation" ? "" : formatFingerprint(fp),
  ]);
  const head = ["Number", "Time", "Name", "Event", "Key"];
  for (const line of alignColumns([head, ...rows])) printRow(terminal, line);
  terminal.print(`The server signed ${kept.log.n} records at ${formatTime(kept.head.time)}.`);
  if (options.proof !== undefined) terminal.print(`Wrote ${options.proof}`);
  if (kept.fork) {
    terminal.print(
      `TWO HISTORIES since ${formatTime(kept.fork.since)}: the server has shown ${
        kept.fork.by === null ? "you" : `you and ${kept.fork.by}`
      } different logs. Show the proof ("keys log --proof FILE") to the others and to the ` +
        `operator; "${PROGRAM} keys log --check FILE" checks it on any machine. When it is settled, ` +
        '"keys log --accept" ends it.',
    );
  }
  if (held.length > 0) {
    terminal.print(
      `Mail waits for: ${held.join(", ")}. "keys verify NAME" compares, "keys trust NAME" sends ` +
        "all the same.",
    );
  }
}

/** The log of the user of `keyring`, as it is known here. */
export async function openLog({ profile, person }: Keyring): Promise<KeyLogClient> {
  const { identity: { bundle: { fp } }, retired, state } = person;
  const servers = await pinnedServers(profile.dir);
  return await KeyLogClient.load(state, { name: profile.name, fp, retired }, servers);
}

function recordJson({ index, time, event, name, fp, seq }: LogRecord) {
  return {
    number: index,
    time: isoTime(time),
    name: name === "" ? null : name,
    event,
    fingerprint: event === "generation" ? null : formatFingerprint(fp),
    rotations: event === "generation" ? null : seq,
  };
}

async function writeProof(log: KeyLogClient, file: string): Promise<void> {
  const proof = await log.proof();
  if (proof === null) {
    throw new SealpostError("file-missing", "there is no proof: nobody was seen to be lied to");
  }
  await writeFileAtomic(file, utf8(formatForkProof(proof)), { mode: 0o644, overwrite: false });
}

async function acceptLog(
  { terminal, printJson }: Keyring,
  log: KeyLogClient,
  { yes, json }: KeyLogOptions,
): Promise<void> {
  if (!yes) {
    if (!terminal.interactive) {
      throw new SealpostError("usage", "--accept needs --yes where nobody can be asked");
    }
    terminal.print("Mail that waits because of what the key log has shown will go out, under the");
    terminal.print("keys that the server gives. Ask the others, and the operator, first.");
    if (!await confirm(terminal, "Go on with the log as it is? (y/N) ")) {
      throw new SealpostError("cancelled", "nothing was changed");
    }
  }
  await log.accept();
  if (json) return printJson({ accepted: true });
  terminal.print("The log is accepted as it is; what waits goes out with your next connection.");
}

/** Says whether a file proves that a server has two histories, and which server that is. */
async function checkProof(file: string, json: boolean): Promise<void> {
  const terminal = openTerminal();
  const proof = await parseForkProof(fromUtf8(await readFileBounded(file, MAX_PROOF_TEXT)));
  await requireFork(proof);
  const fingerprint = formatFingerprint(proof.server.fp);
  const { head, other } = proof;
  if (json) {
    const shown = ({ n, time }: typeof head) => ({ records: n, signed: isoTime(time) });
    return terminal.print(
      printableJson({ proven: true, server: fingerprint, heads: [shown(head), shown(other)] }),
    );
  }
  terminal.print("This proves it: the server with the key");
  terminal.print(`  ${fingerprint}`);
  terminal.print("has signed two histories of everybody's keys that cannot both be true:");
  for (const { n, time } of [head, other]) {
    terminal.print(`  one with ${n} records, signed at ${formatTime(time)}`);
  }
  terminal.print(
    "If that is your server's key, its operator lies, or somebody has stolen the key.",
  );
}
