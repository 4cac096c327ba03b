import { errorText, isSealpostError, SealpostError } from "../../crypto/error.ts";
import { type Bytes, concat } from "../../crypto/bytes.ts";
import { printable } from "../../cli/printable.ts";
import { within } from "../../protocol/timer.ts";
import type { App } from "./app.ts";
import type { Assets } from "./assets.ts";
import { fileHeaders, type Gate, htmlHeaders, sameText, securityHeaders } from "./gate.ts";
import { OPERATIONS } from "./operations.ts";
import type { ErrorView } from "./types.ts";

/** Largest JSON of a request, bytes. */
const MAX_JSON = 8 * 1024 * 1024;
/** The same of one that nobody has been let in by yet, and how long it may take, milliseconds. */
const MAX_ENTRY = 1024;
const ENTRY_TIME = 5000;
/** Largest HTML that a page asks to be shown, UTF-16 units. */
const MAX_HTML = 4 * 1024 * 1024;

/** What shows that a person is there: a page that brings its lists up to date shows nothing of the kind. */
const SIGNS_OF_LIFE = [
  "here",
  "unlock",
  "answer",
  "set-up",
  "link",
  "set-up-linked",
  "change-password",
  "new-keys",
  "retire-machine",
  "remove-machine",
];

/** What other commands of the same user can have done. */
export interface Orders {
  /** Their secret, which stands in a file that only this user reads. */
  readonly secret: string;
  link(): string;
  lock(): Promise<void>;
  stop(): void;
}

/** What the HTTP server at the loopback address answers. */
export class Site {
  readonly #gate: Gate;
  readonly #app: App;
  readonly #assets: Assets;
  readonly #orders: Orders;
  readonly #now: () => number;
  /** When somebody was there last, milliseconds since 1970. */
  #lastSign: number;

  constructor(
    gate: Gate,
    app: App,
    assets: Assets,
    orders: Orders,
    now: () => number = Date.now,
  ) {
    this.#now = now;
    this.#lastSign = now();
    this.#gate = gate;
    this.#app = app;
    this.#assets = assets;
    this.#orders = orders;
  }

  /** Notes that somebody is there. */
  noteSign(): void {
    this.#lastSign = this.#now();
  }

  /** Whether nobody was there for `time` milliseconds. */
  isDeserted(time: number): boolean {
    return this.#now() - this.#lastSign >= time;
  }

  /** Answers any request that comes over the network; never throws. */
  async answer(request: Request): Promise<Response> {
    try {
      // A host that is none makes an address that is none.
      const pathname = URL.parse(request.url)?.pathname;
      if (pathname === undefined) return this.#text(421, "this goes by no such name");
      if (pathname.startsWith("/control/")) return await this.#control(request, pathname);
      const refusal = this.#gate.refusal(request);
      if (refusal) return this.#text(refusal.status, refusal.why);
      return request.method === "GET"
        ? await this.#get(request, pathname)
        : await this.#post(request, pathname);
    } catch (error) {
      const view = errorView(error);
      return this.#json(view.code === "internal" ? 500 : 422, view);
    }
  }

  async #get(request: Request, pathname: string): Promise<Response> {
    const asset = this.#assets.get(pathname);
    if (asset) {
      const headers = { ...securityHeaders(this.#gate.origin), "Content-Type": asset.type };
      return new Response(asset.bytes, { headers });
    }
    const [, kind, token = ""] = /^\/(html|file|picture)\/([\w-]+)$/.exec(pathname) ?? [];
    if (kind === undefined || !this.#gate.hasCookie(request)) return this.#text(404, "not here");
    const given = this.#gate.takeOnce(token);
    if (given instanceof GivenHtml && kind === "html") {
      return new Response(given.html, { headers: htmlHeaders() });
    }
    if (given instanceof GivenFile && kind === (given.picture ? "picture" : "file")) {
      const { name, picture, content } = await this.#app.desk.file(given.uid, given.index);
      if (given.picture && picture !== null) {
        return new Response(content, { headers: fileHeaders(picture) });
      }
      return new Response(content, {
        headers: {
          ...fileHeaders("application/octet-stream"),
          // RFC 6266, section 4, and RFC 8187.
          "Content-Disposition": `attachment; filename*=UTF-8''${encodeRfc8187(name)}`,
        },
      });
    }
    return this.#text(404, "not here");
  }

  async #post(request: Request, pathname: string): Promise<Response> {
    const [, name = ""] = /^\/api\/([a-z-]+)$/.exec(pathname) ?? [];
    if (name === "enter") return await this.#enter(request);
    if (!this.#gate.knows(request)) {
      return this.#json(401, { code: "closed", message: "this page is not let in any more" });
    }
    if (SIGNS_OF_LIFE.includes(name)) this.noteSign();
    switch (name) {
      case "events":
        return new Response(this.#app.events.stream(this.#app.first()), {
          headers: {
            ...securityHeaders(this.#gate.origin),
            "Content-Type": "text/event-stream; charset=utf-8",
          },
        });
      case "upload":
        return await this.#upload(request);
      case "show-html": {
        const { html } = await readJson(request);
        if (typeof html !== "string" || html.length > MAX_HTML) throw noRequest();
        return this.#json(200, { path: `/html/${this.#gate.newOnce(new GivenHtml(html))}` });
      }
      case "get-file": {
        const { uid, index, picture } = await readJson(request);
        if (typeof uid !== "number" || typeof index !== "number") throw noRequest();
        const given = new GivenFile(uid, index, picture === true);
        const kind = given.picture ? "picture" : "file";
        return this.#json(200, { path: `/${kind}/${this.#gate.newOnce(given)}` });
      }
    }
    const operation = Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name] : undefined;
    if (!operation) return this.#text(404, "not here");
    this.#app.busy();
    return this.#json(200, await operation.run(this.#app, await readJson(request)));
  }

