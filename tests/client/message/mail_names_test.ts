import { assertEquals } from "@std/assert";
import { addressOf, nameOf } from "../../../client/message/mail_names.ts";

Deno.test("an address of a user is theirs in whatever case it is written, and others stay as they are", () => {
  assertEquals(addressOf("bob"), "bob@sealpost.invalid");
  for (const address of ["bob@sealpost.invalid", "Bob@Sealpost.Invalid", "BOB@SEALPOST.INVALID"]) {
    assertEquals(nameOf(address), "bob");
  }
  for (const address of ["Bob@Example.org", "bob+x@sealpost.invalid", "Bob"]) {
    assertEquals(nameOf(address), address);
  }
});
