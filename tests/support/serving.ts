import type { Connection } from "../../protocol/connection.ts";
import { loadIdentity } from "../../files/key_files.ts";
import { type LogLine, logTo } from "../../server/observe/log.ts";
import type { Identity } from "../../crypto/identity.ts";
import type { ServerHistory } from "../../server/accounts/server_keys.ts";
import { type Server, startServer } from "../../server/server.ts";
import { LiveSettings } from "../../server/settings/settings.ts";
import { connectAs, type KeptTicket, type Person, RawSession } from "./raw_session.ts";
import { makeServerFolder, type ServerFolder, type ServerFolderOptions } from "./server_folder.ts";

/** A server in this process, and its people. */
export class Serving implements AsyncDisposable {
  private constructor(
    readonly folder: ServerFolder,
    readonly server: Server,
    /** What it has logged. */
    readonly log: readonly LogLine[],
  ) {}

  /** Starts a server on a free port of 127.0.0.1; `settings` are those of the command line. */
  static async start(
    names: readonly string[],
    settings: Readonly<Record<string, string>> = {},
    options: ServerFolderOptions = {},
    history?: ServerHistory,
  ): Promise<Serving> {
    const folder = await makeServerFolder(names, options);
    return await Serving.of(folder, settings, history);
  }

  /** Starts a server in a folder that is there; with `other` in the place of the folder's key. */
  static async of(
    folder: ServerFolder,
    settings: Readonly<Record<string, string>> = {},
    history?: ServerHistory,
    other?: Identity,
  ): Promise<Serving> {
    const flags = new Map(Object.entries({ listen: "127.0.0.1:0", ...settings }));
    const lines: LogLine[] = [];
    const log = logTo("debug", (line) => lines.push(line));
    const identity = other ?? await loadIdentity(folder.dir, "server", () => Promise.resolve(null));
    const live = await LiveSettings.load(folder.dir, { flags });
    return new Serving(folder, await startServer(folder.dir, live, identity, log, history), lines);
  }

  get address(): string {
    return this.server.address;
  }

  person(name: string): Person {
    return this.folder.person(name);
  }

  logIn(name: string, password?: string) {
    const person = this.person(name);
    const as = password === undefined ? person : { ...person, password };
    return RawSession.logIn(this.address, this.folder.bundle, as);
  }

  /** A session of `name`. */
  async session(name: string): Promise<RawSession> {
    return (await this.logIn(name)).session;
  }

  /** A connection of `name` that nobody reads from yet. */
  async connection(name: string): Promise<Connection> {
    const { connection } = await connectAs(this.address, this.folder.bundle, this.person(name));
    // The head of the key log, which comes after every login.
    await connection.receive();
    return connection;
  }

  resume(name: string, ticket: KeptTicket): Promise<RawSession | null> {
    return RawSession.resume(this.address, this.folder.bundle, this.person(name), ticket);
  }

  /** A bare connection, with what it is told until the server ends it. */
  async knock(first: Uint8Array<ArrayBuffer> = new Uint8Array(0)): Promise<string> {
    const [hostname = "", port] = this.address.split(":");
    using socket = await Deno.connect({ hostname, port: Number(port) });
    if (first.length > 0) await socket.write(first);
    let said = "";
    const buffer = new Uint8Array(1024);
    for (;;) {
      const n = await socket.read(buffer);
      if (n === null) return said;
      said += new TextDecoder().decode(buffer.subarray(0, n));
    }
  }

  /** The events of that name that were logged. */
  logged(event: string): readonly LogLine[] {
    return this.log.filter((line) => line.event === event);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
    await this.folder[Symbol.asyncDispose]();
  }
}
