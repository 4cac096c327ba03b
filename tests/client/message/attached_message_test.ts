import { assertEquals, assertRejects } from "@std/assert";
import {
  attachedAlong,
  attachedMessage,
  type MessageSource,
  parsePath,
} from "../../../client/message/attached_message.ts";
import { readForDisplay } from "../../../client/mailbox/show.ts";
import { type Bytes, concat, utf8 } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";

/** A message of these lines, in pieces of `size` bytes. */
function source(lines: readonly string[], size = 7): MessageSource {
  const bytes = utf8(lines.join("\r\n"));
  return {
    stream: async function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
    },
  };
}

async function all(message: MessageSource): Promise<string> {
  const pieces: Bytes[] = [];
  for await (const piece of message.stream()) pieces.push(piece);
  return new TextDecoder().decode(concat(...pieces));
}

const INNERMOST = ["From: carol@example.org", "Subject: deep", "", "the innermost text"];

/** A message with `inner` attached to it behind a text. */
function around(inner: readonly string[], boundary: string): string[] {
  return [
    'From: "Bob \x1b[2J" <bob@example.org>',
    "To: alice@example.org",
    "Date: Thu, 3 Dec 2026 10:00:00 +0000",
    `Subject: around ${boundary}`,
    `Content-Type: multipart/mixed; boundary=${boundary}`,
    "",
    `--${boundary}`,
    "",
    `text of ${boundary}`,
    `--${boundary}`,
    "Content-Type: application/octet-stream; name=x.bin",
    "",
    "x",
    `--${boundary}`,
    "Content-Type: message/rfc822",
    "",
    ...inner,
    `--${boundary}--`,
    "",
  ];
}

Deno.test("a message that is attached is read as a message, and one in that", async () => {
  const whole = source(around(around(INNERMOST, "b"), "a"));
  const outer = await readForDisplay(whole);
  assertEquals(outer.attachments.map(({ index, message }) => [index, message]), [
    [1, false],
    [2, true],
  ]);
  const middle = await readForDisplay(attachedMessage(whole, 2));
  assertEquals(middle.text.trim(), "text of b");
  assertEquals(middle.claims.map(({ name }) => name), ["From", "To", "Date", "Subject"]);
  assertEquals(middle.claims.at(-1)?.value, "around b");
  assertEquals(middle.claims[0]?.value.includes("\x1b"), false);
  const inner = attachedAlong(whole, parsePath("2.2"));
  assertEquals((await readForDisplay(inner)).text.trim(), "the innermost text");
  assertEquals(await all(inner), INNERMOST.join("\r\n"));
  assertEquals(attachedAlong(whole, []), whole);
});

Deno.test("what is no message that is attached cannot be opened", async () => {
  const whole = source(around(INNERMOST, "a"));
  const error = await assertRejects(() => all(attachedMessage(whole, 1)), SealpostError);
  assertEquals([error.code, error.message], ["usage", "attachment 1 is not a message; save it"]);
  const none = await assertRejects(() => all(attachedMessage(whole, 3)), SealpostError);
  assertEquals([none.code, none.message], ["usage", "the message has no attachment number 3"]);
  for (const path of ["", "0", "2.", "2.x", "-1", "1e3", "2.2".repeat(20)]) {
    assertEquals(
      (await assertRejects(async () => await parsePath(path), SealpostError)).code,
      "usage",
    );
  }
});

Deno.test("an attached message may be left in the middle, and what breaks it off is thrown", async () => {
  const large = [...INNERMOST, ..."x".repeat(200_000).match(/.{1,60}/g) ?? []];
  const whole = source(around(large, "a"), 1000);
  for await (const piece of attachedMessage(whole, 2).stream()) {
    assertEquals(piece.length > 0, true);
    break;
  }
  const broken: MessageSource = {
    stream: async function* () {
      for await (const piece of whole.stream()) {
        yield piece;
        if (piece.length < 1000) throw new SealpostError("file-io", "the disk is gone");
      }
    },
  };
  const error = await assertRejects(() => all(attachedMessage(broken, 2)), SealpostError);
  assertEquals(error.message, "the disk is gone");
});
