// What the bridge does beside Dovecot, with the same mail on the same machine in one run: a table for
// BENCH.md. Takes some minutes: deno task bench:bridge [HOW MANY MESSAGES]. Dovecot is left out where it
// is not installed, or where nobody may start it (it wants to be started by root).

import { join } from "@std/path";
import { type Bytes, utf8 } from "../crypto/bytes.ts";
import { loadBundle } from "../files/key_files.ts";
import { Bridging } from "../tests/support/bridging.ts";
import { Group } from "../tests/support/group.ts";
import { RawSession } from "../tests/support/raw_session.ts";
import { waitFor } from "../tests/support/wait.ts";
import { deliverAll, message, personOf, Sealer } from "./filling.ts";
import { percentile, time, UNLIMITED } from "./serving.ts";

const COUNT = Number(Deno.args[0] ?? 10_000);
const LARGE = 10;
const MIB = 1024 * 1024;

/** What Thunderbird asks of every message of a folder that it sees for the first time. */
const HEADERS = "(UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date " +
  "Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])";

/** A connection to a server of IMAP. */
class Imap {
  #tags = 0;
  #rest = "";
  readonly #decoder = new TextDecoder("latin1");
  readonly #buffer = new Uint8Array(1024 * 1024);

  private constructor(readonly socket: Deno.TcpConn) {}

  static async open(port: number, name: string, password: string): Promise<Imap> {
    const imap = new Imap(await Deno.connect({ hostname: "127.0.0.1", port }));
    await imap.until("\r\n");
    await imap.say(`LOGIN ${name} ${password}`);
    return imap;
  }

  /** Sends a command, and reads all that is answered; the last of it. */
  async say(command: string): Promise<string> {
    const tag = `tag-${++this.#tags}-`;
    await this.send(`${tag} ${command}\r\n`);
    const said = await this.until(`${tag} `);
    const end = await this.until("\r\n");
    if (!end.startsWith("OK")) throw new Error(`${command}: ${end}`);
    return said;
  }

  async send(text: string): Promise<void> {
    const bytes = utf8(text);
    for (let at = 0; at < bytes.length;) at += await this.socket.write(bytes.subarray(at));
  }

