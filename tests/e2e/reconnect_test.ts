// A person at the menu whose connection goes away, and comes back by itself.

import { assert, assertStringIncludes } from "@std/assert";
import { CHOICE, Group, inboxIn, sending, SENT } from "../support/group.ts";
import { passwordOf } from "../support/program.ts";
import { Screen, whyNoTmux } from "../support/tmux.ts";
import { testInFullUnless } from "../support/full.ts";

const missing = await whyNoTmux();

testInFullUnless(
  missing,
  "the menu at a terminal outlives a lost connection and a server that is started again",
  async () => {
    await using group = await Group.start(["alice", "bob"]);
    await group.bind("alice", "bob");
    await group.talk("bob", sending({ to: "alice", title: "before", contents: { typed: "1" } }));
    const { address } = group.server;
    await using screen = await Screen.start(["connect", "--menu", `alice@${address}`], {
      cwd: group.path("alice"),
      env: { SEALPOST_PASSWORD: passwordOf("alice") },
    });
    await screen.converse([[CHOICE, "2"]]);
    await screen.expect(CHOICE);

    // Gone without a word: what was fetched is shown, with its age.
    group.server.program.kill("SIGKILL");
    await group.server.program.finish();
    await screen.enter("2");
    await screen.expect(CHOICE);
    const offline = await screen.text();
    // The terminal's lines may end anywhere in it.
    assert(
      /\(not connected: [^]*;\s+it\s+is\s+tried\s+again\s+by\s+itself\)/.test(offline),
      offline,
    );
    assert(/\(offline, as of \d{4}-\d\d-\d\d \d\d:\d\d\)/.test(offline), offline);
    assertStringIncludes(inboxIn(offline)[0]?.title ?? "", "before");

    // Back at the same place: the next choice is answered by it.
    await group.restart(["--listen", address]);
    await screen.enter("1");
    await screen.converse([
      ["Enter destinations (separated by ;):", "bob"],
      ["Enter title:", "after"],
      ["(Y/N)", "N"],
      ["(end with a line that is a single .):", "here again\n."],
      [CHOICE, "4"],
    ]);
    await screen.ended();
    const text = await screen.text();
    assertStringIncludes(text, "(connected again)");
    assertStringIncludes(text, SENT);
    const { stdout } = await group.talk("bob", [[CHOICE, "2"]]);
    assertStringIncludes(inboxIn(stdout)[0]?.title ?? "", "after");
  },
);
