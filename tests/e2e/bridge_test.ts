import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { script, withBridges } from "../support/bridging.ts";
import { whyNo } from "../support/command.ts";
import { testInFullUnless } from "../support/full.ts";
import { run } from "../support/program.ts";
import { testUnless } from "../support/testing.ts";

const SEND = 'curl -s --show-error "smtp://127.0.0.1:$SMTP" -u "$USER:$PASS"';
const FETCH = 'curl -s --show-error "imap://127.0.0.1:$IMAP';

const LETTER = [
  "From: Alice A <alice@sealpost.invalid>",
  "To: bob@sealpost.invalid, somebody@example.org",
  "Bcc: bob@sealpost.invalid",
  "X-Sealpost-Draft: who gets blind copies",
  "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=",
  "Message-ID: <letter@example.org>",
  "Date: Sun, 22 Nov 2026 13:05:07 +0100",
  "X-Sealpost-Verified: bob: signed, key verified in person",
  "",
  ".",
  "the text",
  "",
].join("\r\n");

testUnless(
  await whyNo("curl"),
  "what one mail program sends, another one fetches: byte for byte, with what was verified in front",
  () =>
    withBridges(async (group, alice, bob) => {
      await Deno.writeTextFile(group.path("letter"), LETTER);
      const send =
        `${SEND} --mail-from alice@sealpost.invalid --mail-rcpt bob@sealpost.invalid -T letter`;
      await script(group, send, alice.variables);
      const got = await script(group, `${FETCH}/INBOX;UID=1" -u "$USER:$PASS"`, bob.variables);
      const [first = "", ...rest] = got.split("\r\n");
      assertEquals(first.trimEnd(), "X-Sealpost-Verified: alice: signed, key not verified");
      const sealed = LETTER.replace(/(Bcc|X-Sealpost-Draft|X-Sealpost-Verified):.*\r\n/g, "");
      assertEquals(rest.join("\r\n"), sealed);
      // Lists show who signed, and need no body.
      const list = await script(
        group,
        `${FETCH}/INBOX" -u "$USER:$PASS" -X "FETCH 1 (RFC822.SIZE ENVELOPE)"`,
        bob.variables,
      );
      assertStringIncludes(list, `RFC822.SIZE ${got.length} ENVELOPE (`);
      assertStringIncludes(list, '((NIL NIL "alice" "sealpost.invalid"))');
      // The copy that a mail program stores in Sent is there already.
      const sent = await script(
        group,
        `${FETCH}/Sent" -u "$USER:$PASS" -T letter; ${FETCH}/Sent" -u "$USER:$PASS" -X "SEARCH ALL"`,
        alice.variables,
      );
      assertMatch(sent, /^\* SEARCH 1\r\n$/m);
      // One that is there no more is stored.
      const again = await script(
        group,
        `for c in "STORE 1 +FLAGS (\\\\Deleted)" EXPUNGE; do ${FETCH}/Sent" -u "$USER:$PASS" -X "$c"; done
        ${FETCH}/Sent" -u "$USER:$PASS" -T letter; ${FETCH}/Sent" -u "$USER:$PASS" -X "SEARCH ALL"`,
        alice.variables,
      );
      assertMatch(again, /^\* 1 EXPUNGE\r\n[^]*^\* SEARCH 1\r\n$/m);
    }),
);

testUnless(
  await whyNo("curl"),
  "SMTP refuses who is unknown, who somebody else is, and who does not know the password",
  () =>
    withBridges(async (group, alice) => {
      await Deno.writeTextFile(group.path("letter"), LETTER);
      await Deno.writeTextFile(
        group.path("forged"),
        LETTER.replace("From: Alice A <alice", "From: <bob"),
      );
      const attempt = (options: string) =>
        script(group, `${options.replace("smtp", SEND)} -v 2>&1 || true`, alice.variables);
      const from = "--mail-from alice@sealpost.invalid";
      assertMatch(
        await attempt(`smtp ${from} --mail-rcpt nobody@sealpost.invalid -T letter`),
        /< 550 5.1.1 .*nobody/,
      );
      assertMatch(
        await attempt(`smtp ${from} --mail-rcpt bob@example.org -T letter`),
        /< 550 5.1.1 .*another server/,
      );
      assertMatch(
        await attempt(
          "smtp --mail-from bob@sealpost.invalid --mail-rcpt bob@sealpost.invalid -T letter",
        ),
        /< 553 5.7.1 you are alice@sealpost.invalid/,
      );
      assertMatch(
        await attempt(`smtp ${from} --mail-rcpt bob@sealpost.invalid -T forged`),
        /< 553 5.7.1/,
      );
      assertMatch(
        await attempt(`PASS=wrong; smtp ${from} --mail-rcpt bob@sealpost.invalid -T letter`),
        /< 535 5.7.8/,
      );
      const inbox = await script(
        group,
        `${FETCH}/INBOX" -u "$USER:$PASS" -X "SEARCH ALL"`,
        alice.variables,
      );
      assertEquals(inbox.trim(), "* SEARCH");
    }),
);

