// `setup --recover` where more was lost than the machines: a new key of the server, a thief.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { formatFingerprint } from "../../crypto/identity.ts";
import { loadBundle, publicKeyPath } from "../../files/key_files.ts";
import { formerServers } from "../../files/server_pin.ts";
import { testInFullUnless } from "../support/full.ts";
import { Place } from "../support/machines.ts";
import { ok } from "../support/outcomes.ts";
import { passwordOf, run } from "../support/program.ts";
import { whyNoTmux } from "../support/tmux.ts";

const missing = await whyNoTmux();

const PASSWORD = "Your password, or a new one from the server's operator:";

testInFullUnless(
  missing,
  "a kit from before a new key of the server follows the certificate, or has the person compare",
  async (t) => {
    await using place = await Place.make("alice");
    ok(await place.run("alice", "alice", ...["send", "-t", "alice", "-s", "to keep"]));
    const words = await place.kit("alice", "alice");
    const keyOf = (folder: string) => loadBundle(publicKeyPath(join(place.dir, folder), "server"));
    const keygen = (...args: string[]) =>
      run(["keygen", "server", "--bits", "2048", ...args], { cwd: place.dir });
    const before = await keyOf("server");

    await t.step(
      "one that the former key has signed is followed, and nobody compares",
      async () => {
        await place.whileDown(async () => ok(await keygen("--rotate")));
        await using screen = await place.recover("new", words);
        await screen.converse([[PASSWORD, passwordOf("alice")]]);
        assertEquals((await screen.ended()).code, 0, await screen.text());
        const text = await screen.text();
        assertStringIncludes(text, "The server has another key by now than your machines knew.");
        const now = await keyOf("server");
        assertStringIncludes(text.replaceAll("\n", ""), formatFingerprint(now.fp));
        assert(!text.includes("Is it the same?"), text);
        assertEquals((await keyOf("new")).fp, now.fp);
        const former = await formerServers(join(place.dir, "new"));
        assertEquals(former.map(({ fp }) => fp), [before.fp]);
        assertStringIncludes(ok(await place.run("new", "alice", "inbox")), "to keep");
      },
    );

    await t.step("a key that followed on none is compared before anything is sent", async () => {
      await place.whileDown(async () => ok(await keygen("--force")));
      const now = formatFingerprint((await keyOf("server")).fp);
      {
        await using screen = await place.recover("other", words);
        await screen.converse([[PASSWORD, passwordOf("alice")], ["paste the one you have)", "no"]]);
        assertEquals((await screen.ended()).code, 130, await screen.text());
        assertStringIncludes(await screen.text(), "the server's key was not accepted");
        assertEquals((await keyOf("other")).fp, before.fp);
      }
      await using screen = await place.recover("other", words);
      await screen.converse([
        [PASSWORD, passwordOf("alice")],
        ["paste the one you have)", now],
        [PASSWORD, passwordOf("alice")],
      ]);
      assertEquals((await screen.ended()).code, 0, await screen.text());
      assertStringIncludes(ok(await place.run("other", "alice", "inbox")), "to keep");
      assertEquals((await keyOf("other")).fp, (await keyOf("server")).fp);
    });
  },
);
