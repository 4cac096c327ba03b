import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { exists } from "@std/fs";
import { dirname, join } from "@std/path";
import { Desk } from "../../../client/state/editor_file.ts";
import { Drafts, emptyDraft, type Written } from "../../../client/state/drafts.ts";
import { formatLetter } from "../../../client/state/letter.ts";
import { State } from "../../../client/state/state.ts";
import { whileWriting, Writing } from "../../../client/terminal/writing.ts";
import { openTerminal } from "../../../client/terminal/terminal.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { assertRefusedAsync } from "../../crypto/support.ts";
import { inFolder } from "../../support/command.ts";
import { identityOf } from "../../support/identities.ts";
import { filesBelow, searchFolder } from "../../support/search.ts";
import { waitFor } from "../../support/wait.ts";
import { FakeIo } from "../terminal_io.ts";

async function withState(
  test: (state: State, again: () => Promise<State>, dir: string) => Promise<void>,
): Promise<void> {
  const alice = await identityOf("alice");
  await inFolder(async (dir) => {
    const open = () => State.open(dir, "alice", alice);
    await test(await open(), open, dir);
  });
}

function draft(parts: Partial<Written> = {}): Written {
  return { ...emptyDraft(), to: ["bob"], subject: "Hello", text: "a confidential text", ...parts };
}

Deno.test("a draft is there for the next client, and gone when it is removed", async () => {
  await withState(async (state, again) => {
    const drafts = await Drafts.open(state);
    const first = await drafts.save(draft({ attachments: ["/a b"], answers: "x", cc: ["carol"] }));
    const second = await drafts.save(draft({ bcc: ["dave"], forwards: "y" }));
    const other = await Drafts.open(await again());
    assertEquals(other.recovered, []);
    const { drafts: listed, unreadable } = await other.list();
    assertEquals(new Set(listed), new Set([first, second]));
    assertEquals(unreadable, []);
    assertEquals(await other.load(first.id.slice(0, 8)), first);
    const changed = await drafts.save({ ...second, text: "another" });
    assertEquals((await other.load(second.id)).text, "another");
    assert(changed.savedAt >= second.savedAt);
    await drafts.remove(first.id);
    await drafts.remove(first.id);
    assertEquals((await other.list()).drafts, [changed]);
    await assertRefusedAsync("no-such-message", () => other.load(first.id));
  });
});

Deno.test("a draft whose message is on its way is dropped, and one that was changed since is not", async () => {
  await withState(async (state, again) => {
    const drafts = await Drafts.open(state);
    const [out, changed, held] = [
      await drafts.save(draft()),
      await drafts.save(draft()),
      await drafts.save(draft()),
    ];
    for (const { id } of [out, changed, held]) await drafts.sending(id, `message of ${id}`);
    const loaded = await drafts.load(changed.id);
    assertEquals(loaded.sentAs, `message of ${changed.id}`);
    await drafts.save({ ...loaded, text: "another text" });
    const next = await Drafts.open(await again());
    await next.dropSent((message) => message !== `message of ${held.id}`);
    const left = (await next.list()).drafts.map(({ id }) => id);
    assertEquals(new Set(left), new Set([changed.id, held.id]));
    // What was never saved is not made a draft by being sent.
    await drafts.sending("0123456789abcdef", "message");
    await assertRefusedAsync("no-such-message", () => drafts.load("0123456789abcdef"));
  });
});

Deno.test("a draft is named by a beginning of its id that no other has", async () => {
  await withState(async (state) => {
    const drafts = await Drafts.open(state);
    await drafts.save(draft({ id: "0123456789abcdef" }));
    await drafts.save(draft({ id: "0123ffffffffffff" }));
    assertEquals((await drafts.load("01234")).id, "0123456789abcdef");
    await assertRefusedAsync("usage", () => drafts.load("0123"));
    for (const wrong of ["", "zz", "../x", "0123456789abcdef0"]) {
      await assertRefusedAsync("no-such-message", () => drafts.load(wrong));
    }
  });
});

Deno.test("one damaged draft hides no other, and nothing of a draft is readable on the disk", async () => {
  await withState(async (state, _, dir) => {
    const drafts = await Drafts.open(state);
    const kept = await drafts.save(draft());
    const damaged = await drafts.save(draft());
    const found = await searchFolder(dir, [
      { what: "text", text: "a confidential text" },
      { what: "subject", text: "Hello" },
    ]);
    assertEquals(found, []);
    const path = state.path(`draft-${damaged.id}`);
    const bytes = await Deno.readFile(path);
    bytes[40] = (bytes[40] ?? 0) ^ 1;
    await Deno.writeFile(path, bytes);
    const { drafts: listed, unreadable } = await drafts.list();
    assertEquals(listed, [kept]);
    assertEquals(unreadable.length, 1);
    assertMatch(unreadable[0] ?? "", /draft-.*damaged/);
  });
});

