import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Dialed,
  Line,
  type LineState,
} from "../../../client/connection/reconnecting_connection.ts";
import { Link } from "../../../client/connection/link.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { ExactReader } from "../../../protocol/byte_stream.ts";
import { Connection } from "../../../protocol/connection.ts";
import { Kind } from "../../../protocol/frame.ts";
import { encodeGoodbye } from "../../../protocol/goodbye.ts";
import { encodeJson } from "../../../protocol/request.ts";
import { pipe } from "../../support/pipe.ts";

const KEYS = { send: new Uint8Array(32), receive: new Uint8Array(32) };
const HELLO = { server: "test", maxMessage: 1000, maxRecipients: 5 };
const PACE = { first: 1, most: 4 };

/** A server that dials are answered by: it gives what a request asks, or fails as it is told to. */
class Server {
  readonly connections: Connection[] = [];
  /** What the next dials fail with. */
  failures: SealpostError[] = [];
  /** How many requests are left unanswered before one is answered. */
  deaf = 0;
  asked = 0;

  readonly dial = (): Promise<Dialed> => {
    const failure = this.failures.shift();
    if (failure) return Promise.reject(failure);
    const [here, there] = pipe();
    const connection = new Connection(there, new ExactReader(there), KEYS);
    this.connections.push(connection);
    this.#serve(connection).catch(() => {});
    const link = new Link(new Connection(here, new ExactReader(here), KEYS));
    return Promise.resolve({ link, hello: HELLO, resumed: true });
  };

  async #serve(connection: Connection): Promise<void> {
    for (let frame = await connection.receive(); frame; frame = await connection.receive()) {
      if (frame.kind !== Kind.request) continue;
      this.asked++;
      if (this.deaf-- > 0) {
        connection.abort(new SealpostError("connection-lost", "cut"));
        return;
      }
      const payload = encodeJson({ ok: true, uids: [7] });
      await connection.send({ kind: Kind.response, id: frame.id, payload });
    }
  }

  /** Cuts the connection that was made last. */
  cut(): void {
    this.connections.at(-1)?.abort(new SealpostError("connection-lost", "cut"));
  }
}

function away(): SealpostError {
  return new SealpostError("unreachable", "nobody listens there");
}

const remove = (line: Line) => line.ask({ op: "remove", uids: [7] });

/** Resolves when the line is in a state of this kind. */
async function reached(line: Line, kind: LineState["kind"]): Promise<LineState> {
  while (line.state.kind !== kind) {
    const changed = Promise.withResolvers<void>();
    const stop = line.onState(() => changed.resolve());
    await changed.promise;
    stop();
  }
  return line.state;
}

Deno.test("a line dials again by itself until there is a connection", async () => {
  const server = new Server();
  const line = await Line.open({ dial: server.dial, reconnect: true, pace: PACE });
  const states: string[] = [];
  line.onState(({ kind }) => states.push(kind));
  server.failures = [away(), away()];
  server.cut();
  await reached(line, "offline");
  await assertRejects(() => remove(line), SealpostError, "there is no connection");
  await line.connected();
  assertEquals(states, [
    ...["offline", "connecting", "offline", "connecting", "offline", "connecting"],
    "online",
  ]);
  assertEquals(await remove(line), { ok: true, uids: [7] });
  await line.close();
});

Deno.test("a line without a right to dial says why its connection ended", async () => {
  const server = new Server();
  const line = await Line.open({ dial: server.dial });
  server.cut();
  const state = await reached(line, "offline");
  assert(state.kind === "offline" && state.retryAt === Infinity);
  const error = await assertRejects(() => remove(line), SealpostError);
  assertEquals(error.code, "connection-lost");
  assertEquals(server.connections.length, 1);
  await line.close();
});

Deno.test("a request that can be repeated is, as often as the line retries", async () => {
  const server = new Server();
  const line = await Line.open({ dial: server.dial, retries: 1 });
  server.deaf = 1;
  assertEquals(await remove(line), { ok: true, uids: [7] });
  assertEquals([server.asked, server.connections.length], [2, 2]);
  server.deaf = 2;
  await assertRejects(() => remove(line), SealpostError, "connection");
  assertEquals(server.asked, 4);
  server.deaf = 1;
  const passwd = () => line.ask({ op: "passwd", old: "old", new: "new" });
  await line.connect();
  await assertRejects(passwd, SealpostError, "connection");
  assertEquals(server.asked, 5, "a change of password is not repeated");
  await line.close();
});

Deno.test("a line waits as long as a goodbye asks for, and not at all for what needs a person", async () => {
  const server = new Server();
  const line = await Line.open({ dial: server.dial, reconnect: true, pace: PACE });
  await server.connections[0]?.close(
    encodeGoodbye({ reason: "the server stops", reconnect: true, after: 3600 }),
  );
  const later = await reached(line, "offline");
  assert(later.kind === "offline" && later.retryAt > Date.now() + 3_500_000);
  assertEquals(later.why, "the server ended the connection: the server stops");
  server.failures = [new SealpostError("login-refused", "your password is needed")];
  await assertRejects(() => line.connect(), SealpostError, "your password is needed");
  const never = line.state;
  assert(never.kind === "offline" && never.retryAt === Infinity);
  await assertRejects(() => line.connected(), SealpostError, "your password is needed");
  await line.connect();
  assert(line.online);
  await line.close();
  await assertRejects(() => line.connect(), SealpostError, "the connection is closed");
});

Deno.test("a line opens without a server only if that is allowed, and the server is away", async () => {
  const server = new Server();
  server.failures = [away()];
  await assertRejects(() => Line.open({ dial: server.dial }), SealpostError, "nobody listens");
  server.failures = [away()];
  const line = await Line.open({ dial: server.dial, offline: true });
  const error = await assertRejects(() => remove(line), SealpostError);
  assertEquals([error.code, line.hello], ["offline", null]);
  await line.connect();
  assertEquals(line.hello, HELLO);
  await line.close();
  server.failures = [new SealpostError("server-identity", "another server")];
  await assertRejects(() => Line.open({ dial: server.dial, offline: true }), SealpostError);
});
