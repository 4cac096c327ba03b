import { assertEquals } from "@std/assert";
import { giveOut, type Patch, patched, patchesOf } from "../../../client/bridge/given.ts";
import { binary } from "../../../client/bridge/imap/parser.ts";
import type { Summary } from "../../../protocol/summary.ts";
import { utf8 } from "../../../crypto/bytes.ts";
import { UNVERIFIED } from "../../../client/trust/verification.ts";

function summaryFrom(name: string, stored = false): Summary {
  return {
    from: { name, fp: "" },
    to: [],
    cc: [],
    subject: "",
    date: 0,
    head: "",
    size: 0,
    attachmentCount: 0,
    attachments: [],
    ...(stored ? { stored: { kind: "draft", from: "" } } : {}),
  };
}

/** `header` as it is given out, however it is cut. */
function given(header: string, summary: Summary): string {
  const patches: Patch[] = patchesOf(header, summary);
  const bytes = utf8(header);
  const whole = binary(patched(bytes, 0, patches));
  const pieces = Array.from(bytes, (_, i) => patched(bytes.slice(i, i + 1), i, patches));
  assertEquals(pieces.map(binary).join(""), whole);
  assertEquals(whole.length, header.length);
  return whole;
}

Deno.test("a field like ours that a sender wrote is renamed at equal length, however it is written", () => {
  for (const end of ["\r\n", "\n", "\r"]) {
    assertEquals(
      given(
        `x-sealpost-VERIFIED : yes${end}From: bob@x${end}X-Sealpost-Verified: y${end}`,
        summaryFrom("bob", true),
      ),
      `X-Sealpost-Imitated : yes${end}From: bob@x${end}X-Sealpost-Imitated: y${end}`,
    );
  }
});

Deno.test("a From that names somebody else than who signed is not given out as one", () => {
  const bob = summaryFrom("bob");
  for (
    const from of [
      "From: carol@sealpost.invalid\r\n",
      "From: bob@sealpost.invalid, carol@sealpost.invalid\r\n",
      "From: bob@sealpost.invalid\r\nFrom: carol@sealpost.invalid\r\n",
      "from: Bob\r\n",
    ]
  ) {
    assertEquals(given(from, bob), from.replaceAll(/from/gi, "Xrom"));
    assertEquals(given(from, summaryFrom("bob", true)), from);
  }
  for (
    const from of ["From: Bob B <BOB@sealpost.invalid>\r\n", "From: bob@mail.lan\r\nTo: x\r\n"]
  ) {
    assertEquals(given(from, bob), from);
  }
});

/** What lists show of a message from bob with this header, but for our own field. */
function listed(header: string, stored = false): string[] {
  const opened = {
    id: new Uint8Array(16),
    entry: { receivedAt: 0 },
    summary: summaryFrom("bob", stored),
    verification: UNVERIFIED,
  };
  const [verified, ...fields] = giveOut(opened, false, [], binary(utf8(header))).fields;
  assertEquals(verified?.split(":")[0], "X-Sealpost-Verified");
  return fields;
}

Deno.test("a list shows no From that did not sign, where it has the message's own header", () => {
  const bob = "From: bob@sealpost.invalid";
  for (const from of ["From: carol@sealpost.invalid", `${bob}\r\nFrom: carol@x`, "X-A: b"]) {
    assertEquals(listed(`${from}\r\nSubject: s\r\n\r\n`), [bob, "Subject: s"]);
  }
  assertEquals(listed("Subject: s\rFrom: carol@x\r\n\r\n"), [bob, "Subject: s\rXrom: carol@x"]);
  assertEquals(listed("From: Bob B <bob@mail.lan>\r\n\r\n"), ["From: Bob B <bob@mail.lan>"]);
  assertEquals(listed("From: carol@x\r\n\r\n", true), ["From: carol@x"]);
});

Deno.test("a list shows a header in UTF-8 as it is", () => {
  const fields = ["From: Bób <bob@sealpost.invalid>", "Subject: Grüße"];
  assertEquals(listed(`${fields.join("\r\n")}\r\n\r\n`), fields);
});
