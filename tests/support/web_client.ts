import { assertEquals } from "@std/assert";

/** What a browser sends that has a page open, without a browser. */
export class WebClient {
  #cookie = "";
  #bearer = "";

  /** `origin`: where the page is, as in its links. */
  constructor(readonly origin: string) {}

  get cookie(): string {
    return this.#cookie;
  }

  get bearer(): string {
    return this.#bearer;
  }

  /** Opens a link; the status of the answer. */
  async enter(link: string): Promise<number> {
    const response = await this.post("enter", { token: new URL(link).hash.slice(1) });
    const value = await response.json();
    if (response.status === 200) {
      this.#cookie = response.headers.get("set-cookie")?.split(";")[0] ?? "";
      this.#bearer = value.bearer;
    }
    return response.status;
  }

  /** Posts as the page does; `headers` replace what it sends, empty ones take it away. */
  post(name: string, input: unknown, headers: Record<string, string> = {}): Promise<Response> {
    const all: Record<string, string> = {
      origin: this.origin,
      "content-type": "application/json",
      cookie: this.#cookie,
      authorization: `Bearer ${this.#bearer}`,
      ...headers,
    };
    const sent = Object.entries(all).filter(([, value]) => value !== "");
    return fetch(`${this.origin}/api/${name}`, {
      method: "POST",
      headers: Object.fromEntries(sent),
      body: JSON.stringify(input),
    });
  }

  /** What an operation gives (client/web/types.ts); it must be done. */
  async ask<T = void>(name: string, input: unknown = {}): Promise<T> {
    const response = await this.post(name, input);
    const value = await response.json();
    assertEquals(response.status, 200, `${name}: ${JSON.stringify(value)}`);
    return value;
  }

  /** Why an operation is refused; it must be. */
  async refused(name: string, input: unknown): Promise<string> {
    const response = await this.post(name, input);
    const value = await response.json();
    assertEquals(response.status, 422, `${name}: ${JSON.stringify(value)}`);
    return value.code;
  }

  /** Gets a path with the cookie, as pictures and frames do. */
  get(path: string, headers: Record<string, string> = {}): Promise<Response> {
    const all = { cookie: this.#cookie, "sec-fetch-site": "same-origin", ...headers };
    return fetch(`${this.origin}${path}`, { headers: all });
  }

  /** Gives a file to the program, to go with a draft. */
  async upload(draft: string, name: string, content: string): Promise<Response> {
    const query = new URLSearchParams({ draft, name });
    return await fetch(`${this.origin}/api/upload?${query}`, {
      method: "POST",
      headers: {
        origin: this.origin,
        cookie: this.#cookie,
        authorization: `Bearer ${this.#bearer}`,
      },
      body: content,
    });
  }
}
