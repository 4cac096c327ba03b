// The page's interface as others on the machine try it: by a program, without a browser.

import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { exists } from "@std/fs";
import { join } from "@std/path";
import { Drafts } from "../../client/state/drafts.ts";
import { State } from "../../client/state/state.ts";
import type { DraftView, ListView, MessageView, SafetyView } from "../../client/web/types.ts";
import { tryLockFile } from "../../files/file_lock.ts";
import { loadIdentity } from "../../files/key_files.ts";
import { ServedPage, WITH_PAGE } from "../support/served_page.ts";
import { inFolder } from "../support/command.ts";
import { Commanding } from "../support/commanding.ts";
import { passwordOf, run } from "../support/program.ts";
import { step } from "../support/step.ts";
import { waitFor } from "../support/wait.ts";
import { WebClient } from "../support/web_client.ts";

/** Sends the beginning of a request to a page, as it stands. */
async function begin(origin: string, request: string): Promise<Deno.TcpConn> {
  const port = Number(new URL(origin).port);
  const socket = await Deno.connect({ hostname: "127.0.0.1", port });
  await socket.write(new TextEncoder().encode(request));
  return socket;
}

/** Sends a request as it stands to a page, and gives the first line of the answer. */
async function raw(origin: string, request: string): Promise<string> {
  using socket = await begin(origin, request);
  const answer = new Uint8Array(4096);
  const length = await socket.read(answer);
  return new TextDecoder().decode(answer.subarray(0, length ?? 0)).split("\r\n")[0] ?? "";
}

