import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { Bridging, script, withBridges } from "../support/bridging.ts";
import { whyNo } from "../support/command.ts";
import { testInFullUnless } from "../support/full.ts";
import type { Group } from "../support/group.ts";
import { Relay } from "../support/relay.ts";
import { sleep, within } from "../../protocol/timer.ts";
import { passwordOf, Program, run } from "../support/program.ts";
import { waitFor } from "../support/wait.ts";

const FETCH = 'curl -s --show-error "imap://127.0.0.1:$IMAP/INBOX';
const LOGIN = '-u "$USER:$PASS"';

/** Sends a message by SMTP; what curl says of it. */
async function send(group: Group, one: Bridging, subject: string): Promise<string> {
  const text = ["From: alice@sealpost.invalid", `Subject: ${subject}`, "", "the text", ""];
  await Deno.writeTextFile(group.path("letter"), text.join("\r\n"));
  const people = "--mail-from alice@sealpost.invalid --mail-rcpt bob@sealpost.invalid";
  const line = `curl -sv "smtp://127.0.0.1:$SMTP" ${LOGIN} ${people} -T letter 2>&1`;
  return await script(group, line, one.variables);
}

/** Waits until a message of this subject is in the inbox. */
async function arrived(group: Group, one: Bridging, subject: string): Promise<void> {
  const line = `${FETCH}" ${LOGIN} -X 'SEARCH SUBJECT "${subject}"'`;
  await waitFor(subject, async () => {
    return /SEARCH \d/.test(await script(group, line, one.variables)) ? true : null;
  });
}

testInFullUnless(
  await whyNo("curl"),
  "while the server is away, what was fetched is read, and what is sent waits",
  () =>
    withBridges(async (group, alice, bob) => {
      assertStringIncludes(await send(group, alice, "one"), "250 2.0.0 sealed and sent");
      await arrived(group, bob, "one");
      const read = `${FETCH};UID=1" ${LOGIN}`;
      const before = await script(group, read, bob.variables);
      const { address } = group.server;
      await group.server.stop();
      await bob.program.expectError("offline");
      assertEquals(await script(group, read, bob.variables), before);
      const said = await script(group, `${FETCH}" -v ${LOGIN} -X NOOP 2>&1`, bob.variables);
      assertMatch(said, /\* OK \[ALERT\] Sealpost: there is no connection to the server/);
      assertMatch(await send(group, alice, "two"), /< 250 2\.0\.0 sealed, and waits in the outbox/);
      await group.restart(["--listen", address]);
      await arrived(group, bob, "two");
    }),
);

testInFullUnless(
  await whyNo("curl"),
  "Ctrl-C ends a bridge, and the mail programs that wait for it are told so",
  () =>
    withBridges(async (_, alice) => {
      await using program = await Idling.start(alice);
      alice.program.kill("SIGINT");
      const { code, stderr } = await alice.program.finish();
      assertEquals([code, stderr], [130, ""]);
      await program.ended();
    }),
);

testInFullUnless(
  await whyNo("curl"),
  "a bridge serves several accounts, and each by its own password alone",
  () =>
    withBridges(async (group, alice, bob) => {
      await send(group, alice, "for bob");
      await arrived(group, bob, "for bob");
      for (const { program, name } of [alice, bob]) {
        program.kill();
        await program.finish();
        await settings(group, name);
      }
      const both = ["--dir", "alice", "--also", "bob"];
      await using one = await Served.start(group, both, ["alice", "bob"]);
      const search = (who: string, password: string) => {
        const line =
          `curl -sv "imap://127.0.0.1:$IMAP/INBOX" ${LOGIN} -X "SEARCH ALL" 2>&1 || true`;
        const variables = { IMAP: `${one.imap}`, USER: who, PASS: password };
        return script(group, line, variables);
      };
      assertMatch(await search("bob", bob.password), /\* SEARCH 1\r/);
      assertMatch(await search("alice", alice.password), /\* SEARCH\r/);
      assertMatch(await search("alice", bob.password), /NO \[AUTHENTICATIONFAILED\]/);
    }),
);

