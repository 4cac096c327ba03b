/** A proxy on 127.0.0.1 that a browser sends everything to: it passes on what is for one origin, and counts the rest. */
export class CountingProxy implements AsyncDisposable {
  readonly #listener: Deno.TcpListener;
  readonly #running: Promise<void>;
  readonly #open = new Set<Deno.TcpConn>();
  /** The first line of every request that was not for the origin. */
  readonly strangers: string[] = [];
  /** How many requests were passed on. */
  passed = 0;

  private constructor(readonly port: number) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#running = this.#accept();
  }

  /** `origin`: the one that is answered, `http://127.0.0.1:PORT`. */
  static start(origin: string): CountingProxy {
    return new CountingProxy(Number(new URL(origin).port));
  }

  get address(): string {
    return `127.0.0.1:${this.#listener.addr.port}`;
  }

  async #accept(): Promise<void> {
    for (;;) {
      let socket: Deno.TcpConn;
      try {
        socket = await this.#listener.accept();
      } catch {
        return; // closed
      }
      this.#serve(socket).catch(() => {}).finally(() => {
        this.#open.delete(socket);
        try {
          socket.close();
        } catch {
          // It was closed before.
        }
      });
      this.#open.add(socket);
    }
  }

  /** One connection: each is for one request, so that every request is seen. */
  async #serve(socket: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    let head = "";
    let rest = new Uint8Array(0);
    while (!head.includes("\r\n\r\n")) {
      const n = await socket.read(buffer);
      if (n === null) return;
      const joined = new Uint8Array(rest.length + n);
      joined.set(rest);
      joined.set(buffer.subarray(0, n), rest.length);
      rest = joined;
      head = new TextDecoder("latin1").decode(rest);
    }
    const end = head.indexOf("\r\n\r\n") + 4;
    const [first = "", ...lines] = head.slice(0, end - 4).split("\r\n");
    const [method = "", target = ""] = first.split(" ");
    const own = `http://127.0.0.1:${this.port}/`;
    if (!target.startsWith(own)) {
      this.strangers.push(first);
      await socket.write(new TextEncoder().encode("HTTP/1.1 502 No\r\nConnection: close\r\n\r\n"));
      return;
    }
    this.passed++;
    const kept = lines.filter((line) => !/^(proxy-)?connection:/i.test(line));
    const request = [
      `${method} ${target.slice(own.length - 1)} HTTP/1.1`,
      ...kept,
      "Connection: close",
      "",
      "",
    ].join("\r\n");
    using page = await Deno.connect({ hostname: "127.0.0.1", port: this.port });
    await page.write(new TextEncoder().encode(request));
    for (let at = end; at < rest.length;) at += await page.write(rest.subarray(at));
    const up = socket.readable.pipeTo(page.writable, { preventClose: true }).catch(() => {});
    await page.readable.pipeTo(socket.writable).catch(() => {});
    await Promise.race([up, Promise.resolve()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const socket of this.#open) {
      try {
        socket.close();
      } catch {
        // It was closed before.
      }
    }
    await this.#running;
  }
}
