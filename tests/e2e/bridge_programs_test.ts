import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { type Bridging, script, withBridges } from "../support/bridging.ts";
import { whyNo } from "../support/command.ts";
import { testInFullUnless } from "../support/full.ts";
import type { Group } from "../support/group.ts";
import { ROOT } from "../support/program.ts";
import { Screen, whyNoTmux } from "../support/tmux.ts";

// Mail programs that people have, each against a bridge: one group for all of them, since starting one
// costs more than most of what they do.

/** Where .ci/run puts imapflow, a library for Node. */
const IMAPFLOW = join(ROOT, ".deno/imapflow/node_modules/imapflow/package.json");

/** Why there is no imapflow here; null if there is one. */
async function whyNoImapflow(): Promise<string | null> {
  try {
    await Deno.stat(IMAPFLOW);
    return await whyNo("node");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "there is no imapflow in .deno/imapflow";
    throw error;
  }
}

/** Where letters are that the steps begin with. */
const LETTERS = 3;

function letter(subject: string): string {
  return [
    "From: Alice A <alice@sealpost.invalid>",
    "To: bob@sealpost.invalid",
    `Subject: ${subject}`,
    `Message-ID: <${crypto.randomUUID()}@example.org>`,
    "Date: Sun, 22 Nov 2026 13:05:07 +0100",
    "",
    "the text",
    "",
  ].join("\r\n");
}

/** What the server of IMAP says to a command in `mailbox`, by curl. */
function imap(group: Group, one: Bridging, command: string, mailbox = "INBOX"): Promise<string> {
  const url = `"imap://127.0.0.1:$IMAP/${mailbox}" -u "$USER:$PASS"`;
  return script(group, `curl -s --show-error ${url} -X '${command}'`, one.variables);
}

async function send(group: Group, one: Bridging, subject: string): Promise<void> {
  await Deno.writeTextFile(group.path("letter"), letter(subject));
  const people = "--mail-from alice@sealpost.invalid --mail-rcpt bob@sealpost.invalid";
  const line = `curl -s --show-error "smtp://127.0.0.1:$SMTP" -u "$USER:$PASS" ${people} -T letter`;
  await script(group, line, one.variables);
}

/** Runs a mail program on a terminal until it has ended. */
async function onTerminal(group: Group, command: string, args: readonly string[]): Promise<void> {
  await using screen = await Screen.start(args, {
    build: { command, args: [] },
    cwd: group.dir,
    env: { HOME: group.dir },
  });
  assertEquals((await screen.ended()).code, 0, await screen.text());
}

const MSMTP = "msmtp --host=127.0.0.1 --port=$SMTP --auth=plain --user=$USER " +
  '--passwordeval="echo $PASS" --tls=off --from=alice@sealpost.invalid';

/** The settings of mutt and neomutt; everything is copied into the maildir `out`. */
function muttrc(group: Group, { imap, name, password }: Bridging, more: string): string {
  return `set imap_user = ${name}
set imap_pass = "${password}"
set folder = imap://127.0.0.1:${imap}/
set ssl_starttls = no
set ssl_force_tls = no
set mbox_type = Maildir
set header_cache = ${group.path("cache")}
unset confirmappend
set copy = no
set quit = yes
${more}
push "<tag-pattern>~A<enter><tag-prefix><copy-message><kill-line>${group.path("out")}<enter><quit>"
`;
}

/** Copies the inbox into a new maildir by mutt or neomutt; how many messages that were. */
async function copied(group: Group, bob: Bridging, program: string, more: string): Promise<number> {
  await script(group, "rm -rf out; mkdir -p cache out/cur out/new out/tmp", {});
  await Deno.writeTextFile(group.path("muttrc"), muttrc(group, bob, more));
  const from = `imap://127.0.0.1:${bob.imap}/INBOX`;
  const log = program === "neomutt" ? ["-d", "5", "-l", group.path(".muttdebug")] : ["-d", "4"];
  await onTerminal(group, program, ["-F", group.path("muttrc"), ...log, "-f", from]);
  const found = await script(
    group,
    'grep -l "^the text" out/*/* > found; for f in $(cat found); do head -n 1 "$f"; done',
    {},
  );
  const lines = found.trim().split("\n");
  for (const line of lines) assertMatch(line, /^X-Sealpost-Verified: alice: signed/);
  return lines.length;
}

