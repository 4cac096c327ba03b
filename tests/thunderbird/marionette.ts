import { type Bytes, concat, fromUtf8, utf8 } from "../../crypto/bytes.ts";
import { waitFor } from "../support/wait.ts";

/** How long a script may take in the program, milliseconds. */
const SCRIPT_PATIENCE = 100_000;

const COLON = ":".charCodeAt(0);

/**
 * A connection to Marionette, by which programs of Mozilla's are driven: each packet is its length in
 * decimal digits, a colon, and JSON; a command is `[0, id, name, parameters]`, its answer
 * `[1, id, error, result]`
 * (https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html).
 */
export class Marionette implements Disposable {
  readonly #connection: Deno.Conn;
  #received: Bytes = new Uint8Array(0);
  #last = 0;

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  /** Connects to `port` of 127.0.0.1 as soon as something listens there, and asks for the program itself. */
  static async connect(port: number): Promise<Marionette> {
    const connection = await waitFor("Marionette", async () => {
      try {
        return await Deno.connect({ hostname: "127.0.0.1", port });
      } catch (error) {
        if (error instanceof Deno.errors.ConnectionRefused) return null;
        throw error;
      }
    });
    const marionette = new Marionette(connection);
    // It greets.
    await marionette.#packet();
    await marionette.command("WebDriver:NewSession", {});
    await marionette.command("WebDriver:SetTimeouts", { script: SCRIPT_PATIENCE });
    await marionette.command("Marionette:SetContext", { value: "chrome" });
    return marionette;
  }

  /** Has a command carried out, and gives back its result. Throws what it says went wrong. */
  async command(name: string, parameters: Readonly<Record<string, unknown>>): Promise<unknown> {
    const id = ++this.#last;
    const text = utf8(JSON.stringify([0, id, name, parameters]));
    const packet = concat(utf8(`${text.length}:`), text);
    for (let at = 0; at < packet.length;) at += await this.#connection.write(packet.subarray(at));
    const [, answers, error, result] = await this.#packet();
    if (answers !== id) throw new Error(`${name}: this answers something else`);
    if (error !== null) throw new Error(`${name}: ${error.message}`);
    return result;
  }

  async #packet() {
    for (;;) {
      const colon = this.#received.indexOf(COLON);
      const start = colon + 1;
      const end = start + Number(fromUtf8(this.#received.subarray(0, Math.max(colon, 0))));
      if (colon >= 0 && this.#received.length >= end) {
        const text = fromUtf8(this.#received.subarray(start, end));
        this.#received = this.#received.slice(end);
        return JSON.parse(text);
      }
      const piece = new Uint8Array(64 * 1024);
      const size = await this.#connection.read(piece);
      if (size === null) throw new Error("the program has ended");
      this.#received = concat(this.#received, piece.subarray(0, size));
    }
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}
