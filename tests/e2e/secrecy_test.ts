// The server's files, searched in every byte for what it must not be able to tell.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { composeMessage } from "../../client/message/compose.ts";
import { CHOICE, ended, Group, reading, sending, SENT, textsIn } from "../support/group.ts";
import { passwordOf } from "../support/program.ts";
import { Relay } from "../support/relay.ts";
import { waitFor } from "../support/wait.ts";
import { filesBelow, formsOf, searchBytes, searchFolder, type Secret } from "../support/search.ts";

/** A text that stands nowhere else, in ASCII and beyond, short enough for one line of a header. */
function token(): string {
  return `${crypto.randomUUID().slice(-12)}ü🙂${crypto.randomUUID().slice(-4)}`;
}

const title = token();
const line = token();
const answer = token();
const fileName = `${token()}.txt`;
const fileLine = token();
const typed: Secret[] = [
  { what: "title", text: title },
  { what: "body", text: line },
  { what: "name of an attachment", text: fileName },
  { what: "attachment", text: fileLine },
  { what: "answer", text: answer },
];
const passwords: Secret[] = ["alice", "bob"].map((name) => {
  return { what: `password of ${name}`, text: passwordOf(name) };
});
const secrets = [...typed, ...passwords];

/** Often enough for the search to meet one that no line break divides, whatever the encoding. */
const often = (text: string) => Array.from({ length: 50 }, (_, i) => `${i} ${text}`).join("\n");
const body = often(line);
const file = new TextEncoder().encode(`${fileLine}\n`.repeat(40_000));

Deno.test("the search finds every secret in a message that is not sealed", async () => {
  const composed = await composeMessage({
    from: "alice",
    to: ["bob"],
    cc: [],
    subject: title,
    text: `${body}\n${often(answer)}`,
    date: new Date(),
    messageId: "0190a0b0-0000-7000-8000-000000000000",
    attachments: [{
      name: fileName,
      size: file.length,
      open: () => Promise.resolve(new Blob([file]).stream()),
    }],
  });
  const parts: Uint8Array[] = [];
  for await (const part of composed.stream()) parts.push(part);
  const message = new Uint8Array(await new Blob(parts.map((part) => part.slice())).arrayBuffer());
  const found = new Set(searchBytes("message", message, typed).map(({ what }) => what));
  assertEquals([...found].sort(), typed.map(({ what }) => what).sort());
});

Deno.test("the search finds a text in every form", () => {
  for (const [form, bytes] of Object.entries(formsOf(title))) {
    const around = Uint8Array.from(`xyz${bytes}xyz`, (character) => character.charCodeAt(0));
    const [found] = searchBytes("x", around, [{ what: "it", text: title }])
      .filter((finding) => finding.form === form);
    assertEquals(found?.form, form);
  }
  const base64 = (prefix: string) => {
    return btoa(String.fromCharCode(...new TextEncoder().encode(`${prefix}${title}, and more`)));
  };
  for (const prefix of ["", "a", "ab"]) {
    const data = new TextEncoder().encode(base64(prefix));
    assert(searchBytes("x", data, [{ what: "it", text: title }]).length > 0, prefix);
  }
});

Deno.test("the server's folder and log hold no password, title, text or attachment", async () => {
  await using group = await Group.start(["alice", "bob"], { plain: true });
  const server = group.path("server");
  const nothingIn = async (folder: string) => assertEquals(await searchFolder(folder, secrets), []);
  const users = await Deno.readTextFile(group.path("server", "user_pass.json"));
  assertMatch(
    users,
    /^\{\n {2}"alice": "\$argon2id\$v=19\$m=19456,t=2,p=1\$\S+",\n {2}"bob": "\$argon2id\$.*"\n\}$/,
  );
  await group.bind("alice", "bob");

  // Held back when the server has part of it in a temporary file.
  let release = () => {};
  const held = new Promise<void>((resolve) => release = resolve);
  await using relay = Relay.start(group.server.address, {
    hook: async (piece, { direction, offset }) => {
      if (direction === "up" && offset > 700_000) await held;
      return piece;
    },
  });
  await Deno.writeFile(group.path("alice", "files", fileName), file);
  const alice = group.connect("alice", { address: relay.address });
  await alice.converse(
    sending({ to: "bob", title, contents: { typed: body }, attach: [fileName] }),
  );
  await relay.lines[0]?.carried("up", 700_000);
  const arriving = await waitFor("a file that arrives", async () => {
    const files = await filesBelow(server);
    return files.some((path) => /^mail\/uploads\/.*\.body$/.test(path)) ? files : null;
  });
  assert(arriving.includes("mail/sealpost.db-wal"), `${arriving}`);
  await nothingIn(server);
  release();
  await alice.converse([[CHOICE, "4"]]);
  assertStringIncludes((await ended(alice, 0)).stdout, SENT);

  const files = await filesBelow(server);
  assert(files.includes("mail/sealpost.db-wal"), `${files}`);
  assertEquals(files.filter((path) => /^mail\/bodies\/[0-9a-f]{2}\//.test(path)).length, 1);
  await nothingIn(server);

  const { stdout } = await group.talk("bob", [
    ...reading(1),
    ["Would you like to save them to files/? (Y/N) ", "Y"],
    [CHOICE, "6"],
    ["Enter the email index you wish to reply to: ", "1"],
    ["Would you like to load contents from a file? (Y/N) ", "N"],
    ["single .):\n", `${often(answer)}\n.`],
  ]);
  assertEquals(textsIn(stdout), [body]);
  assertEquals(await Deno.readFile(group.path("bob", "files", fileName)), file);
  await nothingIn(server);
  // What clients remember is sealed too.
  await nothingIn(group.path("alice", ".sealpost"));
  await nothingIn(group.path("bob", ".sealpost"));

  // As a thief finds it who pulls the plug, and as it is after a proper end.
  group.server.program.kill("SIGKILL");
  await group.server.program.finish();
  await nothingIn(server);
  const { stdout: said, stderr: log } = await group.server.stop();
  assertEquals(searchBytes("log", new TextEncoder().encode(said + log), secrets), []);
  await group.restart();
  assertEquals(textsIn((await group.talk("alice", reading(1))).stdout), [often(answer)]);
  await group.server.stop();
  await nothingIn(server);
});
