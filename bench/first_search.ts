// What the very first search of a mailbox takes, by the command, with a server: it opens and verifies
// every message, and with `--fetch` brings and keeps all texts.

import { rm } from "node:fs/promises";
import { loadBundle } from "../files/key_files.ts";
import { Group } from "../tests/support/group.ts";
import { FROM_SOURCE, passwordOf, run } from "../tests/support/program.ts";
import { RawSession } from "../tests/support/raw_session.ts";
import { deliverAll, message, personOf, Sealer } from "./filling.ts";
import { UNLIMITED } from "./serving.ts";

/** CPU time of the program with its start, milliseconds. */
export interface FirstSearch {
  /** What is searched: senders, recipients and subjects. */
  readonly subjects: number;
  /** The same, and every text is fetched and kept. */
  readonly texts: number;
  /** The search after that. */
  readonly again: number;
}

/** Searches `each` messages of 1 KB from each of `senders` people for what none of them has. */
export async function measureFirstSearch(senders: number, each: number): Promise<FirstSearch> {
  const names = Array.from({ length: senders }, (_, i) => `alice${i}`);
  await using group = await Group.start(["bob", ...names], { serve: UNLIMITED });
  const cwd = group.path("bob");
  // Keys as people have them, of 3072 bits.
  await rm(cwd, { recursive: true });
  const made = await run(["keygen", "bob"], { cwd: group.dir });
  if (made.code !== 0) throw new Error(`keygen: ${made.stderr}`);
  await group.bind("bob");
  const server = await loadBundle(group.path("bob", "server_public.pem"));
  const bob = await personOf(group, "bob");
  for (const name of names) {
    const alice = await personOf(group, name);
    const { session } = await RawSession.logIn(group.server.address, server, alice);
    const texts = Array.from({ length: each }, (_, i) => message(i)).values();
    await deliverAll(session, new Sealer(alice, bob), texts);
    await session.close();
  }
  const search = (args: readonly string[]) => cpuOf(cwd, group.server.address, args);
  const subjects = await search([]);
  await rm(`${cwd}/.sealpost`, { recursive: true });
  return { subjects, texts: await search(["--fetch"]), again: await search([]) };
}

async function cpuOf(cwd: string, address: string, args: readonly string[]): Promise<number> {
  const build = {
    command: "sh",
    args: ["-c", '"$0" "$@" >&2 && times', FROM_SOURCE.command, ...FROM_SOURCE.args],
  };
  const env = { SEALPOST_PASSWORD: passwordOf("bob") };
  const command = ["search", "--dir", ".", "--server", address, ...args, "nowhere"];
  const { code, stdout, stderr } = await run(command, { cwd, build, env });
  // The second line has the shell's children: user, then system, as in "0m1.230s 0m0.450s".
  const times = stdout.split("\n")[1]?.match(/\d+m[\d.]+s/g);
  if (code !== 0 || times?.length !== 2) throw new Error(`search: ${code}: ${stderr}`);
  return times.reduce((sum, time) => {
    const [minutes, seconds] = time.slice(0, -1).split("m").map(Number);
    return sum + ((minutes ?? NaN) * 60 + (seconds ?? NaN)) * 1000;
  }, 0);
}
