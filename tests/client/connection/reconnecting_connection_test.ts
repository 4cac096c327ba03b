import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type ConnectionState,
  type Dialed,
  isAway,
  ReconnectingConnection,
} from "../../../client/connection/reconnecting_connection.ts";
import { ClientSession } from "../../../client/connection/client_session.ts";
import { SealpostError } from "../../../crypto/error.ts";
import { ExactReader } from "../../../protocol/byte_stream.ts";
import { Connection } from "../../../protocol/connection.ts";
import { FrameKind } from "../../../protocol/frame.ts";
import { encodeGoodbye } from "../../../protocol/goodbye.ts";
import { parseBusyLine } from "../../../protocol/plaintext.ts";
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
    const link = new ClientSession(new Connection(here, new ExactReader(here), KEYS));
    return Promise.resolve({ session: link, hello: HELLO, resumed: true });
  };

  async #serve(connection: Connection): Promise<void> {
    for (let frame = await connection.receive(); frame; frame = await connection.receive()) {
      if (frame.kind !== FrameKind.request) continue;
      this.asked++;
      if (this.deaf-- > 0) {
        connection.abort(new SealpostError("connection-lost", "cut"));
        return;
      }
      const payload = encodeJson({ ok: true, uids: [7], modseq: 1 });
      await connection.send({ kind: FrameKind.response, id: frame.id, payload });
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

const remove = (connection: ReconnectingConnection) => connection.ask({ op: "remove", uids: [7] });

/** Resolves when the connection is in a state of this kind. */
async function reached(
  connection: ReconnectingConnection,
  kind: ConnectionState["kind"],
): Promise<ConnectionState> {
  while (connection.state.kind !== kind) {
    const changed = Promise.withResolvers<void>();
    const stop = connection.onState(() => changed.resolve());
    await changed.promise;
    stop();
  }
  return connection.state;
}

Deno.test("a connection dials again by itself until there is a connection", async () => {
  const server = new Server();
  const connection = await ReconnectingConnection.open({
    dial: server.dial,
    reconnect: true,
    pace: PACE,
  });
  const states: string[] = [];
  connection.onState(({ kind }) => states.push(kind));
  server.failures = [away(), away()];
  server.cut();
  await reached(connection, "offline");
  await assertRejects(() => remove(connection), SealpostError, "there is no connection");
  await connection.connected();
  assertEquals(states, [
    ...["offline", "connecting", "offline", "connecting", "offline", "connecting"],
    "online",
  ]);
  assertEquals(await remove(connection), { ok: true, uids: [7], modseq: 1 });
  await connection.close();
});

Deno.test("a connection without a right to dial says why its connection ended", async () => {
  const server = new Server();
  const connection = await ReconnectingConnection.open({ dial: server.dial });
  server.cut();
  const state = await reached(connection, "offline");
  assert(state.kind === "offline" && state.retryAt === Infinity);
  const error = await assertRejects(() => remove(connection), SealpostError);
  assertEquals(error.code, "connection-lost");
  assertEquals(server.connections.length, 1);
  await connection.close();
});

Deno.test("a request that can be repeated is, as often as the connection retries", async () => {
  const server = new Server();
  const connection = await ReconnectingConnection.open({ dial: server.dial, retries: 1 });
  server.deaf = 1;
  assertEquals(await remove(connection), { ok: true, uids: [7], modseq: 1 });
  assertEquals([server.asked, server.connections.length], [2, 2]);
  server.deaf = 2;
  await assertRejects(() => remove(connection), SealpostError, "connection");
  assertEquals(server.asked, 4);
  server.deaf = 1;
  const passwd = () => connection.ask({ op: "passwd", old: "old", new: "new" });
  await connection.connect();
  await assertRejects(passwd, SealpostError, "connection");
  assertEquals(server.asked, 5, "a change of password is not repeated");
  await connection.close();
});

Deno.test("a connection waits as long as a goodbye asks for, and not at all for what needs a person", async () => {
  const server = new Server();
  const connection = await ReconnectingConnection.open({
    dial: server.dial,
    reconnect: true,
    pace: PACE,
  });
  await server.connections[0]?.close(
    encodeGoodbye({ reason: "the server stops", reconnect: true, after: 3600 }),
  );
  const later = await reached(connection, "offline");
  assert(later.kind === "offline" && later.retryAt > Date.now() + 3_500_000);
  assertEquals(later.why, "the server ended the connection: the server stops");
  server.failures = [new SealpostError("login-refused", "your password is needed")];
  await assertRejects(() => connection.connect(), SealpostError, "your password is needed");
  const never = connection.state;
  assert(never.kind === "offline" && never.retryAt === Infinity);
  await assertRejects(() => connection.connected(), SealpostError, "your password is needed");
  await connection.connect();
  assert(connection.online);
  await connection.close();
  await assertRejects(() => connection.connect(), SealpostError, "the connection is closed");
});

Deno.test("what anybody can say in a server's place keeps nobody away for longer than a minute", async () => {
  const busy = parseBusyLine("sealpost: not now (penalties); try again in 999999 s\n");
  assert(busy);
  for (
    const answer of [
      busy,
      new SealpostError("version", "the server speaks another version"),
      new SealpostError("server-identity", "the server has another key"),
      new SealpostError("protocol", "what came is no answer"),
    ]
  ) {
    const server = new Server();
    const connection = await ReconnectingConnection.open({
      dial: server.dial,
      reconnect: true,
      pace: PACE,
    });
    server.failures = [answer];
    await assertRejects(
      async () => {
        server.cut();
        await reached(connection, "offline");
        await connection.connect();
      },
      SealpostError,
      answer.message,
    );
    const { state } = connection;
    assert(state.kind === "offline" && state.retryAt <= Date.now() + 61_000, answer.code);
    await connection.close();
  }
});

Deno.test("a connection opens without a server only if that is allowed, and the server is away", async () => {
  const server = new Server();
  server.failures = [away()];
  await assertRejects(
    () => ReconnectingConnection.open({ dial: server.dial }),
    SealpostError,
    "nobody listens",
  );
  server.failures = [away()];
  const connection = await ReconnectingConnection.open({ dial: server.dial, offline: isAway });
  const error = await assertRejects(() => remove(connection), SealpostError);
  assertEquals([error.code, connection.hello], ["offline", null]);
  await connection.connect();
  assertEquals(connection.hello, HELLO);
  await connection.close();
  server.failures = [new SealpostError("server-identity", "another server")];
  await assertRejects(
    () => ReconnectingConnection.open({ dial: server.dial, offline: isAway }),
    SealpostError,
  );
});
