import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { Gate, htmlHeaders, securityHeaders } from "../../../client/web/gate.ts";

const HOST = "127.0.0.1:8025";

/** A gate with a clock of its own, and what a page has that came in. */
function opened() {
  let now = 1_000_000;
  const gate = new Gate(HOST, () => now);
  const token = new URL(gate.newLink()).hash.slice(1);
  const entry = gate.enter(token);
  assert(entry !== null);
  const cookie = entry.setCookie.split(";")[0] ?? "";
  return { gate, token, entry, cookie, wait: (ms: number) => now += ms };
}

/** A request as a browser makes it for the page. */
function request(
  path: string,
  headers: Record<string, string> = {},
  method = "POST",
): Request {
  const usual = { host: HOST, origin: `http://${HOST}`, "sec-fetch-site": "same-origin" };
  return new Request(`http://${HOST}${path}`, { method, headers: { ...usual, ...headers } });
}

Deno.test("a link lets one page in, once, and for ten minutes", () => {
  const { gate, token, wait } = opened();
  assertEquals(gate.enter(token), null, "a second time");
  const other = new URL(gate.newLink()).hash.slice(1);
  assertNotEquals(other, token);
  assertEquals(gate.enter(other.slice(1)), null, "a part of it");
  assertEquals(gate.enter(""), null, "nothing");
  wait(10 * 60_000 + 1);
  assertEquals(gate.enter(other), null, "too late");
});

Deno.test("a link that nobody opened is good no more when the page is ended", () => {
  const { gate } = opened();
  const token = new URL(gate.newLink()).hash.slice(1);
  gate.end();
  assertEquals(gate.enter(token), null);
  assert(gate.enter(new URL(gate.newLink()).hash.slice(1)) !== null, "one that is made after it");
});

Deno.test("a token has 128 bits, and the cookie is no script's and no other site's", () => {
  const { token, entry } = opened();
  assertMatch(token, /^[\w-]{22}$/);
  assertMatch(entry.bearer, /^[\w-]{22}$/);
  assertMatch(
    entry.setCookie,
    /^sealpost-8025=[\w-]{22}; HttpOnly; SameSite=Strict; Path=\/$/,
  );
});

Deno.test("a page needs both its cookie and the token that it alone has", () => {
  const { gate, entry, cookie } = opened();
  const authorization = `Bearer ${entry.bearer}`;
  assert(gate.knows(request("/api/list", { cookie, authorization })));
  assert(!gate.knows(request("/api/list", { cookie })), "the cookie alone");
  assert(!gate.knows(request("/api/list", { authorization })), "the token alone");
  assert(!gate.knows(request("/api/list", { cookie, authorization: "Bearer " })), "an empty one");
  for (const both of [`sealpost-8025=x; ${cookie}`, `${cookie}; sealpost-8025=x`]) {
    const beside = request("/api/list", { cookie: both, authorization });
    assert(!gate.knows(beside), "a cookie that somebody has put beside ours");
  }
  assert(
    !gate.knows(request("/api/list", { cookie: cookie.replace("8025", "8026"), authorization })),
    "that of another port",
  );
});

Deno.test("who comes in ends the page before, and so does the end of it", () => {
  const { gate, entry, cookie } = opened();
  const before = request("/api/list", { cookie, authorization: `Bearer ${entry.bearer}` });
  const once = gate.newOnce("a file");
  const second = gate.enter(new URL(gate.newLink()).hash.slice(1));
  assert(second !== null);
  assert(!gate.knows(before));
  assertEquals(gate.takeOnce(once), null);
  gate.end();
  assert(
    !gate.knows(request("/api/list", {
      cookie: second.setCookie.split(";")[0] ?? "",
      authorization: `Bearer ${second.bearer}`,
    })),
  );
});

Deno.test("nobody is known before a page came in", () => {
  const gate = new Gate(HOST);
  assert(!gate.knows(request("/api/list", { cookie: "sealpost-8025=", authorization: "Bearer " })));
  assert(!gate.hasCookie(request("/file/x", { cookie: "sealpost-8025=" }, "GET")));
});

Deno.test("what is given once is given once, and within a minute", () => {
  const { gate, wait } = opened();
  const token = gate.newOnce("a file");
  assertEquals(gate.takeOnce(token), "a file");
  assertEquals(gate.takeOnce(token), null);
  const late = gate.newOnce("another");
  wait(60_001);
  assertEquals(gate.takeOnce(late), null);
});

Deno.test("another name, another origin and other methods are refused", () => {
  const { gate } = opened();
  const status = (of: Request) => gate.refusal(of)?.status ?? null;
  assertEquals(status(request("/api/list")), null);
  for (const host of ["evil.example", "evil.example:8025", "localhost:8025", "127.0.0.1", ""]) {
    assertEquals(status(request("/api/list", { host })), 421, host);
  }
  for (
    const origin of ["http://evil.example", "http://127.0.0.1:9999", "null", `https://${HOST}`]
  ) {
    assertEquals(status(request("/api/list", { origin })), 403, origin);
    assertEquals(status(request("/page.js", { origin }, "GET")), 403, origin);
  }
  const without = new Request(`http://${HOST}/api/list`, {
    method: "POST",
    headers: { host: HOST },
  });
  assertEquals(status(without), 403, "a program that says nothing of its origin");
  for (const site of ["cross-site", "same-site"]) {
    assertEquals(status(request("/api/list", { "sec-fetch-site": site })), 403, site);
    const script = new Request(`http://${HOST}/page.js`, {
      headers: { host: HOST, "sec-fetch-site": site, "sec-fetch-mode": "no-cors" },
    });
    assertEquals(status(script), 403, `the page's script, from ${site}`);
    const frame = new Request(`http://${HOST}/`, {
      headers: {
        host: HOST,
        "sec-fetch-site": site,
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "iframe",
      },
    });
    assertEquals(status(frame), 403, `the page in a frame, from ${site}`);
  }
  for (const method of ["PUT", "DELETE", "OPTIONS", "HEAD"]) {
    assertEquals(status(request("/api/list", {}, method)), 405, method);
  }
  const opening = new Request(`http://${HOST}/`, {
    headers: {
      host: HOST,
      "sec-fetch-site": "cross-site",
      "sec-fetch-mode": "navigate",
      "sec-fetch-dest": "document",
    },
  });
  assertEquals(status(opening), null, "a link to the page may stand anywhere");
});

Deno.test("no policy lets anything run or load that is not the program's own", () => {
  const page = securityHeaders(`http://${HOST}`);
  const policy = page["Content-Security-Policy"] ?? "";
  for (const part of ["default-src 'none'", "form-action 'none'", "base-uri 'none'"]) {
    assert(policy.includes(part), part);
  }
  assert(policy.includes("require-trusted-types-for 'script'"));
  assert(!/unsafe|\*|https?:\/\/(?!127)/.test(policy), policy);
  const mail = htmlHeaders()["Content-Security-Policy"] ?? "";
  assert(mail.includes("default-src 'none'") && mail.includes("sandbox allow-popups"), mail);
  assert(!/allow-scripts|allow-same-origin|allow-forms|allow-top|script-src|http/.test(mail), mail);
  for (const headers of [page, htmlHeaders()]) {
    assertEquals(headers["Cache-Control"], "no-store");
    assertEquals(headers["Referrer-Policy"], "no-referrer");
    assertEquals(headers["X-Content-Type-Options"], "nosniff");
    assertEquals(headers["Cross-Origin-Resource-Policy"], "same-origin");
  }
});
