import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { toBase64, utf8 } from "../../crypto/bytes.ts";
import { saveIdentityFiles, savePublicKey } from "../../files/key_files.ts";
import { sealpost } from "../support/command.ts";
import { CHOICE, reading } from "../support/group.ts";
import { identityOf, newIdentityOf } from "../support/identities.ts";
import { type Outcome, Program } from "../support/program.ts";
import { sealMessage } from "../support/sealed.ts";
import { DishonestServer, refusal } from "./dishonest_server.ts";

/** What a terminal obeys: a title, a colour, a screen cleared in two ways, a turned direction. */
const EVIL =
  "evil\x1b]0;x\x07\x1b[31m\x1bc\x9b2J\x7f\u202egnp.exe\u2066\u200b\u2028\r\nFrom: alice";

/** Every character that a terminal obeys, or nobody sees, but the newline and the tab. */
// deno-lint-ignore no-control-regex
const RAW = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;

function assertHarmless({ stdout, stderr }: Outcome): void {
  for (const output of [stdout, stderr]) {
    const found = RAW.exec(output);
    const at = found?.index ?? 0;
    assertEquals(
      found?.[0],
      undefined,
      JSON.stringify(output.slice(Math.max(0, at - 60), at + 60)),
    );
  }
}

/** A dishonest server, and the folder of bob, who uses the program. */
async function withProgram(
  work: (at: { server: DishonestServer; dir: string; folder: string }) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "sealpost-" });
  try {
    await using server = await DishonestServer.start();
    const folder = join(dir, "bob");
    const bob = await newIdentityOf("bob");
    const alice = await identityOf("alice");
    server.keys.set("alice", alice.bundle);
    await saveIdentityFiles(folder, "bob", bob);
    await savePublicKey(folder, "server", server.identity.bundle);
    await Deno.writeTextFile(join(folder, "sealpost.toml"), `server = "${server.address}"\n`);
    const name = encodeURIComponent(`../${EVIL}.txt`);
    const message = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
      `--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${EVIL}\r\n` +
      `--b\r\nContent-Disposition: attachment; filename*=utf-8''${name}\r\n\r\nx\r\n--b--\r\n`;
    const parts = await sealMessage(alice, [bob.bundle], utf8(message), {
      subject: EVIL,
      date: Number.MAX_SAFE_INTEGER,
      attachments: [{ name: EVIL, size: 1 }],
      attachmentCount: 1,
    });
    // One for somebody else, one under the own name, and one that opens.
    server.put(await sealMessage(alice, [], utf8(message)));
    server.put(
      await sealMessage(alice, [bob.bundle], utf8(message), {
        from: { name: "bob", fp: toBase64(alice.bundle.fp) },
        subject: EVIL,
      }),
    );
    server.put(parts);
    await work({ server, dir, folder });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("nothing of what a server and a sender write reaches the terminal as it is", async () => {
  await withProgram(async ({ server, dir, folder }) => {
    const env = { SEALPOST_PASSWORD: "any" };
    let refusals = 0;
    server.lies = {
      after: (talk) => talk.event({ event: EVIL, reason: EVIL }),
      answer: async (request, talk) => {
        if (["list", "changes", "fetch", "keys", "log"].includes(request.op)) return false;
        if (request.op === "deliver") await talk.upload;
        // The first waits in the outbox, so that the next connection is told why it is refused.
        const code = request.op === "deliver" && refusals++ === 0 ? "busy" : "limit";
        await talk.respond(refusal(code, EVIL));
        return true;
      },
    };
    const menu = Program.start(["connect", `bob@${server.address}`], { cwd: folder, env });
    await menu.converse([
      [CHOICE, "2"],
      ...reading(1),
      ...reading(2),
      [CHOICE, "1"],
      ["Enter destinations (separated by ;): ", "alice"],
      ["Enter title: ", "title"],
      ["Would you like to load contents from a file? (Y/N) ", "N"],
      ["Enter message contents (end with a line that is a single .):\n", "text\n."],
    ]);
    await menu.expect("Select the operation");
    const shown = await menu.finish();
    assertHarmless(shown);
    assertStringIncludes(shown.stdout, "evil\\x1b]0;x\\x07");
    assertStringIncludes(
      shown.stdout,
      "[cannot be opened: it is sealed for a key that is not here]",
    );
    assertStringIncludes(shown.stderr, "the message is kept sealed in the outbox");

    const as = (...args: string[]) => sealpost(args, { cwd: folder, env });
    const listed = await as("inbox");
    assertHarmless(listed);
    assertEquals(listed.code, 0, listed.stderr);
    assertStringIncludes(listed.stderr, "a waiting message was not sent, to alice: evil");
    const [json, status, one] = await Promise.all([
      as("inbox", "--json"),
      as("status"),
      as("inbox", "--json").then(async ({ stdout }) => {
        const [{ short }] = JSON.parse(stdout);
        return await as("read", short, "--json", "--save", "saved", "--peek");
      }),
    ]);
    for (const outcome of [json, status, one]) assertHarmless(outcome);
    const [first] = JSON.parse(json.stdout);
    assertEquals([first.subject, first.date, first.from], [EVIL, null, "alice"]);
    assertEquals(one.code, 0, one.stderr);
    assertEquals(JSON.parse(one.stdout).attachments.length, 1);
    assert(status.code !== 0);
    // What was saved is where it was to be, under a name that does no harm.
    const saved = [...Deno.readDirSync(join(folder, "saved"))].map(({ name }) => name);
    assertEquals([saved.length, saved.some((name) => RAW.test(name))], [1, false]);
    assertEquals([...Deno.readDirSync(dir)].map(({ name }) => name), ["bob"]);
  });
});

Deno.test("what answers in the place of a server is shown spelled out, and ends the program", async () => {
  await withProgram(async ({ server, folder }) => {
    server.lies = { b: utf8(`sealpost: ${EVIL.replaceAll("\n", "")}\n`) };
    const env = { SEALPOST_PASSWORD: "any" };
    const outcome = await sealpost(["status"], { cwd: folder, env });
    assertHarmless(outcome);
    assertEquals(outcome.code, 76);
    assertStringIncludes(outcome.stderr, 'the server answers: "sealpost: evil\\x1b');
  });
});
