import { assertEquals } from "@std/assert";
import { defined } from "../../crypto/defined.ts";
import { type Bytes, fromHex, toHex, utf8 } from "../../crypto/bytes.ts";
import type { Identity } from "../../crypto/identity.ts";
import { ClientHandshake, ServerHandshake } from "../../protocol/handshake.ts";
import type { Login } from "../../protocol/login.ts";
import { assertRefusedAsync } from "../support/testing.ts";
import { forEachCase, forEachRefused } from "./cases.ts";
import { edited } from "./edits.ts";
import {
  type HandshakeFile,
  type HandshakeVector,
  type KemDrawsVector,
  readVectors,
} from "./files.ts";
import { withDraws } from "./fixed_random.ts";
import { handshakeByHand, type MessageName } from "./handshake_by_hand.ts";
import { Identities } from "./identities.ts";
import { inOrder, type KemDraws } from "./kem_by_hand.ts";
import { assertSplit } from "./assert_split.ts";

const file = await readVectors<HandshakeFile>("handshake.json");
const identities = await Identities.load();

/** What decapsulation draws to stand in for a bad padding; the honest run does not use it. */
const SUBSTITUTE = new Uint8Array(32);

function kemDrawsOf({ kRsa, oaepSeed, m }: KemDrawsVector): KemDraws {
  return { kRsa: fromHex(kRsa), oaepSeed: fromHex(oaepSeed), m: fromHex(m) };
}

function baseOf(name: string): HandshakeVector {
  const base = file.handshakes.find((one) => one.name === name);
  if (!base) throw new Error(`there is no handshake ${name}`);
  return base;
}

/** Both ends of a handshake with the draws of a vector, going on one message at a time. */
class Run {
  private constructor(
    readonly vector: HandshakeVector,
    readonly client: ClientHandshake,
    readonly server: ServerHandshake,
  ) {}

  static async start(vector: HandshakeVector): Promise<Run> {
    const [server, client]: Identity[] = [
      await identities.get(vector.server),
      await identities.get(vector.client),
    ];
    if (!server || !client) throw new Error("two identities were asked for");
    return new Run(
      vector,
      await ClientHandshake.start(server.bundle, client, vector.former),
      await ServerHandshake.start(server, vector.former ? "former" : "login"),
    );
  }

  /** What the writer of message `name` writes. */
  async write(name: MessageName): Promise<Bytes> {
    const { draws, hello } = this.vector;
    switch (name) {
      case "A":
        return await withDraws(
          [fromHex(draws.xc), fromHex(draws.ekSeed), ...inOrder(kemDrawsOf(draws.a))],
          () => this.client.writeA(),
        );
      case "B":
        return await withDraws([fromHex(draws.m)], () => this.server.writeB(JSON.parse(hello)));
      case "C":
        return await this.client.writeC(this.login());
      case "D":
        return await withDraws(inOrder(kemDrawsOf(draws.d)), () => this.server.writeD());
      case "E":
        return await this.client.writeE();
    }
  }

  /** Has the reader of message `name` read it. */
  async read(name: MessageName, message: Bytes): Promise<void> {
    switch (name) {
      case "A":
        return await withDraws([fromHex(this.vector.draws.xs), SUBSTITUTE], () => {
          return this.server.readA(message);
        });
      case "B":
        return assertEquals(await this.client.readB(message), JSON.parse(this.vector.hello));
      case "C": {
        const { bundle, login } = await this.server.readC(message);
        assertEquals(bundle.fp, (await identities.get(this.vector.client)).bundle.fp);
        return assertEquals(login, this.login());
      }
      case "D":
        return await withDraws([SUBSTITUTE], () => this.client.readD(message));
      case "E":
        return await this.server.readE(message);
    }
  }

  /** Everything before message `name`, as it is in the vector. */
  async upTo(name: MessageName): Promise<this> {
    for (const each of ["A", "B", "C", "D", "E"] as const) {
      if (each === name) break;
      await this.read(each, await this.write(each));
    }
    await this.write(name);
    return this;
  }

  login(): Login {
    const { name, password, clientVersion } = this.vector.login;
    return { name, password: utf8(password.normalize("NFC")), client: clientVersion };
  }
}

Deno.test("the vectors of handshakes: both sides write these messages and end with these keys", async () => {
  await forEachCase(file.handshakes, async (vector) => {
    const run = await Run.start(vector);
    for (const name of ["A", "B", "C", "D", "E"] as const) {
      const message = await run.write(name);
      assertEquals(toHex(message), vector.messages[name], `message ${name}`);
      await run.read(name, message);
    }
    await assertSplit(await run.client.split(), vector.split);
    await assertSplit(await run.server.split(), vector.split);
  });
});

Deno.test("the vectors of handshakes: the description gives every value of the transcript", async () => {
  await forEachCase(file.handshakes, async (vector) => {
    const { draws, hello, login, former } = vector;
    const made = await handshakeByHand(
      await identities.get(vector.server),
      await identities.get(vector.client),
      {
        xc: fromHex(draws.xc),
        xs: fromHex(draws.xs),
        ekSeed: fromHex(draws.ekSeed),
        a: kemDrawsOf(draws.a),
        m: fromHex(draws.m),
        d: kemDrawsOf(draws.d),
      },
      { hello, ...login, ...defined({ former }) },
    );
    assertEquals(made.steps, vector.steps);
    assertEquals(toHex(made.split.exporter), vector.split.exporterInput);
    assertEquals(toHex(made.split.h), vector.split.h);
    for (const name of ["s", "dh", "ssE", "s2"] as const) {
      assertEquals(toHex(made.secrets[name]), vector.secrets[name], name);
    }
  });
});

Deno.test("the vectors of handshakes: every malformed message is refused by its reader", async () => {
  await forEachRefused(file.malformed, async ({ base, message, edits }) => {
    const vector = baseOf(base);
    const run = await (await Run.start(vector)).upTo(message);
    const given = edited(fromHex(vector.messages[message]), edits);
    // Not with the draws of the vector: how many it makes depends on where it stops.
    switch (message) {
      case "A":
        return await run.server.readA(given);
      case "B":
        return await run.client.readB(given);
      case "C":
        return await run.server.readC(given);
      case "D":
        return await run.client.readD(given);
      case "E":
        return await run.server.readE(given);
    }
  });
});

Deno.test("the vectors of handshakes: a message A that is wrong is answered, and no client takes the answer", async () => {
  await forEachCase(file.rejected, async ({ base, edits }) => {
    const vector = baseOf(base);
    const run = await Run.start(vector);
    const a = edited(await run.write("A"), edits);
    await run.server.readA(a);
    const b = await run.server.writeB(JSON.parse(vector.hello));
    await assertRefusedAsync("server-identity", () => run.client.readB(b));
  });
});
