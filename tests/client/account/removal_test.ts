import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { passwordSession } from "../../../client/account/password_session.ts";
import { begunRemoval, findMachine, removeLostMachines } from "../../../client/account/removal.ts";
import { makeKit } from "../../../client/mailbox/kits.ts";
import { openLocalUser, openMail } from "../../../client/session.ts";
import { openPackage } from "../../../client/state/own_package.ts";
import { findProfile } from "../../../client/state/profile.ts";
import { openTerminal } from "../../../client/terminal/terminal.ts";
import { encodePassword } from "../../../protocol/login.ts";
import { sealpost } from "../../support/command.ts";
import { stepInFull } from "../../support/full.ts";
import { makeGroup } from "../../support/group_folder.ts";
import { ok } from "../../support/outcomes.ts";
import { passwordOf, ServerProcess } from "../../support/program.ts";

Deno.test("a removal that ends after the keys are new is told, and goes on without newer ones", async (t) => {
  const { dir, remove } = await makeGroup(["alice"]);
  const server = await ServerProcess.start({ cwd: dir });
  const next = "another password for alice";
  const run = (folder: string, password: string, ...args: string[]) =>
    sealpost(args, { cwd: join(dir, folder), env: { SEALPOST_PASSWORD: password } });
  const times = (word: string) => server.program.stderr.split(word).length - 1;
  try {
    for (const folder of ["laptop", "desk", "tablet"]) {
      await Deno.mkdir(join(dir, folder), { mode: 0o700 });
      for (const file of ["alice_private.pem", "alice_public.pem", "server_public.pem"]) {
        await Deno.copyFile(join(dir, "alice", file), join(dir, folder, file));
      }
    }
    for (const folder of ["alice", "laptop", "desk", "tablet"]) {
      const settings = `server = "${server.address}"\n`;
      await Deno.writeTextFile(join(dir, folder, "sealpost.toml"), settings);
      ok(await run(folder, passwordOf("alice"), "devices", "list"));
    }
    const profile = await findProfile({ dir: join(dir, "alice"), json: true });
    const removal = {
      terminal: openTerminal(),
      profile,
      password: () => Promise.resolve(encodePassword(passwordOf("alice"))),
    };
    const { terminal, password } = removal;
    const person = await openLocalUser(terminal, profile.dir, "alice");
    const session = passwordSession(terminal, profile);
    const mail = await openMail({ ...session, person, password });
    await makeKit(
      mail.shared,
      mail.connection,
      () =>
        openPackage(
          profile.dir,
          "alice",
          session.address,
          mail.state,
          mail.log.head(),
          () => Promise.resolve(null),
        ),
      () => Promise.resolve(),
    );
    await mail.close();
    const laptop = await findMachine(removal, "laptop");
    const ends = () => {
      throw new Error("it ends here");
    };
    await assertRejects(() => removeLostMachines(removal, [laptop], next, ends), "it ends here");
    const begun = await begunRemoval(removal);
    assertEquals(begun?.machines.map(({ label }) => label), ["laptop"]);
    assertEquals([begun?.password, times("key-rotated"), times("password-changed")], [false, 1, 0]);
    assertEquals(times("kit-kept"), 1, "the new keys were never in the kit");
    const status = await run("alice", passwordOf("alice"), "status");
    assertStringIncludes(status.stderr, "The removal of laptop was broken off: finish it now");

    await removeLostMachines(removal, [laptop], next, () => {});
    assertEquals([times("key-rotated"), times("password-changed")], [1, 1]);
    assertEquals(await begunRemoval(removal), null);
    const list = await run("alice", next, "devices", "list", "--json");
    assertEquals(JSON.parse(ok(list)).length, 3);
    assert(!list.stderr.includes("broken off"), list.stderr);

    await stepInFull(
      t,
      "one that is lost before the end may have the keys that were new",
      async () => {
        const later = { ...removal, password: () => Promise.resolve(encodePassword(next)) };
        const [desk, tablet] = [
          await findMachine(later, "desk"),
          await findMachine(later, "tablet"),
        ];
        const last = "a third password for alice";
        await assertRejects(() => removeLostMachines(later, [desk], last, ends), "it ends here");
        await removeLostMachines(later, [tablet], last, () => {});
        assertEquals([times("key-rotated"), times("password-changed")], [3, 2]);
        assertEquals(
          JSON.parse(ok(await run("alice", last, "devices", "list", "--json"))).length,
          1,
        );
      },
    );
  } finally {
    await server.stop();
    await remove();
  }
});
