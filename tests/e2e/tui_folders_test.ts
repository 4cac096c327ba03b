// Folders and keywords of one's own on the full screen, on two machines of one person.

import { Commanding } from "../support/commanding.ts";
import { passwordOf } from "../support/program.ts";
import { step } from "../support/step.ts";
import { type Screen, whyNoTmux } from "../support/tmux.ts";
import { testInFullUnless } from "../support/full.ts";

const missing = await whyNoTmux();

testInFullUnless(
  missing,
  "two screens of one person show the same folders and keywords",
  async (t) => {
    await using people = await Commanding.start(["alice", "bob"]);
    await people.anotherMachine("alice", "laptop");
    for (const subject of ["Figures", "Lunch"]) {
      await people.ok("bob", ["send", "-t", "alice", "-s", subject], { input: "x" });
    }
    const password = passwordOf("alice");
    const size = { columns: 120, rows: 24 };
    await using desk = await people.at("alice", ["connect"], { ...size });
    await using laptop = await people.at("laptop", ["connect"], { ...size, password });
    for (const screen of [desk, laptop]) await screen.see(/1 Inbox +2\/2/);
    const answer = async (screen: Screen, key: string, asked: string, text: string) => {
      await screen.press(key);
      await screen.see(asked);
      await screen.type(text);
      await screen.press("Enter");
    };

    await step(t, "a folder that one makes while moving is on the other at once", async () => {
      await answer(desk, "M", "Move to", "work/reports");
      await desk.see('There is no folder "work/reports". Make it?');
      await desk.press("y");
      await desk.see("The message moved to work/reports");
      await desk.see(/work\/reports +1\/1/);
      await laptop.see(/1 Inbox +1\/1[^]*work\/reports +1\/1/);
    });

    await step(t, "c goes to a folder by the beginning of its name, Tab completes it", async () => {
      await laptop.press("c");
      await laptop.see("Folder (Tab completes");
      await laptop.type("wo");
      await laptop.press("Tab");
      await laptop.see("work/reports ");
      await laptop.press("Enter");
      await laptop.see(/Sealpost +work\/reports +1 \(1 new\)/);
      await laptop.see(/bob +Lunch/);
    });

    await step(t, "a keyword that one sets is shown on the other, and cleared there", async () => {
      await answer(laptop, "l", "Keyword to set", "urgent");
      await laptop.see('There is no keyword "urgent". Make it?');
      await laptop.press("y");
      await laptop.see("[urgent] Lunch");
      await answer(desk, "c", "Folder (Tab", "work");
      await desk.see("[urgent] Lunch");
      await desk.press("Enter");
      await desk.see("Keywords: urgent");
      await desk.press("q");
      await answer(desk, "l", "Keyword to set", "ur");
      await desk.see('no keyword "ur". Make it?');
      await desk.press("n");
      await answer(desk, "l", "Keyword to set", "URGENT");
      await desk.see('The message has the keyword "urgent" no more.');
      await laptop.see(/bob +Lunch/);
    });

    await step(t, "a folder is renamed and removed, and the other screen follows", async () => {
      await desk.press("c");
      await desk.see("Folder (Tab completes");
      await desk.press("Enter");
      await desk.see("6  Outbox");
      await desk.press("G", "r");
      await desk.see("Its new name: work/reports");
      await desk.press("C-u");
      await desk.type("job");
      await desk.press("Enter");
      await desk.see("work/reports is called job now.");
      await laptop.see(/Sealpost +job +1/);
      await desk.press("d");
      await desk.see("Remove job?");
      await desk.press("y");
      await desk.see('There are messages in "job": move or delete them first');
    });

    await step(t, "what one deletes for good is gone from the other by itself", async () => {
      await laptop.press("d");
      await laptop.see("moved to Trash");
      await desk.press("q", "4");
      await desk.see(/bob +Lunch/);
      await desk.press("d");
      await desk.see("for good?");
      await laptop.press("4");
      await laptop.see(/bob +Lunch/);
      await desk.press("y");
      await laptop.see("There is nothing here.");
    });
  },
);
