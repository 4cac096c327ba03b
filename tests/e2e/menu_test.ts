// The menu, answered from a pipe as a script would.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { stepInFull, testInFull } from "../support/full.ts";
import {
  CHOICE,
  Group,
  inboxIn,
  inboxOf,
  reading,
  sending,
  SENT,
  textsIn,
  type Turn,
} from "../support/group.ts";
import { withControl } from "../support/control.ts";
import { type Outcome, passwordOf, run } from "../support/program.ts";

/** Runs `connect` with everything piped in at once. */
async function pipe(group: Group, name: string, lines: readonly string[]): Promise<Outcome> {
  const input = lines.length === 0 ? {} : { input: lines.join("\n") };
  return await run(["connect"], { cwd: group.path(name), ...input });
}

const MENU = `
Select the operation:
  1) Create and send an email
  2) Display the inbox list
  3) Display the email contents
  4) Terminate the connection
  5) Create and send an email with attachments
  6) Reply to an email
  7) Delete an email
  8) Show a correspondent's fingerprint

choice: `;

Deno.test("the menu works from a pipe, with all its answers at once", async (t) => {
  await using group = await Group.start(["client1", "client2"]);
  await group.bind("client2");
  const login = (name: string) => [group.server.address, name, passwordOf(name)];

  await t.step("it asks in the seed's order: server, user, password, then the menu", async () => {
    const { code, stdout, stderr } = await pipe(group, "client1", [...login("client1"), "2", "4"]);
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    const [, fingerprint] = /your key (SHA256:\S+)\.\n/.exec(stdout) ?? [];
    assertEquals(
      stdout,
      "Enter the server IP or name: Enter your username: Enter your password: " +
        `This was the first connection: your account is now bound to your key ${fingerprint}.\n` +
        `${MENU}The inbox is empty.\n${MENU}The connection is terminated with the server.\n`,
    );
  });

  await t.step("a message, a look at it, an answer and its deletion in one go", async () => {
    const title = "for the script";
    const sent = await pipe(group, "client1", [
      ...login("client1"),
      ...["1", "client2", title, "N", "line 1", "", "line 3", "."],
      "4",
    ]);
    assertEquals([sent.code, sent.stderr], [0, ""]);
    assertStringIncludes(sent.stdout, SENT);

    const { code, stdout, stderr } = await pipe(group, "client2", [
      ...login("client2"),
      ...["2", "3", "1"],
      ...["6", "1", "N", "an answer", "."],
      ...["7", "1", "N"],
      ...["7", "1", "Y"],
      "2",
      "4",
    ]);
    assertEquals([code, stderr], [0, ""]);
    assertEquals(inboxIn(stdout), [{ index: 1, from: "client1", title: `[new] ${title}` }]);
    assertMatch(
      stdout,
      /From: client1\nTo: client2\nDate: [-\d]{10} [:\d]{5}\nTitle: for the script\nContent length: \d+\nContents:\nline 1\n\nline 3\n/,
    );
    assertStringIncludes(stdout, `To: client1\nTitle: Re: ${title}\n`);
    assertStringIncludes(
      stdout,
      `Delete "${title}" from client1 for good? (Y/N) Nothing was deleted.\n`,
    );
    assertStringIncludes(stdout, "The message is deleted");
    assert(stdout.lastIndexOf("The inbox is empty.") > stdout.indexOf("The message is deleted"));

    const answer = await pipe(group, "client1", [...login("client1"), "2", "3", "1", "4"]);
    assertEquals(inboxIn(answer.stdout).map(({ title }) => title), [`[new] Re: ${title}`]);
    assertEquals(textsIn(answer.stdout), ["an answer"]);
  });

  await t.step("lines may end as on Windows", async () => {
    const lines = [...login("client1"), "1", "client2", "CRLF", "n", "one", "two", ".", "4", ""];
    const { code, stderr } = await pipe(group, "client1", lines.map((line) => `${line}\r`));
    assertEquals([code, stderr], [0, ""]);
    const { stdout } = await group.talk("client2", [[CHOICE, "2"], ...reading(1)]);
    assertEquals(inboxIn(stdout)[0]?.title, "[new] CRLF");
    assertEquals(textsIn(stdout), ["one\ntwo"]);
  });

  await stepInFull(
    t,
    "an answer that makes no sense is one line, and the menu goes on",
    async () => {
      const wrong: [turns: Turn[], complaint: string, code: number][] = [
        [[[CHOICE, "9"]], "choose a number from 1 to 8", 64],
        [[[CHOICE, ""]], "choose a number from 1 to 8", 64],
        [reading(99), "choose an index from 1 to 1, as in the inbox list", 64],
        [
          [[CHOICE, "3"], ["view: ", "first"]],
          "choose an index from 1 to 1, as in the inbox list",
          64,
        ],
        [
          sending({ to: " ; ", title: "x", contents: { typed: "x" } }),
          "no destination was given",
          64,
        ],
        [
          sending({ to: "client1", title: "x", contents: { typed: "" } }),
          "the message is empty: it has no text and no attachment; nothing was sent",
          64,
        ],
        [[[CHOICE, "8"], ["name: ", "nobody"]], "there is no user nobody on this server", 67],
        [
          sending({ to: "client1", title: "x", contents: { file: "missing.txt" } }),
          "",
          66,
        ],
      ];
      for (const [turns, complaint, code] of wrong) {
        const { stdout, stderr } = await group.talk("client2", turns, { code });
        assertMatch(stderr, /^[^\n]+\n$/);
        if (complaint !== "") assertEquals(stderr, `${complaint}\n`);
        assertStringIncludes(stdout, "The connection is terminated with the server.");
      }
      const { stdout } = await group.talk("client2", [
        [CHOICE, "7"],
        ["delete: ", "1"],
        ["(Y/N) ", "perhaps"],
        ["Please answer Y or N.\n", "no"],
      ]);
      assertStringIncludes(stdout, "Nothing was deleted.");
    },
  );

  await stepInFull(
    t,
    "an input that ends early ends the program, and nothing half done is sent",
    async () => {
      const before = await inboxOf(group, "client2");
      for (
        const lines of [["1"], ["1", "client2"], ["1", "client2", "title"], [
          "1",
          "client2",
          "title",
          "N",
        ]]
      ) {
        const { code, stderr } = await pipe(group, "client1", [...login("client1"), ...lines]);
        assertEquals(code, 130, lines.join());
        assertMatch(stderr, /^the input ended; nothing was (done|sent)\n$/);
      }
      for (const count of [0, 1, 2]) {
        const { code, stderr } = await pipe(group, "client1", login("client1").slice(0, count));
        assertEquals(code, 64);
        const how = count < 2
          ? ""
          : ": without a person, give the password with --password-file or SEALPOST_PASSWORD";
        assertEquals(
          stderr,
          `sealpost: the input ended before the login; nothing was done${how}\n`,
        );
      }
      assertEquals((await pipe(group, "client1", login("client1"))).code, 0);
      assertEquals(await inboxOf(group, "client2"), before);
    },
  );

  await t.step("the fingerprints that both see are those of the key files", async () => {
    const keygen = async (name: string) => {
      const { stdout } = await run(["keygen", name, "--public", "--json"], { cwd: group.dir });
      return JSON.parse(stdout).fingerprint;
    };
    const ask: Turn[] = [[CHOICE, "8"], ["Enter the user's name: ", "client2"]];
    const { stdout } = await group.talk("client1", ask);
    assertStringIncludes(stdout, `Your own key:  ${await keygen("client1")}\n`);
    assertMatch(
      stdout,
      new RegExp(`Key of client2:  ${escape(await keygen("client2"))} \\(known since `),
    );
    const other = await group.talk("client2", [[CHOICE, "8"], ["name: ", "client1"]]);
    assertStringIncludes(other.stdout, `Key of client1:  ${await keygen("client1")} (`);
  });
});

