import { assertEquals, assertRejects } from "@std/assert";
import { FailedStanzas } from "../../../client/state/failed_stanzas.ts";
import { State } from "../../../client/state/state.ts";
import { random } from "../../../crypto/bytes.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { inFolder } from "../../support/command.ts";
import { identityOf } from "../../support/identities.ts";

Deno.test("a stanza that did not open is never tried again, by no client of the user", async () => {
  await inFolder(async (dir) => {
    const open = async () =>
      new FailedStanzas(await State.open(dir, "bob", await identityOf("bob")));
    const [one, other] = [await open(), await open()];
    const [header, stanza] = [random(81), random(40)];
    let tried = 0;
    const fails = () => {
      tried++;
      return Promise.reject(new SealpostError("authentication", "the box does not open"));
    };
    const attempt = (failed: FailedStanzas, last = stanza) => {
      return assertRejects(() => failed.attempt(header, last, fails), SealpostError);
    };
    await attempt(one);
    assertEquals((await attempt(one)).message, "it was not sealed for this key");
    assertEquals(tried, 1);
    // Each adds to what the other has written.
    const second = random(40);
    await attempt(other, second);
    const third = await open();
    for (const known of [stanza, second]) await attempt(third, known);
    assertEquals(tried, 2);
  });
});

Deno.test("what fails for another reason is tried again", async () => {
  await inFolder(async (dir) => {
    const failed = new FailedStanzas(await State.open(dir, "bob", await identityOf("bob")));
    const [header, stanza] = [random(81), random(40)];
    const error = new SealpostError("passphrase", "the passphrase is needed");
    await assertRejects(() => failed.attempt(header, stanza, () => Promise.reject(error)));
    assertEquals(await failed.attempt(header, stanza, () => Promise.resolve("open")), "open");
  });
});
