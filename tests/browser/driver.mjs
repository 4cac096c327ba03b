// Drives Chromium for tests of the page: reads requests, a line of JSON each, from standard input. Each
// has the text of a function, which is called with what stands below and with the arguments; what that
// returns, or what it threw, is a line of JSON on standard output.

import { createInterface } from "node:readline";

const [playwrightPath, browserPath] = process.argv.slice(2);
const { chromium } = (await import(playwrightPath)).default;

/** Chromium looks for updates and for other things at its start; here nobody answers. */
const ARGS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
  ...process.getuid?.() === 0 ? ["--no-sandbox"] : [],
];

/** What a function of a test keeps for the next one: browsers, contexts and pages, by name. */
const kept = new Map();

const env = {
  chromium,
  kept,
  /** Opens a browser under a name, with one page that has the same name. */
  async open(name, { args = [], ...context } = {}) {
    const browser = await chromium.launch({
      executablePath: browserPath,
      args: [...ARGS, ...args],
    });
    const opened = await browser.newContext(context);
    const page = await opened.newPage();
    kept.set(name, page);
    return page;
  },
  page(name) {
    const page = kept.get(name);
    if (!page) throw new Error(`there is no page ${name}`);
    return page;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, code, args } = JSON.parse(line);
  // One after the other: tests wait for each.
  try {
    const result = await (0, eval)(`(${code})`)(env, args);
    console.log(JSON.stringify({ id, result: result ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ id, error: String(error?.stack ?? error) }));
  }
}
for (const page of kept.values()) await page.context().browser()?.close();
