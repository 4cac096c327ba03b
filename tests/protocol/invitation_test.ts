import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { isSealpostError } from "../../crypto/error.ts";
import { formatInvitation, type Invitation, parseInvitation } from "../../protocol/invitation.ts";
import { assertRefused } from "../support/testing.ts";

const invitation: Invitation = {
  name: "alice",
  servers: [{ host: "mail.lan", port: 13000 }, { host: "2001:db8::7", port: 2525 }],
  fp: new Uint8Array(32).fill(7),
  password: "7h3k2-vewsd-v1kn0-pr2mt",
  expires: Date.parse("2026-11-29T10:15:00Z"),
};
const text = formatInvitation(invitation);

Deno.test("an invitation is a block of short lines, and is read back", () => {
  assertEquals(
    text,
    `-----BEGIN SEALPOST INVITATION-----
Name: alice
Server: mail.lan:13000
Server: [2001:db8::7]:2525
Key: SHA256:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc
Password: 7h3k2-vewsd-v1kn0-pr2mt
Expires: 2026-11-29T10:15:00Z
-----END SEALPOST INVITATION-----
`,
  );
  assertEquals(parseInvitation(text), invitation);
});

Deno.test("an invitation is found in the mail that it came in", () => {
  const quoted = text.replace(/^/gm, "> ").replaceAll("\n", "\r\n");
  for (
    const around of [`Hi!\n\n${text}\nBye`, quoted, text.replaceAll("\n", "  \n"), `\n${text}`]
  ) {
    assertEquals(parseInvitation(around), invitation);
  }
  // Of a later version.
  const more = text.replace("Expires:", "Colour: blue\nExpires:");
  assertEquals(parseInvitation(more), invitation);
});

Deno.test("an invitation that was damaged on the way is refused, and its password not repeated", () => {
  const damaged = [
    "",
    "Name: alice",
    text.slice(0, -20),
    text.replace("-----BEGIN", "----BEGIN"),
    text.replace("Name: alice\n", ""),
    text.replace("Name: alice", "Name: alice\nName: bob"),
    text.replace("alice", "../alice"),
    text.replace(/Server: .*\n/g, ""),
    text.replace("Server: mail.lan:13000", "Server: x:y:z"),
    text.replace("Server: mail.lan:13000\n", "Server: mail.lan:13000\n".repeat(9)),
    text.replace("BwcHBwc", "BwcHBw"),
    text.replace("BwcHBwc\n", "BwcHBwd\n"),
    text.replace("Password: 7h3k2-vewsd-", "Password: 7h3k2-vewsd-\n"),
    text.replace("Password: ", "Password: two words "),
    text.replace("2026-11-29", "2026-11-31T"),
    text.replace("2026-11-29", "2026-13-29"),
  ];
  for (const one of damaged) {
    assertRefused("format", () => parseInvitation(one));
    try {
      parseInvitation(one);
    } catch (error) {
      assert(isSealpostError(error) && !error.message.includes("vewsd"), one);
    }
  }
});

Deno.test("a changed character is refused or changes what it is part of, and never crashes", () => {
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.string({ minLength: 0, maxLength: 2 }), (at, s) => {
      try {
        parseInvitation(text.slice(0, at) + s + text.slice(at + 1));
      } catch (error) {
        assert(isSealpostError(error, "format"));
        assertStringIncludes(error.message, "invitation");
      }
    }),
  );
});
