import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { capabilities } from "../../../../client/bridge/imap/capabilities.ts";
import { ImapError } from "../../../../client/bridge/imap/error.ts";
import { ImapSession } from "../../../../client/bridge/imap/session.ts";
import { utf8 } from "../../../../crypto/bytes.ts";
import { SealpostError } from "../../../../crypto/error.ts";
import { sleep, within } from "../../../../protocol/timer.ts";
import { accountsOf, answers, MemoryMail, talk } from "../../../support/imap_mail.ts";

const MESSAGE = [
  "From: Bob <bob@sealpost.invalid>",
  "To: alice@sealpost.invalid",
  "Subject: hello",
  "Date: Sun, 22 Nov 2026 13:05:07 +0000",
  "Message-ID: <1@x>",
  "",
  "the text",
  "",
].join("\r\n");

function mailOf(...messages: readonly string[]): MemoryMail {
  const mail = new MemoryMail();
  for (const message of messages) mail.put("INBOX", message);
  return mail;
}

Deno.test("before the login nothing but the login is answered, and nothing large is read", async () => {
  const mail = mailOf(MESSAGE);
  const said = await talk(
    mail,
    "a SELECT INBOX\r\nb FETCH 1 BODY[]\r\nc LOGIN alice wrong\r\nd LOGIN {900}\r\ne CAPABILITY\r\n" +
      "f LOGIN alice {2+}\r\npw\r\ng SELECT INBOX\r\n",
    { loggedIn: false },
  );
  assertMatch(said, /^\* OK \[CAPABILITY IMAP4rev1 .*AUTH=PLAIN/);
  assertStringIncludes(said, "a BAD log in first");
  assertStringIncludes(said, "b BAD log in first");
  assertStringIncludes(said, "c NO [AUTHENTICATIONFAILED]");
  assertStringIncludes(said, "d BAD [TOOBIG]");
  assert(!said.includes("the text"));
  assertStringIncludes(said, `f OK [CAPABILITY ${capabilities(1_000_000)}]`);
  assertStringIncludes(said, "g OK [READ-WRITE]");
  // What was not asked for is on its way: there is no way back but to hang up.
  const hungUp = await talk(mail, `a LOGIN {900+}\r\n${"x".repeat(900)}\r\nb NOOP\r\n`, {
    loggedIn: false,
  });
  assertStringIncludes(hungUp, "* BYE a literal is too long");
  assert(!hungUp.includes("b OK"));
  const long = await talk(mail, `a LOGIN ${"x".repeat(3000)}\r\nb NOOP\r\n`, { loggedIn: false });
  assertStringIncludes(long, "* BYE a line is too long");
});

Deno.test("AUTHENTICATE takes PLAIN and LOGIN, with and without an initial response", async () => {
  const mail = mailOf();
  const plain = btoa("\0alice\0pw");
  for (
    const login of [
      `a AUTHENTICATE PLAIN ${plain}\r\n`,
      `a AUTHENTICATE PLAIN\r\n${plain}\r\n`,
      `a AUTHENTICATE LOGIN\r\n${btoa("alice")}\r\n${btoa("pw")}\r\n`,
    ]
  ) assertMatch(await talk(mail, login, { loggedIn: false }), /a OK \[CAPABILITY/);
  for (
    const login of [
      `a AUTHENTICATE PLAIN ${btoa("bob\0alice\0pw")}\r\n`,
      `a AUTHENTICATE PLAIN ${btoa("\0alice\0pw\0x")}\r\n`,
      `a AUTHENTICATE PLAIN\r\n*\r\n`,
      `a AUTHENTICATE CRAM-MD5\r\n`,
      `a AUTHENTICATE PLAIN ${plain}=\r\n`,
    ]
  ) assertMatch(await talk(mail, login, { loggedIn: false }), /\r\na (BAD|NO)/);
});

Deno.test("a message is given byte for byte, whole, in parts and in ranges", async () => {
  const mail = mailOf(MESSAGE);
  const said = await talk(
    mail,
    "a EXAMINE INBOX\r\nb UID FETCH 1 (RFC822.SIZE BODY[])\r\nc FETCH 1 BODY.PEEK[TEXT]<4.4>\r\n" +
      "d FETCH 1 (BODY.PEEK[HEADER.FIELDS (subject DATE)])\r\ne FETCH 1 BODY[1]\r\n" +
      "f FETCH 1 BODY[2]\r\ng FETCH 1 BODY[]<5000.3>\r\n",
  );
  assertStringIncludes(
    said,
    `* 1 FETCH (UID 1 RFC822.SIZE ${MESSAGE.length} BODY[] {${MESSAGE.length}}\r\n${MESSAGE})\r\n`,
  );
  assertStringIncludes(said, "* 1 FETCH (BODY[TEXT]<4> {4}\r\ntext)\r\n");
  assertStringIncludes(
    said,
    "BODY[HEADER.FIELDS (subject DATE)] {57}\r\nSubject: hello\r\n" +
      "Date: Sun, 22 Nov 2026 13:05:07 +0000\r\n\r\n)",
  );
  assertStringIncludes(said, "* 1 FETCH (BODY[1] {10}\r\nthe text\r\n)");
  assertStringIncludes(said, "* 1 FETCH (BODY[2] NIL)");
  assertStringIncludes(said, "* 1 FETCH (BODY[]<5000> {0}\r\n)");
  // EXAMINE changes nothing.
  assert(!said.includes("\\Seen)"));
});

Deno.test("lists of messages need no body", async () => {
  const mail = mailOf(MESSAGE, MESSAGE);
  const said = await answers(
    mail,
    "a SELECT INBOX",
    "b UID FETCH 1:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date " +
      "Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])",
    "c FETCH 1:2 ALL",
    "d UID SEARCH FROM bob SUBJECT HELL SINCE 1-Nov-2026 SMALLER 5000",
  );
  assertEquals(mail.opened, 0);
  assertStringIncludes(
    said.join("\n"),
    'ENVELOPE ("Sun, 22 Nov 2026 13:05:07 +0000" "hello" (("Bob" NIL "bob" "sealpost.invalid")) ' +
      '(("Bob" NIL "bob" "sealpost.invalid")) (("Bob" NIL "bob" "sealpost.invalid")) ' +
      '((NIL NIL "alice" "sealpost.invalid")) NIL NIL NIL "<1@x>")',
  );
  assertStringIncludes(said.join("\n"), 'INTERNALDATE "22-Nov-2026 13:05:07 +0000"');
  assert(said.includes("* SEARCH 1 2"));
});

Deno.test("reading marks as seen, and the flags come with the message", async () => {
  const mail = mailOf(MESSAGE);
  const said = await answers(mail, "a SELECT INBOX", "b FETCH 1 RFC822.TEXT", "c FETCH 1 FLAGS");
  assert(said.includes("* 1 FETCH (FLAGS (\\Seen) RFC822.TEXT {10}"));
  assert(said.includes("* 1 FETCH (FLAGS (\\Seen))"));
});

Deno.test("a UID is never given again, and tells its messages apart when some go", async () => {
  const mail = mailOf("a: 1\r\n\r\n", "a: 2\r\n\r\n", "a: 3\r\n\r\n");
  const said = await answers(
    mail,
    "a SELECT INBOX",
    "b UID STORE 2:3 +FLAGS.SILENT (\\Deleted)",
    "c UID EXPUNGE 3",
    "d EXPUNGE",
    "e APPEND INBOX {8+}",
    "a: 4\r\n\r\n",
    "f UID FETCH 1:* FLAGS",
    "g UID FETCH 2:3 FLAGS",
  );
  assert(said.includes("* OK [UIDNEXT 4] the next UID"));
  assertEquals(said.filter((line) => line.endsWith("EXPUNGE")), ["* 3 EXPUNGE", "* 2 EXPUNGE"]);
  assertStringIncludes(said.join("\n"), "e OK [APPENDUID 7 4]");
  assert(said.includes("* 2 FETCH (UID 4 FLAGS ())"));
  assertEquals(said.at(-1), "g OK FETCH done");
  assertEquals(said.at(-2), "f OK FETCH done");
});

Deno.test("sequence numbers stay what they are until removals may be told", async () => {
  const mail = mailOf("a: 1\r\n\r\n", "a: 2\r\n\r\n", "a: 3\r\n\r\n");
  const view = await mail.view("INBOX");
  const first = view?.messages[0]?.key ?? 0;
  const head = mail.head.bind(mail);
  // Another session removes the first message while this one fetches.
  mail.head = (key) => {
    mail.remove([first]);
    return head(key);
  };
  const said = await answers(
    mail,
    "a SELECT INBOX",
    "b FETCH 2 (UID RFC822.SIZE)",
    "c SEARCH ALL",
    "d STORE 3 FLAGS.SILENT ()",
    "e NOOP",
    "f FETCH 1 UID",
  );
  const lines = said.slice(said.findIndex((line) => line.startsWith("a OK")) + 1);
  const from = lines.slice(lines.findIndex((line) => line.startsWith("b OK")));
  assert(lines.includes("* 2 FETCH (UID 2 RFC822.SIZE 8)"), lines.join("\n"));
  assertEquals(from.filter((line) => line === "* 1 EXPUNGE").length, 1);
  assert(from.indexOf("* 1 EXPUNGE") > from.findIndex((line) => line.startsWith("d OK")));
  assert(from.includes("* 1 FETCH (UID 2)"));
});

Deno.test("flags are set, taken away and replaced, and those that cannot be are refused", async () => {
  const mail = mailOf(MESSAGE);
  const said = await answers(
    mail,
    "a SELECT INBOX",
    "b STORE 1 +FLAGS (\\Seen $label1)",
    "c STORE 1 -FLAGS \\Seen",
    "d STORE 1 FLAGS (\\Flagged)",
    "e STORE 1 +FLAGS (\\Recent)",
    "f EXAMINE INBOX",
    "g STORE 1 +FLAGS (\\Seen)",
    "h EXPUNGE",
    "i MOVE 1 Trash",
  );
  assert(said.includes("* 1 FETCH (FLAGS (\\Seen $label1))"));
  assert(said.includes("* 1 FETCH (FLAGS ($label1))"));
  assert(said.includes("* 1 FETCH (FLAGS (\\Flagged))"));
  assertMatch(said.join("\n"), /e BAD .*\n[^]*g NO .*\nh NO .*\ni NO /);
});

Deno.test("a mail program that comes back is told what changed and what went, and nothing else", async () => {
  const mail = mailOf("a: 1\r\n\r\n", "a: 2\r\n\r\n", "a: 3\r\n\r\n");
  const modseq = (await mail.view("INBOX"))?.modseq ?? 0;
  const keys = (await mail.view("INBOX"))?.messages.map(({ key }) => key) ?? [];
  mail.remove(keys.slice(1, 2));
  await mail.flag(keys.slice(2), ["\\Seen"], [], null);
  const now = (await mail.view("INBOX"))?.modseq ?? 0;
  const said = await answers(
    mail,
    "a ENABLE QRESYNC",
    `b SELECT INBOX (QRESYNC (7 ${modseq} 1:3))`,
    `c UID FETCH 1:* (FLAGS) (CHANGEDSINCE ${now} VANISHED)`,
    `d UID STORE 1 (UNCHANGEDSINCE 1) +FLAGS (\\Flagged)`,
    "e SELECT INBOX (QRESYNC (99 1))",
  );
  assert(said.includes("* ENABLED QRESYNC"));
  assert(said.includes("* VANISHED (EARLIER) 2"));
  assert(said.includes(`* 2 FETCH (UID 3 FLAGS (\\Seen) MODSEQ (${now}))`));
  assertEquals(said.filter((line) => line.includes("FETCH (")).length, 1);
  assertMatch(said.join("\n"), /d OK \[MODIFIED 1\]/);
  assertEquals(said.filter((line) => line.includes("VANISHED")).length, 1);
});

Deno.test("searches answer by number, by UID, and in the extended form", async () => {
  const mail = mailOf(MESSAGE, "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n\r\nother\r\n");
  mail.put("INBOX", MESSAGE, ["\\Seen", "\\Flagged"]);
  const said = await answers(
    mail,
    "a SELECT INBOX",
    "b SEARCH UNSEEN",
    "c SEARCH RETURN (MIN MAX COUNT ALL) OR FLAGGED SUBJECT {7+}",
    "Grüße",
    "d UID SEARCH RETURN () NOT (SEEN) BODY other",
    "e SEARCH CHARSET KOI8-R ALL",
    "f SEARCH HEADER message-id 1@x 1:2",
    "g SEARCH TEXT nothing",
    "h SEARCH NOT NOT NOT ALL UID 1:*",
    "i SEARCH MODSEQ 4",
    "j SEARCH KEYWORD x UNKEYWORD y LARGER 1",
    "k SEARCH FROBNICATE",
  );
  assert(said.includes("* SEARCH 1 2"));
  assert(said.includes('* ESEARCH (TAG "c") MIN 2 MAX 3 ALL 2:3 COUNT 2'));
  assert(said.includes('* ESEARCH (TAG "d") UID ALL 2'));
  assertMatch(said.join("\n"), /e NO \[BADCHARSET \(UTF-8 US-ASCII\)\]/);
  assert(said.includes("* SEARCH 1"));
  assert(said.includes("* SEARCH 3 (MODSEQ 4)"));
  assertMatch(said.join("\n"), /k BAD/);
});

Deno.test("mailboxes are listed with their uses, parents that are none, and their state", async () => {
  const mail = new MemoryMail("work/a", "work/b/c", "Entwürfe & mehr");
  const said = await answers(
    mail,
    'a LIST "" %',
    'b LIST "" work/*',
    'c LIST (SUBSCRIBED) "" (INBOX "Tr*") RETURN (SPECIAL-USE STATUS (MESSAGES UIDVALIDITY))',
    "d UNSUBSCRIBE work/a",
    'e LSUB "" "work/%"',
    'f LIST "" ""',
    "g ENABLE UTF8=ACCEPT",
    'h LIST "" E*',
    "i STATUS inbox (MESSAGES UIDNEXT UNSEEN SIZE MAILBOXID APPENDLIMIT)",
  );
  assert(said.includes('* LIST (\\HasNoChildren) "/" "INBOX"'));
  assert(said.includes('* LIST (\\HasChildren \\NonExistent) "/" "work"'));
  assert(said.includes('* LIST (\\HasNoChildren) "/" "Entw&APw-rfe &- mehr"'));
  assert(said.includes('* LIST (\\HasNoChildren) "/" "work/b/c"'));
  assert(said.includes('* LIST (\\HasNoChildren \\Subscribed \\Trash) "/" "Trash"'));
  assert(said.includes('* STATUS "Trash" (MESSAGES 0 UIDVALIDITY 9)'));
  assert(said.includes('* LSUB (\\HasChildren \\Noselect) "/" "work/b"'));
  assert(!said.includes('* LSUB (\\HasNoChildren) "/" "work/a"'));
  assert(said.includes('* LIST (\\Noselect) "/" ""'));
  assertStringIncludes(said.join("\n"), "Entw\xc3\xbcrfe & mehr");
  assert(
    said.includes(
      '* STATUS "INBOX" (MESSAGES 0 UIDNEXT 1 UNSEEN 0 SIZE 0 MAILBOXID (F7) APPENDLIMIT 1000000)',
    ),
  );
});

Deno.test("copies and moves say where the messages are, and a missing mailbox is offered to be made", async () => {
  const mail = mailOf(MESSAGE, MESSAGE);
  const said = await answers(
    mail,
    "a SELECT INBOX",
    "b COPY 1:2 Trash",
    "c UID MOVE 2 Sent",
    "d COPY 1 nowhere",
    "e APPEND nowhere {5}",
    "f UNSELECT",
    "g FETCH 1 FLAGS",
  );
  assertMatch(said.join("\n"), /b OK \[COPYUID 9 1:2 1,2\]/);
  assert(said.includes("* OK [COPYUID 8 2 1] moved"));
  assert(said.includes("* 2 EXPUNGE"));
  assertMatch(said.join("\n"), /d NO \[TRYCREATE\]/);
  assertMatch(said.join("\n"), /e NO \[TRYCREATE\]/);
  assert(!said.some((line) => line.startsWith("+")), "a message that is refused is not asked for");
  assertMatch(said.join("\n"), /g BAD select a mailbox first/);
});

Deno.test("what is appended is bounded before it is read, and what follows it is a command again", async () => {
  const mail = mailOf();
  const said = await answers(
    mail,
    "a APPEND INBOX {1000001}",
    `b APPEND INBOX {1000001+}\r\n${"x".repeat(1_000_001)}`,
    'c APPEND INBOX (\\Seen) "22-Nov-2026 13:05:07 +0100" {8}',
    "a: 4\r\n\r\n",
    "d APPEND INBOX (\\Bad) {3+}",
    "abc",
    "e APPEND INBOX UTF8 (~{8+}",
    "a: 5\r\n\r\n)",
    "f APPEND {5+}",
    "INBOX {8+}",
    "a: 6\r\n\r\n",
    "g NOOP",
  );
  const all = said.join("\n");
  assertMatch(all, /^a NO \[TOOBIG\].*\nb NO \[TOOBIG\].*\n\+ go on\n/);
  assertMatch(all, /c OK \[APPENDUID 7 1\]/);
  assertMatch(all, /d BAD/);
  assertMatch(all, /e OK \[APPENDUID 7 2\]/);
  assertMatch(all, /f OK \[APPENDUID 7 3\]/);
  assertEquals(said.at(-1), "g OK NOOP done");
});

Deno.test("nothing that others wrote becomes a response of its own", async () => {
  const evil = 'x"\\) \r\n* BYE injected';
  const mail = new MemoryMail();
  mail.put("INBOX", `Subject: x\r\n y "quoted\\" ) \r\nFrom: "a\\"b" <c@d>\r\n\r\n`);
  const said = await talk(
    mail,
    `a SELECT INBOX\r\nb FETCH 1 (ENVELOPE BODYSTRUCTURE)\r\nc SELECT {${evil.length}+}\r\n${evil}\r\n` +
      `d STATUS "no\\\\where" (MESSAGES)\r\n* BYE\r\n) LOGIN a b\r\n`,
  );
  assert(!/^\* BYE injected/m.test(said));
  assertStringIncludes(said, '"x y \\"quoted\\\\\\" )"');
  assertMatch(said, /\* BAD no tag/);
});

Deno.test("IDLE tells of what comes at once, until DONE", async () => {
  const mail = mailOf();
  const refresh = mail.refresh.bind(mail);
  let idling = false;
  mail.refresh = () => {
    if (idling) setTimeout(() => mail.put("INBOX", MESSAGE), 0);
    idling = true;
    return refresh();
  };
  let said = "";
  let told = Promise.withResolvers<void>();
  const pieces = ["l LOGIN alice pw\r\na SELECT INBOX\r\nb IDLE\r\n", "DONE\r\nc NOOP\r\n"];
  await new ImapSession({
    source: {
      read: async (into) => {
        const next = pieces.shift();
        if (next === undefined) return null;
        if (next.startsWith("DONE")) await told.promise;
        const bytes = new TextEncoder().encode(next);
        into.set(bytes);
        return bytes.length;
      },
    },
    sink: {
      write: (data) => {
        said += new TextDecoder().decode(data);
        if (said.includes("* 1 EXISTS")) told.resolve();
        return Promise.resolve();
      },
    },
    accounts: accountsOf(mail),
  }).run();
  told = Promise.withResolvers();
  assertMatch(said, /\+ idling\r\n[^]*\* 1 EXISTS\r\n[^]*b OK IDLE done\r\nc OK/);
});

Deno.test("a mailbox that goes while a mail program idles ends the connection, and nothing else", async () => {
  const mail = mailOf();
  const view = mail.view.bind(mail);
  let idling = false;
  mail.view = (name) => idling ? Promise.resolve(null) : view(name);
  let said = "";
  const ended = Promise.withResolvers<null>();
  const first = utf8("l LOGIN alice pw\r\na SELECT INBOX\r\nb IDLE\r\n");
  let read = false;
  await new ImapSession({
    source: {
      read: (into) => {
        if (read) return ended.promise;
        read = true;
        into.set(first);
        return Promise.resolve(first.length);
      },
    },
    sink: {
      write: (data) => {
        said += new TextDecoder().decode(data);
        idling = said.includes("a OK");
        return Promise.resolve();
      },
    },
    accounts: accountsOf(mail),
  }).run();
  assertMatch(said, /\+ idling\r\n[^]*\* BYE the mailbox is not there any more\r\n$/);
  // What was still read for it fails when the connection is closed.
  ended.reject(new Error("the connection was closed"));
  await Promise.resolve();
});

Deno.test("what is removed is what is marked as deleted now, whatever the mail program knows", async () => {
  for (const command of ["EXPUNGE", "UID EXPUNGE 1:*", "CLOSE"]) {
    const mail = mailOf("a: 1\r\n\r\n", "a: 2\r\n\r\n");
    const keys = (await mail.view("INBOX"))?.messages.map(({ key }) => key) ?? [];
    const expunge = mail.expunge.bind(mail);
    // Another program takes one back just before.
    mail.expunge = async (...args) => {
      await mail.flag(keys.slice(0, 1), [], ["\\Deleted"], null);
      return await expunge(...args);
    };
    await answers(mail, "a SELECT INBOX", "b STORE 1:2 +FLAGS (\\Deleted)", `c ${command}`);
    const left = (await mail.view("INBOX"))?.messages.map(({ key }) => key);
    assertEquals(left, keys.slice(0, 1), command);
  }
});

Deno.test("a message after which something else comes is not stored", async () => {
  const mail = mailOf();
  const said = await answers(
    mail,
    "a APPEND INBOX {8+}",
    "a: 4\r\n\r\n junk",
    "b APPEND INBOX UTF8 (~{8+}",
    "a: 5\r\n\r\n",
    "c NOOP",
  );
  assertMatch(said.join("\n"), /a BAD .*\nb BAD .*\nc OK/);
  assertEquals((await mail.view("INBOX"))?.messages.length, 0);
});

Deno.test("a search passes over messages that cannot be read", async () => {
  const mail = mailOf(MESSAGE, MESSAGE);
  const [gone] = (await mail.view("INBOX"))?.messages ?? [];
  const [head, open] = [mail.head.bind(mail), mail.open.bind(mail)];
  const unlessGone = (key: number) => {
    if (key === gone?.key) throw new ImapError("NO", "it is too large", "LIMIT");
  };
  mail.head = (key) => Promise.resolve(unlessGone(key)).then(() => head(key));
  mail.open = (key) => Promise.resolve(unlessGone(key)).then(() => open(key));
  const searches = ["HEADER x-other hi", "SUBJECT hello", "SINCE 1-Jan-2020", "TEXT hello"];
  mail.put("INBOX", MESSAGE.replace("Subject:", "X-Other: Hi\r\nSubject:"));
  const said = await answers(
    mail,
    "a SELECT INBOX",
    ...searches.map((search, i) => `b${i} SEARCH 1,3 ${search}`),
  );
  assertEquals(
    said.filter((line) => line.startsWith("* SEARCH")),
    searches.map(() => "* SEARCH 3"),
  );
});

Deno.test("a keyword is announced before a message has it", async () => {
  const mail = mailOf(MESSAGE);
  const keywords = ["$Forwarded"];
  mail.keywords = () => keywords;
  const flag = mail.flag.bind(mail);
  mail.flag = (keys, set, ...others) => {
    keywords.push(...set);
    return flag(keys, set, ...others);
  };
  const said = await answers(mail, "a SELECT INBOX", "b STORE 1 +FLAGS (one)", "c NOOP");
  const after = said.slice(said.findIndex((line) => line.startsWith("a OK")) + 1);
  assertEquals(after, [
    "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Forwarded one)",
    "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Forwarded one \\*)] flags stay",
    "* 1 FETCH (FLAGS (one))",
    "b OK STORE done",
    "c OK NOOP done",
  ]);
});

Deno.test("modification sequences are told once they are asked for, and those of what is returned", async () => {
  const mail = mailOf(MESSAGE, MESSAGE, MESSAGE);
  const said = await answers(
    mail,
    "a SELECT INBOX",
    "b FETCH 1 MODSEQ",
    "c FETCH 2 MODSEQ",
    "d SEARCH RETURN (MIN) MODSEQ 1",
    "e SEARCH RETURN (MIN COUNT) MODSEQ 1",
  );
  const [, first, , second, , min, , all] = said.slice(-9);
  assertEquals([first, second], ["* 1 FETCH (MODSEQ (2))", "* 2 FETCH (MODSEQ (3))"]);
  assertEquals(said.filter((line) => line.startsWith("* OK [HIGHESTMODSEQ")).length, 2);
  assertEquals(min, '* ESEARCH (TAG "d") MIN 1 MODSEQ 2');
  assertEquals(all, '* ESEARCH (TAG "e") MIN 1 COUNT 3 MODSEQ 4');
});

Deno.test("the parts of a message that is nothing but another message are that one's", async () => {
  const inner = "Subject: inner\r\n\r\nhello\r\n";
  const mail = mailOf(`Subject: outer\r\nContent-Type: message/rfc822\r\n\r\n${inner}`);
  const parts = ["1", "1.HEADER", "1.TEXT", "1.1", "1.1.MIME", "1.1.1", "2"];
  const said = await answers(
    mail,
    "a SELECT INBOX",
    ...parts.map((part) => `b FETCH 1 BODY.PEEK[${part}]`),
    "c SEARCH TEXT outer",
  );
  const text = said.join("\r\n");
  for (
    const [part, value] of [
      ["1", inner],
      ["1.HEADER", "Subject: inner\r\n\r\n"],
      ["1.TEXT", "hello\r\n"],
      ["1.1", "hello\r\n"],
      ["1.1.MIME", "Subject: inner\r\n\r\n"],
    ] as const
  ) {
    assertStringIncludes(text, `BODY[${part}] {${value.length}}\r\n${value})`);
  }
  for (const part of ["1.1.1", "2"]) assertStringIncludes(text, `BODY[${part}] NIL)`);
  assertStringIncludes(text, "* SEARCH 1");
});

Deno.test("a copy whose place is not known is made, and none is named", async () => {
  const mail = mailOf(MESSAGE, MESSAGE);
  mail.copy = () => Promise.resolve({ validity: 9, uids: [4] });
  const said = await answers(mail, "a SELECT INBOX", "b COPY 1:2 Trash");
  assertEquals(said.at(-1), "b OK COPY done");
});

Deno.test("all that is announced has a command", () => {
  const announced = capabilities(1).split(" ");
  for (const one of ["IDLE", "UIDPLUS", "MOVE", "UNSELECT", "NAMESPACE", "ID", "ENABLE"]) {
    assert(announced.includes(one), one);
  }
  assertEquals(new Set(announced).size, announced.length);
});

Deno.test("too many commands that are none end the connection", async () => {
  const said = await talk(mailOf(), "x y\r\n".repeat(50));
  assertStringIncludes(said, "* BYE too many bad commands");
  const guessed = await talk(mailOf(), "a LOGIN alice no\r\n".repeat(50), { loggedIn: false });
  assertEquals(guessed.match(/AUTHENTICATIONFAILED/g)?.length, 20);
  const browser = await talk(
    mailOf(),
    "POST / HTTP/1.1\r\na LOGIN alice pw\r\n",
    { loggedIn: false },
  );
  assertMatch(browser, /\* BYE this is no web server\r\n$/);
});

Deno.test("who waits long for a command hears that it goes on, and how far it is, but never within a response", async () => {
  const mail = mailOf(MESSAGE);
  const heard = Promise.withResolvers<void>();
  const open = mail.open.bind(mail);
  mail.open = async (key, tell) => {
    tell?.(300 * 1024, 1024 * 1024);
    // Not for ever, where nothing is heard.
    await within(heard.promise, 20_000, null);
    const source = await open(key);
    return {
      ...source,
      read: async function* (from, to) {
        for await (const piece of source.read(from, to)) {
          yield piece;
          await sleep(5);
        }
      },
      [Symbol.asyncDispose]: source[Symbol.asyncDispose],
    };
  };
  const said = await talk(mail, "a SELECT INBOX\r\nb] FETCH 1 BODY.PEEK[]\r\nc NOOP\r\n", {
    patience: 2,
    onSaid: (output) => output.includes("INPROGRESS (") && heard.resolve(),
  });
  assertStringIncludes(said, "\r\n* OK [INPROGRESS (NIL 300 1024)] this takes a while\r\n");
  assertStringIncludes(said, `* 1 FETCH (BODY[] {${MESSAGE.length}}\r\n${MESSAGE})\r\nb] OK`);
  assertStringIncludes(said, "\r\nc OK");
});

Deno.test("who asks for a message in the words of fetchmail hears the answer first", async () => {
  const mail = mailOf(MESSAGE);
  const open = mail.open.bind(mail);
  mail.open = async (key) => {
    await sleep(30);
    return await open(key);
  };
  for (const item of ["RFC822.HEADER", "RFC822.TEXT", "RFC822", "(UID RFC822.HEADER)"]) {
    const said = await talk(mail, `a EXAMINE INBOX\r\nb FETCH 1 ${item}\r\n`, { patience: 2 });
    assertMatch(said, /\r\na OK [^\r]+\r\n\* 1 FETCH \(/);
    assert(!said.includes("INPROGRESS ("), said);
  }
});

Deno.test("while it is the mail program's turn, it hears of no command in progress", async () => {
  const input = "a SELECT INBOX\r\nb IDLE\r\nDONE\r\nc APPEND INBOX {9}\r\na: 1\r\n\r\nx\r\n" +
    "d NOOP\r\n";
  const said = await talk(mailOf(MESSAGE), input, {
    patience: 2,
    cut: 1,
    beforeRead: (at) => {
      const next = `l LOGIN alice pw\r\n${input}`.slice(at);
      return next.startsWith("DONE") || next.startsWith("a: 1") ? sleep(30) : Promise.resolve();
    },
  });
  assertMatch(said, /\+ idling\r\nb OK[^]*\+ go on\r\n[^]*c OK[^]*d OK/);
  assert(!said.includes("INPROGRESS ("), said);
});

Deno.test("a message that cannot be read to its end ends the connection, and no answer stands in it", async () => {
  const mail = mailOf(MESSAGE);
  const open = mail.open.bind(mail);
  mail.open = async (key) => {
    const source = await open(key);
    return {
      ...source,
      read: async function* (from, to) {
        yield* source.read(from, to - 10);
        throw new SealpostError("file-io", "the file is gone");
      },
      [Symbol.asyncDispose]: source[Symbol.asyncDispose],
    };
  };
  const said: string[] = [];
  await assertRejects(
    () =>
      talk(mail, "a SELECT INBOX\r\nb FETCH 1 BODY.PEEK[]\r\nc NOOP\r\n", {
        onSaid: (output) => said.push(output),
      }),
    SealpostError,
    "the file is gone",
  );
  assertMatch(said.at(-1) ?? "", /\* BYE [^\r\n]*\r\n$/);
  assert(!/^[bc] /m.test(said.at(-1) ?? ""));
});

Deno.test("a mailbox that could not be renamed stays open, and one that was does not", async () => {
  const mail = new MemoryMail("a/b");
  mail.put("a/b", MESSAGE);
  const said = await answers(
    mail,
    "a SELECT a/b",
    "b RENAME a z",
    "c FETCH 1 UID",
    "d RENAME a/b z",
    "e FETCH 1 UID",
  );
  assert(said.includes("b NO [NONEXISTENT] there is no such mailbox"));
  assert(said.includes("* 1 FETCH (UID 1)"));
  assertEquals(said.slice(-2), ["d OK RENAME done", "e BAD select a mailbox first"]);
});