Deno.test("what was in an editor when everything ended is a draft at the next start", async () => {
  await withState(async (state, again) => {
    const drafts = await Drafts.open(state);
    const known = await drafts.save(draft({ answers: "x" }));
    const fresh = emptyDraft();
    const broken = emptyDraft();
    const same = await drafts.save(draft());
    for (
      const [id, letter] of [
        [known.id, formatLetter({ ...known, text: "edited" })],
        [fresh.id, formatLetter({ ...fresh, to: ["carol"], text: "never saved" })],
        [broken.id, "Dear Bob,\nwithout headers"],
        [same.id, formatLetter(same)],
      ] as const
    ) (await Desk.lay(state, id, letter))[Symbol.dispose]();
    // However old it is: it is no temporary file.
    const old = new Date(Date.now() - 48 * 3_600_000);
    for (const name of await filesBelow(state.tempFolder())) {
      await Deno.utime(join(state.tempFolder(), name), old, old);
      await Deno.utime(dirname(join(state.tempFolder(), name)), old, old);
    }

    const recovered = await Drafts.open(await again());
    assertEquals([...recovered.recovered].sort(), [known.id, fresh.id, broken.id].sort());
    const edited = await recovered.load(known.id);
    assertEquals([edited.text, edited.answers], ["edited", "x"]);
    assertEquals((await recovered.load(fresh.id)).to, ["carol"]);
    const unread = await recovered.load(broken.id);
    assertEquals([unread.text, unread.unread], ["Dear Bob,\nwithout headers", true]);
    assertEquals(await filesBelow(state.tempFolder()), []);
    assertEquals((await Drafts.open(await again())).recovered, []);
  });
});

Deno.test("the letter of an editor that is at work stays, and what an editor left beside it too", async () => {
  await withState(async (state, again) => {
    const { id } = emptyDraft();
    const letter = formatLetter({ ...emptyDraft(), text: "being written" });
    using desk = await Desk.lay(state, id, letter);
    assertEquals((await Drafts.open(await again())).recovered, []);
    assertEquals(await desk.read(), letter);
    await assertRefusedAsync("busy", () => Desk.lay(state, id, letter));
    const swap = join(dirname(desk.path), ".message.txt.swp");
    await Deno.writeTextFile(swap, "what an editor can recover");
    await desk.clear();
    desk[Symbol.dispose]();
    assert(await exists(swap));
    const drafts = await Drafts.open(await again());
    assert(await exists(swap));
    await drafts.remove(id);
    assert(!await exists(swap));
  });
});

Deno.test("a letter that cannot be taken over stays, and is told of", async () => {
  await withState(async (state, again) => {
    const { id } = emptyDraft();
    const desk = await Desk.lay(state, id, "To: bob\n\n" + "x".repeat(17 * 1024 * 1024));
    desk[Symbol.dispose]();
    const drafts = await Drafts.open(await again());
    const { unreadable } = await drafts.list();
    assertMatch(unreadable.join("\n"), /message\.txt is left from an editor, and stays/);
    assert(await exists(desk.path));
  });
});

Deno.test("what is typed is saved without being asked to", async () => {
  await withState(async (state, again) => {
    await using writing = new Writing(await Drafts.open(state), draft({ text: "" }));
    writing.type(() => "typed so far");
    const other = await Drafts.open(await again());
    const saved = await waitFor("a draft", async () => (await other.list()).drafts[0] ?? null);
    assertEquals([saved.text, saved.to], ["typed so far", ["bob"]]);
  });
});

Deno.test("what fails while somebody writes leaves a draft, and says which", async () => {
  await withState(async (state) => {
    const drafts = await Drafts.open(state);
    const io = new FakeIo([]);
    const refused = new SealpostError("quota", "no room");
    const failing = (text: string) =>
      whileWriting(openTerminal(io), drafts, draft({ text: "" }), (writing) => {
        writing.type(() => text);
        return Promise.reject(refused);
      });
    assertEquals(await assertRejects(() => failing("half a text")), refused);
    const [kept] = (await drafts.list()).drafts;
    assertEquals(kept?.text, "half a text");
    assertMatch(io.errors, new RegExp(`^Kept as draft ${kept?.id.slice(0, 8)}:`));
    await assertRejects(() => failing(" \n"));
    assertEquals((await drafts.list()).drafts.length, 1);
  });
});

Deno.test("a text that cannot be saved stays until the person has decided", async () => {
  await withState(async (state, _, dir) => {
    const drafts = await Drafts.open(state);
    const written = draft({ text: "" });
    // A folder in its place: nothing can be written there.
    await Deno.mkdir(state.path(`draft-${written.id}`));
    const path = join(dir, "rescued.txt");
    const io = new FakeIo([`t\np\nf\n${path}\n`.replaceAll("\n", "\r")], { terminal: true });
    await assertRejects(() =>
      whileWriting(openTerminal(io), drafts, written, (writing) => {
        writing.type(() => "precious \x1b[2J words");
        return Promise.reject(new SealpostError("disk-full", "no space left"));
      })
    );
    assertEquals(io.errors.match(/Your text is not saved/g)?.length, 2);
    assertMatch(io.output, /precious \\x1b\[2J words/);
    assertEquals(
      await Deno.readTextFile(path),
      formatLetter({
        ...written,
        text: "precious \x1b[2J words",
      }),
    );
  });
});
