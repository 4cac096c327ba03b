// HTML that others wrote, shown as its sender designed it in a real browser, all of whose requests go
// through a proxy that counts what is not the page's own.

import { assert, assertEquals } from "@std/assert";
import { HOSTILE } from "../browser/hostile.ts";
import { Browser, whyNoBrowser } from "../support/browser.ts";
import { Commanding } from "../support/commanding.ts";
import { CountingProxy } from "../support/counting_proxy.ts";
import { testInFullUnless } from "../support/full.ts";
import { passwordOf } from "../support/program.ts";
import { ServedPage } from "../support/served_page.ts";
import { openSession } from "../support/session.ts";
import { waitFor } from "../support/wait.ts";
import { utf8 } from "../../crypto/bytes.ts";
import type { Mail } from "../../client/mail.ts";

const missing = await whyNoBrowser();

/** What Chromium asks its makers for of its own accord, whatever it shows. */
const OF_THE_BROWSER = /^\w+ \S*\b(google|googleapis|gstatic|gvt1|chromium)\.\w+[:/]/;

interface Link {
  readonly text: string;
  /** What stands beside it, if a person can see that. */
  readonly note: string;
  readonly href: string;
  readonly target: string;
  readonly rel: string;
}

/** What links are, and look like: a function for a browser. */
const LINKS_SEEN = `((links) => links.map((a) => {
  a.scrollIntoView();
  const note = a.nextElementSibling;
  const { x, y, width, height } = (note ?? a).getBoundingClientRect();
  const top = document.elementFromPoint(x + width / 2, y + height / 2);
  const visible = note !== null && top === note && getComputedStyle(note).fontSize === "14px";
  return {
    text: a.textContent,
    note: visible ? note.textContent : "",
    href: a.getAttribute("href"),
    target: a.getAttribute("target"),
    rel: a.getAttribute("rel"),
  };
}))`;

/** Cases that get out of a page that does nothing about them, one for each way. */
const LEAKS = [
  "picture from elsewhere",
  "script from elsewhere",
  "style background",
  "style import",
  "style sheet",
  "refresh",
  "frame",
  "object",
  "video",
];

testInFullUnless(
  missing,
  "no HTML runs, loads, submits or leads anywhere, counted by a proxy",
  async (t) => {
    assert(HOSTILE.length >= 60, `${HOSTILE.length} cases`);
    await using people = await Commanding.start(["alice"]);
    const { mail } = await openSession(people.group.dir, "alice", people.group.server.address);
    for (const [i, [, html]] of HOSTILE.entries()) await storeHtml(mail, subjectOf(i), html);
    await mail.close();
    await using served = await ServedPage.start(people.group.path("alice"), [], {
      SEALPOST_PASSWORD: passwordOf("alice"),
    });
    await using proxy = CountingProxy.start(served.origin);
    await using browser = await Browser.start();
    await browser.run(async ({ open }, { link, proxy, count }) => {
      const page = await open("alice", {
        args: [`--proxy-server=http://${proxy}`, "--proxy-bypass-list=<-loopback>"],
        viewport: { width: 1400, height: 900 },
      });
      page.on("dialog", (dialog) => {
        page.evaluate('document.title = "owned"');
        return dialog.dismiss();
      });
      await page.goto(link);
      await page.getByText(`${count} unread messages`).waitFor();
    }, { link: served.link, proxy: proxy.address, count: HOSTILE.length });
    for (const [i, [name, html]] of HOSTILE.entries()) {
      await t.step(name, async () => {
        const seen = await browser.run(async ({ page }, { name, large, linksSeen }) => {
          const shown = page("alice");
          await shown.fill("#search", `"${name}"`);
          await shown.locator(".found .row", { hasText: name }).first().click();
          await shown.locator(".message h1", { hasText: name }).waitFor();
          const design = shown.getByRole("button", { name: "Show as it was designed" });
          if (large) return { framed: await design.count(), title: await shown.title(), links: [] };
          await design.click();
          const frame = shown.frameLocator("iframe.designed");
          await frame.locator("body").waitFor({ state: "attached" });
          const seenOf: (all: unknown[]) => Link[] = (0, eval)(linksSeen);
          const links = await frame.locator("a[href]").evaluateAll(seenOf);
          for (const button of await frame.locator("button").all()) await button.click();
          return { framed: 1, title: await shown.title(), links };
        }, { name: subjectOf(i), large: html.length > 1024 * 1024, linksSeen: LINKS_SEEN });
        assert(!seen.title.includes("owned"), "something ran");
        assert(seen.title.includes("Sealpost"), "the page is the page");
        for (const { href, target, rel, text, note } of seen.links) {
          assert(/^(https?|mailto):/.test(href), `${href}`);
          assert(!href.includes("@"), `${href}`);
          assertEquals(target, "_blank");
          assert(rel.includes("noopener") && rel.includes("noreferrer"), `${rel}`);
          const where = ` [${new URL(href).host}]`;
          assert(text === href || note === where, `${text}${note} leads to ${href}`);
        }
        assertEquals(proxy.strangers.filter((line) => !OF_THE_BROWSER.test(line)), []);
      });
    }
    assert(proxy.passed > HOSTILE.length, "the proxy saw the page's own requests");

    await t.step("in a page that does nothing about it, the same is seen to get out", async () => {
      for (const leak of LEAKS) {
        proxy.strangers.length = 0;
        const html = HOSTILE.find(([name]) => name === leak)?.[1] ?? "";
        await browser.run(async ({ page }, { html }) => {
          const other = await page("alice").context().newPage();
          await other.setContent(html, { waitUntil: "commit" });
        }, { html });
        await waitFor(leak, () => {
          return proxy.strangers.some((line) => line.includes("tracker.example")) || null;
        });
      }
    });
  },
);

/** What the message of case `i` is about: no other one is found by it. */
function subjectOf(i: number): string {
  return `case-${String(i).padStart(3, "0")}`;
}

/** Stores a message that is HTML alone, as other programs write it. */
async function storeHtml(mail: Mail, subject: string, html: string): Promise<void> {
  const bytes = utf8(
    `Subject: ${subject}\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n` +
      `Content-Transfer-Encoding: 8bit\r\n\r\n${html}`,
  );
  await mail.append({
    stored: { kind: "import", from: "mallory@example.org" },
    subject,
    date: Date.now(),
    attachments: [],
    composed: {
      size: bytes.length,
      async *stream() {
        yield bytes;
      },
    },
    folder: "inbox",
    receivedAt: Date.now(),
    flags: [],
  });
}
