import { utf8 } from "../../crypto/bytes.ts";
import { formatStructure, readStructure } from "../../client/bridge/imap/structure.ts";
import { MemoryMail, talk } from "../support/imap_mail.ts";
import { fuzz } from "./fuzz.ts";

// What mail programs, and the senders of messages, give the bridge to read.

const MESSAGE = [
  "From: Bob <bob@sealpost.invalid>",
  "Content-Type: multipart/mixed; boundary=x",
  "",
  "--x",
  "",
  "one",
  "--x",
  "Content-Type: message/rfc822",
  "",
  "Subject: in",
  "",
  "text",
  "--x--",
  "",
].join("\r\n");

const COMMANDS = [
  "a SELECT INBOX (QRESYNC (7 1 1:2))\r\nb UID FETCH 1:* (FLAGS UID ENVELOPE BODYSTRUCTURE)\r\n",
  "a EXAMINE inbox\r\nb FETCH 1 (BODY.PEEK[2.HEADER.FIELDS (a b)]<0.5> BODY[1.MIME] RFC822)\r\n",
  "a SELECT INBOX\r\nb SEARCH RETURN (MIN ALL) OR NOT (SEEN) FROM {3+}\r\nbob 1:2 SINCE 1-Jan-2026\r\n",
  'a LIST (SUBSCRIBED) "" ("%" *) RETURN (STATUS (MESSAGES))\r\nb LSUB "" %/%\r\nc ID NIL\r\n',
  'a APPEND Sent (\\Seen) "22-Nov-2026 13:05:07 +0100" {8+}\r\na: b\r\n\r\n\r\nb IDLE\r\nDONE\r\n',
  "a SELECT INBOX\r\nb UID STORE 1:* (UNCHANGEDSINCE 9) +FLAGS (\\Deleted $x)\r\nc UID EXPUNGE 1\r\n",
  "a ENABLE QRESYNC UTF8=ACCEPT\r\nb CREATE a/b\r\nc RENAME a/b c\r\nd STATUS c (SIZE UIDNEXT)\r\n",
].map(utf8);

fuzz({
  name: "ImapSession",
  seeds: COMMANDS,
  words: [
    "(",
    ")",
    '"',
    "{3}\r\n",
    "{9+}\r\n",
    "\\",
    "*",
    ":",
    ",",
    "\r\n",
    " ",
    "4294967296",
    "&",
  ],
  total: true,
  read: async (input) => {
    const mail = new MemoryMail();
    mail.put("INBOX", MESSAGE);
    await talk(mail, input);
    return null;
  },
});

fuzz({
  name: "readStructure()",
  seeds: [MESSAGE, MESSAGE.replaceAll("\r\n", "\n")].map(utf8),
  words: ["--x", "--x--", "\r\n", "\r", "\n\n", "Content-Type: multipart/y; boundary=y\r\n", "--"],
  total: true,
  read: async (input) => {
    formatStructure(await readStructure(ReadableStream.from([input])), true);
    return null;
  },
});