testInFullUnless(
  await whyNo("curl"),
  "mail programs that people have read, send and change their mail by a bridge",
  async (t) => {
    const programs: [name: string, missing: string | null, work: Work][] = [
      ["msmtp sends", await whyNo("msmtp"), msmtp],
      ["swaks sends, and logs in by PLAIN and LOGIN", await whyNo("swaks"), swaks],
      ["fetchmail fetches", await whyNo("fetchmail"), fetchmail],
      ["getmail fetches, and nothing twice", await whyNo("getmail"), getmail],
      ["offlineimap syncs both ways, and nothing twice", await whyNo("offlineimap"), offlineimap],
      ["mutt reads", await whyNo("mutt") ?? await whyNoTmux(), mutt],
      ["neomutt reads", await whyNo("neomutt") ?? await whyNoTmux(), neomutt],
      ["mutt resyncs", await whyNo("mutt") ?? await whyNoTmux(), muttResyncs],
      ["neomutt resyncs", await whyNo("neomutt") ?? await whyNoTmux(), neomuttResyncs],
      ["aerc lists and reads", await whyNo("aerc") ?? await whyNoTmux(), aerc],
      ["imapflow reads and changes", await whyNoImapflow(), imapflow],
      ["git send-email sends a patch, and git am takes it", await whyNoSendEmail(), git],
    ];
    await withBridges(async (group, alice, bob) => {
      for (let i = 1; i <= LETTERS; i++) await send(group, alice, `letter ${i}`);
      for (const [name, missing, work] of programs) {
        await t.step({
          name: missing === null ? name : `${name} (not run: ${missing})`,
          ignore: missing !== null,
          fn: () => work(group, alice, bob),
        });
      }
    });
  },
);

type Work = (group: Group, alice: Bridging, bob: Bridging) => Promise<void>;

async function msmtp(group: Group, alice: Bridging, bob: Bridging): Promise<void> {
  await Deno.writeTextFile(group.path("letter"), letter("by msmtp"));
  await script(group, `${MSMTP} bob@sealpost.invalid < letter`, alice.variables);
  assertMatch(await imap(group, bob, 'SEARCH SUBJECT "by msmtp"'), /^\* SEARCH \d+\r\n$/);
}

async function swaks(group: Group, alice: Bridging, bob: Bridging): Promise<void> {
  for (const kind of ["PLAIN", "LOGIN"]) {
    const said = await script(
      group,
      `swaks --server 127.0.0.1 --port $SMTP --auth ${kind} --auth-user $USER --auth-password $PASS --from alice@sealpost.invalid --to bob@sealpost.invalid --h-From alice@sealpost.invalid --h-Subject "by swaks ${kind}"`,
      alice.variables,
    );
    assertStringIncludes(said, "250 2.0.0 sealed and sent");
    assertMatch(await imap(group, bob, `SEARCH SUBJECT "by swaks ${kind}"`), /^\* SEARCH \d+\r\n$/);
  }
}

async function fetchmail(group: Group, _: Bridging, bob: Bridging): Promise<void> {
  const said = await script(
    group,
    `printf 'poll 127.0.0.1 service %s protocol imap auth password user "%s" password "%s" sslproto "" keep fetchall mda "cat >> $HOME/fetched"\\n' $IMAP $USER $PASS > fetchmailrc
    chmod 600 fetchmailrc; fetchmail -f fetchmailrc --nosyslog --pidfile $HOME/fm.pid; cat fetched`,
    bob.variables,
  );
  for (let i = 1; i <= LETTERS; i++) assertStringIncludes(said, `Subject: letter ${i}`);
}

async function getmail(group: Group, _: Bridging, bob: Bridging): Promise<void> {
  const rc = `[retriever]
type = SimpleIMAPRetriever
server = 127.0.0.1
port = ${bob.imap}
username = ${bob.name}
password = ${bob.password}
[destination]
type = MDA_external
allow_root_commands = true
path = /bin/sh
arguments = ("-c", "cat >> ${group.path("got")}")
[options]
read_all = false
verbose = 1
`;
  await Deno.mkdir(group.path("getmail"));
  await Deno.writeTextFile(group.path("getmail/rc"), rc);
  const line = "getmail --getmaildir=$HOME/getmail --rcfile=rc; cat got";
  const said = await script(group, line, bob.variables);
  for (let i = 1; i <= LETTERS; i++) assertStringIncludes(said, `Subject: letter ${i}`);
  assertStringIncludes(
    await script(group, line, bob.variables),
    "  0 messages (0 bytes) retrieved",
  );
}

