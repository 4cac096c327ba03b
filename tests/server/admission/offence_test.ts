import { assertEquals } from "@std/assert";
import { type ErrorCode, SealpostError } from "../../../crypto/error.ts";
import { offenceOf } from "../../../server/admission/offence.ts";

const ACTIVE = { timedOut: false, bytesReceived: 10 };

function offence(code: ErrorCode, stream = ACTIVE) {
  return offenceOf(new SealpostError(code, "why"), stream);
}

Deno.test("nobody is penalised for what the server or its database cannot do", () => {
  for (const code of ["busy", "config", "disk-full", "file-io", "internal"] as const) {
    assertEquals(offence(code), null, code);
  }
});

Deno.test("who breaks the rules of a handshake, leaves it or is too slow is penalised", () => {
  for (const code of ["format", "protocol", "authentication", "key-format"] as const) {
    assertEquals(offence(code), "crash", code);
  }
  assertEquals(offenceOf(new TypeError("a bug that they have found"), ACTIVE), "crash");
  assertEquals(offence("connection-lost"), "abandoned");
  assertEquals(offence("connection-lost", { timedOut: false, bytesReceived: 0 }), null);
  assertEquals(offence("internal", { timedOut: true, bytesReceived: 10 }), "timeout");
});
