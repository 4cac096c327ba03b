// Changes of the account from the page: another password, new keys, a machine less.

import { assertEquals, assertNotEquals } from "@std/assert";
import { join } from "@std/path";
import type { ListView, MachinesView, NewKeysView, RemovedView } from "../../client/web/types.ts";
import { Commanding } from "../support/commanding.ts";
import { testInFull } from "../support/full.ts";
import { Group } from "../support/group.ts";
import { passwordOf, run } from "../support/program.ts";
import { ServedPage } from "../support/served_page.ts";
import { step } from "../support/step.ts";
import { waitFor } from "../support/wait.ts";
import { WebClient } from "../support/web_client.ts";

/** Waits until the mail behind a page is open, and connected. */
async function online(page: WebClient): Promise<void> {
  await waitFor("the mail", async () => {
    const response = await page.post("machines", {});
    await response.body?.cancel();
    return response.status === 200 || null;
  });
}

async function fingerprintOf(page: WebClient): Promise<string> {
  return (await page.ask<{ fingerprint: string }>("own")).fingerprint;
}

Deno.test("password and keys are changed from the page, which goes on by itself", async (t) => {
  await using people = await Commanding.start(["alice", "bob"]);
  const cwd = people.group.path("alice");
  // A ticket, so that nobody has to type a password.
  await people.ok("alice", ["send", "-t", "bob", "-s", "Before"], { input: "text" });
  await using served = await ServedPage.start(cwd);
  const page = new WebClient(served.origin);
  assertEquals(await page.enter(served.link), 200);
  await online(page);
  const old = passwordOf("alice");
  const next = "another good password";

  await step(t, "the password changes for who knows it, to one that may be chosen", async () => {
    const change = (old: string, next: string) => page.refused("change-password", { old, next });
    assertEquals(await change("not the password", next), "login-refused");
    assertEquals(await change(old, "short"), "usage");
    assertEquals(await change(old, "password1"), "usage");
    await page.ask("change-password", { old, next });
    assertEquals(await change(old, "yet another password"), "login-refused");
    await online(page);
  });

  await step(t, "new keys need the password, and a wrong one shuts nothing", async () => {
    const before = await fingerprintOf(page);
    const wrong = { password: old, passphrase: "" };
    assertEquals(await page.refused("new-keys", wrong), "login-refused");
    assertEquals(await fingerprintOf(page), before);
    const keys = await page.ask<NewKeysView>("new-keys", { password: next, passphrase: "" });
    assertEquals([keys.former, await fingerprintOf(page)], [before, keys.fingerprint]);
    assertNotEquals(keys.fingerprint, before);
    await online(page);
  });

  await step(t, "it sends with the new keys, and reads what is older", async () => {
    const { id } = await page.ask<{ id: string }>("new-draft", { to: ["bob"] });
    const draft = { id, to: ["bob"], cc: [], bcc: [], subject: "After", text: "text", files: [] };
    await page.ask("save-draft", draft);
    await page.ask("send", { id });
    const rows = await waitFor("the Sent copy", async () => {
      const { rows } = await page.ask<ListView>("list", { folder: "sent", from: 0, limit: 9 });
      return rows.length === 2 ? rows : null;
    });
    assertEquals(rows.map(({ subject, broken }) => [subject, broken]), [
      ["After", false],
      ["Before", false],
    ]);
    const inbox = await people.json("bob", ["inbox"]);
    assertEquals(inbox[0].subject, "After");
  });
});

testInFull("keys with a passphrase get new ones with the same from the page", async () => {
  await using group = await Group.start(["alice"]);
  const made = ["keygen", "alice", "--force", "--passphrase", "--bits", "2048"];
  await run(made, { cwd: group.dir, env: { SEALPOST_PASSPHRASE: "a passphrase" } });
  const cwd = group.path("alice");
  await Deno.writeTextFile(join(cwd, "sealpost.toml"), `server = "${group.server.address}"\n`);
  const password = passwordOf("alice");
  await using served = await ServedPage.start(cwd, [], { SEALPOST_PASSWORD: password });
  const page = new WebClient(served.origin);
  assertEquals(await page.enter(served.link), 200);
  await page.ask("unlock", { passphrase: "a passphrase" });
  await online(page);
  const before = await fingerprintOf(page);
  for (const passphrase of ["", "not the passphrase"]) {
    assertEquals(await page.refused("new-keys", { password, passphrase }), "passphrase");
  }
  assertEquals(await fingerprintOf(page), before);
  await page.ask<NewKeysView>("new-keys", { password, passphrase: "a passphrase" });
  await online(page);
  assertNotEquals(await fingerprintOf(page), before);
  const same = { old: password, next: "a passphrase" };
  assertEquals(await page.refused("change-password", same), "usage");
  await page.ask("lock");
  assertEquals(await page.refused("unlock", { passphrase: "not the passphrase" }), "passphrase");
  await page.ask("unlock", { passphrase: "a passphrase" });
  await online(page);
});

testInFull("machines are taken off the list from the page, lost ones with new keys", async (t) => {
  await using people = await Commanding.start(["alice", "bob"]);
  const password = passwordOf("alice");
  for (const folder of ["retired", "lost"]) {
    await people.anotherMachine("alice", folder);
    await people.ok(folder, ["devices", "list"], { password });
  }
  await people.ok("lost", ["send", "-t", "bob", "-s", "From the lost one"], {
    password,
    input: "text",
  });
  await people.ok("alice", ["devices", "list"]);
  await using served = await ServedPage.start(people.group.path("alice"));
  const page = new WebClient(served.origin);
  assertEquals(await page.enter(served.link), 200);
  await online(page);
  const others = async () => {
    const { machines } = await page.ask<MachinesView>("machines");
    return machines.filter(({ own }) => !own).map(({ id }) => id);
  };
  const [first = "", second = ""] = await others();
  const secrets = { password, passphrase: "" };

  await step(t, "not this machine, and none that is not there", async () => {
    const { machines } = await page.ask<MachinesView>("machines");
    const own = machines.find((one) => one.own)?.id ?? "";
    for (const id of [own, "0123456789abcdef"]) {
      assertEquals(await page.refused("retire-machine", { id, ...secrets }), "usage");
    }
    const wrong = { ...secrets, password: "not the password" };
    assertEquals(await page.refused("retire-machine", { id: first, ...wrong }), "login-refused");
    assertEquals((await others()).length, 2);
  });

  await step(t, "one that is retired leaves the list, and the page goes on", async () => {
    const before = await fingerprintOf(page);
    await page.ask("retire-machine", { id: first, ...secrets });
    await online(page);
    assertEquals([await others(), await fingerprintOf(page)], [[second], before]);
  });

  await step(t, "one that was lost cannot log in, and the page has new keys", async () => {
    const before = await fingerprintOf(page);
    const next = "another good password";
    const same = { id: second, ...secrets, next: password };
    assertEquals(await page.refused("remove-machine", { ...same, next: "short" }), "usage");
    const removed = await page.ask<RemovedView>("remove-machine", {
      id: second,
      ...secrets,
      next,
    });
    await online(page);
    assertEquals([removed.former, await fingerprintOf(page)], [before, removed.fingerprint]);
    assertEquals(await others(), []);
    for (const folder of ["lost", "retired"]) {
      for (const known of [password, next]) {
        const { code } = await people.as(folder, ["inbox"], { password: known });
        assertEquals(code, 77, `${folder} is out`);
      }
    }
  });
});