testInFull(
  "a correspondent's other key stops mail to that person until it is accepted",
  async () => {
    await using group = await Group.start(["alice", "bob"]);
    await group.bind("bob");
    await group.talk("alice", sending({ to: "bob", title: "before", contents: { typed: "x" } }));
    const fingerprint = async () => {
      const { stdout } = await run(["keygen", "bob", "--public", "--json"], { cwd: group.dir });
      return JSON.parse(stdout).fingerprint;
    };
    const known = await fingerprint();
    // The operator releases bob from their keys; they make new ones.
    const cwd = group.dir;
    await group.server.stop();
    const unbound = await run(["user", "unbind", "bob"], { cwd, build: withControl(cwd) });
    assertEquals(unbound.code, 0, unbound.stderr);
    assertEquals(
      (await run(["keygen", "bob", "--force", "--bits", "2048"], { cwd: group.dir })).code,
      0,
    );
    const offered = await fingerprint();
    await group.restart();
    await group.bind("bob");

    const draft = sending({ to: "bob", title: "after", contents: { typed: "x" } });
    const { stderr } = await group.talk("alice", draft, { code: 77 });
    assertMatch(
      stderr,
      /^the key of bob is not the one you know: [^\n]*; nothing was sent[^\n]*\n$/,
    );
    assertStringIncludes(stderr, known);
    assertStringIncludes(stderr, offered);
    const titles = async () => (await inboxOf(group, "bob")).map(({ title }) => title);
    assertEquals((await titles()).filter((title) => title.endsWith("after")), []);

    const decide = (answer: string): Turn[] => [
      [CHOICE, "8"],
      ["Enter the user's name: ", "bob"],
      ['Type "accept" to use the new key of bob from now on: ', answer],
    ];
    assertStringIncludes((await group.talk("alice", decide("yes"))).stdout, "The known key stays.");
    await group.talk("alice", draft, { code: 77 });
    const { stdout } = await group.talk("alice", [...decide("accept"), ...draft]);
    assertStringIncludes(stdout, `The server offers another one now: ${offered}`);
    assertStringIncludes(stdout, SENT);
    assertEquals((await titles()).filter((title) => title.endsWith("after")), ["[new] after"]);
  },
);

/** `text` as a regular expression that matches it. */
function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
