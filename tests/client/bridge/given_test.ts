import { assertEquals } from "@std/assert";
import { type Patch, patched, patchesOf } from "../../../client/bridge/given.ts";
import { binary } from "../../../client/bridge/imap/parser.ts";
import type { Summary } from "../../../protocol/summary.ts";
import { utf8 } from "../../../crypto/bytes.ts";

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