testInFullUnless(
  await whyNo("curl"),
  "a bridge that has the password logs in anew when its tickets end; one that has not, says so",
  () =>
    withBridges(async (group, alice, bob) => {
      for (const { program, name } of [alice, bob]) {
        program.kill();
        await program.finish();
        await settings(group, name);
      }
      await using a = await Served.start(group, ["--dir", "alice"], ["alice"]);
      // A ticket is left from the bridge before.
      await using b = await Served.start(group, ["--dir", "bob"], []);
      for (const name of ["alice", "bob"]) {
        const env = { SEALPOST_PASSWORD: passwordOf(name) };
        const out = await run(["logout", "--everywhere", "--dir", name], { cwd: group.dir, env });
        assertEquals(out.code, 0, out.stderr);
      }
      await b.program.expectError("offline, and what was fetched is shown");
      await b.program.expectError("--password-file");
      const [from, to] = [
        { ...alice.variables, SMTP: `${a.smtp}` },
        { ...bob.variables, IMAP: `${b.imap}` },
      ];
      await Deno.writeTextFile(group.path("letter"), "Subject: anew\r\n\r\nx\r\n");
      const people = "--mail-from alice@sealpost.invalid --mail-rcpt bob@sealpost.invalid";
      const line = `curl -sv "smtp://127.0.0.1:$SMTP" ${LOGIN} ${people} -T letter 2>&1`;
      await a.program.expectError("logged out everywhere; trying again");
      await waitFor("a login", async () => {
        return /sealed and sent/.test(await script(group, line, from)) ? true : null;
      });
      const said = await script(group, `${FETCH}" -v ${LOGIN} -X "SEARCH ALL" 2>&1`, to);
      assertMatch(said, /\[ALERT\] Sealpost: there is no connection[^]*\* SEARCH\r\n/);
    }),
);

testInFullUnless(
  await whyNo("mbsync") ?? await whyNo("curl"),
  "a mail program that gives up after twenty seconds of silence waits for a message that takes longer",
  () =>
    withBridges(async (group, alice, bob) => {
      const text = ["From: alice@sealpost.invalid", "Subject: slow", "", ...LINES, ""].join("\r\n");
      await Deno.writeTextFile(group.path("letter"), text);
      bob.program.kill();
      await bob.program.finish();
      let waits = Infinity;
      await using relay = Relay.start(group.server.address, {
        hook: async (piece, { direction }) => {
          if (direction === "down" && waits > 0 && (waits -= piece.length) <= 0) {
            await sleep(30_000);
          }
          return piece;
        },
      });
      await using slow = await Bridging.start(group, "bob", relay.address);
      const people = "--mail-from alice@sealpost.invalid --mail-rcpt bob@sealpost.invalid";
      await script(
        group,
        `curl -sS "smtp://127.0.0.1:$SMTP" ${LOGIN} ${people} -T letter`,
        alice.variables,
      );
      await arrived(group, slow, "slow");
      waits = 1_000_000;
      const said = await script(group, MBSYNC, slow.variables);
      assert(waits <= 0, "it was not held up");
      assertMatch(said, /\* OK \[INPROGRESS \("\d+" \d+ \d+\)\]/);
      const same = "sed '1,/^$/d' unix > sent; sed '1,/^$/d' mail/INBOX/new/* | cmp - sent";
      assertEquals(await script(group, same, {}), "");
    }),
);

testInFullUnless(
  await whyNo("curl"),
  "a mail program hears of what another program of the same person has fetched before the bridge did",
  () =>
    withBridges(async (group, alice, bob) => {
      bob.program.kill();
      await bob.program.finish();
      let held: Promise<void> = Promise.resolve();
      await using relay = Relay.start(group.server.address, {
        hook: async (piece, { direction }) => {
          if (direction === "down") await held;
          return piece;
        },
      });
      await using behind = await Bridging.start(group, "bob", relay.address);
      await using program = await Idling.start(behind);
      const released = Promise.withResolvers<void>();
      held = released.promise;
      await send(group, alice, "new");
      const inbox = await run(["inbox", "--server", `bob@${group.server.address}`], {
        cwd: group.path("bob"),
        env: { SEALPOST_PASSWORD: passwordOf("bob") },
      });
      assertStringIncludes(inbox.stdout, "new");
      released.resolve();
      await program.hears("* 1 EXISTS");
    }),
);

