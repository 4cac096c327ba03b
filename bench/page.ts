// What the page of `sealpost web` takes, in a real browser: how soon it shows a full mailbox and opens a
// message, how large its files are, and how much memory the program behind it needs.

import { gzipSync } from "node:zlib";
import { dirname, join } from "@std/path";
import { PAGE_FILES } from "../client/web/assets.ts";
import { loadBundle } from "../files/key_files.ts";
import { Browser } from "../tests/support/browser.ts";
import { bundled } from "../tests/support/bundle.ts";
import { Commanding } from "../tests/support/commanding.ts";
import { fromModule, passwordOf } from "../tests/support/program.ts";
import { RawSession } from "../tests/support/raw_session.ts";
import { ServedPage } from "../tests/support/served_page.ts";
import { deliverAll, message, personOf, Sealer } from "./filling.ts";
import { UNLIMITED } from "./serving.ts";

/** What was measured of a page. */
export interface PageFigures {
  /** From the answer to the token until rows are drawn, milliseconds: the mail was open before. */
  readonly shown: readonly number[];
  /** From the click until a message is drawn whose body is on this machine, milliseconds. */
  readonly opened: readonly number[];
  /** The same of one whose body the server has. */
  readonly fetched: readonly number[];
  /** From the key until the last rows are drawn, milliseconds. */
  readonly ended: readonly number[];
  /** Resident memory of the program that fetched all of it, when that is done, bytes. */
  readonly fetching: number;
  /** The most resident memory that it had until then, bytes. */
  readonly peak: number;
  /** Resident memory of one that was started anew, with all of it here, after the above, bytes. */
  readonly memory: number;
}

/** How often each is measured. */
const TIMES = 9;

/** Notes in a page when rows are drawn for the first time. */
const WATCH = `new MutationObserver((_, watch) => {
  if (!document.querySelector(".row.fresh")) return;
  watch.disconnect();
  requestAnimationFrame(() => requestAnimationFrame(() => globalThis.drawn = performance.now()));
}).observe(document, { childList: true, subtree: true });`;

/** All files of the page, compressed one by one with gzip, bytes. */
export async function pageSize(): Promise<number> {
  const folder = join(dirname(await bundled()), "page");
  let size = 0;
  for (const { name } of PAGE_FILES) {
    size += gzipSync(await Deno.readFile(join(folder, name))).byteLength;
  }
  return size;
}

/** A figure of the memory of a program, by its name in proc(5), bytes. */
async function memoryOf({ pid }: { readonly pid: number }, name: "VmRSS" | "VmHWM") {
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", 'grep "$0" "/proc/$1/status"', name, String(pid)],
  }).output();
  const [kib = "0"] = /\d+/.exec(new TextDecoder().decode(stdout)) ?? [];
  return Number(kib) * 1024;
}

/** Measures the page of somebody who has `count` messages in their inbox. */
export async function measurePage(count: number): Promise<PageFigures> {
  const main = await bundled();
  const source = fromModule(main);
  const build = {
    ...source,
    args: source.args.map((arg) => {
      return arg === "--allow-read=." ? `${arg},${join(dirname(main), "page")}` : arg;
    }),
  };
  await using people = await Commanding.start(["alice", "bob"], { serve: UNLIMITED });
  const { group } = people;
  const [alice, bob] = [await personOf(group, "alice"), await personOf(group, "bob")];
  const server = await loadBundle(group.path("alice", "server_public.pem"));
  const { session } = await RawSession.logIn(group.server.address, server, alice);
  const all = Array.from({ length: count }, (_, i) => i + 1).values();
  await deliverAll(session, new Sealer(alice, bob), all.map((i) => message(i)));
  await session.close();
  const cwd = group.path("bob");
  const env = { SEALPOST_PASSWORD: passwordOf("bob") };
  await using browser = await Browser.start();
  const [fetching, peak] = await (async () => {
    await using first = await ServedPage.start(cwd, [], env, build);
    await browser.run(async ({ open }, { link, watch }) => {
      const page = await open("bob", { viewport: { width: 1400, height: 900 } });
      await page.addInitScript(watch);
      await page.goto(link);
    }, { link: first.link, watch: WATCH });
    // Until all of it is on this machine.
    while (
      !await browser.run(async ({ page }, { count }) => {
        const bob = page("bob");
        await bob.waitForTimeout(500);
        const unread = `${count.toLocaleString("en")} unread`;
        return await bob.getByRole("navigation").getByLabel(unread).isVisible() &&
          !await bob.getByText("Older messages are being fetched").isVisible();
      }, { count })
    );
    return [await memoryOf(first.program, "VmRSS"), await memoryOf(first.program, "VmHWM")];
  })();
  await using served = await ServedPage.start(cwd, [], env, build);
  const shown: number[] = [];
  for (let i = 0; i < TIMES; i++) {
    const link = await served.newLink(cwd, build);
    shown.push(
      await browser.run(async ({ page }, { link }) => {
        const bob = page("bob");
        await bob.goto("about:blank");
        await bob.goto(link);
        await bob.locator(".row.fresh").first().waitFor();
        await bob.waitForFunction("globalThis.drawn !== undefined");
        return await bob.evaluate<number>(
          `drawn - performance.getEntriesByName(location.origin + "/api/enter")[0].responseEnd`,
        );
      }, { link }),
    );
  }
  const open = (again: boolean) =>
    browser.run(async ({ page }, { times, again }) => {
      const bob = page("bob");
      const all: number[] = [];
      if (again) await bob.keyboard.press("q");
      for (let i = 0; i < times; i++) {
        all.push(
          await bob.evaluate<number>(`new Promise((resolve) => {
            const row = document.querySelectorAll(".row .row-text")[${i}];
            const subject = row.querySelector(".subject").textContent;
            const from = performance.now();
            const watch = new MutationObserver(() => {
              const shown = document.querySelector(".message h1")?.textContent === subject;
              if (!shown || !document.querySelector(".message .text")) return;
              watch.disconnect();
              requestAnimationFrame(() => resolve(performance.now() - from));
            });
            watch.observe(document, { childList: true, subtree: true, characterData: true });
            row.click();
          })`),
        );
      }
      return all;
    }, { times: TIMES, again });
  const fetched = await open(false);
  const opened = await open(true);
  const ended = await browser.run(async ({ page }, { times }) => {
    const bob = page("bob");
    const all: number[] = [];
    for (let i = 0; i < times; i++) {
      all.push(
        await bob.evaluate<number>(`new Promise((resolve) => {
          const rows = document.querySelector(".rows");
          const from = performance.now();
          const look = () => document.querySelector(".row.ghost") || rows.scrollTop !== at
            ? requestAnimationFrame(look)
            : resolve(performance.now() - from);
          rows.scrollTop = ${i % 2} ? 0 : rows.scrollHeight;
          const at = rows.scrollTop;
          requestAnimationFrame(() => requestAnimationFrame(look));
        })`),
      );
    }
    return all;
  }, { times: TIMES });
  const memory = await memoryOf(served.program, "VmRSS");
  return { shown, opened, fetched, ended, fetching, peak, memory };
}