Deno.test("the page is let in by its link alone, and nobody else on this machine is", async (t) => {
  await using people = await Commanding.start(["alice", "bob"]);
  await people.ok("bob", ["send", "-t", "alice", "-s", "For the page"], { input: "a text" });
  const cwd = people.group.path("alice");
  const env = { SEALPOST_PASSWORD: passwordOf("alice") };
  await using served = await ServedPage.start(cwd, [], env);
  const { origin, link } = served;
  const page = new WebClient(origin);
  const control = join(cwd, ".sealpost", "alice", "web");

  await step(t, "the page itself says nothing, and lets nothing else run", async () => {
    const response = await fetch(`${origin}/`);
    const html = await response.text();
    assertEquals(response.status, 200);
    assert(!/alice|<script(?! type="module" src="\/page.js")|style=|\son\w+=/.test(html), html);
    assertStringIncludes(
      response.headers.get("content-security-policy") ?? "",
      "default-src 'none'",
    );
    assertEquals(response.headers.get("cache-control"), "no-store");
    assertEquals(response.headers.get("access-control-allow-origin"), null);
    const script = await fetch(`${origin}/page.js`);
    assertMatch(script.headers.get("content-type") ?? "", /^text\/javascript/);
    await script.body?.cancel();
  });

  await step(t, "without the link nothing is answered", async () => {
    for (const name of ["list", "events", "upload", "lock", "show-html", "constructor"]) {
      const response = await page.post(name, { folder: "inbox", from: 0, limit: 10 });
      assertEquals(response.status, 401, name);
      await response.body?.cancel();
    }
    assertEquals(await new WebClient(origin).enter(`${origin}/#${"A".repeat(22)}`), 403);
    assertEquals(await page.refused("enter", { token: "A".repeat(1024) }), "limit");
  });

  await step(t, "the link works once", async () => {
    assertEquals(await page.enter(link), 200);
    assertEquals(await new WebClient(origin).enter(link), 403);
    await waitFor("the mail", async () => {
      const response = await page.post("list", { folder: "inbox", from: 0, limit: 10 });
      const { total = 0 } = await response.json();
      return total === 1 ? total : null;
    });
    const { rows } = await page.ask<ListView>("list", { folder: "inbox", from: 0, limit: 10 });
    assertEquals(rows[0]?.subject, "For the page");
  });

  await step(
    t,
    "another name for this machine, or another page behind it, gets nothing",
    async () => {
      const { port } = new URL(origin);
      const request = (host: string, more: string) =>
        `POST /api/list HTTP/1.1\r\nHost: ${host}\r\nCookie: ${page.cookie}\r\n` +
        `Authorization: Bearer ${page.bearer}\r\nContent-Type: application/json\r\n${more}` +
        'Content-Length: 40\r\n\r\n{"folder":"inbox","from":0,"limit":10}  ';
      const own = `Origin: ${origin}\r\n`;
      assertStringIncludes(await raw(origin, request(`127.0.0.1:${port}`, own)), " 200 ");
      for (const host of [`evil.example:${port}`, `localhost:${port}`, "127.0.0.1"]) {
        assertStringIncludes(await raw(origin, request(host, own)), " 421 ", host);
      }
      for (const host of ["a b", "[::1", "%zz"]) {
        assertStringIncludes(await raw(origin, request(host, own)), " 421 ", host);
      }
      for (
        const more of [
          "",
          "Origin: null\r\n",
          "Origin: http://127.0.0.1:1\r\n",
          `${own}Sec-Fetch-Site: cross-site\r\n`,
        ]
      ) assertStringIncludes(await raw(origin, request(`127.0.0.1:${port}`, more)), " 403 ", more);
      const preflight = await fetch(`${origin}/api/list`, {
        method: "OPTIONS",
        headers: { origin: "http://evil.example", "access-control-request-method": "POST" },
      });
      assertEquals(preflight.status, 405);
      assertEquals(preflight.headers.get("access-control-allow-origin"), null);
      await preflight.body?.cancel();
    },
  );

  await step(t, "the cookie alone, and the second token alone, get nothing", async () => {
    for (const headers of [{ cookie: "" }, { authorization: "" }, { authorization: "Bearer x" }]) {
      const response = await page.post("list", { folder: "inbox", from: 0, limit: 1 }, headers);
      assertEquals(response.status, 401, JSON.stringify(headers));
      await response.body?.cancel();
    }
  });

  await step(
    t,
    "a file is given once, to who has the cookie, and never as what it says it is",
    async () => {
      const draft = await page.ask<DraftView>("new-draft", { to: ["alice"] });
      const whole = { ...draft, subject: "A page", text: "text", files: [] };
      const { id, to, cc, bcc, subject, text } = whole;
      await page.ask("save-draft", { id, to, cc, bcc, subject, text, files: [] });
      const uploaded = await page.upload(id, "../../evil.html", "<script>alert(1)</script>");
      const { name, key: stored } = await uploaded.json();
      assertEquals(name, "evil.html");
      const given = { id, to, cc, bcc, subject, text, files: [stored, "alice_private.pem"] };
      const { files } = await page.ask<DraftView>("save-draft", given);
      assertEquals(files.map(({ key }) => key), [stored]);
      const { mode } = await Deno.stat(join(cwd, stored));
      assertEquals((mode ?? 0) & 0o777, 0o600);
      await page.ask("send", { id });
      assert(!await exists(join(cwd, stored)), "what was attached goes when it was sent");
      const uid = await waitFor("the message", async () => {
        const { rows } = await page.ask<ListView>("list", { folder: "inbox", from: 0, limit: 10 });
        return rows.find((row) => row.subject === "A page")?.uid ?? null;
      });
      const shown = await page.ask<MessageView>("message", { uid });
      assertEquals(shown.attachments.length, 1);
      const { path } = await page.ask<{ path: string }>("get-file", {
        uid,
        index: 1,
        picture: true,
      });
      const { path: second } = await page.ask<{ path: string }>("get-file", {
        uid,
        index: 1,
        picture: false,
      });
      const stolen = await fetch(origin + second);
      assertEquals(stolen.status, 404, "without the cookie");
      await stolen.body?.cancel();
      const file = await page.get(second);
      assertEquals(await file.text(), "<script>alert(1)</script>");
      assertEquals(file.headers.get("content-type"), "application/octet-stream");
      assertMatch(
        file.headers.get("content-disposition") ?? "",
        /^attachment; filename\*=UTF-8''evil\.html$/,
      );
      assertStringIncludes(file.headers.get("content-security-policy") ?? "", "sandbox");
      const again = await page.get(second);
      assertEquals(again.status, 404, "a second time");
      await again.body?.cancel();
      const picture = await page.get(path);
      assertEquals(picture.headers.get("content-type"), "application/octet-stream");
      await picture.body?.cancel();
    },
  );

  await step(t, "a page attaches no file of this machine that it was not given", async () => {
    const draft = await page.ask<DraftView>("new-draft", { to: ["bob"] });
    const { id } = draft;
    const saved = await page.ask<DraftView>("save-draft", {
      id,
      to: ["bob"],
      cc: [],
      bcc: [],
      subject: "x",
      text: "x",
      files: ["alice_private.pem", join(cwd, "alice_private.pem"), "forward:1"],
    });
    assertEquals(saved.files, []);
    const outside = await page.upload("../../../x", "a", "b");
    assertEquals(outside.status, 422);
    await outside.body?.cancel();
    await page.ask("discard-draft", { id });
  });

  await step(t, "a file stays as long as the draft that is saved has it", async () => {
    const { id } = await page.ask<DraftView>("new-draft", { to: ["bob"] });
    const draft = { id, to: ["bob"], cc: [], bcc: [], subject: "x", text: "x" };
    const [uploaded] = await Promise.all([
      page.upload(id, "a", "content"),
      page.ask("save-draft", { ...draft, files: [] }),
    ]);
    const { key } = await uploaded.json();
    const save = (files: string[]) => page.ask<DraftView>("save-draft", { ...draft, files });
    assertEquals((await save([key])).files.map(({ name, size }) => [name, size]), [["a", 7]]);
    assertEquals((await save([])).files, []);
    assert(!await exists(join(cwd, key)), "what was removed goes");
    assertEquals((await save([key])).files, []);
    await page.ask("discard-draft", { id });
    assertEquals(await page.refused("save-draft", { ...draft, files: [] }), "no-such-message");
  });

  await step(t, "what another program does to a draft is not written over", async () => {
    const { id } = await page.ask<DraftView>("new-draft", { to: ["bob"] });
    const draft = { id, to: ["bob"], cc: [], bcc: [], subject: "x", text: "of the page" };
    const { key } = await (await page.upload(id, "a", "content")).json();
    await page.ask("save-draft", { ...draft, files: [key] });
    const identity = await loadIdentity(cwd, "alice", () => Promise.resolve(null));
    const drafts = await Drafts.open(await State.open(cwd, "alice", identity));
    await drafts.save({ ...await drafts.load(id), text: "of another program" });
    assertEquals(await page.refused("send", { id }), "version-conflict");
    const own = await page.ask<DraftView>("save-draft", { ...draft, text: "more", files: [key] });
    assertNotEquals(own.id, id);
    assertEquals((await drafts.load(id)).text, "of another program");
    await page.ask("discard-draft", { id });
    assert(await exists(join(cwd, key)), "the other draft has it");
    // Removed by another program in the middle: what is typed is there again, whole.
    await drafts.remove(own.id);
    const again = await page.ask<DraftView>("save-draft", { ...draft, ...own, files: [key] });
    assertEquals([again.id, again.files.length], [own.id, 1]);
    await page.ask("discard-draft", { id: own.id });
    assert(!await exists(join(cwd, key)));
  });

  await step(t, "a comparison is of the number that was shown", async () => {
    const { text: shown } = await page.ask<SafetyView>("safety", { name: "bob" });
    const compare = { name: "bob", same: true, text: null };
    const other = { ...compare, shown: shown.replace(/\d/, (one) => one === "1" ? "2" : "1") };
    assertEquals(await page.refused("compare", other), "key-changed");
    assert(!(await page.ask<SafetyView>("safety", { name: "bob" })).verified);
    const { same } = await page.ask<{ same: boolean }>("compare", { ...compare, shown });
    assert(same);
  });

  await step(t, "what is no request of the page is refused before anything is done", async () => {
    assertEquals(await page.refused("list", { folder: "inbox", from: -1, limit: 10 }), "usage");
    assertEquals(await page.refused("list", { folder: "inbox", from: 0, limit: 1e9 }), "usage");
    assertEquals(await page.refused("flag", { uids: ["1"] }), "usage");
    assertEquals(await page.refused("begin", { text: "alice@127.0.0.1:1" }), "usage");
    assertEquals(await page.refused("message", { uid: 999 }), "no-such-message");
    const unknown = await page.post("to-string", {});
    assertEquals(unknown.status, 404);
    await unknown.body?.cancel();
    const form = await page.post("lock", {}, { "content-type": "text/plain" });
    assertEquals(form.status, 422);
    await form.body?.cancel();
  });

  await step(t, "who cannot read the file of this user orders nothing", async () => {
    assertEquals((await Deno.stat(control)).mode! & 0o777, 0o600);
    const { secret } = JSON.parse(await Deno.readTextFile(control));
    const order = async (headers: Record<string, string>, method = "POST") => {
      const response = await fetch(`${origin}/control/link`, { method, headers });
      await response.body?.cancel();
      return response.status;
    };
    const authorization = `Bearer ${secret}`;
    assertEquals(await order({}), 403);
    assertEquals(await order({ authorization: "Bearer " }), 403);
    assertEquals(await order({ authorization, origin }), 403, "a page");
    assertEquals(await order({ authorization, cookie: page.cookie }), 403, "a page");
    assertEquals(await order({ authorization }, "GET"), 403);
    assertEquals(await order({ authorization }), 200);
  });

  await step(t, "a second start gives a new link, which ends the page before", async () => {
    const next = await served.newLink(cwd);
    assertEquals(new URL(next).origin, origin);
    const other = new WebClient(origin);
    assertEquals(await other.enter(next), 200);
    const before = await page.post("here", {});
    assertEquals(before.status, 401);
    await before.body?.cancel();
    await other.ask("list", { folder: "inbox", from: 0, limit: 1 });
    const { code } = await run(["web", "--no-open", "--listen", "127.0.0.1:0"], {
      cwd,
      build: WITH_PAGE,
    });
    assertEquals(code, 64);
    // The keys have no passphrase: what is shut is the page.
    const { stdout } = await run(["lock"], { cwd, build: WITH_PAGE });
    assertEquals(stdout, "The page is shut.\n");
    const after = await other.post("here", {});
    assertEquals(after.status, 401);
    await after.body?.cancel();
  });

  await step(t, "web stop ends it, whoever is in the middle of a request", async () => {
    using _waiting = await begin(
      origin,
      `POST /api/enter HTTP/1.1\r\nHost: ${new URL(origin).host}\r\nOrigin: ${origin}\r\n` +
        'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"token"',
    );
    const stopped = await run(["web", "stop"], { cwd, build: WITH_PAGE });
    assertEquals(stopped.stdout, "The page has ended.\n");
    const { code, stderr } = await served.program.finish();
    assertEquals([code, stderr], [0, ""]);
    assert(!await exists(control));
    const again = await run(["web", "stop", "--json"], { cwd, build: WITH_PAGE });
    assertEquals(JSON.parse(again.stdout), { stopped: false });
  });

  await step(t, "who listens where a page was that was killed is asked nothing", async () => {
    await using killed = await ServedPage.start(cwd, [], env);
    const port = Number(new URL(killed.origin).port);
    killed.program.kill("SIGKILL");
    await killed.program.finish();
    assert(await exists(control));
    let asked = 0;
    const serve = () => {
      asked++;
      return new Response("http://127.0.0.1:1/#AAAAAAAAAAAAAAAAAAAAAA");
    };
    await using _there = Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, serve);
    const stopped = await run(["web", "stop", "--json"], { cwd, build: WITH_PAGE });
    assertEquals([JSON.parse(stopped.stdout), asked], [{ stopped: false }, 0]);
    // While its program lives, an answer that is no link is none.
    using _lock = await tryLockFile(`${control}.lock`);
    const evil = 'http://127.0.0.1:1/#"><script>';
    await using other = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      () => new Response(evil),
    );
    const address = `127.0.0.1:${other.addr.port}`;
    await Deno.writeTextFile(control, JSON.stringify({ address, secret: "x" }));
    const { code, stdout, stderr } = await run(["web", "--no-open"], { cwd, build: WITH_PAGE });
    assertEquals([code, stdout], [69, ""], stderr);
    assertStringIncludes(stderr, "does not answer as it should");
  });

  await step(t, "it listens where no other machine reaches it", async () => {
    for (
      const listen of ["0.0.0.0:0", "[::]:0", "192.168.1.1:0", "localhost:0", "mail.example:80"]
    ) {
      const { code, stderr } = await run(["web", "--no-open", "--listen", listen], {
        cwd,
        build: WITH_PAGE,
      });
      assertEquals(code, 64, stderr);
      assertStringIncludes(stderr, "127.0.0.1:PORT");
    }
  });
});

Deno.test("somebody without keys is let in to the setup, and a wrong setting is said", async () => {
  await inFolder(async (cwd) => {
    const build = WITH_PAGE;
    await using served = await ServedPage.start(cwd, ["--dir", "."]);
    const page = new WebClient(served.origin);
    assertEquals(await page.enter(served.link), 200);
    assertEquals(await page.refused("begin", { text: "no address at all" }), "usage");
    assertEquals(await page.refused("begin", { text: "alice@127.0.0.1:1" }), "unreachable");
    const answers = { name: "alice", password: "x".repeat(9), passphrase: "", fingerprint: "" };
    assertEquals(await page.refused("set-up", answers), "usage", "before an invitation");
    assertEquals(await page.refused("list", { folder: "inbox", from: 0, limit: 1 }), "cancelled");
    await Deno.writeTextFile(join(cwd, "sealpost.toml"), "server = 1\n");
    const { code, stderr } = await run(["web", "--no-open"], { cwd, build });
    assertEquals(code, 78, stderr);
  });
});
