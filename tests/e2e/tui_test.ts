// The full-screen program, with a person's fingers played by tmux.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { testUnless } from "../crypto/support.ts";
import { Group } from "../support/group.ts";
import { passwordOf } from "../support/program.ts";
import { Screen, type ScreenOptions, whyNoTmux } from "../support/tmux.ts";

const missing = await whyNoTmux();

/** Starts `connect` as `name` on a screen of its own. */
function connect(
  group: Group,
  name: string,
  options: Partial<ScreenOptions> = {},
): Promise<Screen> {
  return Screen.start(["connect", `${name}@${group.server.address}`], {
    cwd: group.path(name),
    ...options,
    env: { SEALPOST_PASSWORD: passwordOf(name), ...options.env },
  });
}

/** Asserts that the terminal is as a shell wants it. */
function assertRestored(stty: string): void {
  for (const setting of ["icanon", "echo", "isig", "icrnl", "opost"]) {
    assertMatch(stty, new RegExp(`(^|\\s)${setting}\\b`), setting);
    assert(!stty.includes(`-${setting} `), `-${setting}`);
  }
}

testUnless(missing, "two people write to each other on the whole screen", async (t) => {
  await using group = await Group.start(["alice", "bob"]);
  await using alice = await connect(group, "alice", { columns: 80, rows: 24 });
  await alice.see("The inbox is empty.");
  await using bob = await connect(group, "bob");
  await bob.see("The inbox is empty.");

  await t.step("what one sends, the other sees at once", async () => {
    await bob.press("m");
    await bob.see("Subject:");
    await bob.type("alice");
    await bob.press("Enter", "Enter", "Enter");
    await bob.type("Grüße 日本語 🙂");
    await bob.press("Enter");
    await bob.type("Dear Alice,\n\nthis is all.");
    await bob.press("C-x");
    await bob.see("Sent to alice.");
    await alice.see(/N +bob +Grüße 日本語 🙂/);
  });

  await t.step("it is read, answered with its text quoted, and marked as answered", async () => {
    await alice.press("Enter");
    const shown = await alice.see("this is all.");
    assertMatch(shown, /From: +bob \(not verified\)/);
    assertMatch(shown, /Subject: Grüße 日本語 🙂/);
    await alice.press("r");
    await alice.see("> this is all.");
    await alice.type("Thank you.");
    await alice.press("C-x");
    await alice.see("Sent to bob.");
    await alice.press("q");
    await alice.see(/ r +bob/);
    await bob.see(/alice +↳ Re: Grüße 日本語 🙂/);
  });

  await t.step("q ends it, and the terminal is as it was", async () => {
    for (const screen of [alice, bob]) {
      await screen.press("q");
      const { code, stty } = await screen.ended();
      assertEquals(code, 0);
      assertRestored(stty);
      assertStringIncludes(await screen.written(), "\x1b[?1049l");
    }
  });
});
