import { assert, assertEquals, assertThrows } from "@std/assert";
import { requireLoopback } from "../../../client/bridge/bridge.ts";
import { shortened } from "../../../client/bridge/smtp.ts";
import { utf8 } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";

Deno.test("the bridge listens on 127.0.0.1 and [::1] alone", () => {
  for (const host of ["127.0.0.1", "::1"]) requireLoopback({ host, port: 1 });
  for (const host of ["localhost", "127.0.0.2", "127.1", "0.0.0.0", "::", "192.0.2.1"]) {
    assertThrows(() => requireLoopback({ host, port: 1 }), SealpostError, "127.0.0.1");
  }
});

Deno.test("a reply of SMTP fits into its line, whomever it names", () => {
  assertEquals(shortened("2.0.0 sent", " …"), "2.0.0 sent");
  for (const text of [`2.0.0 to ${"björn, ".repeat(200)}`, "x".repeat(2000), "ö".repeat(300)]) {
    const short = shortened(text, " … and more");
    assert(utf8(`250 ${short}\r\n`).length <= 512, short);
    assert(short.endsWith(" … and more") && text.startsWith(short.slice(0, -11)), short);
  }
});
