import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { App } from "../../../client/web/app.ts";
import { Gate, newToken } from "../../../client/web/gate.ts";
import { Site } from "../../../client/web/site.ts";
import { Group } from "../../support/group.ts";
import { passwordOf, run } from "../../support/program.ts";
import { waitFor } from "../../support/wait.ts";

const HOST = "127.0.0.1:8025";
const PASSPHRASE = "the passphrase of alice";
const INBOX = { folder: "inbox", from: 0, limit: 10 };

/** What answers the page of Alice, with a clock of its own, and a page that was let in. */
async function served(group: Group) {
  const dir = group.path("alice");
  await Deno.writeTextFile(join(dir, "sealpost.toml"), `server = "${group.server.address}"\n`);
  const passwordFile = join(dir, "password");
  await Deno.writeTextFile(passwordFile, passwordOf("alice"), { mode: 0o600 });
  let now = 1_000_000;
  const gate = new Gate(HOST, () => now);
  const app = new App({
    dir,
    passwordFile,
    noCache: true,
    onProfile: () => Promise.resolve(),
    onShut: () => gate.end(),
  });
  const secret = newToken();
  const orders = { secret, link: () => gate.newLink(), lock: () => app.lock(), stop: () => {} };
  const site = new Site(gate, app, new Map(), orders, () => now);
  await app.start();
  const usual: Record<string, string> = {
    host: HOST,
    origin: `http://${HOST}`,
    "content-type": "application/json",
  };
  /** The status of the answer to what is posted; an empty header is not sent. */
  const post = async (
    path: string,
    input: unknown,
    headers: Record<string, string> = {},
  ): Promise<[status: number, body: string]> => {
    const sent = Object.entries({ ...usual, ...headers }).filter(([, value]) => value !== "");
    const body = JSON.stringify(input);
    const init = { method: "POST", headers: Object.fromEntries(sent), body };
    const response = await site.answer(new Request(`http://${HOST}${path}`, init));
    if (path === "/api/enter" && response.status === 200) {
      usual.cookie = response.headers.get("set-cookie")?.split(";")[0] ?? "";
      const { bearer } = await response.clone().json();
      usual.authorization = `Bearer ${bearer}`;
    }
    return [response.status, await response.text()];
  };
  const token = new URL(gate.newLink()).hash.slice(1);
  assertEquals((await post("/api/enter", { token }))[0], 200);
  const statusOf = async (path: string, input: unknown, headers = {}) => {
    return (await post(path, input, headers))[0];
  };
  return { app, site, secret, statusOf, wait: (time: number) => now += time };
}

/** Waits until the mail is open. */
async function opened(statusOf: (path: string, input: unknown) => Promise<number>) {
  await waitFor("the mail", async () => await statusOf("/api/list", INBOX) === 200 || null);
}

Deno.test("what is locked is opened by its passphrase alone", async () => {
  await using group = await Group.start(["alice"]);
  const made = ["keygen", "alice", "--force", "--passphrase", "--bits", "2048"];
  await run(made, { cwd: group.dir, env: { SEALPOST_PASSPHRASE: PASSPHRASE } });
  const { app, statusOf } = await served(group);
  try {
    assertEquals(await statusOf("/api/list", INBOX), 422, "before the passphrase");
    for (const passphrase of ["", "wrong", PASSPHRASE.toUpperCase()]) {
      assertEquals(await statusOf("/api/unlock", { passphrase }), 422, passphrase);
      assertEquals(app.state().stage, "locked");
    }
    assertEquals(await statusOf("/api/unlock", { passphrase: PASSPHRASE }), 200);
    await opened(statusOf);
    await app.lock();
    assertEquals(app.state().stage, "locked");
    for (const name of ["list", "message", "drafts", "contacts", "own", "machines"]) {
      const input = { list: INBOX, message: { uid: 1 } }[name] ?? {};
      assertEquals(await statusOf(`/api/${name}`, input), 422, name);
    }
  } finally {
    await app.close();
  }
});

Deno.test("without a passphrase the page is let in no more when it is locked", async () => {
  await using group = await Group.start(["alice"]);
  const { app, site, secret, statusOf, wait } = await served(group);
  try {
    await opened(statusOf);

    // Nobody is there who does nothing, whatever the page asks for by itself.
    assert(!site.isDeserted(60_000));
    wait(59_999);
    assertEquals(await statusOf("/api/list", INBOX), 200);
    assert(!site.isDeserted(60_000));
    wait(1);
    assert(site.isDeserted(60_000));
    assertEquals(await statusOf("/api/here", {}), 200);
    assert(!site.isDeserted(60_000));

    // Whom the page does not know, another name and another page get nothing.
    assertEquals(await statusOf("/api/list", INBOX, { cookie: "" }), 401);
    assertEquals(await statusOf("/api/list", INBOX, { authorization: "" }), 401);
    assertEquals(await statusOf("/api/list", INBOX, { host: "evil.example" }), 421);
    assertEquals(await statusOf("/api/list", INBOX, { origin: "http://evil.example" }), 403);

    // Orders are for who has their secret, and is no page.
    const order = { authorization: `Bearer ${secret}`, origin: "", cookie: "" };
    const wrong = { ...order, authorization: `Bearer ${newToken()}` };
    assertEquals(await statusOf("/control/lock", {}, wrong), 403);
    assertEquals(await statusOf("/control/lock", {}, { ...order, origin: `http://${HOST}` }), 403);
    assertEquals(await statusOf("/api/list", INBOX), 200, "still open");
    assertEquals(await statusOf("/control/lock", {}, order), 200);
    assertEquals(await statusOf("/api/list", INBOX), 401);
  } finally {
    await app.close();
  }
});