async function offlineimap(group: Group, _: Bridging, bob: Bridging): Promise<void> {
  const rc = `[general]
accounts = b
metadata = ${group.path("offline")}
ui = basic
[Account b]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = ${group.path("offlinemail")}
[Repository far]
type = IMAP
remotehost = 127.0.0.1
remoteport = ${bob.imap}
remoteuser = ${bob.name}
remotepass = ${bob.password}
ssl = no
starttls = no
auth_mechanisms = PLAIN
`;
  await Deno.writeTextFile(group.path("offlinerc"), rc);
  const sync = (before = ":") => {
    return script(group, `${before}; offlineimap -c offlinerc -o 2>&1`, bob.variables);
  };
  assertMatch(await sync(), /Copy message UID 3 /);
  assertEquals(/Copy message|Adding flags|Deleting/.exec(await sync()), null);
  // A flag and a new message go the other way.
  const changes = "cd offlinemail/INBOX; for f in $(ls new/*U=1,* cur/*U=1,* 2>/dev/null); " +
    'do mv $f cur/$(basename $f | sed "s/:2,.*/:2,FS/"); done; ' +
    'printf "From: bob@sealpost.invalid\\nSubject: from offlineimap\\n\\nx\\n" > new/1.x.y; cd ../..';
  await sync(changes);
  assertMatch(await imap(group, bob, "SEARCH FLAGGED SEEN"), /^\* SEARCH 1\r\n$/);
  assertMatch(await imap(group, bob, 'SEARCH SUBJECT "from offlineimap"'), /^\* SEARCH \d+\r\n$/);
  assertEquals(/Copy message|Adding flags|Deleting/.exec(await sync()), null);
}

async function mutt(group: Group, _: Bridging, bob: Bridging): Promise<void> {
  assertEquals(await copied(group, bob, "mutt", ""), await texts(group, bob));
}

async function neomutt(group: Group, _: Bridging, bob: Bridging): Promise<void> {
  assertEquals(
    await copied(group, bob, "neomutt", "set imap_qresync = no"),
    await texts(group, bob),
  );
}

const QRESYNC = "set imap_condstore = yes\nset imap_qresync = yes";