testInFullUnless(
  await whyNo("curl"),
  "what a bridge shows after many changes is what one shows that starts then",
  () =>
    withBridges(async (group, alice, bob) => {
      for (const subject of ["one", "two", "three", "four"]) await send(group, alice, subject);
      const say = (mailbox: string, command: string, { variables } = bob) => {
        const line =
          `curl -s "imap://127.0.0.1:$IMAP/${mailbox}" ${LOGIN} -X '${command}' 2>&1 || true`;
        return script(group, line, variables);
      };
      const shown = async (one: Bridging) => {
        const all: string[] = [];
        for (const mailbox of ["INBOX", "Archive", "own"]) {
          all.push(await say(mailbox, "UID FETCH 1:* (FLAGS EMAILID MODSEQ)", one));
        }
        return all;
      };
      await arrived(group, bob, "four");
      for (
        const [mailbox, command] of [
          ["INBOX", "CREATE own"],
          ["INBOX", "STORE 3 +FLAGS (word \\Flagged)"],
          ["INBOX", "MOVE 1 Archive"],
          ["Archive", "MOVE 1 INBOX"],
          ["INBOX", "COPY 1:2 own"],
          ["INBOX", "STORE 1 +FLAGS.SILENT (\\Deleted)"],
          ["INBOX", "EXPUNGE"],
          ["own", "STORE 1:* FLAGS (other)"],
          ["own", "MOVE 2 Archive"],
          ["INBOX", "MOVE 3 own"],
        ] as const
      ) {
        await say(mailbox, command);
        // So that there is a view, which the next one is made from.
        await shown(bob);
      }
      await send(group, alice, "five");
      await arrived(group, bob, "five");
      const before = await shown(bob);
      assertMatch(before.join(""), /\(.*word.*\)[^]*\(.*other.*\)/);
      assertEquals(before.map((all) => all.match(/^\* \d+ FETCH/gm)?.length), [3, 1, 2]);
      await using anew = await Bridging.start(group, "bob");
      assertEquals(await shown(anew), before);
    }),
);

/** A mail program that waits for what comes. */
class Idling implements AsyncDisposable {
  #said = "";
  readonly #reader: ReadableStreamDefaultReader<string>;

  private constructor(readonly connection: Deno.TcpConn) {
    this.#reader = connection.readable.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Logs in, and idles in the inbox. */
  static async start({ imap, name, password }: Bridging): Promise<Idling> {
    const idling = new Idling(await Deno.connect({ hostname: "127.0.0.1", port: imap }));
    const writer = idling.connection.writable.getWriter();
    const login = `a LOGIN ${name} ${password}\r\nb SELECT INBOX\r\nc IDLE\r\n`;
    await writer.write(new TextEncoder().encode(login));
    await idling.hears("+ idling");
    return idling;
  }

  /** Resolves when `text` was said. */
  async hears(text: string): Promise<void> {
    while (!this.#said.includes(text)) {
      // Not for ever, where nothing is said.
      const read = await within(this.#reader.read(), 60_000, null);
      assert(read && !read.done, `it said no ${text}, but ${this.#said}`);
      this.#said += read.value;
    }
  }

  /** Reads on until the connection ends. */
  async ended(): Promise<void> {
    while (!(await this.#reader.read().catch(() => ({ done: true }))).done);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel().catch(() => {});
    await this.connection.writable.abort().catch(() => {});
  }
}

/** More than one record has. */
const LINES = Array.from({ length: 40_000 }, (_, i) => `line ${i} of a message that is long`);

/** Fetches the inbox, with the twenty seconds of patience that mbsync has by itself. */
const MBSYNC = `
tr -d '\\r' < letter > unix
cat > mbsyncrc <<END
IMAPAccount b
Host 127.0.0.1
Port $IMAP
User $USER
Pass $PASS
SSLType None
AuthMechs PLAIN

IMAPStore far
Account b

MaildirStore near
Path $HOME/mail/
Inbox $HOME/mail/INBOX

Channel c
Far :far:
Near :near:
Sync Pull
Create Near
SyncState *
END
mkdir -p mail
mbsync -Dn -c mbsyncrc -a
`;

/** Writes down who and where, as `setup` does. */
async function settings(group: Group, name: string): Promise<void> {
  const lines = [`user = "${name}"`, `server = "${group.server.address}"`, ""];
  await Deno.writeTextFile(group.path(name, "sealpost.toml"), lines.join("\n"));
}

/** A bridge from the group's folder, without anybody who could be asked. */
class Served implements AsyncDisposable {
  private constructor(
    readonly program: Program,
    readonly imap: number,
    readonly smtp: number,
  ) {}

  /** `known`: the accounts whose passwords stand in files. */
  static async start(
    group: Group,
    args: readonly string[],
    known: readonly string[],
  ): Promise<Served> {
    const files: string[] = [];
    for (const name of known) {
      const path = join(name, "password");
      await Deno.writeTextFile(group.path(path), `${passwordOf(name)}\n`, { mode: 0o600 });
      files.push("--password-file", path);
    }
    const ports = ["--imap", "127.0.0.1:0", "--smtp", "127.0.0.1:0", "--json"];
    const program = Program.start(["bridge", ...args, ...files, ...ports], { cwd: group.dir });
    const { imap, smtp } = JSON.parse(await program.expect("\n"));
    return new Served(program, imap.port, smtp.port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.program.kill();
    await this.program.finish();
  }
}
