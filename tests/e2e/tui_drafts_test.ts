// Drafts on two machines of one person, on the full screen and by commands.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { Commanding } from "../support/commanding.ts";
import { FULL, testInFullUnless } from "../support/full.ts";
import { passwordOf } from "../support/program.ts";
import { step } from "../support/step.ts";
import { whyNoTmux } from "../support/tmux.ts";

const missing = await whyNoTmux();

testInFullUnless(missing, "what one writes is a draft on the other machine too", async (t) => {
  await using people = await Commanding.start(["alice", "bob"]);
  await people.anotherMachine("alice", "laptop");
  const password = passwordOf("alice");
  await using desk = await people.at("alice", ["connect"]);
  await using laptop = await people.at("laptop", ["connect"], { password });
  for (const screen of [desk, laptop]) {
    await screen.see("The inbox is empty.");
    await screen.press("5");
    await screen.see("There is nothing here.");
  }

  await step(t, "while it is written, and when it is left", async () => {
    await desk.press("m");
    await desk.see("Subject:");
    await desk.type("bob");
    await desk.press("Tab", "Tab", "Tab");
    await desk.type("Figures");
    await desk.press("Tab");
    await desk.type("The first half");
    // Every 20 seconds.
    if (FULL) await laptop.see(/Drafts +1[^]*To bob +Figures/);
    await desk.type(", and the second");
    await desk.press("C-o");
    await desk.see("Kept in Drafts");
    // The whole length of the text.
    await laptop.see(/To bob +Figures +30 /);
    await laptop.press("Enter");
    await laptop.see("The first half, and the second");
  });

  await step(t, "what the other changes comes back", async () => {
    await laptop.press("C-e");
    await laptop.type(", and more");
    await laptop.press("C-o");
    await laptop.see("Kept in Drafts");
    await desk.see(/To bob +Figures +40 /);
    await desk.press("Enter");
    await desk.see("and more");
    await desk.press("C-c");
  });

  await step(t, "a command shows, edits and sends it on either", async () => {
    const [draft] = await people.json("laptop", ["drafts"], { password });
    assertEquals([draft.subject, draft.to], ["Figures", ["bob"]]);
    await people.ok("laptop", ["drafts", "send", draft.short], { password });
    for (const screen of [desk, laptop]) await screen.see("There is nothing here.");
    const [message] = await people.json("bob", ["inbox"]);
    assertStringIncludes(
      await people.ok("bob", ["read", message.short]),
      "The first half, and the second, and more",
    );
  });

  await step(t, "what is written without a connection follows when there is one", async () => {
    const { address } = people.group.server;
    await people.group.server.stop();
    await desk.see(/offline|connecting/);
    await desk.press("m");
    await desk.see("Subject:");
    await desk.type("bob");
    await desk.press("Tab", "Tab", "Tab");
    await desk.type("On the train");
    await desk.press("C-o");
    await desk.see(/To bob +On the train/);
    await people.group.restart(["--listen", address]);
    await desk.press("C-r");
    await laptop.press("C-r");
    await laptop.see(/To bob +On the train/);
  });
});