async function muttResyncs(group: Group, alice: Bridging, bob: Bridging): Promise<void> {
  const log = await resynced(group, alice, bob, "mutt");
  assertStringIncludes(log, "* VANISHED (EARLIER) ");
  assertEquals(/QRESYNC failed|FETCH 1:\d+ \(UID FLAGS/.exec(log), null);
}

/**
 * It takes UIDs that vanished for more than they are, whatever server says so (2022 and before), notices
 * that, and reads the list anew.
 */
async function neomuttResyncs(group: Group, alice: Bridging, bob: Bridging): Promise<void> {
  assertStringIncludes(await resynced(group, alice, bob, "neomutt"), "* VANISHED (EARLIER) ");
}

/** Has a mail program come back after a message went; what it wrote down of that. */
async function resynced(
  group: Group,
  alice: Bridging,
  bob: Bridging,
  program: string,
): Promise<string> {
  await send(group, alice, "that goes");
  const before = await texts(group, bob);
  assertEquals(await copied(group, bob, program, QRESYNC), before);
  const [, gone] = /SEARCH (\d+)/.exec(await imap(group, bob, 'SEARCH SUBJECT "that goes"')) ?? [];
  await imap(group, bob, `STORE ${gone} +FLAGS (\\Deleted)`);
  await imap(group, bob, "EXPUNGE");
  await script(group, "rm -f .muttdebug*", {});
  assertEquals(await copied(group, bob, program, QRESYNC), before - 1);
  return await script(group, "cat .muttdebug0", {});
}

/** How many messages with "the text" there are. */
async function texts(group: Group, bob: Bridging): Promise<number> {
  const found = await imap(group, bob, 'SEARCH BODY "the text"');
  return found.trim().split(" ").length - 2;
}

async function aerc(group: Group, alice: Bridging, bob: Bridging): Promise<void> {
  await send(group, alice, "for aerc");
  await script(
    group,
    `mkdir -p aerc; cat > aerc/accounts.conf <<END
[b]
source = imap+insecure://$USER:$PASS@127.0.0.1:$IMAP
outgoing = smtp+insecure+plain://$USER:$PASS@127.0.0.1:$SMTP
default = INBOX
from = bob@sealpost.invalid
copy-to = Sent
END
    chmod 600 aerc/accounts.conf`,
    bob.variables,
  );
  await using screen = await Screen.start([], {
    build: { command: "aerc", args: [] },
    cwd: group.dir,
    env: { HOME: group.dir, XDG_CONFIG_HOME: group.dir },
  });
  // The newest is the first, and chosen.
  await screen.see(/Archive[^]*alice@sealpost.*for aerc/);
  await screen.enter("");
  await screen.see(/Subject: for aerc[^]*the text/);
}

async function imapflow(group: Group, _: Bridging, bob: Bridging): Promise<void> {
  const program = `
import { createRequire } from "node:module";
const { ImapFlow } = createRequire(${JSON.stringify(IMAPFLOW)})("imapflow");
const { IMAP, USER, PASS } = process.env;
const client = new ImapFlow({
  host: "127.0.0.1", port: Number(IMAP), secure: false, doSTARTTLS: false, qresync: true,
  auth: { user: USER, pass: PASS }, logger: false,
});
await client.connect();
const said = { enabled: [...client.enabled].sort(), list: (await client.list()).map((m) => m.specialUse) };
const lock = await client.getMailboxLock("INBOX");
const [first] = await client.fetchAll("1", { envelope: true, size: true, source: true, bodyStructure: true });
said.first = [first.envelope.subject, first.size === first.source.length, first.bodyStructure.type];
said.flagged = await client.messageFlagsAdd("2", ["work"]) && await client.search({ keyword: "work" });
await client.mailboxCreate("Mäde");
said.appended = (await client.append("Mäde", "Subject: x\\r\\n\\r\\nbody\\r\\n", ["\\\\Seen"])).uid;
said.copied = [...(await client.messageCopy("2", "Mäde")).uidMap.values()];
said.moved = [...(await client.messageMove("2", "Mäde")).uidMap.values()];
said.messages = (await client.status("Mäde", { messages: true })).messages;
lock.release();
await client.mailboxRename("Mäde", "Named");
const named = await client.getMailboxLock("Named");
said.back = [...(await client.messageMove("3", "INBOX", { uid: true })).uidMap.keys()];
named.release();
await client.mailboxDelete("Named");
await client.logout();
console.log(JSON.stringify(said));
`;
  await Deno.writeTextFile(group.path("flow.mjs"), program);
  assertEquals(JSON.parse(await script(group, "node flow.mjs", bob.variables)), {
    enabled: ["CONDSTORE", "QRESYNC", "UTF8=ACCEPT"],
    list: ["\\Inbox", "\\Sent", "\\Drafts", "\\Archive", "\\Trash"],
    first: ["letter 1", true, "text/plain"],
    flagged: [2],
    appended: 1,
    copied: [2],
    moved: [3],
    messages: 3,
    back: [3],
  });
}

/** Why `git send-email` cannot be used here; null if it can. */
async function whyNoSendEmail(): Promise<string | null> {
  const missing = await whyNo("git");
  if (missing !== null) return missing;
  const { success } = await new Deno.Command("sh", {
    args: [
      "-c",
      "git send-email -h 2>&1 | grep -q smtp-server && perl -MMail::Address -MAuthen::SASL -e 1",
    ],
    stdout: "null",
    stderr: "null",
  }).output();
  return success ? null : "there is no git send-email with Mail::Address and Authen::SASL";
}

async function git(group: Group, alice: Bridging, bob: Bridging): Promise<void> {
  await script(
    group,
    `git init -q one && cd one && git config user.name Alice && git config user.email alice@sealpost.invalid
    echo a > a && git add a && git commit -qm first && git clone -q . ../two && echo b >> a && git commit -qam "Add b"
    git -c sendemail.smtpServer=127.0.0.1 -c sendemail.smtpServerPort=$SMTP -c sendemail.smtpUser=$USER -c sendemail.smtpPass=$PASS send-email -1 --confirm=never --to=bob@sealpost.invalid --from=alice@sealpost.invalid`,
    alice.variables,
  );
  const said = await imap(group, bob, 'UID SEARCH SUBJECT "Add b"');
  const [, uid] = /SEARCH (\d+)\r\n$/.exec(said) ?? [];
  const applied = await script(
    group,
    `curl -s "imap://127.0.0.1:$IMAP/INBOX;UID=${uid}" -u "$USER:$PASS" > patch
    cd two && git config user.name Bob && git config user.email b@x && git am -q ../patch && cat a && git log -1 --format=%an`,
    bob.variables,
  );
  assertEquals(applied, "a\nb\nAlice\n");
}
