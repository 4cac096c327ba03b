import { assertEquals } from "@std/assert";
import { basename } from "@std/path";
import { shortFingerprint } from "../../crypto/identity.ts";
import { savePublicKey, SERVER_NAME } from "../../files/key_files.ts";
import {
  formerServers,
  isServerPin,
  pinnedServers,
  replaceServer,
} from "../../files/server_pin.ts";
import { inFolder } from "../support/command.ts";
import { identityOf } from "../support/identities.ts";
import { assertRefusedAsync } from "../support/testing.ts";

const [first, second, third] = await Promise.all(
  ["server", "a second server", "a third server"].map(async (name) =>
    (await identityOf(name)).bundle
  ),
);

Deno.test("the key of a server that is replaced stays beside the new one, and no third key is", () =>
  inFolder(async (dir) => {
    if (!first || !second || !third) throw new Error("three keys were asked for");
    await savePublicKey(dir, SERVER_NAME, first);
    assertEquals(await formerServers(dir), []);
    const kept = await replaceServer(dir, first, second);
    assertEquals(basename(kept), `server_public.${shortFingerprint(first.fp)}.pem`);
    const fps = async () => (await pinnedServers(dir)).map(({ fp }) => fp);
    assertEquals(await fps(), [second.fp, first.fp]);
    // Another program of the same user was as fast.
    assertEquals(await replaceServer(dir, first, second), kept);
    await assertRefusedAsync("server-identity", () => replaceServer(dir, first, third));
    assertEquals(await fps(), [second.fp, first.fp]);
    await replaceServer(dir, second, third);
    assertEquals((await fps())[0], third.fp);
    assertEquals((await formerServers(dir)).length, 2);
    const names = [...Deno.readDirSync(dir)].map(({ name }) => name);
    assertEquals(names.filter(isServerPin).length, 3);
    assertEquals(isServerPin("server_private.pem"), false);
  }));
