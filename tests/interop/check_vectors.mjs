// @ts-check
// Runs all known answers: node check_vectors.mjs FOLDER. Prints a line for each list of cases, and
// fails if a case fails, a file or list is missing or empty, or one is there that nothing runs.

import { readdirSync } from "node:fs";
import process from "node:process";
import { handshake, resumption } from "./check_handshakes.mjs";
import { kem, keys } from "./check_keys.mjs";
import { envelopes, malformed_messages, messages } from "./check_messages.mjs";
import { rotation } from "./check_rotations.mjs";
import { shared } from "./check_shared.mjs";
import { links } from "./check_links.mjs";
import { key_log } from "./check_key_log.mjs";
import { frames, json, records } from "./check_wire.mjs";
import { Answers } from "./known_answers.mjs";

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("usage: node check_vectors.mjs FOLDER");

const checks = {
  keys,
  kem,
  handshake,
  resumption,
  records,
  frames,
  json,
  json_additions: json,
  messages,
  malformed_messages,
  envelopes,
  rotation,
  shared,
  key_log,
  links,
};

/** @type {string[]} */
const problems = [];
const answers = new Answers(folder);
const files = Object.entries(checks).map(([name, lists]) => ({ file: `${name}.json`, lists }));

const known = new Set(files.map(({ file }) => file));
for (const name of readdirSync(folder)) {
  if (name.endsWith(".json") && !known.has(name)) problems.push(`nothing runs ${name}`);
}

for (const { file, lists } of files) {
  const content = answers.read(file);
  for (const list of Object.keys(content)) {
    if (!Object.hasOwn(lists, list)) problems.push(`nothing runs ${file} ${list}`);
  }
  for (const [list, check] of Object.entries(lists)) {
    const cases = content[list];
    if (!Array.isArray(cases) || cases.length === 0) {
      problems.push(`${file} ${list}: there are no cases`);
      continue;
    }
    for (const given of cases) {
      try {
        check(given, answers);
      } catch (error) {
        const { message } = error instanceof Error ? error : new Error(String(error));
        problems.push(`${file} ${list} ${JSON.stringify(given.name)}: ${message}`);
      }
    }
    console.log(`${file} ${list}: ${cases.length}`);
  }
}

for (const problem of problems) console.error(problem);
process.exit(problems.length === 0 ? 0 : 1);