  async #enter(request: Request): Promise<Response> {
    const input = await within(readJson(request, MAX_ENTRY), ENTRY_TIME, null);
    if (!input) throw noRequest();
    const { token } = input;
    const entry = typeof token === "string" ? this.#gate.enter(token) : null;
    if (!entry) {
      return this.#json(403, { code: "closed", message: "this link was used, or is too old" });
    }
    // One page at a time.
    this.#app.events.endAll();
    this.noteSign();
    const response = this.#json(200, { bearer: entry.bearer });
    response.headers.set("Set-Cookie", entry.setCookie);
    return response;
  }

  async #upload(request: Request): Promise<Response> {
    const { searchParams } = new URL(request.url);
    const [draft, name] = [searchParams.get("draft"), searchParams.get("name")];
    if (draft === null || name === null || !request.body) throw noRequest();
    return this.#json(200, await this.#app.desk.attach(draft, name, owning(request.body)));
  }

  /** What other commands of this user ask for. A browser says who sends it there, and is refused. */
  async #control(request: Request, pathname: string): Promise<Response> {
    const secret = request.headers.get("authorization")?.replace(/^Bearer /, "") ?? "";
    const fromPage = ["origin", "cookie", "sec-fetch-site", "referer"]
      .some((name) => request.headers.has(name));
    if (request.method !== "POST" || fromPage || !sameText(secret, this.#orders.secret)) {
      return this.#text(403, "not for you");
    }
    switch (pathname) {
      case "/control/link":
        return this.#text(200, this.#orders.link());
      case "/control/lock":
        await this.#orders.lock();
        return this.#text(200, "");
      case "/control/stop":
        this.#orders.stop();
        return this.#text(200, "");
    }
    return this.#text(404, "not here");
  }

  #text(status: number, text: string): Response {
    const headers = {
      ...securityHeaders(this.#gate.origin),
      "Content-Type": "text/plain; charset=utf-8",
    };
    return new Response(text, { status, headers });
  }

  #json(status: number, value: unknown): Response {
    const headers = {
      ...securityHeaders(this.#gate.origin),
      "Content-Type": "application/json; charset=utf-8",
    };
    return new Response(JSON.stringify(value), { status, headers });
  }
}

/** HTML that is shown once. */
class GivenHtml {
  constructor(readonly html: string) {}
}

/** A file of a message that is fetched once. */
class GivenFile {
  constructor(readonly uid: number, readonly index: number, readonly picture: boolean) {}
}

function errorView(error: unknown): ErrorView {
  if (isSealpostError(error)) return { code: error.code, message: printable(error.message) };
  console.error(`a page asked for something, and: ${printable(errorText(error))}`);
  return { code: "internal", message: "something went wrong in the program; try again" };
}

async function readJson(request: Request, most = MAX_JSON): Promise<Record<string, unknown>> {
  if (request.headers.get("content-type") !== "application/json" || !request.body) {
    throw noRequest();
  }
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of owning(request.body)) {
    size += piece.length;
    if (size > most) throw new SealpostError("limit", "that is too much for one request");
    pieces.push(piece);
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(concat(...pieces)));
  } catch {
    throw noRequest();
  }
  if (typeof value !== "object" || value === null) throw noRequest();
  return { ...value };
}

/** What a request carries. Throws `connection-lost` if it does not come to its end. */
async function* owning(body: ReadableStream<Uint8Array>): AsyncGenerator<Bytes> {
  try {
    for await (const piece of body) yield new Uint8Array(piece);
  } catch (cause) {
    throw new SealpostError("connection-lost", "that did not get through", { cause });
  }
}

function noRequest(): SealpostError {
  return new SealpostError("usage", "that is no request of this page");
}

/** The `value-chars` of RFC 8187, section 3.2. */
function encodeRfc8187(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replace(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
