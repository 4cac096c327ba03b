import { type Mutant, one } from "./mutant.ts";

const APP = "client/web/app.ts";
const GATE = "client/web/gate.ts";
const SITE = "client/web/site.ts";

/** Breakages of what lets a page of `sealpost web` in, and nobody else. */
export const OF_WEB: readonly Mutant[] = [
  one(
    "a link lets pages in again and again",
    GATE,
    "    this.#link = null;\n    const",
    "    const",
  ),
  one(
    "a link that nobody opened outlives the page's end",
    GATE,
    "    this.#link = null;\n    this.#entered",
    "    this.#entered",
  ),
  one("a link is good for ever", GATE, "this.#now() > link.until || ", ""),
  one(
    "the cookie of a page is enough",
    GATE,
    "sameText(bearer, ",
    "this.entered || sameText(bearer, ",
  ),
  one(
    "the second token of a page is enough",
    GATE,
    "this.hasCookie(request) && sameText(bearer",
    "sameText(bearer",
  ),
  one("a cookie beside ours is passed over", GATE, "cookies.length > 1", "cookies.length > 2"),
  one("the page answers to any name", GATE, 'request.headers.get("host") !== this.#host', "false"),
  one(
    "a request without an origin is answered",
    GATE,
    'origin === null ? method === "POST" : ',
    "",
  ),
  one(
    "a page of another origin is answered",
    GATE,
    "origin !== this.origin) {",
    "origin.length === 0) {",
  ),
  one(
    "parts of the page are given to other sites",
    GATE,
    'site !== "none" && !opened',
    'site !== "none" && method === "POST"',
  ),
  one(
    "what is given once is given again",
    GATE,
    "    this.#once.delete(token);\n    return",
    "    return",
  ),
  one(
    "what is given once waits for ever",
    GATE,
    "found.until >= this.#now() ? found.value",
    "found.until >= 0 ? found.value",
  ),
  one(
    "HTML of a message may run scripts",
    GATE,
    '"sandbox allow-popups',
    '"sandbox allow-scripts allow-popups',
  ),
  one(
    "an SVG is shown as a picture",
    "client/web/pictures.ts",
    '  ["image/gif",',
    '  ["image/svg+xml", [0x3c, 0x73, 0x76, 0x67]],\n  ["image/gif",',
  ),
  one(
    "the mail stays open when it is locked",
    APP,
    '    await this.#shut();\n    this.#become("locked");',
    '    this.#become("locked");',
  ),
  one(
    "a page whose keys have no passphrase stays in when it is locked",
    APP,
    "name)) return this.#options.onShut();",
    "name)) return;",
  ),
  one(
    "a page that asks for something by itself counts as somebody",
    SITE,
    "if (SIGNS_OF_LIFE.includes(name)) this.noteSign();",
    "this.noteSign();",
  ),
  one(
    "nobody has to be there",
    SITE,
    "return this.#now() - this.#lastSign >= time;",
    "return this.#now() - this.#lastSign < 0;",
  ),
  one(
    "what a page asks for is answered to whom it does not know",
    SITE,
    "if (!this.#gate.knows(request)) {",
    'if (name === "events" && !this.#gate.knows(request)) {',
  ),
  one(
    "requests of other pages are answered",
    SITE,
    "if (refusal) return this.#text",
    "if (refusal?.status === 405) return this.#text",
  ),
  one(
    "orders are taken without their secret",
    SITE,
    "fromPage || !sameText(secret, this.#orders.secret)",
    "fromPage",
  ),
  one(
    "a page gives orders that has their secret",
    SITE,
    '!== "POST" || fromPage || ',
    '!== "POST" || ',
  ),
];
