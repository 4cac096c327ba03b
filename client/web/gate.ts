import { equal, random, utf8 } from "../../crypto/bytes.ts";

/** Bytes of a token: 128 bits, so that nobody guesses one. */
const TOKEN_SIZE = 16;
/** How long a link is good for that nobody has opened, milliseconds. */
const LINK_LIFE = 10 * 60_000;
/** How long the address of a file is good for, milliseconds, and how many there may be. */
const ONCE_LIFE = 60_000;
const MAX_ONCE = 200;

/** A token of 128 bits: base64url without padding. */
export function newToken(): string {
  return random(TOKEN_SIZE).toBase64({ alphabet: "base64url", omitPadding: true });
}

/** Whether two texts are the same; the time taken depends on their lengths only. */
export function sameText(a: string, b: string): boolean {
  return equal(utf8(a), utf8(b));
}

/** Whether a page is let in by its cookie and by what it holds in memory. */
interface Entered {
  readonly cookie: string;
  readonly bearer: string;
}

/** What a browser gets that has opened a link. */
export interface Entry {
  /** The value of the `Set-Cookie` header. */
  readonly setCookie: string;
  /** What the page keeps in memory and sends with every request. */
  readonly bearer: string;
}

/** Why a request is not answered. */
export interface Refusal {
  readonly status: number;
  readonly why: string;
}

/**
 * Who may use the page's interface. A link with a token lets one page in, once; from then on every
 * request needs the cookie that scripts cannot read *and* the second token that only that page has. So
 * neither a program of another user that gets the cookie (cookies know no ports), nor a page of another
 * origin, nor a name that was made to lead here (DNS rebinding), nor an old link is of any use. One page
 * at a time: who enters ends the one before.
 */
export class Gate {
  readonly #host: string;
  readonly #cookieName: string;
  readonly #now: () => number;
  #link: { readonly token: string; readonly until: number } | null = null;
  #entered: Entered | null = null;
  readonly #once = new Map<string, { readonly until: number; readonly value: unknown }>();

  /** `host`: `address:port`, as it stands in the links. */
  constructor(host: string, now: () => number = Date.now) {
    this.#host = host;
    this.#cookieName = `sealpost-${host.slice(host.lastIndexOf(":") + 1)}`;
    this.#now = now;
  }

  /** The one origin whose pages are answered. */
  get origin(): string {
    return `http://${this.#host}`;
  }

  /** Whether a page is in. */
  get entered(): boolean {
    return this.#entered !== null;
  }

  /** A link that lets one page in, once, within ten minutes; the one before is good no more. */
  newLink(): string {
    const token = newToken();
    this.#link = { token, until: this.#now() + LINK_LIFE };
    return `${this.origin}/#${token}`;
  }

  /** Lets a page in that has a link's token; null if it is not good, or not any more. */
  enter(token: string): Entry | null {
    const link = this.#link;
    if (!link || this.#now() > link.until || !sameText(token, link.token)) return null;
    this.#link = null;
    const entered = { cookie: newToken(), bearer: newToken() };
    this.#entered = entered;
    this.#once.clear();
    return {
      setCookie: `${this.#cookieName}=${entered.cookie}; HttpOnly; SameSite=Strict; Path=/`,
      bearer: entered.bearer,
    };
  }

  /** Ends the page that is in: what it has is good no more, and neither is a link that nobody opened. */
  end(): void {
    this.#link = null;
    this.#entered = null;
    this.#once.clear();
  }

  /**
   * Why a request is not even looked at: another host name than the one that is in the links, a method
   * that nothing here takes, or a page of another origin behind it. Null if it may be.
   */
  refusal(request: Request): Refusal | null {
    if (request.headers.get("host") !== this.#host) {
      return { status: 421, why: `this is ${this.#host}, and goes by no other name` };
    }
    const { method } = request;
    if (method !== "GET" && method !== "POST") return { status: 405, why: "only GET and POST" };
    const origin = request.headers.get("origin");
    if (origin === null ? method === "POST" : origin !== this.origin) {
      return { status: 403, why: "asked for by another page" };
    }
    const site = request.headers.get("sec-fetch-site");
    // A page may be opened from anywhere; all else is asked for by the page itself.
    const opened = method === "GET" && new URL(request.url).pathname === "/" &&
      request.headers.get("sec-fetch-mode") === "navigate" &&
      request.headers.get("sec-fetch-dest") === "document";
    if (site !== null && site !== "same-origin" && site !== "none" && !opened) {
      return { status: 403, why: "asked for by another page" };
    }
    return null;
  }

  /** Whether a request is from the page that is in: it has the cookie, and the second token. */
  knows(request: Request): boolean {
    const [, bearer = ""] = /^Bearer (\S+)$/.exec(request.headers.get("authorization") ?? "") ?? [];
    return this.hasCookie(request) && sameText(bearer, this.#entered?.bearer ?? newToken());
  }

  /** Whether a request has the cookie of the page that is in. Enough only with a {@linkcode Gate.newOnce}. */
  hasCookie(request: Request): boolean {
    const cookies = (request.headers.get("cookie") ?? "").split(/; */)
      .filter((one) => one.startsWith(`${this.#cookieName}=`));
    const [cookie = ""] = cookies;
    // Two of the name: somebody has set one beside ours.
    if (cookies.length > 1) return false;
    return sameText(
      cookie.slice(this.#cookieName.length + 1),
      this.#entered?.cookie ?? newToken(),
    );
  }

  /** The name of something that is given out once, within a minute, to who has the cookie. */
  newOnce(value: unknown): string {
    for (const [token, { until }] of this.#once) {
      if (until < this.#now() || this.#once.size >= MAX_ONCE) this.#once.delete(token);
    }
    const token = newToken();
    this.#once.set(token, { until: this.#now() + ONCE_LIFE, value });
    return token;
  }

  /** What {@linkcode Gate.newOnce} named, the first time; null after that, and for any other name. */
  takeOnce(token: string): unknown {
    const found = this.#once.get(token);
    this.#once.delete(token);
    return found && found.until >= this.#now() ? found.value : null;
  }
}

/** What every answer says to the browser: nothing is kept, nothing is shared, nothing else is loaded. */
export function securityHeaders(origin: string): Record<string, string> {
  return {
    "Content-Security-Policy": [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self'",
      "connect-src 'self'",
      `frame-src ${origin}/html/`,
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types dompurify",
    ].join("; "),
    ...COMMON_HEADERS,
    "X-Frame-Options": "DENY",
  };
}

const COMMON_HEADERS: Readonly<Record<string, string>> = {
  "Cache-Control": "no-store",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Origin-Agent-Cluster": "?1",
  "Permissions-Policy":
    "camera=(), clipboard-read=(), geolocation=(), microphone=(), payment=(), usb=()",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "X-DNS-Prefetch-Control": "off",
};

/**
 * What goes with the HTML of a message: it is of no origin, runs nothing, sends nothing, and loads
 * nothing but pictures that it contains itself. Links open in windows of their own.
 */
export function htmlHeaders(): Record<string, string> {
  return {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": [
      "default-src 'none'",
      "style-src 'unsafe-inline'",
      "img-src data:",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'self'",
      "sandbox allow-popups allow-popups-to-escape-sandbox",
    ].join("; "),
    ...COMMON_HEADERS,
  };
}

/** What goes with a file of a message: nothing of it ever runs, whatever it is. */
export function fileHeaders(type: string): Record<string, string> {
  return {
    "Content-Type": type,
    "Content-Security-Policy": "default-src 'none'; sandbox",
    ...COMMON_HEADERS,
    "X-Frame-Options": "DENY",
  };
}