testInFullUnless(
  await whyNo("curl"),
  "sendmail sends what is piped in, with the options it has everywhere",
  () =>
    withBridges(async (group, alice, bob) => {
      const server = ["--server", `alice@${group.server.address}`];
      const start = { cwd: group.path("alice"), env: { SEALPOST_PASSWORD: "password of alice" } };
      const text = LETTER.replaceAll("\r\n", "\n").replace(", somebody@example.org", "");
      const sent = await run(["sendmail", ...server, "-t", "-oi"], { ...start, input: text });
      assertEquals([sent.code, sent.stdout, sent.stderr], [0, "", ""]);
      // Without -oi, a dot ends the message.
      const dotted = await run(["sendmail", ...server, "-odb", "bob"], { ...start, input: text });
      assertEquals([dotted.code, dotted.stderr], [0, ""]);
      const nobody = await run(["sendmail", ...server], { ...start, input: text });
      assertEquals(nobody.code, 64);
      const found = await script(
        group,
        `for i in 1 2; do ${FETCH}/INBOX;UID=$i/;SECTION=TEXT" -u "$USER:$PASS"; echo "|"; done`,
        bob.variables,
      );
      assert(/^\.\r\nthe text\r\n(\r\n)?\|\n\|\n$/.test(found), JSON.stringify(found));
      assertEquals(alice.name, "alice");
    }),
);

testInFullUnless(
  await whyNo("curl"),
  "a message to a group goes to its members, whom its header names, and who they are is said",
  () =>
    withBridges(async (group, alice, bob) => {
      const server = ["--server", `alice@${group.server.address}`];
      const start = { cwd: group.path("alice"), env: { SEALPOST_PASSWORD: "password of alice" } };
      const made = await run(["groups", "make", "team", "bob", "alice", ...server], start);
      assertEquals([made.code, made.stderr], [0, ""]);
      const to = 'To: "The team, all" <team@sealpost.invalid>, Somebody <somebody@example.org>';
      const text = LETTER.replace(/^To: .*$/m, to);
      await Deno.writeTextFile(group.path("letter"), text);
      const send =
        `${SEND} --mail-from alice@sealpost.invalid --mail-rcpt team@sealpost.invalid -T letter`;
      await script(group, send, alice.variables);
      const piped = { ...start, input: text.replaceAll("\r\n", "\n").replace(/, Somebody.*/, "") };
      const sent = await run(["sendmail", ...server, "-t", "-oi"], piped);
      assertEquals([sent.code, sent.stderr], [0, ""]);
      const found = await script(
        group,
        `for i in 1 2; do ${FETCH}/INBOX;UID=$i" -u "$USER:$PASS"; done`,
        bob.variables,
      );
      assertEquals(found.match(/^To: .*(\r\n .*)*/gm), [
        "To: bob@sealpost.invalid,\r\n Somebody <somebody@example.org>",
        "To: bob@sealpost.invalid",
      ]);
      // Whom the server counts among everyone is said when it is sent, and in what is kept of it.
      const all = LETTER.replace(/^To: .*$/m, "To: everyone@sealpost.invalid")
        .replace("letter@", "all@");
      await Deno.writeTextFile(group.path("letter"), all);
      const toAll = send.replace("team@", "everyone@").replace("-s ", "-v -s ");
      const said = await script(group, `${toAll} 2>&1`, alice.variables);
      assertMatch(
        said,
        /< 250 2\.0\.0 sealed and sent: \S+; everyone, as the server says: bob\.\r/,
      );
      const copy = `${FETCH}/Sent;UID=3" -u "$USER:$PASS"`;
      assertMatch(await script(group, copy, alice.variables), /^To: bob@sealpost\.invalid\r$/m);
    }),
);

const MBSYNC = `
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
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
END
mbsync -V -c mbsyncrc -a
`;

testInFullUnless(
  await whyNo("mbsync"),
  "mbsync brings a mailbox both ways, and the second time there is nothing to do",
  () =>
    withBridges(async (group, _alice, bob) => {
      const count = 1000;
      await script(
        group,
        `mkdir -p mail/work/cur mail/work/new mail/work/tmp
        i=0; while [ $i -lt ${count} ]; do i=$((i + 1)); printf 'From: c%s@example.org\\nSubject: n%s\\n\\nbody %s\\n' $i $i $i > mail/work/cur/1.$i.x:2,FS; done`,
        bob.variables,
      );
      await script(group, MBSYNC, bob.variables);
      const states = "cat mail/*/.mbsyncstate; ls -R mail";
      const after = await script(group, states, bob.variables);
      const again = await script(
        group,
        `mbsync -V -c mbsyncrc -a; echo ===; ${states}`,
        bob.variables,
      );
      assertStringIncludes(again, `far side: ${count} messages`);
      assertEquals(again.split("===\n")[1], after);
      // What is changed on one side comes to the other.
      await script(
        group,
        `rm mail/work/cur/1.1.x:* mail/work/cur/1.1.x,* 2>/dev/null || true
        mbsync -c mbsyncrc -a
        ${FETCH}/work" -u "$USER:$PASS" -X "UID STORE 2 -FLAGS (\\\\Flagged)"
        mbsync -c mbsyncrc -a`,
        bob.variables,
      );
      const left = await script(
        group,
        `ls mail/work/cur | wc -l; ls mail/work/cur | grep -c F; ${FETCH}/work" -u "$USER:$PASS" -X "STATUS work (MESSAGES)"`,
        bob.variables,
      );
      assertMatch(left, new RegExp(`^${count - 1}\\n${count - 2}\\n[^]*MESSAGES ${count - 1}\\)`));
    }),
);
