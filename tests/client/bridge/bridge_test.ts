import { assertThrows } from "@std/assert";
import { requireLoopback } from "../../../client/bridge/bridge.ts";
import { SealpostError } from "../../../crypto/error.ts";

Deno.test("the bridge listens on 127.0.0.1 and [::1] alone", () => {
  for (const host of ["127.0.0.1", "::1"]) requireLoopback({ host, port: 1 });
  for (const host of ["localhost", "127.0.0.2", "127.1", "0.0.0.0", "::", "192.0.2.1"]) {
    assertThrows(() => requireLoopback({ host, port: 1 }), SealpostError, "127.0.0.1");
  }
});