  /** Reads until `text` comes, and forgets most of what is long. */
  async until(text: string): Promise<string> {
    for (;;) {
      const at = this.#rest.indexOf(text);
      if (at >= 0) {
        const said = this.#rest.slice(0, at + text.length);
        this.#rest = this.#rest.slice(at + text.length);
        return said;
      }
      this.#rest = this.#rest.slice(-65_536);
      const n = await this.socket.read(this.#buffer);
      if (n === null) throw new Error("the server ended the connection");
      this.#rest += this.#decoder.decode(this.#buffer.subarray(0, n));
    }
  }

  close(): void {
    this.socket.close();
  }
}

/** A server of IMAP with the messages in its INBOX, and how another one gets there. */
interface Tried {
  readonly port: number;
  readonly password: string;
  readonly deliver: () => Promise<unknown>;
  /** Processes whose memory counts. */
  readonly pid: number;
}

type Figures = Map<string, string>;

const ms = (value: number) =>
  value < 100 ? `${value.toFixed(1)} ms` : `${(value / 1000).toFixed(2)} s`;

/** Takes all figures of a server. */
async function measure({ port, password, deliver, pid }: Tried): Promise<Figures> {
  const figures: Figures = new Map();
  const imap = await Imap.open(port, "bob", password);
  const timed = async (what: string, command: string, times = 1) => {
    const all: number[] = [];
    for (let i = 0; i < times; i++) all.push(await time(() => imap.say(command)));
    figures.set(what, ms(percentile(all, 0.5)));
  };
  await timed("SELECT, the first time", "SELECT INBOX");
  await timed("flags of all", "UID FETCH 1:* (FLAGS)", 3);
  await timed("headers of all, the first time", `UID FETCH 1:* ${HEADERS}`);
  await timed("headers of all, again", `UID FETCH 1:* ${HEADERS}`, 3);
  await timed("ENVELOPE of all, again", "UID FETCH 1:* (ENVELOPE)", 3);
  await timed("SEARCH of a subject", 'UID SEARCH SUBJECT "message 77"', 3);
  await timed(
    "1,000 messages flagged",
    `STORE 1:${Math.min(COUNT, 1000)} +FLAGS.SILENT (\\Flagged)`,
  );
  const large = `UID FETCH ${COUNT + 1}:${COUNT + LARGE} (BODY.PEEK[])`;
  await timed("100 MiB of bodies, the first time", large);
  await timed("100 MiB of bodies, again", large, 3);
  await imap.say("ENABLE QRESYNC");
  const selected = await imap.say("SELECT INBOX");
  const [, validity] = /UIDVALIDITY (\d+)/.exec(selected) ?? [];
  const [, modseq] = /HIGHESTMODSEQ (\d+)/.exec(selected) ?? [];
  await timed("QRESYNC of nothing", `SELECT INBOX (QRESYNC (${validity} ${modseq}))`, 20);
  const told: number[] = [];
  for (let i = 0; i < 5; i++) {
    await imap.send("i IDLE\r\n");
    await imap.until("+ ");
    const news = imap.until(" EXISTS");
    told.push(
      await time(async () => {
        await deliver();
        await news;
      }),
    );
    await imap.send("DONE\r\n");
    await imap.until("i OK");
  }
  figures.set("from sending to what IDLE tells", ms(percentile(told, 0.5)));
  imap.close();
  const { stdout } = await new Deno.Command("ps", { args: ["-o", "rss=", "-p", `${pid}`] })
    .output();
  figures.set(
    "memory after that",
    `${(Number(new TextDecoder().decode(stdout)) / 1024).toFixed(0)} MiB`,
  );
  return figures;
}

/** Starts Dovecot on these messages; null where that is not possible. */
async function dovecot(group: Group, texts: readonly Bytes[]) {
  const there = await new Deno.Command("sh", {
    args: ["-c", '[ "$(id -u)" = 0 ] && command -v dovecot'],
    stdout: "null",
  }).output();
  if (!there.success) return null;
  const dir = group.path("dovecot");
  const mail = join(dir, "mail");
  for (const part of ["cur", "new", "tmp"]) await Deno.mkdir(join(mail, part), { recursive: true });
  for (const [i, text] of texts.entries()) {
    await Deno.writeFile(join(mail, "cur", `${1_700_000_000 + i}.m${i}.bench:2,`), text);
  }
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  const config = `
base_dir = ${dir}/run
state_dir = ${dir}/state
log_path = ${dir}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
first_valid_uid = 1
mail_location = maildir:${mail}
passdb {
  driver = static
  args = password=pw
}
userdb {
  driver = static
  args = uid=33 gid=33 home=${dir}
}
service imap-login {
  inet_listener imap {
    port = ${port}
  }
  inet_listener imaps {
    port = 0
  }
}
`;
  await Deno.writeTextFile(join(dir, "conf"), config);
  const line = 'chmod 755 "$0" && chown -R 33:33 "$1/mail" "$1" && exec dovecot -F -c "$1/conf"';
  const process = new Deno.Command("sh", { args: ["-c", line, group.dir, dir] }).spawn();
  await waitFor("Dovecot", async () => {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return true;
    } catch {
      return null;
    }
  });
  return {
    port,
    password: "pw",
    pid: process.pid,
    deliver: async () => {
      const name = `${crypto.randomUUID()}.bench`;
      await Deno.writeFile(join(mail, "tmp", name), message(0).text);
      await Deno.rename(join(mail, "tmp", name), join(mail, "new", name));
    },
    close: async () => {
      process.kill("SIGTERM");
      await process.status;
    },
  };
}

async function bench(): Promise<void> {
  await using group = await Group.start(["alice", "bob"], { serve: UNLIMITED });
  await group.bind("alice", "bob");
  const [alice, bob] = [await personOf(group, "alice"), await personOf(group, "bob")];
  const server = await loadBundle(group.path("alice", "server_public.pem"));
  const { session } = await RawSession.logIn(group.server.address, server, alice);
  const sealer = new Sealer(alice, bob);
  const texts = Array.from({ length: COUNT + LARGE }, (_, i) => {
    return i < COUNT ? message(i + 1) : message(i + 1, 10 * MIB);
  });
  // One after the other where their order counts.
  await deliverAll(session, sealer, texts.slice(0, COUNT));
  for (const text of texts.slice(COUNT)) await deliverAll(session, sealer, [text]);
  console.error(`${COUNT} messages are delivered`);
  let bridge: Bridging | null = null;
  const opening = await time(async () => bridge = await Bridging.start(group, "bob"));
  await using bridging = bridge as Bridging | null;
  if (!bridging) throw new Error("there is no bridge");
  const ours = await measure({
    port: bridging.imap,
    password: bridging.password,
    pid: bridging.program.pid,
    deliver: async () => session.deliver(await sealer.seal(message(0))),
  });
  ours.set("start, with the list of all brought here", ms(opening));
  const other = await dovecot(group, texts.map(({ text }) => text));
  let theirs: Figures = new Map();
  try {
    if (other !== null) theirs = await measure(other);
  } finally {
    await other?.close();
  }
  await session.close();
  console.log(
    `Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores, ${COUNT} messages\n`,
  );
  console.log("| what | the bridge | Dovecot |\n| --- | --- | --- |");
  for (const [what, value] of ours) {
    console.log(`| ${what} | ${value} | ${theirs.get(what) ?? ""} |`);
  }
}

await bench();
